"""Class names from a file, one a line."""

from __future__ import annotations

from pathlib import Path

from kgzsl.errors import InputError

__all__ = ["is_file", "read_names"]


def is_file(given: str) -> bool:
    """Whether a text that may be names is the path of a file; a long list of names is none."""
    try:
        return Path(given).is_file()
    except OSError:
        return False


def read_names(path: Path) -> list[str]:
    """The names in ``path``; empty lines and lines that begin with ``#`` are passed over.

    Raises:
        InputError: No such file, or no name in it.
    """
    if not path.is_file():
        raise InputError("there is no such file", file=path, remedy="give a file with one class name a line")
    names = [line.strip() for line in path.read_text(encoding="utf-8-sig", errors="replace").splitlines()]
    names = [name for name in names if name and not name.startswith("#")]
    if not names:
        raise InputError("there is no name in it", file=path, remedy="write one class name a line")
    return names
