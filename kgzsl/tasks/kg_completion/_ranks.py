"""Entities numbered by name, so that the order of names in the data leaves no trace in what is drawn."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["by_rank", "rank_of_names"]


def rank_of_names(names: Sequence[str]) -> Tensor:
    """int64 [n], the place of each name among all of them, sorted."""
    order = torch.tensor(sorted(range(len(names)), key=names.__getitem__), dtype=torch.int64)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order))
    return rank


def by_rank(triples: Tensor, entities: Tensor, relations: Tensor) -> Tensor:
    """The same triples int64 [T, 3], sorted by the ranks of relation, head and tail.

    Args:
        triples: In any order.
        entities: int64 [N], the rank of each.
        relations: int64 [R].
    """
    head, relation, tail = entities[triples[:, 0]], relations[triples[:, 1]], entities[triples[:, 2]]
    return triples[torch.argsort((relation * len(entities) + head) * len(entities) + tail)]
