"""Terms that a generator's loss may have beside the critic's judgement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch.nn.functional as F
from torch import Tensor

__all__ = ["Classification", "Term"]


class Term(Protocol):
    """One more loss on generated features.

    One that waits for the device, or whose shapes depend on what is drawn, says so by ``static = False``: steps with it
    are not captured.
    """

    name: str
    weight: float

    def __call__(self, fake: Tensor, labels: Tensor, priors: Tensor) -> Tensor:
        """A scalar.

        Args:
            fake: Float [B, D], in the generator's own scale, with a graph.
            labels: Int64 [B], the seen class of each row.
            priors: Float [B, P], scaled.
        """
        ...


class Classification:
    """Cross-entropy of a frozen classifier on generated features (L_CLS of Xian et al. 2018).

    Args:
        logits: From features [B, D] in the generator's own scale to logits [B, C]; differentiable.
        weight: Its weight, beta in the paper.
    """

    name = "classification"

    def __init__(self, logits: Callable[[Tensor], Tensor], weight: float) -> None:
        self._logits, self.weight = logits, weight

    def __call__(self, fake: Tensor, labels: Tensor, priors: Tensor) -> Tensor:  # noqa: ARG002 (a Term's signature)
        """See :class:`Term`."""
        return F.cross_entropy(self._logits(fake), labels)
