"""Remedies that speak of arguments of Python, said in the options of a command."""

from __future__ import annotations

import re
from collections.abc import Collection

from kgzsl.errors import InputError

__all__ = ["in_options"]

# name=, name=True, name='text', name=('a', 'b') and name={...}, as remedies write them.
_ARGUMENT = re.compile(r"""\b(?P<name>[a-z_]+)=(?P<value>\([^)]*\)|\{[^}]*\}|'[^']*'|True\b)?""")


def in_options(
    error: InputError, options: Collection[str], note: str = "", *, settable: Collection[str] = ()
) -> InputError:
    """``error`` with the arguments that its remedy names written as options of the command line.

    ``columns=('object', 'subject'), relation='rdfs:subClassOf'`` becomes
    ``--columns object,subject --relation rdfs:subClassOf``.

    Args:
        error: What a reader says.
        options: The arguments that the command has an option for, by the names that the reader calls them.
        settable: The arguments that go through ``--set NAME=VALUE``.
        note: Put after the remedy where it was changed, such as the command that takes these options.
    """
    if error.remedy is None:
        return error

    def option(match: re.Match[str]) -> str:
        name, value = match["name"], match["value"] or ""
        if name in settable:
            return f"--set {match[0]}"
        if name not in options:
            return match[0]
        flag = "--" + name.replace("_", "-")
        if value.startswith("{"):
            return f"{flag} FILE"
        said = ",".join(re.findall(r"'([^']*)'", value))
        return f"{flag} {said}" if said else flag

    remedy = re.sub(r"(--[a-z-]+ \S+), (?=--)", r"\1 ", _ARGUMENT.sub(option, error.remedy))
    if remedy == error.remedy:
        return error
    return InputError(error.problem, file=error.file, place=error.place, remedy=remedy + note)
