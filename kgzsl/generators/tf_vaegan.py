"""f-VAEGAN with a decoder of the prior that feeds back into the generator: TF-VAEGAN."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kgzsl._options import check_flags, check_numbers, check_whole
from kgzsl.errors import InputError
from kgzsl.generators.loop import LoopOptions, TrainingData
from kgzsl.generators.mlp import MLP
from kgzsl.generators.networks import Critic
from kgzsl.generators.neural import Sizes, widths
from kgzsl.generators.vaegan import VAEGAN, VAEGANLoop

__all__ = ["TFVAEGAN"]

_CHUNK = 8192


class TFVAEGANLoop(VAEGANLoop):
    """As :class:`VAEGANLoop`, with a decoder that is trained on real features beside the critic.

    What is fed back is what the decoder reads of G(z, c), so this must be a feature itself: every other row goes
    without feedback, and trains the generator alone.

    Args:
        modules: ``"network"``, ``"encoder"``, ``"decoder"``, ``"feedback"``.
        critic: The critic.
        data: What to train on.
        options: See :class:`LoopOptions`.
        cycle: Weight of the decoder's loss.
        feedback: Weight of what is fed back.
        **more: As for :class:`VAEGANLoop`.
    """

    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        critic: Critic,
        data: TrainingData,
        options: LoopOptions,
        *,
        cycle: float,
        feedback: float,
        **more: Any,
    ) -> None:
        super().__init__(
            modules,
            critic,
            data,
            options,
            trained=("feedback",),
            groups={"decoder": ("decoder",)},
            sampling=("network", "decoder", "feedback"),
            **more,
        )
        self._cycle, self._feedback = cycle, feedback

    def fake(self, noise: Tensor, priors: Tensor) -> Tensor:
        """Generated; every other row decoded, and generated again with what the decoder saw."""
        if not self._feedback:
            return super().fake(noise, priors)
        alone = super().fake(noise[::2], priors[::2])
        led = fed_back(self._modules, noise[1::2], priors[1::2], self._feedback)
        rows = torch.arange(len(noise), device=noise.device)
        return torch.cat([alone, led])[rows // 2 + rows % 2 * len(alone)]

    def beside_the_critic(self, labels: Tensor, priors: Tensor) -> dict[str, Tensor]:
        """One step of the decoder on real features."""
        losses = super().beside_the_critic(labels, priors)
        _, real, asked = self._data.draw(self._options.batch_size)
        loss = missed_prior(self._modules["decoder"], real, asked)
        self.update("decoder", self._cycle * loss)
        return losses | {"decoder": loss.detach()}

    def of_decoded(self, fake: Tensor, again: Tensor, priors: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """What the decoder misses of the prior, for generated and reconstructed features."""
        decoder = self._modules["decoder"]
        loss = missed_prior(decoder, fake, priors) + missed_prior(decoder, again, priors)
        return self._cycle * loss, {"cycle": loss.detach()}

    def sampling_modules(self) -> dict[str, nn.Module]:
        """See :meth:`GeneratorLoop.sampling_modules`; the decoder's layer is measured anew."""
        modules = super().sampling_modules()
        decoder, layer = modules["decoder"], self._modules["layer"]
        assert isinstance(decoder, MLP)
        assert isinstance(layer, _Layer)
        layer.measure(decoder, self._data.features)
        return {**modules, "layer": layer}


class _Layer(nn.Module):
    """Brings the decoder's hidden layer about zero and to a mean squared length of 1 over the training rows.

    Args:
        width: Of the layer.
        feature_dim: Of a feature.
        device: Where it is.
        dtype: Of its constants.

    Attributes:
        shift: [width].
        scale: A scalar.
        variances: Of the scaled features, [feature_dim].
    """

    shift: Tensor
    scale: Tensor
    variances: Tensor

    def __init__(self, width: int, feature_dim: int, *, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(width, device=device, dtype=dtype))
        self.register_buffer("scale", torch.ones((), device=device, dtype=dtype))
        self.register_buffer("variances", torch.ones(feature_dim, device=device, dtype=dtype))

    def measure(self, decoder: MLP, features: Tensor) -> None:
        """Take the constants from scaled ``features`` [N, D]."""
        with torch.no_grad():
            hidden = torch.cat([decoder.hidden(part) for part in torch.split(features, _CHUNK)])
        variance, mean = torch.var_mean(hidden, dim=0, correction=0)
        length = variance.sum().sqrt()
        self.shift.copy_(mean)
        self.scale.copy_(torch.where(length > 1e-12, 1 / length.clamp_min(1e-12), 0.0))
        self.variances.copy_(features.var(dim=0, correction=0))

    def forward(self, hidden: Tensor) -> Tensor:
        """The layer, scaled."""
        scaled: Tensor = (hidden - self.shift) * self.scale
        return scaled


def fed_back(modules: Mapping[str, nn.Module], noise: Tensor, priors: Tensor, weight: float) -> Tensor:
    """G(z, c) with ``weight`` * F(h) added to its first hidden layer, h the decoder's hidden layer for G(z, c)."""
    network, decoder, feedback = (modules[name] for name in ("network", "decoder", "feedback"))
    first: Tensor = network(noise, priors)
    if not weight:
        return first
    assert isinstance(decoder, MLP)
    made: Tensor = network(noise, priors, weight * feedback(decoder.hidden(first)))
    return made


def missed_prior(decoder: nn.Module, features: Tensor, priors: Tensor) -> Tensor:
    """Mean over rows of |c - Dec(x)|_1."""
    missed: Tensor = (decoder(features) - priors).abs().sum(dim=1).mean()
    return missed


@dataclass(eq=False, repr=False)
class TFVAEGAN(VAEGAN):
    """TF-VAEGAN (Narayan et al., "Latent Embedding Feedback and Discriminative Features for Zero-Shot
    Classification", ECCV 2020).

    A semantic decoder Dec learns the prior back from features, real, generated and reconstructed (L1, weight
    ``cycle``). Its hidden layer h serves twice: through a feedback module F it refines the generator's hidden layer, at
    sampling and for every other row in training, G(z, c; feedback * F(h)); the other rows train G alone, so that what
    is decoded is a feature. And classifiers are given the feature and h together: the feature as it came, in its own
    units, and h about its mean and ``layer_size`` times as long, over the training rows, as the features
    about theirs.
    To the losses of :class:`VAEGAN` comes ``cycle * E[|c - Dec(x)|_1]``, for the decoder over real x, for the generator
    over generated and reconstructed ones.

    Args:
        cycle: Weight of the decoder's loss.
        feedback: Weight of what is fed back (delta); 0 is without, and then the generator is f-VAEGAN's.
        decoder_hidden: Width of the decoder's hidden layer; None is the generator's first.
        discriminative: Whether classifiers see the decoder's hidden layer beside the feature.
        layer_size: How long that layer is beside the feature.

    The other options are those of :class:`VAEGAN`.
    """

    cycle: float = 0.1
    feedback: float = 1.0
    decoder_hidden: int | None = None
    discriminative: bool = True
    layer_size: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        self.embeds = self.discriminative

    def _check_options(self) -> None:
        super()._check_options()
        check_numbers(self, "cycle", "feedback")
        check_numbers(self, "layer_size", zero=False)
        check_whole(self, "decoder_hidden", instead=(None,))
        if not widths(self.hidden):
            raise InputError("hidden is (): what is fed back needs a hidden layer", remedy="give one width or more")
        check_flags(self, "discriminative")

    def _networks(self, sizes: Sizes, random: torch.Generator, dtype: torch.dtype) -> dict[str, nn.Module]:
        first = widths(self.hidden)[0]
        inner = self.decoder_hidden or first
        return {
            **super()._networks(sizes, random, dtype),
            "decoder": MLP([sizes.feature, inner, sizes.prior], generator=random, dtype=dtype),
            "feedback": MLP([inner, inner, first], generator=random, dtype=dtype, zero=True),
            "layer": _Layer(inner, sizes.feature, device=random.device, dtype=dtype),
        }

    def _loop(self, modules: dict[str, nn.Module], data: TrainingData, options: LoopOptions) -> TFVAEGANLoop:
        return TFVAEGANLoop(
            {**modules, "encoder": self._encoder(data)},
            self._critic(data),
            data,
            options,
            cycle=self.cycle,
            feedback=self.feedback,
            adversarial=self.adversarial,
            reconstruction=self.reconstruction,
            **self._second(data),
        )

    def _generate(self, priors: Tensor, random: torch.Generator) -> Tensor:
        return fed_back(self._modules, self._noise(len(priors), random), priors, self.feedback)

    def embed(self, features: Tensor, *, generator: torch.Generator | None = None) -> Tensor:  # noqa: ARG002
        """The features and the decoder's hidden layer, side by side; see the class for their sizes."""
        features = super().embed(features)
        if not self.discriminative:
            return features
        decoder, layer = self._modules["decoder"], self._modules["layer"]
        assert isinstance(decoder, MLP)
        assert isinstance(layer, _Layer)
        # Beside the features' own length about their mean: a classifier should not weigh them as the scaler leaves
        # them, where directions of little variance are as long as those that tell the classes apart.
        length = self.layer_size * (layer.variances * self._scaler.scale.to(layer.variances).square()).sum().sqrt()
        with torch.no_grad():
            scaled = self._scaled(features)
            return torch.cat([features.to(scaled), length * layer(decoder.hidden(scaled))], dim=1)
