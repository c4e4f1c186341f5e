"""The classifier inside a transductive one: made by name, or by a function of the user's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kgzsl._options import check_kind
from kgzsl.errors import InputError

__all__ = ["InnerHead", "inner_state", "new_inner", "put_inner_back"]

InnerHead = str | Callable[[], Any]


def new_inner(head: InnerHead, options: Mapping[str, Any] | None) -> Any:
    """The head, not yet fitted.

    Raises:
        InputError: Neither a name nor a function, no classifier of that name, an option that it has not, or one
            without probabilities.
    """
    check_kind(options, "options", Mapping, "a mapping of option to value")
    if not isinstance(head, str) and not callable(head):
        raise InputError(f"head is {head!r}", remedy="give the name of a classifier, or a function that builds one")
    if not isinstance(head, str):
        return head()
    from kgzsl.classifiers.registry import make

    made: Any = make(head, **dict(options or {}))
    if not hasattr(made, "predict_proba") or hasattr(made, "setting"):
        raise InputError(
            f"the head {head!r} gives no probabilities of its own", remedy="choose softmax, gda or evidential"
        )
    made.check_options()
    return made


def inner_state(owner: str, head: InnerHead, fitted: Any) -> dict[str, Any]:
    """What ``fitted`` has learnt, as tensors and plain values.

    Raises:
        InputError: The head was made by a function, which no file can hold.
    """
    if not isinstance(head, str):
        raise InputError(f"this {owner} cannot be saved: its head was made by a function", remedy="name the head")
    state: dict[str, Any] = fitted.state_dict()
    return state


def put_inner_back(head: InnerHead, options: Mapping[str, Any] | None, state: Mapping[str, Any]) -> Any:
    """The head that :func:`inner_state` told of."""
    return new_inner(head, options).load_state_dict(state)
