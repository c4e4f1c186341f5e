"""Small typed helpers over torch."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["distinct"]


def distinct(values: Tensor, dim: int | None = None) -> Tensor:
    """The distinct values (or rows, with ``dim=0``), sorted."""
    found: Tensor = torch.unique(values, dim=dim)
    return found
