"""One iteration of a conditional WGAN-GP: several critic steps, then one generator step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from kgzsl.engine import TrainingError
from kgzsl.generators.loop import GeneratorLoop, LoopOptions, TrainingData, adam
from kgzsl.generators.networks import Critic, PriorToFeature
from kgzsl.generators.penalty import autograd_penalty, critic_gradients

__all__ = ["LoopOptions", "WGANLoop", "adam"]

# The penalty asks for slopes of 1; a mean slope of 10 over many steps has left its reach.
_STEEP = 10.0


class WGANLoop(GeneratorLoop):
    """A training loop for the engine.

    The critic's gradients are written by hand where it has one hidden layer (:func:`critic_gradients`), else by
    autograd. Its steps of one iteration share one sampling of noise, rows and generated features, with no graph
    through the generator.

    A critic that diverges is named: with the same prior, a critic of slope 1 tells a real feature from a generated one
    by at most their distance, so ``slope``, the ratio of both, is a lower bound of its slope.

    Args:
        modules: ``"network"``, the generator, and what else a variant trains.
        critic: The critic.
        data: What to train on.
        options: See :class:`LoopOptions`.
        trained: Modules that the generator's loss trains, beside the network.
    """

    hint = "lower lr, raise penalty, or look at the scaling of the features"

    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        critic: Critic,
        data: TrainingData,
        options: LoopOptions,
        *,
        trained: Sequence[str] = (),
        groups: Mapping[str, Sequence[str]] | None = None,
        sampling: Sequence[str] = ("network",),
    ) -> None:
        all_groups = {"network": ("network", *trained), "critic": ("critic",), **(groups or {})}
        super().__init__({**modules, "critic": critic}, all_groups, sampling, data, options)
        network = modules["network"]
        assert isinstance(network, PriorToFeature)
        self._network, self._critic = network, critic
        self._work = torch.bfloat16 if data.engine.chosen_precision == "bf16-mixed" else data.features.dtype

    def iterate(self) -> dict[str, Tensor]:
        """One iteration; losses are means over its critic steps."""
        count, batch = self._options.critic_steps, self._options.batch_size
        labels, real, priors = self._data.draw(count * batch)
        with torch.no_grad(), self._engine.autocast():
            fake = self.fake(self._data.normal(len(labels), self._network.noise_dim), priors).to(real.dtype)
        mix = self._data.uniform(len(labels))
        parts = [torch.split(part, batch) for part in (real, fake, priors, mix)]
        reach = (real - fake).norm(dim=1).mean()  # before the steps, which take these tensors as work space
        steps = [self._critic_step(self._critic, "critic", *part) for part in zip(*parts, strict=True)]
        distance, penalty = torch.stack([torch.stack(pair) for pair in steps]).mean(dim=0)
        losses = {
            "critic": self._options.penalty * penalty - distance,
            "distance": distance,
            "penalty": penalty,
            "slope": distance.abs() / reach.clamp_min(1e-12),
        }
        losses |= self.beside_the_critic(labels, priors)
        losses |= self._generator_step()
        self.average()
        return losses

    def fake(self, noise: Tensor, priors: Tensor) -> Tensor:
        """Generated features [B, D]."""
        made: Tensor = self._network(noise, priors)
        return made

    def beside_the_critic(self, labels: Tensor, priors: Tensor) -> dict[str, Tensor]:  # noqa: ARG002
        """What a variant trains between the critic and the generator."""
        return {}

    def watch(self, done: int, means: Mapping[str, float]) -> None:
        """Stop a run whose critic has diverged.

        Raises:
            TrainingError: Its slope is far above 1.
        """
        if means.get("slope", 0.0) > _STEEP:
            raise TrainingError(
                f"the critic diverges: its slope is {means['slope']:.3g} or more, where the penalty asks for 1, at "
                f"step {done}",
                remedy=self.hint,
            )

    def _critic_step(
        self, critic: Critic, group: str, real: Tensor, fake: Tensor, priors: Tensor, mix: Tensor
    ) -> tuple[Tensor, Tensor]:
        if critic.one_layer:
            pair = critic_gradients(critic, real, fake, priors, mix, self._options.penalty, self._work)
        else:
            pair = self._autograd_gradients(critic, group, real, fake, priors, mix)
        self._engine.average_gradients(critic.parameters())
        self._optimizers[group].step()
        return pair

    def _autograd_gradients(
        self, critic: Critic, group: str, real: Tensor, fake: Tensor, priors: Tensor, mix: Tensor
    ) -> tuple[Tensor, Tensor]:
        self._optimizers[group].zero_grad()
        with self._engine.autocast():
            scores = critic(torch.cat([real, fake]), torch.cat([priors, priors])).to(real.dtype)
            distance = scores[: len(real)].mean() - scores[len(real) :].mean()
            penalty = autograd_penalty(critic, real, fake, priors, mix)
        torch.autograd.backward(self._options.penalty * penalty - distance)
        return distance.detach(), penalty.detach()

    def _generator_step(self) -> dict[str, Tensor]:
        with self._engine.autocast():
            loss, losses = self.generator_loss()
        self.update("network", loss)
        return losses

    def generator_loss(self) -> tuple[Tensor, dict[str, Tensor]]:
        """The generator's loss with its graph, and its parts for the log."""
        labels, _, priors = self._data.draw(self._options.batch_size, features=False, held_out=True)
        fake = self.fake(self._data.normal(len(labels), self._network.noise_dim), priors)
        loss = -self._critic(fake, priors).mean()
        losses = {"generator": loss.detach()}
        extra, told = self.add_terms(fake, labels, priors)
        return loss + extra, losses | told
