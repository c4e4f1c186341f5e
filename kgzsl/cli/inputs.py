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
    """A head, and the relation to complete (None where the command line gives it)."""

    head: str
    relation: str | None


@contextmanager
def given_files(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """``paths`` themselves; for ``-`` what comes from standard input, as a file of JSON lines while it is needed."""
    if [str(path) for path in paths] != ["-"]:
        yield list(paths)
        return
    with tempfile.TemporaryDirectory(prefix="kgzsl-") as folder:
        file = Path(folder) / "standard input.jsonl"
        file.write_bytes(sys.stdin.buffer.read())
        yield [file]


def read_queries(path: Path) -> list[Query]:
    """Heads with relations, from ``.tsv``, ``.csv``, ``.txt`` (a header ``head, relation`` is skipped) or ``.jsonl``.

    Raises:
        InputError: The file is unreadable, empty, or a line has no head; the line is named.
    """
    if not path.is_file():
        raise InputError("there is no such file", file=path, remedy="check the path")
    if path.suffix in (".jsonl", ".json", ".ndjson"):
        return _json_queries(path)
    found: list[Query] = []
    for number, row in enumerate(cells_of(path), start=1):
        cells = [cell.strip() for cell in row]
        if number == 1 and cells[0].lower() in ("head", "subject", "h"):
            continue
        if not cells[0]:
            raise InputError("this row has no head", file=path, place=f"line {number}", remedy="write head, relation")
        found.append(Query(cells[0], cells[1] if len(cells) > 1 and cells[1] else None))
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
        if not isinstance(entry, dict) or not isinstance(entry.get("head"), str):
            problem = "this object has no head"
            raise InputError(problem, file=path, place=f"line {number}", remedy='write {"head": ..., "relation": ...}')
        relation = entry.get("relation")
        if not isinstance(relation, str | None):
            problem = f"the relation is {relation!r}, not a name"
            raise InputError(problem, file=path, place=f"line {number}", remedy='write {"head": ..., "relation": ...}')
        found.append(Query(entry["head"], relation))
    return _some(found, path)


def _some(found: list[Query], path: Path) -> list[Query]:
    if not found:
        raise InputError("there are no queries in it", file=path, remedy="write head and relation, one pair a line")
    return found
