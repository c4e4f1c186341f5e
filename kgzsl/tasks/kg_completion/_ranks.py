"""Entities numbered by name, so that the order of names in the data leaves no trace in what is drawn or answered."""

from __future__ import annotations

import torch
from torch import Tensor

from kgzsl._tensors import rank_of_names

__all__ = ["best_of_rows", "by_rank", "rank_of_names"]


def by_rank(triples: Tensor, entities: Tensor, relations: Tensor) -> Tensor:
    """The same triples int64 [T, 3], sorted by the ranks of relation, head and tail.

    Args:
        triples: In any order.
        entities: int64 [N], the rank of each.
        relations: int64 [R].
    """
    head, relation, tail = entities[triples[:, 0]], relations[triples[:, 1]], entities[triples[:, 2]]
    return triples[torch.argsort((relation * len(entities) + head) * len(entities) + tail)]


def best_of_rows(scores: Tensor, count: int, ranks: Tensor) -> tuple[Tensor, Tensor]:
    """The best of each row, of equals those of least rank first.

    Args:
        scores: Float [Q, E], no NaN.
        count: How many; no more than there are.
        ranks: int64 [E], see :func:`rank_of_names`.

    Returns:
        Values and places, [Q, count] each.
    """
    count = min(count, scores.shape[1])
    values, places = scores.topk(count, dim=1)
    level = values[:, -1:]
    # Which of those at the last value were taken is arbitrary: all of that value are gone through by rank.
    last = ranks.expand_as(scores).masked_fill(scores != level, len(ranks)).topk(count, dim=1, largest=False).indices
    values = values.masked_fill(values == level, float("-inf"))
    values = torch.cat([values, scores.gather(1, last).masked_fill(scores.gather(1, last) != level, float("-inf"))], 1)
    places = torch.cat([places, last], dim=1)
    by_rank = ranks[places].argsort(dim=1)
    order = by_rank.gather(1, values.gather(1, by_rank).argsort(dim=1, descending=True, stable=True))[:, :count]
    return values.gather(1, order), places.gather(1, order)
