"""The cells of a comparison run one after the other, into one folder that can be gone on with."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kgzsl
from kgzsl._files import atomic_text
from kgzsl.cli.console import Console
from kgzsl.cli.execution import execute
from kgzsl.errors import InputError
from kgzsl.report import RunFolder
from kgzsl.report.comparison import Compared, compared, render_comparison, table_rows
from kgzsl.report.tables import write_rows
from kgzsl.tasks.result import HEADINGS, format_value

if TYPE_CHECKING:
    from kgzsl.cli.grid import Cell
    from kgzsl.recipe import Recipe

__all__ = ["run_cells"]


def run_cells(
    grid: Sequence[Cell],
    base: Recipe,
    out: Path,
    console: Console,
    *,
    command: Sequence[str],
    track: Sequence[str] = (),
) -> tuple[list[dict[str, Any]], list[str]]:
    """Run what is not finished, and write ``table.csv`` and ``comparison.html`` after every cell.

    A cell whose parts do not go together, or whose run is refused, is told in the table and left out.

    Returns:
        The rows of the table, and the table as lines of text.

    Raises:
        InputError: Every cell failed; the first one's reason. Or a folder holds something else.
    """
    lines: list[Compared] = []
    failures: list[InputError] = []
    title = f"{Path(base.dataset.name).name}: {len(grid)} combinations"
    for number, cell in enumerate(grid, start=1):
        console.note(f"[{number}/{len(grid)}] {cell.name}")
        folder = RunFolder(out / "cells" / cell.name)
        try:
            if cell.recipe is None:
                raise InputError(cell.problem)
            execute(cell.recipe, folder.path, console, resume=folder.exists, command=command, track=track)
        except InputError as error:
            failures.append(error)
            console.note(f"  left out: {error}")
            told = Compared(cell.name, cell.priors, cell.generator, cell.classifier, {}, problem=str(error))
            lines.append(told)
        else:
            lines.append(compared(cell.name, cell.priors, cell.generator, cell.classifier, folder))
        write_rows(out / "table.csv", table_rows(lines))
        page = render_comparison(title, lines, base.to_yaml(), shlex.join(command), kgzsl.__version__)
        atomic_text(out / "comparison.html", page)
    if len(failures) == len(grid):
        raise failures[0]
    return table_rows(lines), _text(title, lines)


def _text(title: str, lines: Sequence[Compared]) -> list[str]:
    columns = list(dict.fromkeys(column for line in lines for column in line.columns))
    rows = [["", *(HEADINGS.get(column, column) for column in columns), ""]]
    for line in lines:
        figures = [format_value(c, line.metrics.get(c, float("nan")), line.metrics.get(f"{c}_std")) for c in columns]
        rows.append([line.name, *figures, line.remark])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    text = [title]
    for row in rows:
        middle = [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)]
        text.append("  ".join([row[0].ljust(widths[0]), *middle, row[-1]]).rstrip())
    return text
