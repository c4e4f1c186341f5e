"""Values of options, looked at where a model is made: what is out of range is told before anything is done."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

from kgzsl.errors import InputError

__all__ = ["check_budget", "check_count", "check_numbers", "check_whole"]


def check_whole(model: Any, *names: str, least: int = 1, owner: str = "") -> None:
    """Refuse options that are no whole numbers of ``least`` or more.

    Args:
        model: Has them as attributes.
        names: Which.
        least: The smallest that is allowed.
        owner: Put before the name in messages: ``"pairs."``.

    Raises:
        InputError: One of them is not.
    """
    for name in names:
        check_count(getattr(model, name), f"{owner}{name}", least=least)


def check_count(value: Any, name: str, *, least: int = 1) -> None:
    """Refuse what is no whole number of ``least`` or more.

    Raises:
        InputError: It is not.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise InputError(f"{name} is {value!r}", remedy=f"give a whole number, {least} or more")


def check_numbers(model: Any, *names: str, zero: bool = True, owner: str = "") -> None:
    """Refuse options that are no finite numbers from 0 on; arguments as for :func:`check_whole`.

    Args:
        model: Has them as attributes.
        names: Which.
        zero: Whether 0 is allowed.
        owner: Put before the name in messages.

    Raises:
        InputError: One of them is not.
    """
    for name in names:
        value = getattr(model, name)
        fits = not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)
        if not fits or value < 0 or (value == 0 and not zero):
            remedy = "give 0 or a number above it" if zero else "give a number above 0"
            raise InputError(f"{owner}{name} is {value!r}", remedy=remedy)


def check_budget(budget: Any, name: str = "memory_budget") -> None:
    """Refuse what is no number of bytes.

    Raises:
        InputError: It is none, or less than one byte.
    """
    if isinstance(budget, bool) or not isinstance(budget, Integral) or budget < 1:
        raise InputError(f"{name} is {budget!r}", remedy="give a whole number of bytes, 1 or more")
