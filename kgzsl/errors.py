"""The one exception that means "the input is wrong", written for the person who gave it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from os import PathLike

__all__ = ["InputError", "nearest"]


class InputError(ValueError):
    """Bad input: what is wrong, where, and what to do about it, on one line.

    The command line prints ``str(error)`` and exits with status 2. A library user can read the parts.

    Args:
        problem: What is wrong, naming the offending value.
        file: The file (or dataset, or argument) it was found in.
        place: Where inside it: ``"line 12, column 4"``, a key, a row number.
        remedy: What the person can do.
    """

    def __init__(
        self,
        problem: str,
        *,
        file: str | PathLike[str] | None = None,
        place: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.problem = problem
        self.file = None if file is None else str(file)
        self.place = place
        self.remedy = remedy
        where = ", ".join(part for part in (self.file, place) if part)
        text = f"{where}: {problem}" if where else problem
        if remedy:
            text = f"{text.rstrip('.')}; {remedy}"
        super().__init__(" ".join(text.split()))


def nearest(name: str, known: Iterable[str], *, count: int = 3) -> list[str]:
    """The ``count`` known names closest to ``name``, best first; case is ignored.

    A ``name`` that is no text (a number, say) is compared as what it is written as.
    """
    by_lower: dict[str, str] = {}
    for candidate in known:
        by_lower.setdefault(candidate.lower(), candidate)
    found = difflib.get_close_matches(str(name).lower(), list(by_lower), n=count, cutoff=0.5)
    return [by_lower[match] for match in found]
