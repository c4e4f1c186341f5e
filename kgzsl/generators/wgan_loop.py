"""One iteration of a conditional WGAN-GP: several critic steps, then one generator step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kgzsl.engine import Engine
from kgzsl.generators.networks import Critic, PriorToFeature
from kgzsl.generators.penalty import autograd_penalty, critic_gradients
from kgzsl.generators.terms import Term

__all__ = ["LoopOptions", "WGANLoop", "adam"]


@dataclass(frozen=True)
class LoopOptions:
    """The figures of the iteration; see :class:`kgzsl.generators.WGAN`."""

    batch_size: int
    critic_steps: int
    penalty: float
    lr: float
    betas: tuple[float, float]
    steps: int
    lr_decay: float = 0.0
    ema: float = 0.0


def adam(module: nn.Module, lr: float, betas: tuple[float, float]) -> torch.optim.Adam:
    """Adam, in one kernel over each parameter where the device has it."""
    parameters = list(module.parameters())
    fused = parameters[0].device.type in ("cpu", "cuda")
    return torch.optim.Adam(parameters, lr=lr, betas=(float(betas[0]), float(betas[1])), fused=fused)


class WGANLoop:
    """A training loop for the engine.

    The critic's gradients are written by hand where it has one hidden layer (:func:`critic_gradients`), else by
    autograd. Its steps of one iteration share one sampling of noise, rows and generated features, with no graph
    through the generator.

    Args:
        network: The generator.
        critic: The critic.
        features: Scaled features, float [N, D], on the engine's device.
        labels: Int64 [N].
        priors: Scaled priors, float [C, P].
        terms: Further losses of the generator.
        options: See :class:`LoopOptions`.
        engine: Gives random state, precision and ranks.
        config: What a checkpoint must agree with.
    """

    hint = "lower lr, raise penalty, or look at the scaling of the features"

    def __init__(
        self,
        network: PriorToFeature,
        critic: Critic,
        features: Tensor,
        labels: Tensor,
        priors: Tensor,
        terms: Sequence[Term],
        options: LoopOptions,
        engine: Engine,
        config: dict[str, Any] | None = None,
    ) -> None:
        self.config = config
        self._network, self._critic, self._terms, self._options = network, critic, tuple(terms), options
        self._features, self._labels, self._priors, self._engine = features, labels, priors, engine
        self._work = torch.bfloat16 if engine.chosen_precision == "bf16-mixed" else features.dtype
        self._adam_network = adam(network, options.lr, options.betas)
        self._adam_critic = adam(critic, options.lr, options.betas)
        # The running mean of the generator's weights; itself until the first step.
        self._mean = [p.detach().clone() for p in network.parameters()] if options.ema else []

    def step(self, index: int) -> dict[str, Tensor]:
        """One iteration; losses are means over its critic steps."""
        self._set_lr(index)
        count, batch = self._options.critic_steps, self._options.batch_size
        labels, real, priors = self._draw(count * batch)
        with torch.no_grad(), self._engine.autocast():
            fake = self._network(self._noise(len(labels)), priors).to(real.dtype)
        mix = torch.rand(len(labels), generator=self._engine.generator(), device=real.device, dtype=real.dtype)
        parts = [part.split(batch) for part in (real, fake, priors, mix)]
        steps = [self._critic_step(*part) for part in zip(*parts, strict=True)]
        distance, penalty = torch.stack([torch.stack(pair) for pair in steps]).mean(dim=0)
        losses = {
            "critic": self._options.penalty * penalty - distance,
            "distance": distance,
            "penalty": penalty,
        }
        return losses | self._generator_step()

    def _critic_step(self, real: Tensor, fake: Tensor, priors: Tensor, mix: Tensor) -> tuple[Tensor, Tensor]:
        weight = self._options.penalty
        if self._critic.one_layer:
            pair = critic_gradients(self._critic, real, fake, priors, mix, weight, self._work)
        else:
            pair = self._autograd_gradients(real, fake, priors, mix)
        self._engine.average_gradients(self._critic.parameters())
        self._adam_critic.step()
        return pair

    def _autograd_gradients(self, real: Tensor, fake: Tensor, priors: Tensor, mix: Tensor) -> tuple[Tensor, Tensor]:
        self._adam_critic.zero_grad()
        with self._engine.autocast():
            scores = self._critic(torch.cat([real, fake]), torch.cat([priors, priors])).to(real.dtype)
            distance = scores[: len(real)].mean() - scores[len(real) :].mean()
            penalty = autograd_penalty(self._critic, real, fake, priors, mix)
        torch.autograd.backward(self._options.penalty * penalty - distance)
        return distance.detach(), penalty.detach()

    def _generator_step(self) -> dict[str, Tensor]:
        labels, _, priors = self._draw(self._options.batch_size, features=False)
        self._adam_network.zero_grad()
        for parameter in self._critic.parameters():
            parameter.requires_grad_(False)
        with self._engine.autocast():
            fake = self._network(self._noise(len(labels)), priors)
            loss = -self._critic(fake, priors).mean()
            losses = {"generator": loss.detach()}
            for term in self._terms:
                extra = term(fake, labels, priors)
                loss = loss + term.weight * extra
                losses[term.name] = extra.detach()
        torch.autograd.backward(loss)
        for parameter in self._critic.parameters():
            parameter.requires_grad_(True)
        self._engine.average_gradients(self._network.parameters())
        self._adam_network.step()
        if self._mean:
            weights = [p.detach() for p in self._network.parameters()]
            torch._foreach_lerp_(self._mean, weights, 1 - self._options.ema)
        return losses

    def _draw(self, count: int, *, features: bool = True) -> tuple[Tensor, Tensor, Tensor]:
        generator, device = self._engine.generator(), self._features.device
        rows = torch.randint(len(self._features), (count,), generator=generator, device=device)
        labels = self._labels[rows]
        return labels, self._features[rows] if features else self._features[:0], self._priors[labels]

    def _noise(self, count: int) -> Tensor:
        like = self._features
        shape = (count, self._network.noise_dim)
        return torch.randn(shape, generator=self._engine.generator(), device=like.device, dtype=like.dtype)

    def _set_lr(self, index: int) -> None:
        if not self._options.lr_decay:
            return
        start = (1 - self._options.lr_decay) * self._options.steps
        rest = (self._options.steps - index) / max(self._options.steps - start, 1)
        for optimizer in (self._adam_network, self._adam_critic):
            for group in optimizer.param_groups:
                group["lr"] = self._options.lr * min(1.0, rest)

    def sampling_weights(self) -> list[Tensor]:
        """The generator's weights to sample with: their running mean if there is one, else themselves."""
        return self._mean or [p.detach() for p in self._network.parameters()]

    def state_dict(self) -> dict[str, Any]:
        """Both networks, both optimizers, the running mean."""
        return {
            "network": self._network.state_dict(),
            "critic": self._critic.state_dict(),
            "adam_network": self._adam_network.state_dict(),
            "adam_critic": self._adam_critic.state_dict(),
            "mean": self._mean,
        }

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Put back what :meth:`state_dict` gave."""
        self._network.load_state_dict(state["network"])
        self._critic.load_state_dict(state["critic"])
        self._adam_network.load_state_dict(state["adam_network"])
        self._adam_critic.load_state_dict(state["adam_critic"])
        for mine, saved in zip(self._mean, state["mean"], strict=True):
            mine.copy_(saved)
