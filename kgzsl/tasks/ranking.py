"""Ranking metrics as pure, vectorised functions: realistic ranks under ties, filtered, among candidates.

A score may be missing: NaN (or minus infinity) at the true answer marks a query that cannot be scored. Such a query is
never dropped: it gets the rank that a constant scorer would give, and :func:`ranking_metrics` reports the coverage.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["HITS", "chance_metrics", "ranking_metrics", "realistic_ranks", "rows_under_budget"]

HITS = (1, 3, 5, 10)
"""The k of Hits@k that are reported by default."""


def realistic_ranks(
    scores: Tensor,
    truth: Tensor,
    *,
    allowed: Tensor | None = None,
    known: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The rank of each true answer among its candidates, ties shared: the mean of best and worst place.

    Candidates of a query are the ``allowed`` entities, less the other ``known`` answers, and always the true one.
    The rank is ``1 + #{higher} + #{equal, other} / 2``: the mean of the optimistic and the pessimistic rank (Berrendorf
    et al., "On the Ambiguity of Rank-Based Evaluation of Entity Alignment or Link Prediction Methods", 2020).
    Candidates without a score (NaN) stand below all that have one, and tie among themselves.

    Args:
        scores: Float [Q, E], higher is better. NaN: no score.
        truth: int64 [Q], the true entity of each query.
        allowed: bool [E] or [Q, E], the candidates; all entities where left out.
        known: Rows and entities of other known answers, as a ``FilterIndex`` gives them.

    Returns:
        ``(ranks, counts, scorable)``: float64 [Q] ranks from 1; int64 [Q] the number of candidates, the true one
        included; bool [Q], False where the true answer has no score and the rank is that of a constant scorer,
        ``(counts + 1) / 2``.
    """
    queries = torch.arange(len(truth), device=scores.device)
    if allowed is None:
        mask = torch.ones(scores.shape, dtype=torch.bool, device=scores.device)
    else:
        mask = allowed.to(scores.device).expand(scores.shape).clone()
    if known is not None:
        mask[known[0], known[1]] = False
    mask[queries, truth] = True
    counts = mask.sum(dim=1)
    own = scores[queries, truth][:, None]
    scorable = ~(torch.isnan(own) | torch.isneginf(own)).squeeze(1)
    # Comparisons with NaN are false, so candidates without a score count as below the truth.
    higher = ((scores > own) & mask).sum(dim=1)
    equal = ((scores == own) & mask).sum(dim=1) - 1
    ranks = 1 + higher.double() + equal.double() / 2
    return torch.where(scorable, ranks, (counts.double() + 1) / 2), counts, scorable


def ranking_metrics(ranks: Tensor, *, hits: Sequence[int] = HITS, scorable: Tensor | None = None) -> dict[str, float]:
    """Mean reciprocal rank and Hits@k of realistic ranks.

    A rank that ties span is an expectation over places; reciprocal and hit are taken of that rank.

    Args:
        ranks: [Q], from 1.
        hits: The k.
        scorable: bool [Q]; with it the result holds ``coverage``, the share of queries that had a score.

    Returns:
        ``mrr``, ``hits@k`` for each k, ``queries``, and ``coverage`` if asked for. No queries: NaN.
    """
    ranks = ranks.double()
    metrics = {"mrr": float((1 / ranks).mean())}
    for k in hits:
        metrics[f"hits@{k}"] = float((ranks <= k).double().mean())
    metrics["queries"] = float(len(ranks))
    if scorable is not None:
        metrics["coverage"] = float(scorable.double().mean())
    return metrics


def chance_metrics(counts: Tensor, *, hits: Sequence[int] = HITS) -> dict[str, float]:
    """What a constant scorer gets: every query at the middle of its candidates.

    Args:
        counts: int64 [Q], candidates of each query, the true one included.
        hits: The k.

    Returns:
        As :func:`ranking_metrics` of the ranks ``(counts + 1) / 2``.
    """
    return ranking_metrics((counts.double() + 1) / 2, hits=hits)


def rows_under_budget(columns: int, *, bytes_each: int, budget: int) -> int:
    """How many rows of ``columns`` entries of ``bytes_each`` bytes fit into ``budget`` bytes; at least one."""
    return max(1, budget // max(1, columns * bytes_each))
