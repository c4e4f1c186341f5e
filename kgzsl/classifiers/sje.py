"""SJE: only the worst offender is held off."""

from __future__ import annotations

from torch import Tensor

from kgzsl.classifiers.bilinear import Bilinear, hinges

__all__ = ["SJE"]


class SJE(Bilinear):
    """Bilinear compatibility under the structured hinge loss ``max_y max(0, margin [y != own] + F_y - F_own)``.

    Akata et al., "Evaluation of Output Embeddings for Fine-Grained Image Classification" (CVPR 2015), eq. 4. Options
    and attributes: see :class:`Bilinear`.
    """

    @staticmethod
    def losses(scores: Tensor, labels: Tensor, margin: float) -> Tensor:
        """See :class:`Bilinear`."""
        return hinges(scores, labels, margin).amax(dim=1)
