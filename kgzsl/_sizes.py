"""Sizes of memory as people write them."""

from __future__ import annotations

import re
from typing import Any

from kgzsl.errors import InputError

__all__ = ["bytes_of"]

_UNITS = {"": 1, "b": 1, **{f"{letter}{kind}": base**power
    for power, letter in enumerate("kmgt", start=1)
    for kind, base in (("", 1000), ("b", 1000), ("ib", 1024))}}  # fmt: skip


def bytes_of(size: Any) -> int:
    """``512MB``, ``2 GiB``, ``1.5G`` or a number to bytes: 1 MB is 10^6 bytes, 1 MiB is 2^20.

    Raises:
        InputError: It is no size, or less than one byte.
    """
    told = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?|[0-9]+e[0-9]+)\s*([a-zA-Z]*)\s*", str(size))
    if isinstance(size, bool) or told is None or told[2].lower() not in _UNITS:
        raise InputError(f"{size!r} is no size of memory", remedy="write it as 512MB or 2GiB")
    found = int(float(told[1]) * _UNITS[told[2].lower()])
    if found < 1:
        raise InputError(f"a memory budget of {size!r} is none", remedy="write it as 512MB or 2GiB")
    return found
