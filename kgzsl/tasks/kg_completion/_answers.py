"""Which answers some triples hold for given ends, as a table."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["answers_in", "answers_of_pairs"]


def answers_in(facts: Tensor, relation: int, anchors: Tensor, side: str, entities: int) -> Tensor:
    """Answers that are facts of a relation: bool [Q, E].

    Args:
        facts: int64 [T, 3].
        relation: Its id.
        anchors: int64 [Q], heads for ``side="tail"``, tails for ``side="head"``.
        side: Which end is asked for.
        entities: E.
    """
    mine = facts[facts[:, 1] == relation]
    given, asked = (0, 2) if side == "tail" else (2, 0)
    return answers_of_pairs(mine[:, given], mine[:, asked], anchors, entities)


def answers_of_pairs(given: Tensor, asked: Tensor, anchors: Tensor, entities: int) -> Tensor:
    """bool [Q, E]: where an anchor, int64 [Q], is the first of a pair and the entity its second, int64 [T] each."""
    ends, place = torch.unique(anchors, return_inverse=True)
    kept = torch.isin(given, ends)
    table = torch.zeros(len(ends), entities, dtype=torch.bool)
    table[torch.searchsorted(ends, given[kept]), asked[kept]] = True
    return table[place]
