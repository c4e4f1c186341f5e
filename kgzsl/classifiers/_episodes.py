"""Classes that a step of training holds out together: a small zero-shot problem among them."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["episode"]


def episode(
    labels: Tensor, classes: int, share: float, count: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Rows [count] of classes that are held out together, these classes [K], and each row's place among them."""
    held = min(max(2, round(share * classes)), classes)
    among = torch.randperm(classes, generator=generator, device=labels.device)[:held]
    place = torch.full((classes,), -1, dtype=torch.int64, device=labels.device)
    place[among] = torch.arange(held, device=labels.device)
    pool = (place[labels] >= 0).nonzero()[:, 0]
    rows = pool[torch.randint(len(pool), (count,), generator=generator, device=labels.device)]
    return rows, among, place[labels[rows]]
