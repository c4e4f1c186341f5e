"""f-VAEGAN with a decoder of the prior that feeds back into the generator: TF-VAEGAN."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kgzsl.generators.loop import LoopOptions, TrainingData
from kgzsl.generators.mlp import MLP
from kgzsl.generators.networks import Critic
from kgzsl.generators.neural import Sizes, widths
from kgzsl.generators.vaegan import VAEGAN, VAEGANLoop

__all__ = ["TFVAEGAN"]


class TFVAEGANLoop(VAEGANLoop):
    """As :class:`VAEGANLoop`, with a decoder that is trained on real features beside the critic.

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
        """Generated, decoded, and generated again with what the decoder saw."""
        return fed_back(self._modules, noise, priors, self._feedback)

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
    training and at sampling alike, G(z, c; feedback * F(h)); and classifiers are given the feature and h together.
    To the losses of :class:`VAEGAN` comes ``cycle * E[|c - Dec(x)|_1]``, for the decoder over real x, for the generator
    over generated and reconstructed ones.

    Args:
        cycle: Weight of the decoder's loss.
        feedback: Weight of what is fed back (delta); 0 is without, and then the generator is f-VAEGAN's.
        decoder_hidden: Width of the decoder's hidden layer; None is the generator's first.
        discriminative: Whether classifiers see the decoder's hidden layer beside the feature.

    The other options are those of :class:`VAEGAN`.
    """

    cycle: float = 0.1
    feedback: float = 1.0
    decoder_hidden: int | None = None
    discriminative: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.embeds = self.discriminative

    def _checks(self) -> dict[str, bool]:
        return super()._checks() | {
            "cycle": self.cycle >= 0,
            "feedback": self.feedback >= 0,
            "decoder_hidden": self.decoder_hidden is None or self.decoder_hidden >= 1,
        }

    def _networks(self, sizes: Sizes, random: torch.Generator, dtype: torch.dtype) -> dict[str, nn.Module]:
        first = widths(self.hidden)[0]
        inner = self.decoder_hidden or first
        return {
            **super()._networks(sizes, random, dtype),
            "decoder": MLP([sizes.feature, inner, sizes.prior], generator=random, dtype=dtype),
            "feedback": MLP([inner, inner, first], generator=random, dtype=dtype, zero=True),
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
        """Scaled features and the decoder's hidden layer, side by side."""
        if not self.discriminative:
            return features
        self._fitted()
        decoder = self._modules["decoder"]
        assert isinstance(decoder, MLP)
        with torch.no_grad():
            scaled = self._scaled(features)
            return torch.cat([scaled, decoder.hidden(scaled)], dim=1)
