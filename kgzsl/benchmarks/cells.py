"""Cells of a long table: each in a process of its own, each kept on a line of its own."""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from kgzsl.errors import InputError

__all__ = ["is_done", "keep_row", "measured_apart", "read_rows", "without_figures"]


def measured_apart(module: str, cell: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """What ``module.measure(cell)`` answers in a process of its own, or ``problem``: it took too long, or failed.

    Where the system can, the process is forked from a server that has loaded PyTorch and the module once. As always
    with processes, a script that calls this needs ``if __name__ == "__main__":``.

    Args:
        module: Has ``measure``.
        cell: What to measure.
        seconds: After which it is ended.
    """
    how = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context: Any = multiprocessing.get_context(how)
    if how == "forkserver":
        context.set_forkserver_preload(["__main__", "torch", module])
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(theirs, module, dict(cell)))
    process.start()
    theirs.close()
    try:
        if not ours.poll(seconds):
            return {"problem": f"ended after {seconds:.0f} s", "limit": seconds}
        answer: dict[str, Any] = ours.recv()
    except EOFError:  # it was killed
        process.join()
        return {"problem": f"failed with status {process.exitcode}", "limit": 0}
    finally:
        ours.close()
        process.kill()
        process.join()
    return answer


def _measure(answer: Connection, module: str, cell: dict[str, Any]) -> None:
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        try:
            found = importlib.import_module(module).measure(cell)
        except InputError as error:
            found = {"problem": str(error)}
        except MemoryError:
            found = {"problem": "it does not fit in memory"}
        except Exception as error:  # a cell that crashes must not end the table
            found = {"problem": f"failed: {type(error).__name__}: {error}", "limit": 0}
    answer.send(found)


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


def without_figures(rows: Iterable[Mapping[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """What a report says is left out: of the cells that failed, were ended or were not begun, ``names`` and why.

    Args:
        rows: Cells; where one comes twice, the later one counts.
        names: What tells a cell from others.
    """
    told = {json.dumps([row[name] for name in names]): row for row in rows if "problem" in row}
    return [{name: row[name] for name in (*names, "problem")} for row in told.values()]
