"""Classes that a step of training holds out together: a small zero-shot problem among them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["episode", "held_classes", "prototype_losses"]

_RIDGE = 0.1  # in units of the mean squared length of priors, as prototypes have it
_SHARPNESS = 10.0  # of cosines, which lie within -1 and 1


def episode(
    labels: Tensor, classes: int, share: float, count: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Rows [count] of classes that are held out together, these classes [K], and each row's place among them."""
    held = min(max(2, round(share * classes)), classes)
    among = torch.randperm(classes, generator=generator, device=labels.device)[:held]
    place = torch.full((classes,), -1, dtype=torch.int64, device=labels.device)
    place[among] = torch.arange(held, device=labels.device)
    pool = (place[labels] >= 0).nonzero()[:, 0]
    rows = pool[torch.randint(len(pool), (count,), generator=generator, device=labels.device)]
    return rows, among, place[labels[rows]]


def held_classes(classes: int, share: float, generator: torch.Generator) -> Tensor:
    """Which classes a step holds out, bool [classes]: at least two, and never all of them."""
    count = min(max(2, round(share * classes)), classes - 1)
    held = torch.zeros(classes, dtype=torch.bool, device=generator.device)
    held[torch.randperm(classes, generator=generator, device=generator.device)[:count]] = True
    return held


def prototype_losses(layer: Tensor, labels: Tensor, gram: Tensor, held: Tensor, smoothing: float) -> Tensor:
    """How badly rows of held-out classes are told by prototypes that rows of the other classes alone lead to.

    With H the rows of the classes that are not held out, m their mean and G the inner products of their priors, the
    prototype of a held-out class c is ``m + g_c' (G + l I)^-1 (H - m)``, g_c the inner products of its prior with
    theirs: the ridge regression by which :class:`kgzsl.classifiers.GaussianPrototypes` finds classes without rows,
    solved within a step of training as in Bertinetto et al., "Meta-learning with Differentiable Closed-form Solvers"
    (ICLR 2019). A row's loss is the cross-entropy of its cosines about m with the held-out classes' prototypes.

    Args:
        layer: float32 [K, B, H], a layer of K networks for B rows each.
        labels: int64 [K, B], places among the S classes.
        gram: float32 [S, S], inner products of priors.
        held: bool [S], the classes that are held out, one at least.
        smoothing: Share of each label that goes to all held-out classes alike.

    Returns:
        float32 [K, B]; what stands at rows of other classes means nothing.
    """
    among = held.nonzero()[:, 0]
    kept = (~held[labels]).to(layer.dtype)
    both = kept[:, :, None] * kept[:, None, :]
    own = gram[labels[:, :, None], labels[:, None, :]] * both  # [K, B, B]; rows that are held out stand apart
    count = kept.sum(dim=1).clamp_min(1)
    penalty = _RIDGE * own.diagonal(dim1=1, dim2=2).sum(dim=1) / count
    identity = torch.eye(own.shape[1], dtype=own.dtype, device=own.device)
    towards = gram[among][:, labels].transpose(0, 1) * kept[:, None, :]  # [K, C, B]
    weights = torch.linalg.solve(own + penalty.clamp_min(1e-6)[:, None, None] * identity, towards, left=False)
    mean = (layer * kept[:, :, None]).sum(dim=1, keepdim=True) / count[:, None, None]
    about = layer - mean
    prototypes = functional.normalize(weights @ about, dim=2)
    scores = _SHARPNESS * functional.normalize(about, dim=2) @ prototypes.transpose(1, 2)
    place = torch.zeros(len(held), dtype=torch.int64, device=held.device)
    place[among] = torch.arange(len(among), device=held.device)
    losses = functional.cross_entropy(
        scores.flatten(0, 1), place[labels].flatten(), label_smoothing=smoothing, reduction="none"
    )
    return losses.view(labels.shape)
