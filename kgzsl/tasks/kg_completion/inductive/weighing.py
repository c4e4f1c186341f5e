"""Weights of columns of evidence: the convex fit that informed ULTRA makes of facts that were put aside."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kgzsl.tasks.ranking import rows_under_budget

__all__ = ["Weighing", "weigh"]

_FREE = 1e-6
"""Penalty of weights that are to be free: where a column alone tells all true answers, the best one is infinite."""


@dataclass(frozen=True)
class Weighing:
    """Where a fit ended.

    Args:
        weights: float64 [C].
        loss: The objective there, penalty included.
        gradient: Its largest slope there, in absolute value.
        iterations: Of Newton.
    """

    weights: Tensor
    loss: float
    gradient: float
    iterations: int


def weigh(
    table: Tensor,
    wrong: Tensor,
    *,
    penalty: Tensor,
    centre: Tensor | None = None,
    iterations: int = 50,
    tolerance: float = 1e-8,
    budget: int = 64 << 20,
) -> Weighing:
    """Weights ``w`` that minimise the mean of ``-log softmax(table w)[0]`` and ``sum penalty (w - centre)^2``.

    By Newton's method in float64, halving a step until it helps enough. The objective is convex, so that where it ends
    depends on neither the start nor the order of queries, but for rounding.

    Args:
        table: float [Q, 1 + M, C]: columns of each query's answers, the true one first.
        wrong: bool [Q, 1 + M], answers that do not count.
        penalty: float [C], none negative.
        centre: float [C], where weights are pulled to, and the start; zeros where left out.
        iterations: At most so many.
        tolerance: The largest slope that is as good as none.
        budget: Bytes for a double of a part of the table.
    """
    centre = torch.zeros(table.shape[2], dtype=torch.float64) if centre is None else centre.double()
    penalty = penalty.double().clamp(min=_FREE)
    step = rows_under_budget(table.shape[1] * table.shape[2], bytes_each=24, budget=budget)

    def loss(weights: Tensor) -> float:
        total = torch.zeros((), dtype=torch.float64)
        for rows in range(0, len(table), step):
            scores = (table[rows : rows + step].double() @ weights).masked_fill_(wrong[rows : rows + step], -torch.inf)
            total += (torch.logsumexp(scores, dim=1) - scores[:, 0]).sum()
        return float(total / len(table) + penalty @ (weights - centre).square())

    def slopes(weights: Tensor) -> tuple[Tensor, Tensor]:
        gradient, curvature = 2 * penalty * (weights - centre), torch.diag(2 * penalty)
        for rows in range(0, len(table), step):
            part = table[rows : rows + step].double()
            share = torch.softmax((part @ weights).masked_fill_(wrong[rows : rows + step], -torch.inf), dim=1)
            mean = (share[:, None] @ part).squeeze(1)
            gradient += (mean - part[:, 0]).sum(dim=0) / len(table)
            # Only the way there hangs on the curvature: float32 will do.
            spread = part.float().sub_(mean.float()[:, None]).mul_(share.float().sqrt()[:, :, None]).flatten(0, 1)
            curvature += (spread.T @ spread).double() / len(table)
        return gradient, curvature

    weights, value = centre.clone(), loss(centre)
    for done in range(iterations + 1):
        gradient, curvature = slopes(weights)
        largest = float(gradient.abs().max())
        if largest <= tolerance or done == iterations:
            break
        move = torch.linalg.solve(curvature, -gradient)
        slope, length = float(gradient @ move), 1.0
        while (tried := loss(weights + length * move)) > value + 1e-4 * length * slope and length > 1e-8:
            length /= 2
        if tried >= value:  # rounding is all that is left
            break
        weights, value = weights + length * move, tried
    return Weighing(weights, value, largest, done)
