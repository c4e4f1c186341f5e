"""DeViSE: every wrong class is held off by a margin."""

from __future__ import annotations

from torch import Tensor

from kgzsl.classifiers.bilinear import Bilinear, hinges

__all__ = ["DeViSE"]


class DeViSE(Bilinear):
    """Bilinear compatibility under the summed hinge loss ``sum_{y != own} max(0, margin + F_y - F_own)``.

    Frome et al., "DeViSE: A Deep Visual-Semantic Embedding Model" (NeurIPS 2013), eq. 1, with all wrong classes at once
    instead of the first violating one found at random. Options and attributes: see :class:`Bilinear`.
    """

    @staticmethod
    def losses(scores: Tensor, labels: Tensor, margin: float) -> Tensor:
        """See :class:`Bilinear`."""
        return hinges(scores, labels, margin).sum(dim=1)
