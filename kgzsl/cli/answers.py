"""Ranked answers to a file: one line an answer as CSV, or one object a query as JSON lines."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from kgzsl._files import atomic_file
from kgzsl.errors import InputError

__all__ = ["Answers", "check_out", "write_answers"]

_FORMATS = (".csv", ".tsv", ".jsonl")


@dataclass(frozen=True)
class Answers:
    """The ranked answers to one query.

    Args:
        query: What was asked: columns and values.
        ranked: Best first: columns and values of each answer.
    """

    query: Mapping[str, Any]
    ranked: Sequence[Mapping[str, Any]] = field(default_factory=tuple)


def write_answers(answers: Iterable[Answers], out: Path | None) -> int:
    """Write answers to ``out``, all or nothing, or as JSON lines to standard output; returns the number of queries.

    Raises:
        InputError: The name of ``out`` does not tell a known format, or it cannot be written.
    """
    if out is None:
        return _json_lines(answers, sys.stdout)
    if out.suffix not in _FORMATS:
        raise InputError(
            f"answers cannot be written as {out.suffix or 'a file without an ending'}",
            file=out,
            remedy=f"name it {' or '.join(_FORMATS)}",
        )
    with atomic_file(out) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        if out.suffix == ".jsonl":
            return _json_lines(answers, file)
        return _table(answers, file, "\t" if out.suffix == ".tsv" else ",")


def check_out(out: Path | None) -> None:
    """Refuse a bad ``--out`` before any work is done.

    Raises:
        InputError: See :func:`write_answers`.
    """
    if out is not None and (out.suffix not in _FORMATS or out.is_dir()):
        write_answers((), out)


def _json_lines(answers: Iterable[Answers], file: TextIO) -> int:
    count = 0
    for one in answers:
        count += 1
        record = {**one.query, "answers": [dict(answer) for answer in one.ranked]}
        file.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")
    return count


def _table(answers: Iterable[Answers], file: TextIO, delimiter: str) -> int:
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    count, header = 0, False
    for one in answers:
        count += 1
        for rank, answer in enumerate(one.ranked, start=1):
            if not header:
                writer.writerow([*one.query, "rank", *answer])
                header = True
            writer.writerow([*one.query.values(), rank, *answer.values()])
    return count
