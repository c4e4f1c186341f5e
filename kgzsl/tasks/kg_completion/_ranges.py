"""Rows of different lengths, one behind the other."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["ranges", "starts_of"]


def starts_of(counts: Tensor) -> Tensor:
    """Where rows of the given lengths [n] begin, and the end of the last: int64 [n + 1]."""
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])


def ranges(begin: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """For each row the numbers ``begin .. begin + count - 1``: the row of each, and the number."""
    rows = torch.repeat_interleave(torch.arange(len(count), device=count.device), count)
    shift = begin - (count.cumsum(0) - count)
    return rows, shift[rows].add_(torch.arange(len(rows), device=count.device))
