"""What a command says, and to whom: people, or machines that asked for JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from kgzsl.report.run_folder import plain

__all__ = ["Console"]


class _Report(Protocol):
    def __call__(self, done: int, total: int | None, /) -> None: ...


class Console:
    """Standard output carries the result and nothing else; standard error carries progress and remarks.

    Args:
        as_json: Print one JSON object instead of text.
        quiet: No progress and no remarks; with text, no summary either.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json, self.quiet = as_json, quiet

    @property
    def progress(self) -> bool | str:
        """What the engine is to show: a bar on a terminal, lines off one, nothing when quiet."""
        return False if self.quiet else "auto"

    def result(self, values: Mapping[str, Any], lines: Iterable[str] = ()) -> None:
        """Print the result: ``values`` for machines, or ``lines`` for people."""
        if self.as_json:
            print(json.dumps(plain(values), ensure_ascii=False, allow_nan=False))
        elif not self.quiet:
            for line in lines:
                print(line)

    def note(self, text: str) -> None:
        """A remark while something goes on."""
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)

    @contextmanager
    def bytes_read(self, what: str) -> Iterator[_Report | None]:
        """A bar over bytes read, on a terminal; None off one (reading is over in seconds)."""
        if self.quiet or not sys.stderr.isatty():
            yield None
            return
        from rich.console import Console as RichConsole
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(24), DownloadColumn(), TimeRemainingColumn(compact=True))
        with Progress(*columns, console=RichConsole(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=None)

            def report(done: int, total: int | None) -> None:
                bar.update(task, completed=done, total=total)

            yield report
