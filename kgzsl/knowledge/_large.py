"""Large arrays outside the C library's heap."""

from __future__ import annotations

import math
import mmap
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["empty", "joined", "look_up", "mark", "taken"]

_LEAST = 1 << 20
_PART = 1 << 16
# Not shared with a process that is forked later; Windows knows no such thing.
_PRIVATE: dict[str, Any] = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}


def empty(shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """An array as ``numpy.empty`` makes it, in pages of its own where it is large.

    They go back to the system the moment it is freed. On the heap, arrays that come and go between millions of small
    strings leave holes, a tenth of a reading's peak more or less by chance.
    """
    size = math.prod(shape) if isinstance(shape, tuple) else shape
    length = size * np.dtype(dtype).itemsize
    if length < _LEAST:
        return np.empty(shape, dtype)
    pages = mmap.mmap(-1, length, **_PRIVATE)
    return np.frombuffer(pages, dtype).reshape(shape)


def joined(blocks: Sequence[npt.NDArray[Any]], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """The blocks on end."""
    out = empty(sum(len(block) for block in blocks), dtype)
    at = 0
    for block in blocks:
        out[at : at + len(block)] = block
        at += len(block)
    return out


def taken(values: npt.NDArray[Any], rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """``values[rows]`` for row numbers."""
    out = empty((len(rows), *values.shape[1:]), values.dtype)
    return np.take(values, rows, axis=0, out=out, mode="clip")  # other modes take a copy first


def look_up(table: npt.NDArray[Any], ids: npt.NDArray[np.int64]) -> None:
    """Put ``table[ids]`` in the place of ``ids``, a part at a time."""
    for start in range(0, len(ids), _PART):
        ids[start : start + _PART] = table[ids[start : start + _PART]]


def mark(mask: npt.NDArray[np.bool_], ids: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
    """``mask[ids] = True``, a part at a time, since numpy widens a whole index first; returns ``mask``."""
    for start in range(0, len(ids), _PART):
        mask[ids[start : start + _PART]] = True
    return mask
