"""Soul samples: generated features must lie near what some real features of their class have in common."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["SoulSamples", "find_souls"]

_ROUNDS = 25


def find_souls(features: Tensor, labels: Tensor, classes: int, count: int, *, random: torch.Generator) -> Tensor:
    """The centres of ``count`` clusters of the features of each class, by k-means.

    Args:
        features: Float [N, D].
        labels: Int64 [N].
        classes: C.
        count: K. A class with fewer rows has some centres twice; one without rows has zeros.
        random: Chooses the first centres; on the features' device.

    Returns:
        Float [C, K, D].
    """
    souls = torch.zeros(classes, count, features.shape[1], dtype=features.dtype, device=features.device)
    for label in torch.unique(labels).tolist():
        rows = features[labels == label]
        order = torch.randperm(len(rows), generator=random, device=random.device).to(rows.device)
        centres = rows[order[torch.arange(count, device=rows.device) % len(rows)]].clone()
        for _ in range(_ROUNDS):
            nearest = torch.cdist(rows, centres).argmin(dim=1)
            sizes = torch.bincount(nearest, minlength=count).to(rows.dtype)
            sums = torch.zeros_like(centres).index_add_(0, nearest, rows)
            moved = torch.where(sizes[:, None] > 0, sums / sizes.clamp_min(1)[:, None], centres)
            if torch.equal(moved, centres):
                break
            centres = moved
        souls[label] = centres
    return souls


class SoulSamples:
    """LisGAN's regulariser (Li et al., "Leveraging the Invariant Side of Generative Zero-Shot Learning", CVPR 2019).

    The mean over generated features of the squared distance to the nearest soul of their own class, and the
    same for the mean generated feature of each class in the batch. Squared distances are divided by the number of
    features, so that the weight means the same for features of any length.

    Args:
        souls: Float [C, K, D] in the generator's own scale, see :func:`find_souls`.
        weight: Weight of the sum of both.
    """

    name = "souls"
    static = False  # how many classes a batch has is known after the draw

    def __init__(self, souls: Tensor, weight: float) -> None:
        self._souls, self.weight = souls, weight

    def __call__(self, fake: Tensor, labels: Tensor, priors: Tensor) -> Tensor:  # noqa: ARG002 (a Term's signature)
        """See :class:`Term`."""
        kinds, place = torch.unique(labels, return_inverse=True)
        counts = torch.bincount(place, minlength=len(kinds)).to(fake.dtype)
        sums = torch.zeros(len(kinds), fake.shape[1], dtype=fake.dtype, device=fake.device).index_add(0, place, fake)
        return self._nearest(fake, labels) + self._nearest(sums / counts[:, None], kinds)

    def _nearest(self, rows: Tensor, labels: Tensor) -> Tensor:
        distance = (rows[:, None, :] - self._souls[labels].to(rows.dtype)).square().mean(dim=2)
        return distance.amin(dim=1).mean()
