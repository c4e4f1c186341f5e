"""What people hand to ``kgzsl predict``: files of features, files of heads and relations."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from kgzsl._feature_files import cells_of, read_features, text_of
from kgzsl.errors import InputError

__all__ = ["Query", "given_files", "read_features", "read_queries"]


class Query(NamedTuple):
    """A head, the relation to complete (None where the command line gives it), and a tail, where one is asked about."""

    head: str
    relation: str | None
    tail: str | None = None

    def relation_or(self, given: str | None, file: Path, number: int) -> str:
        """Its relation, or the one of the command line.

        Args:
            given: What the command line says.
            file: Where the query is from.
            number: Its place there, from 1.

        Raises:
            InputError: There is neither, or they are two.
        """
        place = f"query {number}"
        if self.relation is None and given is None:
            raise InputError(
                f"the head {self.head!r} has no relation",
                file=file,
                place=place,
                remedy="write head and relation, or give --relation",
            )
        if None not in (self.relation, given) and self.relation != given:
            problem = f"the relation is {self.relation!r} here, and --relation says {given!r}"
            raise InputError(problem, file=file, place=place, remedy="leave --relation out, or write heads alone")
        return str(self.relation or given)


@contextmanager
def given_files(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """``paths`` themselves; for ``-`` what comes from standard input, as a file of JSON lines while it is needed."""
    if [str(path) for path in paths] != ["-"]:
        yield list(paths)
        return
    with tempfile.TemporaryDirectory(prefix="kgzsl-") as folder:
        file = Path(folder) / "standard input.jsonl"
        file.write_bytes(sys.stdin.buffer.read())
        try:
            yield [file]
        except InputError as error:
            if error.file != str(file):
                raise
            # Nobody knows the file, which is gone by then.
            raise InputError(error.problem, file="standard input", place=error.place, remedy=error.remedy) from error


def read_queries(path: Path) -> list[Query]:
    """Heads with relations, and perhaps tails, from ``.tsv``, ``.csv``, ``.txt`` or ``.jsonl``.

    The first three columns of a table; a header (``head, relation``, and perhaps ``tail``) says where the tail is.

    Raises:
        InputError: The file is unreadable, empty, or a line has no head; the line is named.
    """
    if not path.is_file():
        raise InputError("there is no such file", file=path, remedy="check the path")
    if path.suffix in (".jsonl", ".json", ".ndjson"):
        return _json_queries(path)
    found: list[Query] = []
    tail = 2
    for number, row in enumerate(cells_of(path), start=1):
        cells = [cell.strip() for cell in row]
        if number == 1 and cells[0].lower() in ("head", "subject", "h"):
            named = [cell.lower() for cell in cells]
            tail = next((named.index(name) for name in ("tail", "object", "t") if name in named), len(cells))
            continue
        if not cells[0]:
            raise InputError("this row has no head", file=path, place=f"line {number}", remedy="write head, relation")
        found.append(Query(cells[0], *((cells[at] or None) if at < len(cells) else None for at in (1, tail))))
    return _some(found, path)


def _json_queries(path: Path) -> list[Query]:
    found: list[Query] = []
    for number, line in enumerate(text_of(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise InputError(
                f"this is not JSON ({error})", file=path, place=f"line {number}", remedy="one object a line"
            ) from None
        problem = _fault(entry)
        if problem is not None:
            raise InputError(problem, file=path, place=f"line {number}", remedy='write {"head": ..., "relation": ...}')
        found.append(Query(entry["head"], entry.get("relation"), entry.get("tail")))
    return _some(found, path)


def _fault(entry: object) -> str | None:
    """What is wrong with one query."""
    if not isinstance(entry, dict):
        return "this is no object"
    if entry.get("head") in (None, ""):
        return "this object has no head"
    names = ((name, entry.get(name)) for name in ("head", "relation", "tail"))
    return next(
        (f"the {name} is {value!r}, not a name" for name, value in names if not isinstance(value, str | None)), None
    )


def _some(found: list[Query], path: Path) -> list[Query]:
    if not found:
        raise InputError("there are no queries in it", file=path, remedy="write head and relation, one pair a line")
    return found
