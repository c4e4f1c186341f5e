"""What pydantic complains of, told to people: file, line, remedy."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from kgzsl.errors import InputError, nearest
from kgzsl.recipe._text import Marks

__all__ = ["explained"]


def explained(error: ValidationError, model: type[BaseModel], file: str | None, marks: Marks) -> InputError:
    """The first of pydantic's complaints as one line with file, line and remedy; unknown keys before bad values."""
    complaints = sorted(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    complaint = complaints[0]
    path = tuple(part for part in complaint["loc"] if not _is_tag(part))
    place = next((marks[path[:n]] for n in range(len(path), 0, -1) if path[:n] in marks), None)
    name = ".".join(map(str, path))
    if complaint["type"] == "extra_forbidden":
        known = _fields_at(model, path[:-1])
        close = nearest(str(path[-1]), known)
        remedy = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}"
        inside = f" in {'.'.join(map(str, path[:-1]))}" if path[:-1] else ""
        return InputError(f"unknown key {path[-1]!r}{inside}", file=file, place=place, remedy=remedy)
    if complaint["type"] == "missing":
        return InputError(f"the key {name!r} is missing", file=file, place=place, remedy=f"add {path[-1]}: ...")
    if complaint["type"] == "literal_error":
        expected = complaint.get("ctx", {}).get("expected", "")
        given = complaint["input"]
        close = nearest(str(given), [part.strip(" '\"") for part in expected.replace(" or ", ",").split(",")])
        hint = f"did you mean {close[0]!r}? " if close else ""
        return InputError(f"{name} is {given!r}", file=file, place=place, remedy=f"{hint}It is one of {expected}")
    message = str(complaint["msg"]).removeprefix("Value error, ")
    given = complaint["input"]
    told = f"{name} is {given!r}: " if isinstance(given, str | int | float | bool | type(None)) else f"{name}: "
    return InputError(f"{told}{message[:1].lower()}{message[1:]}", file=file, place=place, remedy="correct this value")


def _is_tag(part: str | int) -> bool:
    # Branches of a union show up in pydantic's path beside the keys.
    return isinstance(part, str) and (part in {"int", "float", "str", "list[int]"} or part.startswith("literal["))


def _fields_at(model: type[BaseModel], path: tuple[str | int, ...]) -> list[str]:
    """The keys that the model at ``path`` knows."""
    for part in path:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        found = _model_in(annotation)
        if found is None:
            return []
        model = found
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)
