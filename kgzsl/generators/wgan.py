"""The conditional WGAN with gradient penalty and classification loss: f-CLSWGAN, the generator of OntoZSL."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from kgzsl._options import check_numbers, check_whole, check_widths
from kgzsl.errors import InputError
from kgzsl.generators.loop import LoopOptions, TrainingData
from kgzsl.generators.networks import Critic, PriorToFeature
from kgzsl.generators.neural import NeuralGenerator, Sizes, widths
from kgzsl.generators.wgan_loop import WGANLoop

__all__ = ["WGAN"]


@dataclass(eq=False, repr=False)
class WGAN(NeuralGenerator):
    """f-CLSWGAN (Xian et al., "Feature generating networks for zero-shot learning", CVPR 2018).

    The critic maximises E[f(x, c)] - E[f(G(z, c), c)] - penalty * E[(|grad f| - 1)^2], the paper's L_WGAN; the
    generator minimises -E[f(G(z, c), c)] + classification * E[-log P(y | G(z, c))], its beta L_CLS; c is the class
    prior, z normal noise.
    OntoZSL (Geng et al., WWW 2021) uses the same networks with ontology embeddings as c.

    Args:
        critic_hidden: Width of the critic's hidden layer, or widths of several; None is as ``hidden``. With one layer
            its gradients have a closed form.
        critic_steps: Critic steps for each generator step.
        penalty: Weight of the gradient penalty (lambda; the paper's 10).

    The other options are those of :class:`NeuralGenerator`; the paper has ``hidden`` 4096, ``classification`` 0.01.
    """

    critic_hidden: int | tuple[int, ...] | None = None
    critic_steps: int = 5
    penalty: float = 10.0

    def _check_options(self) -> None:
        super()._check_options()
        check_widths(self, "critic_hidden", instead=(None,))
        if not widths(self.hidden if self.critic_hidden is None else self.critic_hidden):
            raise InputError("critic_hidden is (): a critic has a hidden layer", remedy="give one width or more")
        check_whole(self, "critic_steps")
        check_numbers(self, "penalty")

    def _networks(self, sizes: Sizes, random: torch.Generator, dtype: torch.dtype) -> dict[str, nn.Module]:
        return {"network": self._generator_network(sizes, random, dtype)}

    def _generator_network(self, sizes: Sizes, random: torch.Generator, dtype: torch.dtype) -> PriorToFeature:
        activation = self._scaler.activation
        hidden = widths(self.hidden)
        return PriorToFeature(
            sizes.noise, sizes.prior, sizes.feature, hidden, activation, generator=random, dtype=dtype
        )

    def _critic(self, data: TrainingData, prior_dim: int | None = None) -> Critic:
        """A new critic for these data; ``prior_dim`` is the width of the prior unless given."""
        assert self._sizes is not None
        hidden = widths(self.hidden if self.critic_hidden is None else self.critic_hidden)
        width = self._sizes.prior if prior_dim is None else prior_dim
        engine = data.engine
        critic = Critic(self._sizes.feature, width, hidden, generator=engine.generator(), dtype=engine.dtype)
        return engine.prepare(critic)

    def _loop(self, modules: dict[str, nn.Module], data: TrainingData, options: LoopOptions) -> WGANLoop:
        return WGANLoop(modules, self._critic(data), data, options)

    def _loop_options(self, steps: int) -> LoopOptions:
        return replace(super()._loop_options(steps), critic_steps=int(self.critic_steps), penalty=self.penalty)

    def _generate(self, priors: Tensor, random: torch.Generator) -> Tensor:
        made: Tensor = self._modules["network"](self._noise(len(priors), random), priors)
        return made
