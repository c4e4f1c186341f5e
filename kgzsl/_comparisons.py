"""Counting the scores that are above another one, or as high."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["comparisons"]

_BLOCK = 1 << 19
"""Comparisons held at a time on a CPU: few enough that their memory is used again and again."""

_LARGE_BLOCK = 1 << 26
"""Elsewhere: enough to keep an accelerator busy."""


def comparisons(
    scores: Tensor, own: Tensor, masks: Sequence[Tensor | None], *, rows: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """How many candidates of each rule score above ``own``, and how many as much: two float64 [rules, Q].

    Ones as floats are added several times faster than booleans, and a block of them stays in the cache.

    Args:
        scores: Float [S, E].
        own: Float [Q, 1], what they are compared with.
        masks: Each bool [E] or [Q, E], the candidates of a rule, on the device of ``scores``; None: all.
        rows: int64 [Q], which row of the scores each query is about, so that queries may share one; None: S is Q.
    """
    count, entities = len(own), scores.shape[1]
    flat = [mask for mask in masks if mask is not None and mask.ndim == 1]
    # The first column counts all entities; those of rules with the same candidates for every query follow.
    columns = torch.stack([torch.ones(entities, device=scores.device), *(mask.float() for mask in flat)], dim=1)
    column, before = [], 0
    for mask in masks:
        before += mask is not None and mask.ndim == 1
        column.append(before if mask is not None else 0)
    tables = torch.zeros(2, len(masks), count, dtype=torch.float64, device=scores.device)
    # A sum of ones in float32 is exact up to 2^24 of them.
    width = min(max(1, entities), 1 << 24)
    height = max(1, (_BLOCK if scores.device.type == "cpu" else _LARGE_BLOCK) // width)
    buffer = torch.empty(min(height, count) * width, device=scores.device)
    for top in range(0, count, height):
        for left in range(0, entities, width):
            part = scores[:, left : left + width]
            if rows is None:
                part = part[top : top + height]
            else:
                part = part.index_select(0, rows[top : top + height])
            out = buffer[: part.numel()].view(part.shape)
            for table, compare in zip(tables, (torch.gt, torch.eq), strict=True):
                compare(part, own[top : top + height], out=out)
                sums = out @ columns[left : left + width]
                for place, mask in enumerate(masks):
                    if mask is not None and mask.ndim == 2:
                        total = (out * mask[top : top + height, left : left + width]).sum(dim=1)
                    else:
                        total = sums[:, column[place]]
                    table[place, top : top + height] += total
    return tables[0], tables[1]
