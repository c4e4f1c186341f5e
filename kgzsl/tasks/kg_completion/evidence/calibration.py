"""Scores to probabilities, fitted on seen relations that the ranker was not trained on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Calibration", "fit_calibration"]


@dataclass(frozen=True)
class Calibration:
    """``sigmoid(bias + score * of_score + logit(share) * of_share)``.

    The share is that of the answer in the query's softmax over its candidates: an answer that stands alone is surer
    than one among many of the same score. After Platt, "Probabilistic outputs for support vector machines" (1999).

    Args:
        bias: Of the logistic.
        of_score: Weight of the score.
        of_share: Weight of the logarithm of the share.
        error: Expected calibration error on the held-out queries, ten bins of equal width, by cross-fitting.
        queries: How many held-out queries it was fitted on.
    """

    bias: float
    of_score: float
    of_share: float
    error: float
    queries: int

    def __call__(self, scores: Tensor, allowed: Tensor | None = None) -> Tensor:
        """Probabilities of all answers of each query.

        Args:
            scores: float [Q, E].
            allowed: bool [E] or [Q, E], the candidates; all entities where left out. Others get 0.
        """
        kept = scores if allowed is None else scores.masked_fill(~allowed, float("-inf"))
        share = _logit(torch.log_softmax(kept, dim=1))
        found = torch.sigmoid(self.bias + self.of_score * scores + self.of_share * share)
        return found if allowed is None else found * allowed


def fit_calibration(scores: Tensor, wrong: Tensor, candidates: Tensor, groups: Tensor) -> Calibration:
    """Fit on queries whose first answer is true and whose others were drawn from many.

    Args:
        scores: float [Q, 1 + M].
        wrong: bool [Q, 1 + M], answers to be left out (drawn, but true).
        candidates: int64 [Q], how many candidates the M stand for.
        groups: int64 [Q], the relation of each query: the calibration error is measured on one half of the relations
            with what was fitted on the other.
    """
    drawn = (~wrong[:, 1:]).sum(dim=1).clamp(min=1)
    weight = torch.ones(scores.shape)
    # One drawn answer stands for several.
    weight[:, 1:] = (candidates / drawn).clamp(min=1)[:, None]
    weight[wrong] = 0
    logits = scores.masked_fill(wrong, float("-inf")) + weight.clamp(min=1e-12).log().masked_fill(wrong, 0)
    share = _logit((scores - torch.logsumexp(logits, dim=1, keepdim=True)).clamp(max=0))
    truth = torch.zeros(scores.shape)
    truth[:, 0] = 1
    every = torch.unique(groups)
    half = torch.isin(groups, every[::2])
    errors = [
        _error(*_fit(scores[a], share[a], truth[a], weight[a]), scores[b], share[b], truth[b], weight[b])
        for a, b in ((half, ~half), (~half, half))
        if bool(a.any()) and bool(b.any())
    ]
    bias, of_score, of_share = _fit(scores, share, truth, weight)
    error = sum(errors) / len(errors) if errors else float("nan")
    return Calibration(bias, of_score, of_share, error, len(scores))


def _logit(logarithm: Tensor) -> Tensor:
    """Log odds of a share whose logarithm is given; kept finite."""
    return (logarithm - torch.log1p(-logarithm.exp()).clamp(min=-20)).clamp(min=-60)


def _fit(scores: Tensor, share: Tensor, truth: Tensor, weight: Tensor) -> tuple[float, float, float]:
    columns = torch.stack([torch.ones_like(scores), scores, share], dim=-1).double().reshape(-1, 3)
    truth, weight = truth.double().reshape(-1), weight.double().reshape(-1)
    weight = weight / weight.sum()
    theta = torch.zeros(3, dtype=torch.float64)
    # Newton's method; a little ridge for what separates perfectly.
    for _ in range(50):
        chance = torch.sigmoid(columns @ theta)
        gradient = columns.T @ (weight * (chance - truth)) + 1e-6 * theta
        curve = (columns * (weight * chance * (1 - chance))[:, None]).T @ columns + 1e-6 * torch.eye(3).double()
        step = torch.linalg.solve(curve, gradient)
        theta = theta - step * min(1.0, 5.0 / float(step.norm().clamp(min=1e-12)))
        if float(step.norm()) < 1e-8:
            break
    bias, of_score, of_share = theta.tolist()
    return bias, of_score, of_share


def _error(
    bias: float, of_score: float, of_share: float, scores: Tensor, share: Tensor, truth: Tensor, weight: Tensor
) -> float:
    chance = torch.sigmoid(bias + of_score * scores + of_share * share)
    # Nearly all answers are wrong and get nearly 0; what a user sees are those above a few per cent.
    seen = (chance > 0.05) & (weight > 0)
    if not bool(seen.any()):
        return 0.0
    chance, truth, weight = chance[seen], truth[seen], weight[seen]
    bins = (chance * 10).long().clamp(max=9)
    total = torch.zeros(10).index_add_(0, bins, weight)
    gap = torch.zeros(10).index_add_(0, bins, weight * (truth - chance)).abs()
    return float(gap.sum() / total.sum())
