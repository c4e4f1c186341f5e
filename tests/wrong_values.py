"""Values that no option of most kinds can have, and which of them the annotations of a constructor allow after all."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from kgzsl.engine import Engine
from kgzsl.knowledge import ClassGraph, ClassPriors

_NAMES = {"ClassGraph": ClassGraph, "ClassPriors": ClassPriors, "Engine": Engine}  # there for type checkers alone

WRONG: tuple[Any, ...] = ("abc", None, float("nan"), [1], True)


def wrong_values(kind: type[Any], free: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Options of the constructor of ``kind``, each with every wrong value that is one for it.

    Args:
        kind: The class.
        free: Options that take any text.
    """
    hints = typing.get_type_hints(kind.__init__, localns=_NAMES)
    for name in list(inspect.signature(kind).parameters):
        hint = hints[name]
        allowed = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        lists = {typing.get_origin(one) for one in allowed}
        for value in WRONG:
            text = isinstance(value, str) and name in free
            flag = value is True and bool in allowed
            some = isinstance(value, list) and (Sequence in lists or (tuple in lists and int in allowed))
            if not (text or flag or some or (value is None and type(None) in allowed)):
                yield name, value


def as_numpy(options: dict[str, Any]) -> dict[str, Any]:
    """The same numbers as numpy has them, among them whole ones for real ones."""
    found: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, bool):
            found[name] = np.bool_(value)
        elif isinstance(value, int):
            found[name] = np.int64(value)
        elif isinstance(value, float):
            found[name] = np.int64(value) if value == int(value) else np.float64(value)
        else:
            found[name] = value
    return found


def defaults(kind: type[Any]) -> dict[str, Any]:
    """The options of ``kind`` that have a value."""
    parameters = inspect.signature(kind).parameters.values()
    return {one.name: one.default for one in parameters if one.default is not one.empty}
