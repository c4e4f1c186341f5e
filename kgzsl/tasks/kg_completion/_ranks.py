"""Entities numbered by name, so that the order of names in the data leaves no trace in what is drawn."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["rank_of_names"]


def rank_of_names(names: Sequence[str]) -> Tensor:
    """int64 [n], the place of each name among all of them, sorted."""
    order = torch.tensor(sorted(range(len(names)), key=names.__getitem__), dtype=torch.int64)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order))
    return rank
