"""What the unseen classes were taken for."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from kgzsl.report.figures.svg import Canvas, Figure, number

__all__ = ["confused_pairs", "confusion_matrix"]

_LARGEST = 250


def confusion_matrix(counts: np.ndarray, names: Sequence[str], columns: Sequence[str] | None = None) -> Figure | None:
    """A heat map, each row normalised to its sum; only cells that are not zero are drawn.

    Args:
        counts: Numbers of test items [true class, given class].
        names: The true classes.
        columns: The given classes, where they are not the same.

    Returns:
        None above 250 classes, where a cell would be smaller than the eye sees; the table of pairs remains.
    """
    counts = np.asarray(counts, dtype=float)
    rows, width = counts.shape
    columns = names if columns is None else columns
    if max(rows, width) > _LARGEST or not rows:
        return None
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-12)
    cell = min(26.0, max(3.4, 640.0 / max(rows, width)))
    size = min(12.0, cell * 0.92)
    labelled = size >= 5.0
    side = 12 + (min(110.0, size * 0.62 * max(len(name) for name in [*names, *columns])) if labelled else 8)
    right = np.diagonal(counts).sum() / max(counts.sum(), 1e-12) if rows == width else 0.0
    told = f"{rows} unseen classes; {right:.0%} of the items lie on the diagonal, where the answer is the true class."
    canvas = Canvas(
        "confusion", side + cell * width + 4, side + cell * rows + 4, "Confusion matrix of the unseen classes", told
    )
    canvas.add(
        f'<rect class="plate" x="{number(side)}" y="{number(side)}" width="{number(cell * width)}" '
        f'height="{number(cell * rows)}"/>'
    )
    for row, column in np.argwhere(share > 0.005):
        own = " own" if rows == width and row == column else ""
        x, y = side + column * cell, side + row * cell
        told = f"{names[row]} taken for {columns[column]}: {share[row, column]:.0%}"
        canvas.add(
            f'<rect class="cell{own}" x="{number(x)}" y="{number(y)}" width="{number(cell)}" height="{number(cell)}" '
            f'fill-opacity="{number(0.12 + 0.88 * share[row, column])}"><title>{escape(told)}</title></rect>'
        )
    if labelled:
        style = f' style="font-size:{number(size)}px"'
        for index, name in enumerate(names):
            canvas.text(side - 4, side + (index + 0.5) * cell + size * 0.35, _short(name), "tick", "end", style)
        for index, name in enumerate(columns):
            x = side + (index + 0.5) * cell + size * 0.35
            turn = f' transform="rotate(-90 {number(x)} {number(side - 4)})"'
            canvas.text(x, side - 4, _short(name), "tick", "start", style + turn)
    caption = "Rows are the true classes, columns the answers; the darker, the larger the share of the row."
    return Figure(
        "confusion", "Confusion of the unseen classes", canvas.render("matrix", 1.6 * canvas.width), caption, wide=True
    )


def confused_pairs(
    counts: np.ndarray, names: Sequence[str], columns: Sequence[str] | None = None, *, most: int = 15
) -> list[tuple[str, str, int, float]]:
    """The commonest mistakes: (true class, answer, items, share of the true class's items)."""
    counts = np.asarray(counts, dtype=float)
    columns = names if columns is None else columns
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-12)
    found = [
        (names[row], columns[column], int(counts[row, column]), float(share[row, column]))
        for row, column in np.argwhere(counts > 0)
        if names[row] != columns[column]
    ]
    return sorted(found, key=lambda pair: (-pair[2], -pair[3]))[:most]


def _short(name: str, most: int = 18) -> str:
    """A long name with its middle left out: class names differ at their ends more often than at their beginnings."""
    return name if len(name) <= most else f"{name[:5]}…{name[6 - most :]}"
