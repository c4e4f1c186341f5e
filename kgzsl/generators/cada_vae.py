"""Two variational autoencoders, of features and of priors, with one latent space: CADA-VAE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kgzsl._options import check_numbers, check_widths
from kgzsl.generators.loop import GeneratorLoop, LoopOptions, TrainingData
from kgzsl.generators.mlp import MLP
from kgzsl.generators.neural import NeuralGenerator, Sizes, widths
from kgzsl.generators.vaegan import kl_to_normal

__all__ = ["CADAVAE", "ramp", "wasserstein"]

_NAMES = ("encode_feature", "decode_feature", "encode_prior", "decode_prior")


def wasserstein(mean_a: Tensor, log_variance_a: Tensor, mean_b: Tensor, log_variance_b: Tensor) -> Tensor:
    """The 2-Wasserstein distance of two Gaussians with diagonal covariance, for each row, [B]."""
    spread = torch.exp(0.5 * log_variance_a) - torch.exp(0.5 * log_variance_b)
    squared = (mean_a - mean_b).square().sum(dim=1) + spread.square().sum(dim=1)
    return squared.clamp_min(1e-12).sqrt()


def ramp(done: float, start: float, end: float) -> float:
    """0 until ``start``, 1 from ``end`` on, a line between."""
    return min(1.0, max(0.0, (done - start) / (end - start)))


@dataclass(frozen=True)
class Weights:
    """Weights that the losses end with, see :class:`CADAVAE`."""

    kl: float
    cross: float
    align: float


class CADALoop(GeneratorLoop):
    """Reconstruction, KL, cross-reconstruction and alignment of the latent distributions.

    Args:
        modules: Both encoders and decoders.
        data: What to train on.
        options: See :class:`LoopOptions`.
        weights: What the losses weigh at the end; they come in by and by, in the paper's order.
    """

    def __init__(
        self, modules: Mapping[str, nn.Module], data: TrainingData, options: LoopOptions, weights: Weights
    ) -> None:
        super().__init__(modules, {"all": _NAMES}, _NAMES, data, options)
        self._weights = weights
        self._now: dict[str, float | Tensor] = {}

    def begin(self, index: int) -> None:
        """As of every loop, and how much the losses weigh in this step."""
        super().begin(index)
        done, weights = index / max(self._options.steps, 1), self._weights
        self._now = {
            "kl": self.varying("kl", weights.kl * ramp(done, 0.0, 0.93)),
            "cross": self.varying("cross", weights.cross * ramp(done, 0.21, 0.75)),
            "align": self.varying("align", weights.align * ramp(done, 0.06, 0.22)),
        }

    def iterate(self) -> dict[str, Tensor]:
        """One step of all four networks."""
        drawn = self._data.draw(self._options.batch_size, held_out=True)
        shown = drawn if self._data.episode is None else self._data.draw(self._options.batch_size)
        with self._engine.autocast():
            loss, losses = self._loss(shown, drawn)
        self.update("all", loss)
        self.average()
        return losses

    def _encoded(self, real: Tensor, priors: Tensor) -> tuple[Tensor, ...]:
        """Means and logarithms of variances of both encoders, and a draw from each."""
        encode_x, _, encode_a, _ = (self._modules[name] for name in _NAMES)
        mean_x, log_x = encode_x(real).chunk(2, dim=1)
        mean_a, log_a = encode_a(priors).chunk(2, dim=1)
        z_x = mean_x + torch.exp(0.5 * log_x) * self._data.normal(*mean_x.shape)
        z_a = mean_a + torch.exp(0.5 * log_a) * self._data.normal(*mean_a.shape)
        return mean_x, log_x, mean_a, log_a, z_x, z_a

    def _loss(self, shown: tuple[Tensor, ...], drawn: tuple[Tensor, ...]) -> tuple[Tensor, dict[str, Tensor]]:
        """Each modality and their alignment on ``shown``; what one makes of the other on ``drawn``.

        Both are labels, features and priors, and the same outside of an episode.
        """
        _, decode_x, _, decode_a = (self._modules[name] for name in _NAMES)
        _, real, priors = shown
        mean_x, log_x, mean_a, log_a, z_x, z_a = self._encoded(real, priors)
        own = _missed(decode_x(z_x), real) + _missed(decode_a(z_a), priors)
        labels, asked, asked_priors = drawn
        c_x, c_a = (z_x, z_a) if drawn is shown else self._encoded(asked, asked_priors)[4:]
        from_prior = decode_x(c_a)
        cross = _missed(from_prior, asked) + _missed(decode_a(c_x), asked_priors)
        divergence = (kl_to_normal(mean_x, log_x) + kl_to_normal(mean_a, log_a)).mean()
        apart = wasserstein(mean_x, log_x, mean_a, log_a).mean()
        extra, told = self.add_terms(from_prior, labels, asked_priors)
        now = self._now
        loss = own + now["kl"] * divergence + now["cross"] * cross + now["align"] * apart + extra
        parts = {"reconstruction": own, "cross": cross, "kl": divergence, "alignment": apart}
        return loss, {name: value.detach() for name, value in parts.items()} | told


def _missed(made: Tensor, real: Tensor) -> Tensor:
    return (made - real).abs().sum(dim=1).mean()


@dataclass(eq=False, repr=False)
class CADAVAE(NeuralGenerator):
    """CADA-VAE (Schonfeld et al., "Generalized Zero- and Few-Shot Learning via Aligned Variational Autoencoders",
    CVPR 2019).

    Features and priors each have a VAE; a feature is also decoded from its class's prior and the other way round
    (cross-alignment, L1), and the two latent Gaussians of a pair are drawn together by their 2-Wasserstein distance
    (distribution alignment). Classifiers work in the latent space: unseen classes give draws of q(z | prior),
    training rows draws of q(z | x), samples that are asked about its mean. The weights grow over the run as in the
    paper's schedule (of 100 epochs: KL from 0 to 93, cross-alignment from 21 to 75, alignment from 6 to 22).

    With D_x, D_c the decoders, z_x ~ q(z | x) = N(m_x, s_x^2) and z_c ~ q(z | c) = N(m_c, s_c^2), it minimises
    ``|x - D_x(z_x)|_1 + |c - D_c(z_c)|_1 + kl (KL(q(z | x) || N(0, I)) + KL(q(z | c) || N(0, I)))
    + cross (|x - D_x(z_c)|_1 + |c - D_c(z_x)|_1) + align (||m_x - m_c||^2 + ||s_x - s_c||^2)^(1/2)``.

    ``noise_dim`` is the width of the latent space (the paper's 64); ``hidden`` that of the features' two networks.

    Args:
        prior_hidden: Width of the priors' networks; None is as ``hidden``.
        kl: Final weight of both KL divergences (beta).
        cross: Final weight of cross-alignment (gamma); 0 is without.
        align: Final weight of distribution alignment (delta); 0 is without.

    The other options are those of :class:`NeuralGenerator`; losses on generated features count for those decoded
    from priors.
    """

    noise_dim: int | None = 64
    hidden: int | tuple[int, ...] = 1024
    epochs: int = 100
    batch_size: int = 50
    classification: float = 0.0
    lr: float = 1.5e-4
    betas: tuple[float, float] = (0.9, 0.999)
    prior_hidden: int | tuple[int, ...] | None = None
    kl: float = 0.25
    cross: float = 2.37
    align: float = 8.13
    embeds = True

    def _check_options(self) -> None:
        super()._check_options()
        check_widths(self, "prior_hidden", instead=(None,))
        check_numbers(self, "kl", "cross", "align")

    def _networks(self, sizes: Sizes, random: torch.Generator, dtype: torch.dtype) -> dict[str, nn.Module]:
        wide = widths(self.hidden)
        narrow = widths(self.hidden if self.prior_hidden is None else self.prior_hidden)
        shapes = {
            "encode_feature": [sizes.feature, *wide, 2 * sizes.noise],
            "decode_feature": [sizes.noise, *reversed(wide), sizes.feature],
            "encode_prior": [sizes.prior, *narrow, 2 * sizes.noise],
            "decode_prior": [sizes.noise, *reversed(narrow), sizes.prior],
        }
        outputs = {"decode_feature": self._scaler.activation}
        return {
            name: MLP(shape, generator=random, dtype=dtype, activation=outputs.get(name, "linear"))
            for name, shape in shapes.items()
        }

    def _loop(self, modules: dict[str, nn.Module], data: TrainingData, options: LoopOptions) -> CADALoop:
        return CADALoop(modules, data, options, Weights(self.kl, self.cross, self.align))

    def _latent(self, priors: Tensor, random: torch.Generator) -> Tensor:
        mean, log_variance = self._modules["encode_prior"](priors).chunk(2, dim=1)
        drawn: Tensor = mean + torch.exp(0.5 * log_variance) * self._noise(len(priors), random)
        return drawn

    def _generate(self, priors: Tensor, random: torch.Generator) -> Tensor:
        made: Tensor = self._modules["decode_feature"](self._latent(priors, random))
        return made

    def embed(self, features: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """The mean of q(z | x), or with ``generator`` a draw of it."""
        features = super().embed(features)
        with torch.no_grad():
            mean, log_variance = self._modules["encode_feature"](self._scaled(features)).chunk(2, dim=1)
            if generator is None:
                return torch.as_tensor(mean)
            return torch.as_tensor(mean + torch.exp(0.5 * log_variance) * self._noise(len(mean), generator))

    def sample_embedded(
        self, prior_rows: Tensor, n: int, *, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draws of q(z | prior)."""
        priors, labels, random = self._asked(prior_rows, n, generator)
        with torch.no_grad():
            return self._latent(priors[labels], random), labels
