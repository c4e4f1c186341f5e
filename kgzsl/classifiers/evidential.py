"""Evidential fusion: experts' opinions with explicit uncertainty, combined by Dempster's rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from kgzsl.classifiers._inputs import float_matrix
from kgzsl.errors import InputError

__all__ = ["Opinion", "fuse", "opinion_from_evidence"]


class Opinion(NamedTuple):
    """A multinomial opinion of subjective logic for each of N samples: ``belief.sum(1) + uncertainty == 1``."""

    belief: Tensor
    """[N, K], not negative."""
    uncertainty: Tensor
    """[N], in [0, 1]; 1 is the vacuous opinion."""

    @property
    def probabilities(self) -> Tensor:
        """Projected probabilities [N, K]: belief plus an equal share of the uncertainty."""
        return self.belief + self.uncertainty[:, None] / self.belief.shape[1]


def opinion_from_evidence(evidence: Any) -> Opinion:
    """The opinion behind non-negative evidence [N, K] (Sensoy et al., NeurIPS 2018).

    With alpha = evidence + 1 and the Dirichlet strength S = sum alpha: belief = evidence / S, uncertainty = K / S.

    Raises:
        InputError: Negative, NaN or infinite evidence.
    """
    amount = float_matrix(evidence, "evidence", dtype=torch.float64)
    if bool((amount < 0).any()):
        row = int((amount < 0).any(dim=1).nonzero()[0])
        raise InputError("evidence is negative", place=f"row {row}", remedy="pass scores through softplus or exp")
    strength = amount.sum(dim=1) + amount.shape[1]
    return Opinion(amount / strength[:, None], amount.shape[1] / strength)


def fuse(opinions: Sequence[Opinion]) -> Opinion:
    """Combine experts by Dempster's reduced rule, as CREST does with its two paths (Huang et al., ACM MM 2024).

    For two opinions, with the conflict C = sum over i != j of b1_i b2_j:
    ``b = (b1 b2 + b1 u2 + b2 u1) / (1 - C)`` and ``u = u1 u2 / (1 - C)``. Commutative and associative; a vacuous
    opinion changes nothing; experts that agree grow surer. Under total conflict, where each class is ruled out by a
    certain expert (any two that contradict each other will do), the rule is undefined: the answer there is the vacuous
    opinion, in whatever order the experts come. That answer does not tell of the conflict, so give all opinions at
    once: fused with more of them it is neutral, as every vacuous opinion.

    Raises:
        InputError: No opinion, or opinions over different samples or classes.
    """
    if not opinions:
        raise InputError("no opinion to combine")
    belief, uncertainty = opinions[0]
    possible = torch.ones_like(uncertainty, dtype=torch.bool)  # stays False: what comes later settles no conflict
    for other, doubt in opinions[1:]:
        if other.shape != belief.shape:
            raise InputError(f"opinions of shape {tuple(belief.shape)} and {tuple(other.shape)} cannot be combined")
        agreement = belief * other
        # 1 - C, written without the cancellation that 1 - sum_{i != j} would bring.
        kept = agreement.sum(dim=1) + belief.sum(dim=1) * doubt + other.sum(dim=1) * uncertainty + uncertainty * doubt
        possible = possible & (kept >= torch.finfo(kept.dtype).tiny)  # what is less has no finite inverse
        scale = torch.where(possible, 1 / torch.where(possible, kept, 1.0), 0.0)
        combined = (agreement + belief * doubt[:, None] + other * uncertainty[:, None]) * scale[:, None]
        uncertainty = torch.where(possible, uncertainty * doubt * scale, 1.0)
        belief = combined
    return Opinion(belief, uncertainty)
