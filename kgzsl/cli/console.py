"""What a command says, and to whom: people, or machines that asked for JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
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
    def files_fetched(self) -> Iterator[Callable[[str, int, int | None], None] | None]:
        """A bar for each file fetched, on a terminal; a line for each off one."""
        if self.quiet:
            yield None
            return
        if not sys.stderr.isatty():
            told: set[str] = set()

            def line(name: str, done: int, total: int | None) -> None:  # noqa: ARG001 (lines tell the size alone)
                if name not in told:
                    told.add(name)
                    self.note(f"fetching {name}" + (f" ({total:,} bytes)" if total else ""))

            yield line
            return
        from rich.console import Console as RichConsole
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(24), DownloadColumn(), TimeRemainingColumn(compact=True))
        with Progress(*columns, console=RichConsole(stderr=True)) as bar:
            tasks: dict[str, Any] = {}

            def report(name: str, done: int, total: int | None) -> None:
                if name not in tasks:
                    tasks[name] = bar.add_task(name, total=total)
                bar.update(tasks[name], completed=done, total=total)

            yield report

    def counted(self, what: str) -> Callable[[int, int], None] | None:
        """Tells how far something countable has come: a line after two seconds, and then every ten."""
        return None if self.quiet else _Lines(what, self.note)

    @contextmanager
    def bytes_read(self, what: str) -> Iterator[_Report | None]:
        """A bar over bytes read, on a terminal; off one, a line now and then where it takes longer than two seconds."""
        if self.quiet or (self.as_json and not sys.stderr.isatty()):
            yield None
            return
        if not sys.stderr.isatty():
            yield _Lines(what, self.note)
            return
        from rich.console import Console as RichConsole
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(24), DownloadColumn(), TimeRemainingColumn(compact=True))
        with Progress(*columns, console=RichConsole(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=None)

            def report(done: int, total: int | None) -> None:
                said = f"{what}: making the graph" if done == total else what
                bar.update(task, completed=done, total=total, description=said)

            yield report


class _Lines:
    """Says how far one has come after two seconds, and then every ten."""

    def __init__(self, what: str, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._what, self._say, self._clock = what, say, clock
        self._next = clock() + 2

    def __call__(self, done: int, total: int | None, /) -> None:
        if self._clock() < self._next:
            return
        self._next = self._clock() + 10
        self._say(f"{self._what}: {done:,} of {total:,} ({done / total:.0%})" if total else f"{self._what}: {done:,}")
