"""Options of a reader, checked before the call."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from kgzsl.errors import InputError, nearest

__all__ = ["checked_call"]

T = TypeVar("T")


def checked_call(function: Callable[..., T], name: str, options: Mapping[str, Any], *args: Any) -> T:
    """Call ``function`` with ``args`` and ``options``.

    Raises:
        InputError: It takes no option of such a name (the nearest one is given), or not this value of one.
    """
    parameters = inspect.signature(function).parameters
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        for option in options:
            if option not in parameters:
                close = nearest(option, parameters)
                hint = f"did you mean {close[0]!r}?" if close else f"it takes: {', '.join(parameters) or 'none'}"
                raise InputError(f"the data set {name!r} has no option {option!r}", remedy=hint)
    from kgzsl._resolver import as_type, type_hints

    hints = type_hints(function)
    given = {
        option: as_type(option, value, hints[option])
        if isinstance(value, str | int | float) and option in parameters and option in hints
        else value  # more than a plain value comes from code, not from a recipe
        for option, value in options.items()
    }
    return function(*args, **given)
