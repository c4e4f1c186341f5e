"""Ranking metrics as pure, vectorised functions: realistic ranks under ties, filtered, among candidates.

A score may be missing: NaN (or minus infinity) at the true answer marks a query that cannot be scored. Such a query is
never dropped: it gets the rank that a constant scorer would give, and :func:`ranking_metrics` reports the coverage.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from kgzsl._comparisons import comparisons

__all__ = [
    "HITS", "chance_metrics", "chunk_of_queries", "model_share", "ranking_metrics", "ranks_by_rule", "realistic_ranks",
    "rows_under_budget",
]  # fmt: skip

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
    return ranks_by_rule(scores, truth, [allowed], known=known)[0]


def ranks_by_rule(
    scores: Tensor,
    truth: Tensor,
    rules: Sequence[Tensor | None],
    *,
    known: tuple[Tensor, Tensor] | None = None,
    worst: bool = False,
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """:func:`realistic_ranks` under several candidate rules at once: scores are compared once for all of them.

    Comparisons are made block by block, and summed by a product with the rules' candidates; known answers are taken
    away one by one afterwards. Beside the scores this takes a few MB, however many there are.

    Args:
        scores: Float [Q, E].
        truth: int64 [Q].
        rules: Each bool [E] or [Q, E], the candidates; None: all entities.
        known: Rows and entities of other known answers.
        worst: Give ties their worst place instead of the mean of best and worst; a query without a score is last.

    Returns:
        ``(ranks, counts, scorable)`` of each rule.
    """
    device, (count, entities) = scores.device, scores.shape
    queries = torch.arange(count, device=device)
    own = scores[queries, truth][:, None]
    scorable = ~(torch.isnan(own) | torch.isneginf(own)).squeeze(1)
    masks = [None if rule is None else rule.to(device) for rule in rules]
    if known is None:
        gone = queries.new_zeros(0)
    else:
        gone = torch.unique(known[0].to(device) * entities + known[1].to(device))
    row, entity = torch.div(gone, max(1, entities), rounding_mode="floor"), gone % max(1, entities)
    other = entity != truth[row]
    row, entity = row[other], entity[other]
    higher, equal = comparisons(scores, own, masks)
    # Comparisons with NaN are false, so candidates without a score count as below the truth.
    value, limit = scores[row, entity], own[row, 0]
    above, alike = (value > limit).double(), (value == limit).double()
    found = []
    for place, mask in enumerate(masks):
        if mask is None:
            inside, own_inside = torch.ones_like(row, dtype=torch.bool), torch.ones_like(scorable)
            size: Tensor | int = entities
        elif mask.ndim == 1:
            inside, own_inside, size = mask[entity], mask[truth], int(mask.sum())
        else:
            inside, own_inside, size = mask[row, entity], mask[queries, truth], mask.sum(dim=1)
        # The true answer is a candidate under any rule.
        counts = size - torch.bincount(row[inside], minlength=count) + (~own_inside).long()
        more = higher[place].double().index_add(0, row[inside], above[inside], alpha=-1)
        same = equal[place].double().index_add(0, row[inside], alike[inside], alpha=-1) - own_inside.double()
        ranks, missing = 1 + more + same / 2, (counts.double() + 1) / 2
        if worst:
            ranks, missing = 1 + more + same, counts.double()
        found.append((torch.where(scorable, ranks, missing), counts, scorable))
    return found


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


def chunk_of_queries(entities: int, budget: int) -> int:
    """How many queries may be scored against all entities at a time under a budget of so many bytes; at least one.

    A third of the budget is for their scores: a copy in the order of the queries, a sorter's, what a rule moves, 24
    bytes an entry. The rest is the model's (:func:`model_share`), which may work on fewer queries at a time.
    """
    return rows_under_budget(entities, bytes_each=24, budget=budget // 3)


def model_share(budget: int) -> int:
    """The bytes of a budget for what a model makes on the way to its scores."""
    return 2 * budget // 3
