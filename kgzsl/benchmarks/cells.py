"""Cells of a long table: each in a process of its own, each kept on a line of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kgzsl.errors import InputError

__all__ = ["is_done", "keep_row", "measured_apart", "read_rows"]


def measured_apart(module: str, cell: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """What ``python -m module CELL`` answers in its last line, or ``problem``: it took too long, or failed.

    Args:
        module: Takes the cell as JSON in its only argument.
        cell: What to measure.
        seconds: After which it is ended.
    """
    command = [sys.executable, "-m", module, json.dumps(cell)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return {"problem": f"ended after {seconds:.0f} s", "limit": seconds}
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return {"problem": f"failed with status {done.returncode}: {last}", "limit": 0}
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def is_done(row: Mapping[str, Any] | None, seconds: float) -> bool:
    """Whether a kept row stands: a cell that crashed is tried again, one that took too long if it may take longer."""
    return row is not None and ("limit" not in row or seconds <= row["limit"])


def keep_row(kept: Path, row: Mapping[str, Any]) -> None:
    """Append ``row`` to the lines of ``kept``."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    with kept.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(row) + "\n")


def read_rows(kept: Path, key: Callable[[Mapping[str, Any]], str]) -> dict[str, dict[str, Any]]:
    """The last row of each key in ``kept``; none where there is no such file.

    Raises:
        InputError: A line is no row of the table. The last one may be cut off by an interruption and is passed over.
    """
    if not kept.exists():
        return {}
    found: dict[str, dict[str, Any]] = {}
    lines = kept.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            found[key(row)] = row
        except (ValueError, KeyError, TypeError):
            if number < len(lines):
                raise InputError("this is no record of the table", file=kept, place=f"line {number}") from None
    return found
