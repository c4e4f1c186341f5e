"""A WGAN whose generator is the decoder of a variational autoencoder as well: f-VAEGAN-D2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from kgzsl._options import check_numbers, check_widths
from kgzsl.errors import InputError
from kgzsl.generators._inputs import table_of, training_data
from kgzsl.generators.loop import LoopOptions, TrainingData
from kgzsl.generators.mlp import MLP
from kgzsl.generators.networks import Critic
from kgzsl.generators.neural import widths
from kgzsl.generators.wgan import WGAN
from kgzsl.generators.wgan_loop import WGANLoop

__all__ = ["VAEGAN", "VAEGANLoop", "kl_to_normal"]


def kl_to_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, diag(exp(log_variance))) || N(0, I)) of each row, [B]."""
    return 0.5 * (log_variance.exp() + mean.square() - 1 - log_variance).sum(dim=1)


@dataclass(frozen=True)
class Unlabelled:
    """Scaled features without labels [M, D] and the scaled priors [U, P] of the classes they may be of."""

    features: Tensor
    priors: Tensor


class VAEGANLoop(WGANLoop):
    """The critic's steps of a WGAN; the generator's loss has the autoencoder's beside the critic's.

    Args:
        modules: ``"network"``, ``"encoder"`` (from feature and prior to mean and log-variance of the noise).
        critic: D1, which sees the prior.
        data: What to train on.
        options: See :class:`LoopOptions`.
        adversarial: Weight of the critics' judgement.
        reconstruction: Weight of the reconstruction.
        unlabelled: For D2; None is without.
        second: D2, whose prior is empty.
    """

    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        critic: Critic,
        data: TrainingData,
        options: LoopOptions,
        *,
        adversarial: float,
        reconstruction: float,
        unlabelled: Unlabelled | None = None,
        second: Critic | None = None,
        trained: Sequence[str] = (),
        groups: Mapping[str, Sequence[str]] | None = None,
        sampling: Sequence[str] = ("network",),
    ) -> None:
        if second is not None:
            modules = {**modules, "second": second}
            groups = {**(groups or {}), "second": ("second",)}
        super().__init__(
            modules, critic, data, options, trained=("encoder", *trained), groups=groups, sampling=sampling
        )
        self._adversarial, self._reconstruction = adversarial, reconstruction
        self._unlabelled, self._second = unlabelled, second

    def beside_the_critic(self, labels: Tensor, priors: Tensor) -> dict[str, Tensor]:
        """The steps of D2, on unlabelled features and what the generator makes of their classes."""
        losses = super().beside_the_critic(labels, priors)
        if self._unlabelled is None or self._second is None:
            return losses
        for _ in range(self._options.critic_steps):
            real, asked = self._draw_unlabelled(self._unlabelled)
            with torch.no_grad():
                fake = self.fake(self._data.normal(len(real), self._network.noise_dim), asked).to(real.dtype)
            nothing = torch.zeros(len(real), 1, dtype=real.dtype, device=real.device)
            distance, _ = self._critic_step(self._second, "second", real, fake, nothing, self._data.uniform(len(real)))
        return losses | {"distance_unlabelled": distance}

    def _draw_unlabelled(self, source: Unlabelled) -> tuple[Tensor, Tensor]:
        batch, random = self._options.batch_size, self._engine.generator()
        device = source.features.device
        rows = torch.randint(len(source.features), (batch,), generator=random, device=device)
        classes = torch.randint(len(source.priors), (batch,), generator=random, device=device)
        return source.features[rows], source.priors[classes]

    def generator_loss(self) -> tuple[Tensor, dict[str, Tensor]]:
        """KL + reconstruction - adversarial * (D1 [+ D2]), and the terms."""
        labels, real, priors = self._data.draw(self._options.batch_size, held_out=True)
        mean, log_variance = self._modules["encoder"](torch.cat([real, priors], dim=1)).chunk(2, dim=1)
        noise = mean + torch.exp(0.5 * log_variance) * self._data.normal(*mean.shape)
        again = self.fake(noise, priors)
        missed = 0.5 * (again - real).square().sum(dim=1).mean()
        divergence = kl_to_normal(mean, log_variance).mean()
        fake = self.fake(self._data.normal(*mean.shape), priors)
        judged = self._critic(fake, priors).mean()
        losses = {"generator": -judged.detach(), "reconstruction": missed.detach(), "kl": divergence.detach()}
        if self._unlabelled is not None and self._second is not None:
            _, asked = self._draw_unlabelled(self._unlabelled)
            made = self.fake(self._data.normal(len(asked), mean.shape[1]), asked)
            judged = judged + self._second(made, torch.zeros_like(made[:, :1])).mean()
        extra, told = self.add_terms(fake, labels, priors)
        more, also = self.of_decoded(fake, again, priors)
        loss = self._reconstruction * missed + divergence - self._adversarial * judged + extra + more
        return loss, losses | told | also

    def of_decoded(self, fake: Tensor, again: Tensor, priors: Tensor) -> tuple[Tensor, dict[str, Tensor]]:  # noqa: ARG002
        """What a variant adds for generated and reconstructed features."""
        return torch.zeros((), dtype=fake.dtype, device=fake.device), {}


@dataclass(eq=False, repr=False)
class VAEGAN(WGAN):
    """f-VAEGAN-D2 (Xian et al., "A Feature Generating Framework for Any-Shot Learning", CVPR 2019).

    The generator of a conditional WGAN is at the same time the decoder of a conditional VAE: an encoder q(z | x, c)
    beside it, L_VAE = KL(q(z | x, c) || N(0, I)) + reconstruction * |x - G(z, c)|^2 / 2, and the critic D1's judgement
    of G(z, c) with weight ``adversarial`` (gamma). With ``unlabeled`` features of unseen classes a second critic D2,
    which knows no prior, compares them with what is generated for those classes: the model is then transductive.

    Args:
        adversarial: Weight of the critics' judgement beside the autoencoder; 0 is a plain conditional VAE.
        reconstruction: Weight of the reconstruction beside the KL divergence.
        encoder_hidden: Width of the encoder's hidden layer, or widths; None is as ``hidden``.
        classification: Weight of the WGAN's classification loss; the paper has none.

    The other options are those of :class:`WGAN`.

    Attributes:
        transductive_: Whether unlabelled features were used.
    """

    adversarial: float = 10.0
    reconstruction: float = 1.0
    encoder_hidden: int | tuple[int, ...] | None = None
    classification: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.transductive_ = False
        self._given: tuple[Tensor, Tensor] | None = None

    def _check_options(self) -> None:
        super()._check_options()
        check_numbers(self, "adversarial", "reconstruction")
        check_widths(self, "encoder_hidden", instead=(None,))

    def fit(
        self,
        features: Tensor,
        labels: Tensor,
        priors: Tensor,
        *,
        unlabeled: Tensor | None = None,
        unlabeled_priors: Tensor | None = None,
        **options: Any,
    ) -> Self:
        """See :meth:`FeatureGenerator.fit`.

        Args:
            features, labels, priors: See there.
            unlabeled: Features [M, D] of unseen classes: makes the model transductive.
            unlabeled_priors: Priors [U, P] of the classes that they may be of.
            **options: The others.

        Raises:
            InputError: One of both without the other, or shapes that do not fit.
        """
        if (unlabeled is None) != (unlabeled_priors is None):
            raise InputError("unlabeled features need the priors of their classes", remedy="give unlabeled_priors too")
        self._given = None
        if unlabeled is not None and unlabeled_priors is not None:
            features, labels, priors = training_data(features, labels, priors)
            rows = table_of(unlabeled, features.shape[1], "unlabeled features")
            self._given = rows, table_of(unlabeled_priors, priors.shape[1], "unlabeled priors")
            if not all(map(len, self._given)):
                raise InputError("unlabeled features or their priors have no rows", remedy="give some of both")
        self.transductive_ = self._given is not None
        return super().fit(features, labels, priors, **options)

    def _encoder(self, data: TrainingData) -> MLP:
        assert self._sizes is not None
        hidden = widths(self.hidden if self.encoder_hidden is None else self.encoder_hidden)
        shape = [self._sizes.feature + self._sizes.prior, *hidden, 2 * self._sizes.noise]
        return data.engine.prepare(MLP(shape, generator=data.engine.generator(), dtype=data.engine.dtype))

    def _told(self, rows: int, weights: Tensor | None) -> dict[str, Any]:
        told = super()._told(rows, weights)
        return told if self._given is None else {**told, "unlabelled_rows": len(self._given[0])}

    def state_dict(self) -> dict[str, Any]:
        """See :meth:`FeatureGenerator.state_dict`."""
        return {**super().state_dict(), "transductive": self.transductive_}

    def load_state_dict(self, state: Mapping[str, Any]) -> Self:
        """See :meth:`FeatureGenerator.load_state_dict`."""
        self.transductive_ = bool(state.get("transductive", False))
        return super().load_state_dict(state)

    def _second(self, data: TrainingData) -> dict[str, Any]:
        if self._given is None:
            return {}
        features, priors = self._given
        scaled = self._scaler.transform(features.to(data.features))
        unlabelled = Unlabelled(scaled, self._prior_scaler.transform(priors.to(data.priors)))
        return {"unlabelled": unlabelled, "second": self._critic(data, prior_dim=1)}

    def _loop(self, modules: dict[str, nn.Module], data: TrainingData, options: LoopOptions) -> VAEGANLoop:
        return VAEGANLoop(
            {**modules, "encoder": self._encoder(data)},
            self._critic(data),
            data,
            options,
            adversarial=self.adversarial,
            reconstruction=self.reconstruction,
            **self._second(data),
        )
