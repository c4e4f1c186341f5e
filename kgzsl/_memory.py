"""Freed memory, given back to the system before what the allocator keeps of it adds up."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import TypeVar

__all__ = ["given_back"]

T = TypeVar("T")

_LEAST = 1 << 20
"""Bytes that are not worth giving back: processes grow by some pages with whatever they do."""


def given_back(pieces: Iterable[T], budget: int) -> Iterator[T]:
    """The pieces of some work, each of which takes large blocks of memory and leaves a small result.

    On Linux the C library keeps freed blocks for what comes next. A small result that is put into the hole of a large
    block makes the hole too small for the next large one, so that the heap grows with every piece although nothing is
    used: by gigabytes, where entities are millions. Which process meets this hangs on where its memory begins.

    Args:
        pieces: Handed on.
        budget: Once the process has grown by so many bytes since the work began, what is free goes back to the system;
            then it may grow by as much again. Below 1 MiB it is taken for that. Where growth cannot be told, or nothing
            be given back, nothing happens.
    """
    trim = _trim()
    if trim is None:
        yield from pieces
        return
    budget = max(budget, _LEAST)
    limit = _resident() + budget
    for piece in pieces:
        yield piece
        if _resident() > limit:
            trim(0)
            limit = _resident() + budget


@cache
def _trim() -> Callable[[int], int] | None:
    """glibc's ``malloc_trim``; None where there is none."""
    if not sys.platform.startswith("linux") or not os.path.exists("/proc/self/statm"):
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)


def _resident() -> int:
    """Bytes of the process that are in memory."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
