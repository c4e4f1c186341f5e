"""Values of options, looked at where a model is made: what is out of range is told before anything is done.

The functions whose names are plural look at attributes of a model, by their names; the others at one value.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from kgzsl.errors import InputError, nearest

__all__ = [
    "check_budget",
    "check_choice",
    "check_choices",
    "check_count",
    "check_device",
    "check_flags",
    "check_kind",
    "check_names",
    "check_number",
    "check_numbers",
    "check_seed",
    "check_whole",
    "check_widths",
]


def check_whole(model: Any, *names: str, least: int = 1, owner: str = "", instead: Sequence[Any] = ()) -> None:
    """Refuse options that are no whole numbers of ``least`` or more.

    Args:
        model: Has them as attributes.
        names: Which.
        least: The smallest that is allowed.
        owner: Put before the name in messages: ``"pairs."``.
        instead: What may stand in place of a number: None, or a word.

    Raises:
        InputError: One of them is not.
    """
    for name in names:
        check_count(getattr(model, name), f"{owner}{name}", least=least, instead=instead)


def check_count(value: Any, name: str, *, least: int = 1, instead: Sequence[Any] = ()) -> None:
    """Refuse what is no whole number of ``least`` or more; arguments as for :func:`check_whole`.

    Raises:
        InputError: It is not.
    """
    if not _stands(value, instead) and (not _is_whole(value) or value < least):
        raise InputError(f"{name} is {value!r}", remedy=f"give a whole number, {least} or more{_or(instead)}")


def check_numbers(
    model: Any,
    *names: str,
    zero: bool = True,
    below: float | None = None,
    most: float | None = None,
    owner: str = "",
    instead: Sequence[Any] = (),
) -> None:
    """Refuse options that are no finite numbers from 0 on; arguments as for :func:`check_whole`.

    Args:
        model: Has them as attributes.
        names: Which.
        zero: Whether 0 is allowed.
        below: What they must be less than.
        most: The largest that is allowed.
        owner: Put before the name in messages.
        instead: What may stand in place of a number.

    Raises:
        InputError: One of them is not.
    """
    for name in names:
        value = getattr(model, name)
        check_number(value, f"{owner}{name}", zero=zero, below=below, most=most, instead=instead)


def check_number(
    value: Any,
    name: str,
    *,
    zero: bool = True,
    below: float | None = None,
    most: float | None = None,
    negative: bool = False,
    infinite: bool = False,
    instead: Sequence[Any] = (),
) -> None:
    """Refuse what is no finite number from 0 on; further arguments as for :func:`check_numbers`.

    Args:
        value: The value.
        name: What it is called.
        zero, below, most: See there; they are not looked at with ``negative``.
        negative: Whether any finite number is allowed.
        infinite: Whether infinite ones are, too.
        instead: What may stand in place of a number.

    Raises:
        InputError: It is not.
    """
    if _stands(value, instead):
        return
    fits = _is_number(value) and abs(value) <= (_INFINITE if infinite else _LARGEST)
    if fits and not negative:
        fits = value >= 0 and (zero or value > 0)
        fits = fits and (below is None or value < below) and (most is None or value <= most)
    if not fits:
        asked = ("a number" if infinite else "a finite number") if negative else _range(zero, below, most)
        raise InputError(f"{name} is {value!r}", remedy=f"give {asked}{_or(instead)}")


_INFINITE = float("inf")
_LARGEST = float(np.finfo(np.float64).max)  # NaN and infinities do not pass, nor integers that no float can hold


def _range(zero: bool, below: float | None, most: float | None) -> str:
    if below is None and most is None:
        return "0 or a number above it" if zero else "a number above 0"
    start = "a number from 0" if zero else "a number above 0"
    if most is not None:
        return f"{start} to {most:g}" if zero else f"{start}, {most:g} at most"
    return f"{start} on and below {below:g}" if zero else f"{start} and below {below:g}"


def check_choices(model: Any, **choices: Iterable[str]) -> None:
    """Refuse options that are none of the words listed for them.

    Args:
        model: Has them as attributes.
        **choices: Name to the words.

    Raises:
        InputError: One of them is not.
    """
    for name, words in choices.items():
        check_choice(getattr(model, name), name, words)


def check_choice(value: Any, name: str, choices: Iterable[str]) -> None:
    """Refuse what is none of ``choices``.

    Raises:
        InputError: It is not.
    """
    known = tuple(choices)
    if not isinstance(value, str) or value not in known:
        close = nearest(value, known, count=1) if isinstance(value, str) else []
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise InputError(f"{name} is {value!r}", remedy=f"choose {_listed(known)}{hint}")


def check_flags(model: Any, *names: str) -> None:
    """Refuse options that are neither True nor False.

    Raises:
        InputError: One of them is not.
    """
    for name in names:
        value = getattr(model, name)
        if not isinstance(value, bool | np.bool_):
            raise InputError(f"{name} is {value!r}", remedy="give True or False")


def check_widths(model: Any, *names: str, instead: Sequence[Any] = ()) -> None:
    """Refuse options that are neither a width, a whole number of 1 or more, nor several of them.

    Raises:
        InputError: One of them is not.
    """
    for name in names:
        value = getattr(model, name)
        several = value if isinstance(value, list | tuple) else [value]
        if not _stands(value, instead) and not all(_is_whole(one) and one >= 1 for one in several):
            raise InputError(
                f"{name} is {value!r}", remedy=f"give a whole number, 1 or more, or several of them{_or(instead)}"
            )


def check_seed(value: Any, name: str = "seed") -> None:
    """Refuse what is no seed.

    Raises:
        InputError: It is none.
    """
    if not _is_whole(value) or not 0 <= value < 2**64:
        raise InputError(f"{name} is {value!r}", remedy="give a whole number, 0 or more and below 2^64")


def check_device(value: Any, name: str = "device") -> None:
    """Refuse what is no device of torch, whether it is here or not; None stands for none.

    Raises:
        InputError: It is none.
    """
    import torch

    if value is None:
        return
    try:
        torch.device(value)
    except (RuntimeError, TypeError) as error:
        raise InputError(f"{name} is {value!r}", remedy="leave it out, or give cpu, cuda or cuda:0") from error


def check_kind(value: Any, name: str, kind: type | tuple[type, ...], told: str) -> None:
    """Refuse what is neither of ``kind`` nor None; ``told`` says in words what is asked for.

    Raises:
        InputError: It is neither.
    """
    if value is not None and not isinstance(value, kind):
        raise InputError(f"{name} is {value!r}", remedy=f"give {told}, or leave it out")


def check_names(value: Any, name: str) -> None:
    """Refuse what is neither a list of names nor None: a text is one name, and no list of its letters.

    Raises:
        InputError: It is neither.
    """
    if value is not None and (isinstance(value, str) or not isinstance(value, Iterable)):
        raise InputError(f"{name} is {value!r}", remedy="give a list of names, or leave it out")


def check_budget(budget: Any, name: str = "memory_budget") -> None:
    """Refuse what is no number of bytes.

    Raises:
        InputError: It is none, or less than one byte.
    """
    if not _is_whole(budget) or budget < 1:
        raise InputError(f"{name} is {budget!r}", remedy="give a whole number of bytes, 1 or more")


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _stands(value: Any, instead: Sequence[Any]) -> bool:
    """Whether ``value`` is one of the words that may be there in place of a number."""
    return any(value is one or (isinstance(value, str) and value == one) for one in instead)


def _or(instead: Sequence[Any]) -> str:
    return "".join(f", or {one}" for one in instead)


def _listed(words: Sequence[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
