"""ALE: wrong classes are held off by how many of them there are."""

from __future__ import annotations

import torch
from torch import Tensor

from kgzsl.classifiers.bilinear import Bilinear, hinges

__all__ = ["ALE"]


class ALE(Bilinear):
    """Bilinear compatibility under a weighted approximate ranking loss.

    Akata et al., "Label-Embedding for Image Classification" (TPAMI 2016), eq. 12:
    ``beta_r / r sum_{y != own} max(0, margin + F_y - F_own)``, where r counts the classes inside the margin and
    ``beta_r = 1 + 1/2 + ... + 1/r``: the first ranks count most. The sum runs over all classes instead of ones drawn
    at random. Options and attributes: see :class:`Bilinear`.
    """

    @staticmethod
    def losses(scores: Tensor, labels: Tensor, margin: float) -> Tensor:
        """See :class:`Bilinear`."""
        violations = hinges(scores, labels, margin)
        ranks = (violations > 0).sum(dim=1)
        harmonic = torch.arange(1, scores.shape[1] + 1, dtype=scores.dtype, device=scores.device).reciprocal().cumsum(0)
        weight = harmonic[(ranks - 1).clamp_min(0)] / ranks.clamp_min(1)
        return weight * violations.sum(dim=1)
