"""Random orders cut into batches, so that everything is seen equally often."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["Queue"]


class Queue:
    """Chunks of a random order of ``0 .. size - 1``; a new order when one is used up.

    Args:
        size: How many numbers.
        chunk: How many at a time; never more than ``size``.
        generator: Draws the orders.
        device: Where the numbers live.
    """

    def __init__(self, size: int, chunk: int, generator: torch.Generator, device: torch.device) -> None:
        self._size, self._chunk = size, min(chunk, size)
        self._generator, self._device = generator, device
        self._order = torch.empty(0, dtype=torch.int64, device=device)
        self._at = 0

    def next(self) -> Tensor:
        """The next chunk, int64 [<= chunk], without repetition."""
        if self._at >= len(self._order):
            self._order = torch.randperm(self._size, generator=self._generator, device=self._device)
            self._at = 0
        part = self._order[self._at : self._at + self._chunk]
        self._at += self._chunk
        return part

    def state_dict(self) -> dict[str, Any]:
        """The order and the place in it."""
        return {"order": self._order, "at": self._at}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what :meth:`state_dict` gave."""
        self._order, self._at = state["order"].to(self._device), state["at"]
