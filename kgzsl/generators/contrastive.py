"""A WGAN that learns an embedding by contrast beside it, where classification is done: CE-GZSL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kgzsl._options import check_numbers, check_whole
from kgzsl.generators.loop import LoopOptions, TrainingData
from kgzsl.generators.mlp import MLP
from kgzsl.generators.networks import SLOPE, Critic
from kgzsl.generators.neural import Sizes
from kgzsl.generators.wgan import WGAN
from kgzsl.generators.wgan_loop import WGANLoop

__all__ = ["CEGZSL", "Comparator", "class_contrast", "instance_contrast"]


def instance_contrast(points: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Points of one class together, others apart: supervised InfoNCE, a mean over anchors and their positives.

    For an anchor i and each other point p of its class: -log exp(z_i z_p / t) / sum over j != i of exp(z_i z_j / t).

    Args:
        points: Float [B, E]; brought to length 1.
        labels: Int64 [B]. Anchors that are alone in their class are left out.
        temperature: t.
    """
    z = F.normalize(points, dim=1)
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    logits = (z @ z.T / temperature).masked_fill(itself, -torch.inf)
    log_share = logits - logits.logsumexp(dim=1, keepdim=True)
    positive = (labels[:, None] == labels[None]) & ~itself
    counts = positive.sum(dim=1)
    per_anchor = -log_share.masked_fill(~positive, 0.0).sum(dim=1) / counts.clamp_min(1)
    kept = (counts > 0).to(z.dtype)
    mean: Tensor = (per_anchor * kept).sum() / kept.sum().clamp_min(1)
    return mean


def class_contrast(scores: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """-log of the share that the comparator gives a point's own class: scores [B, C] over ``temperature``."""
    return F.cross_entropy(scores / temperature, labels)


class Comparator(nn.Module):
    """F(h, c): how well an embedded feature fits a class prior, for every prior at once.

    One hidden layer, LeakyReLU(0.2); its first layer is kept as two matrices, so that B points and C priors
    cost B + C products and not B * C.

    Args:
        embedding: Width E of h.
        prior: Width P of c.
        hidden: Width of the hidden layer.
        generator: Random state of the weights.
        dtype: Type of the parameters.
    """

    def __init__(
        self, embedding: int, prior: int, hidden: int, *, generator: torch.Generator, dtype: torch.dtype
    ) -> None:
        super().__init__()
        self.of_point = MLP([embedding, hidden], generator=generator, dtype=dtype)
        self.of_prior = MLP([prior, hidden], generator=generator, dtype=dtype)
        self.out = MLP([hidden, 1], generator=generator, dtype=dtype)

    def forward(self, points: Tensor, priors: Tensor) -> Tensor:
        """Scores [B, C] of points [B, E] against priors [C, P]."""
        hidden = self.of_point(points)[:, None] + self.of_prior(priors)[None]
        scores: Tensor = self.out(F.leaky_relu(hidden, SLOPE))[..., 0]
        return scores


@dataclass(frozen=True)
class Contrast:
    """Weights and temperatures, see :class:`CEGZSL`."""

    instance: float
    category: float
    instance_temperature: float
    class_temperature: float


class CEGZSLLoop(WGANLoop):
    """As :class:`WGANLoop`, with an embedding that real features train beside the critic.

    Args:
        modules: ``"network"``, ``"embedder"``, ``"projector"``, ``"comparator"``.
        critic: The critic.
        data: What to train on.
        options: See :class:`LoopOptions`.
        contrast: Weights and temperatures.
    """

    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        critic: Critic,
        data: TrainingData,
        options: LoopOptions,
        contrast: Contrast,
    ) -> None:
        groups = {"embedding": ("embedder", "projector", "comparator")}
        super().__init__(modules, critic, data, options, groups=groups, sampling=("network", "embedder"))
        self._contrast = contrast

    def contrasts(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Instance-level and class-level loss of features [B, D]."""
        embedder, projector, comparator = (self._modules[name] for name in ("embedder", "projector", "comparator"))
        points = F.relu(embedder(features))
        c = self._contrast
        instance = instance_contrast(projector(points), labels, c.instance_temperature)
        category = class_contrast(comparator(points, self._data.priors), labels, c.class_temperature)
        return instance, category

    def beside_the_critic(self, labels: Tensor, priors: Tensor) -> dict[str, Tensor]:
        """As many steps of the embedding as of the critic, on real features."""
        losses = super().beside_the_critic(labels, priors)
        c = self._contrast
        for _ in range(self._options.critic_steps):
            kinds, real, _ = self._data.draw(self._options.batch_size)
            with self._engine.autocast():
                instance, category = self.contrasts(real, kinds)
            self.update("embedding", c.instance * instance + c.category * category)
        return losses | {"instance": instance.detach(), "class": category.detach()}

    def generator_loss(self) -> tuple[Tensor, dict[str, Tensor]]:
        """The critic's judgement, the terms, and both contrasts of generated features."""
        labels, _, priors = self._data.draw(self._options.batch_size, features=False, held_out=True)
        fake = self.fake(self._data.normal(len(labels), self._network.noise_dim), priors)
        loss = -self._critic(fake, priors).mean()
        instance, category = self.contrasts(fake, labels)
        extra, told = self.add_terms(fake, labels, priors)
        c = self._contrast
        losses = {"generator": loss.detach(), "instance_fake": instance.detach(), "class_fake": category.detach()}
        return loss + c.instance * instance + c.category * category + extra, losses | told


@dataclass(eq=False, repr=False)
class CEGZSL(WGAN):
    """CE-GZSL (Han et al., "Contrastive Embedding for Generalized Zero-Shot Learning", CVPR 2021).

    An embedding h = E(x) is learnt together with the WGAN: by contrast of instances (a projection z = H(h),
    InfoNCE with all rows of the same class as positives) and of classes (a comparator F(h, c) that must give the own
    prior the largest score among all seen ones). Real features train the embedding; the generator is judged by the
    critic and by both contrasts, ``-log exp(z_i z_p / t) / sum_(j != i) exp(z_i z_j / t)`` for a positive p of i and
    ``-log exp(F(h, c_y) / t) / sum_s exp(F(h, c_s) / t)``. Classifiers work on h, of real and of generated features.

    Args:
        embedding: Width of h.
        projection: Width of z.
        comparator: Width of the comparator's hidden layer.
        instance: Weight of the contrast of instances; 0 is without.
        category: Weight of the contrast of classes; 0 is without.
        instance_temperature: Temperature of the first.
        class_temperature: Temperature of the second.

    The other options are those of :class:`WGAN`. ``batch_size`` should be large, so that a batch holds several rows
    of each class (the paper has 4096).
    """

    batch_size: int = 256
    classification: float = 0.0
    embedding: int = 1024
    projection: int = 512
    comparator: int = 512
    instance: float = 0.1
    category: float = 0.1
    instance_temperature: float = 0.1
    class_temperature: float = 0.1
    embeds = True

    def _check_options(self) -> None:
        super()._check_options()
        check_whole(self, "embedding", "projection", "comparator")
        check_numbers(self, "instance_temperature", "class_temperature", zero=False)
        check_numbers(self, "instance", "category")

    def _networks(self, sizes: Sizes, random: torch.Generator, dtype: torch.dtype) -> dict[str, nn.Module]:
        embedder = MLP([sizes.feature, self.embedding], generator=random, dtype=dtype)
        return {**super()._networks(sizes, random, dtype), "embedder": embedder}

    def _loop(self, modules: dict[str, nn.Module], data: TrainingData, options: LoopOptions) -> CEGZSLLoop:
        assert self._sizes is not None
        engine = data.engine
        like = {"generator": engine.generator(), "dtype": engine.dtype}
        projector = MLP([self.embedding, self.projection], **like)  # type: ignore[arg-type]
        comparator = Comparator(self.embedding, self._sizes.prior, self.comparator, **like)  # type: ignore[arg-type]
        beside = {"projector": engine.prepare(projector), "comparator": engine.prepare(comparator)}
        contrast = Contrast(self.instance, self.category, self.instance_temperature, self.class_temperature)
        return CEGZSLLoop({**modules, **beside}, self._critic(data), data, options, contrast)

    def embed(self, features: Tensor, *, generator: torch.Generator | None = None) -> Tensor:  # noqa: ARG002
        """h = E(x), float [N, embedding]."""
        features = super().embed(features)
        with torch.no_grad():
            return F.relu(self._modules["embedder"](self._scaled(features)))
