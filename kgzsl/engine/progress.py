"""Progress for people: a bar with the losses on a terminal, plain lines off one, nothing when asked."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

__all__ = ["Bar", "Lines", "Progress", "make_progress"]


class Progress:
    """Silence; the base of the two that speak."""

    def log(self, done: int, losses: Mapping[str, float]) -> None:
        """Report ``done`` steps and the mean losses since the last report."""

    def advance(self, done: int) -> None:
        """Report ``done`` steps; called after each one, so it must cost nothing."""

    def close(self) -> None:
        """Give the terminal back."""


def _figures(losses: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in losses.items())


class Lines(Progress):
    """About ten lines a run, for logs and pipes.

    Args:
        name: The run's name.
        steps: Steps in all.
        start: Steps done before (a resumed run).
        stream: Where to write (default: standard error).
        every_s: A line at least this often, in seconds, if there is anything to say.
    """

    def __init__(self, name: str, steps: int, start: int, stream: TextIO | None = None, every_s: float = 30.0) -> None:
        self._name, self._steps, self._stream = name, steps, stream or sys.stderr
        self._start, self._began, self._last, self._every_s = start, time.monotonic(), time.monotonic(), every_s
        self._next = start

    def log(self, done: int, losses: Mapping[str, float]) -> None:
        """Write a line if a tenth of the run, or the time given, has passed since the last one."""
        now = time.monotonic()
        if done < self._next and done < self._steps and now - self._last < self._every_s:
            return
        self._next, self._last = done + max(1, self._steps // 10), now
        rate = (done - self._start) / max(now - self._began, 1e-9)
        print(f"{self._name}: step {done}/{self._steps}  {_figures(losses)}  ({rate:.1f} steps/s)", file=self._stream)


class Bar(Progress):
    """A rich progress bar on standard error that carries the losses."""

    def __init__(self, name: str, steps: int, start: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._bar: Any = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[losses]}"),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task(name, total=steps, completed=start, losses="")
        self._bar.start()

    def log(self, done: int, losses: Mapping[str, float]) -> None:
        """Move the bar and renew the losses."""
        self._bar.update(self._task, completed=done, losses=_figures(losses))

    def advance(self, done: int) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=done)

    def close(self) -> None:
        """Leave the finished bar on the terminal."""
        self._bar.stop()


def make_progress(kind: bool | str, name: str, steps: int, start: int) -> Progress:
    """The progress for ``kind``: ``"auto"`` (bar on a terminal, else lines), ``True`` (bar), ``"lines"``, ``False``."""
    if kind is False:
        return Progress()
    if kind == "lines" or (kind == "auto" and not sys.stderr.isatty()):
        return Lines(name, steps, start)
    return Bar(name, steps, start)
