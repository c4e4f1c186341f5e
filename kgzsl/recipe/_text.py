"""The text of a recipe: YAML with line numbers, overrides from the command line, variables."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from kgzsl.errors import InputError, nearest

__all__ = ["Marks", "apply_overrides", "expand_variables", "parse_yaml"]

Marks = dict[tuple[str | int, ...], str]
"""Path of a key or a list entry to where it was written: ``("generator", "hidden")`` to ``"line 7"``."""


def parse_yaml(text: str, file: str | None = None) -> tuple[dict[str, Any], Marks]:
    """The mapping that ``text`` holds, and where each of its keys stands.

    Raises:
        InputError: No valid YAML, a key given twice, or no mapping; file and line are named.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = None if mark is None else f"line {mark.line + 1}, column {mark.column + 1}"
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise InputError(f"not valid YAML: {problem}", file=file, place=place, remedy="correct the syntax") from None
    if root is None:
        raise InputError("the recipe is empty", file=file, remedy="start from one in examples/recipes")
    if not isinstance(root, yaml.MappingNode):
        raise InputError(
            "a recipe is a mapping of keys to values", file=file, place="line 1", remedy="write task: ... and so on"
        )
    marks: Marks = {}
    _collect(root, (), marks, file)
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = None if mark is None else f"line {mark.line + 1}"
        raise InputError(f"not a plain value: {getattr(error, 'problem', error)}", file=file, place=place) from None
    return dict(content), marks


def _collect(node: yaml.Node, path: tuple[str | int, ...], marks: Marks, file: str | None) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, str(key.value))
            place = f"line {key.start_mark.line + 1}"
            if inner in marks:
                raise InputError(f"the key {key.value!r} is given twice", file=file, place=place, remedy="keep one")
            marks[inner] = place
            _collect(value, inner, marks, file)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            marks[(*path, number)] = f"line {value.start_mark.line + 1}"
            _collect(value, (*path, number), marks, file)


def apply_overrides(content: Mapping[str, Any], overrides: Sequence[str], marks: Marks | None = None) -> dict[str, Any]:
    """A copy of ``content`` with ``a.b=value`` settings applied.

    The value is YAML: ``generator.hidden=1024``, ``priors=[{name: att}]``, ``graph=null``. A part of a list goes by its
    number or, for components, by its name: ``priors.transe.dim=50``. A component given as a bare name takes options
    too: with ``generator: wgan``, ``generator.hidden=512`` makes it ``{name: wgan, hidden: 512}``.

    Args:
        content: The recipe as plain values.
        overrides: The settings.
        marks: Told where the new values come from, for later messages.

    Raises:
        InputError: A setting without ``=``, with a broken value, or into a list entry that is not there.
    """
    result: dict[str, Any] = _copied(content)
    for setting in overrides:
        name, found, text = setting.partition("=")
        place = f"--set {setting}"
        keys = [key.strip() for key in name.split(".")]
        if not found or not all(keys):
            raise InputError("a setting has the form key.key=value", place=place, remedy="e.g. generator.hidden=1024")
        try:
            value = yaml.safe_load(text) if text.strip() else None
        except yaml.YAMLError:
            raise InputError(f"the value {text!r} is not valid YAML", place=place, remedy="quote it") from None
        path = _assign(result, keys, value, place)
        if marks is not None:
            for old in [old for old in marks if old[: len(path)] == path]:
                del marks[old]
            marks[path] = place
    return result


def _assign(target: dict[str, Any], keys: list[str], value: Any, place: str) -> tuple[str | int, ...]:
    here: Any = target
    inner: Any
    path: list[str | int] = []
    for position, key in enumerate(keys):
        last = position == len(keys) - 1
        step: Any = _entry(here, key, place) if isinstance(here, list) else key
        path.append(step)
        if last:
            here[step] = value
            break
        inner = here[step] if isinstance(here, list) else here.get(step)
        if isinstance(inner, str):
            inner = {"name": inner}
        elif inner is None:
            inner = {}
        elif not isinstance(inner, dict | list):
            raise InputError(f"{'.'.join(map(str, path))} is {inner!r} and has no parts", place=place)
        here[step] = inner
        here = inner
    return tuple(path)


def _entry(entries: list[Any], key: str, place: str) -> int:
    if key.lstrip("-").isdigit() and -len(entries) <= int(key) < len(entries):
        return int(key) % len(entries)
    names = [entry.get("name") if isinstance(entry, dict) else entry for entry in entries]
    if key in names:
        return names.index(key)
    known = [str(name) for name in names]
    close = nearest(key, known)
    raise InputError(
        f"the list has no entry {key!r}",
        place=place,
        remedy=f"did you mean {close[0]!r}?" if close else f"it has: {', '.join(known) or 'none'}",
    )


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(inner) for inner in value]
    return value


_VARIABLE = re.compile(r"\$\{(\w+)\}")


def expand_variables(value: Any, *, marks: Marks, file: str | None, path: tuple[str | int, ...] = ()) -> Any:
    """``value`` with every ``${NAME}`` in its texts replaced by the environment variable of that name.

    ``${KGZSL_DATA}`` falls back to the data folder.

    Raises:
        InputError: A variable is not set.
    """
    if isinstance(value, dict):
        return {key: expand_variables(inner, marks=marks, file=file, path=(*path, key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [
            expand_variables(inner, marks=marks, file=file, path=(*path, number)) for number, inner in enumerate(value)
        ]
    if not isinstance(value, str):
        return value

    def answer(match: re.Match[str]) -> str:
        name = match.group(1)
        if name in os.environ:
            return os.environ[name]
        if name == "KGZSL_DATA":
            from kgzsl.datasets import data_dir

            return str(Path(data_dir()))
        raise InputError(
            f"the variable {name!r} is not set",
            file=file,
            place=marks.get(path),
            remedy=f"set it: export {name}=...",
        )

    return _VARIABLE.sub(answer, value)
