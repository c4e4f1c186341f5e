"""A conditional WGAN-GP as one writes it in plain PyTorch: the baseline of ``kgzsl bench generator``."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["PlainWGAN"]


class PlainWGAN:
    """Five critic steps and one generator step, by autograd in float32.

    Written with the care of someone who knows PyTorch: batches by index on the device, no graph through the generator
    in critic steps, no critic gradients in the generator's step, no host synchronisation. The optimizer is what
    ``torch.optim.Adam`` does when nothing is said, or its fused kernel.

    Args:
        features: Float [N, D].
        labels: Int64 [N].
        priors: Float [C, P].
        head: A frozen classifier's weight [C, D] and bias [C].
        hidden: Width of the hidden layers.
        batch_size: Rows of a step.
        fused: Whether Adam is fused.
        seed: Seed of weights and batches.
    """

    def __init__(
        self,
        features: Tensor,
        labels: Tensor,
        priors: Tensor,
        head: tuple[Tensor, Tensor],
        *,
        hidden: int,
        batch_size: int,
        fused: bool,
        seed: int = 0,
    ) -> None:
        self.features, self.labels, self.priors, self.head, self.batch_size = features, labels, priors, head, batch_size
        width, prior = features.shape[1], priors.shape[1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            generator = nn.Sequential(
                nn.Linear(2 * prior, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, width), nn.ReLU()
            )
            critic = nn.Sequential(nn.Linear(width + prior, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, 1))
        self.generator, self.critic = generator.to(features.device), critic.to(features.device)
        self.adam_generator, self.adam_critic = (
            torch.optim.Adam(net.parameters(), lr=1e-4, betas=(0.5, 0.999), fused=True if fused else None)
            for net in (self.generator, self.critic)
        )
        self.random = torch.Generator(device=features.device).manual_seed(seed)

    def iteration(self) -> None:
        """Five critic steps, one generator step."""
        for _ in range(5):
            real, _, prior = self._batch()
            with torch.no_grad():
                fake = self._fake(prior)
            self.adam_critic.zero_grad()
            loss = self._score(fake, prior).mean() - self._score(real, prior).mean()
            loss = loss + 10.0 * self._penalty(real, fake, prior)
            torch.autograd.backward(loss)
            self.adam_critic.step()
        _, labels, prior = self._batch()
        self.critic.requires_grad_(False)
        self.adam_generator.zero_grad()
        fake = self._fake(prior)
        logits = F.linear(fake, *self.head)
        torch.autograd.backward(0.01 * F.cross_entropy(logits, labels) - self._score(fake, prior).mean())
        self.adam_generator.step()
        self.critic.requires_grad_(True)

    def _batch(self) -> tuple[Tensor, Tensor, Tensor]:
        device = self.features.device
        rows = torch.randint(len(self.features), (self.batch_size,), generator=self.random, device=device)
        labels = self.labels[rows]
        return self.features[rows], labels, self.priors[labels]

    def _fake(self, prior: Tensor) -> Tensor:
        noise = torch.randn(prior.shape, generator=self.random, device=prior.device)
        fake: Tensor = self.generator(torch.cat([noise, prior], dim=1))
        return fake

    def _score(self, feature: Tensor, prior: Tensor) -> Tensor:
        score: Tensor = self.critic(torch.cat([feature, prior], dim=1))
        return score

    def _penalty(self, real: Tensor, fake: Tensor, prior: Tensor) -> Tensor:
        mix = torch.rand(len(real), 1, generator=self.random, device=real.device)
        between = (mix * real + (1 - mix) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(self._score(between, prior).sum(), between, create_graph=True)
        penalty: Tensor = ((slope.norm(2, dim=1) - 1) ** 2).mean()
        return penalty
