"""Lines: training curves, and the seen-unseen curve."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kgzsl.report.figures.svg import Axes, Canvas, Figure

__all__ = ["seen_unseen_curve", "training_curves"]

_NOT_LOSSES = {"seed", "stage", "step", "epoch"}
_MOST_POINTS = 200


def training_curves(history: Sequence[Mapping[str, Any]], *, most: int = 24) -> dict[str, list[Figure]]:
    """One small figure for each stage and figure logged, one line in it for each seed.

    Args:
        history: Rows with ``seed``, ``stage``, ``step`` or ``epoch``, and numbers.
        most: At most so many figures; what is beyond stays in history.csv.

    Returns:
        Stage to its figures, in the order of first appearance.
    """
    lines: dict[tuple[str, str], dict[str, list[tuple[float, float]]]] = {}
    units: dict[tuple[str, str], str] = {}
    for index, row in enumerate(history):
        stage = str(row.get("stage", ""))
        unit = "step" if "step" in row else "epoch" if "epoch" in row else "row"
        place = float(row.get(unit, index))
        for name, value in row.items():
            if name in _NOT_LOSSES or not isinstance(value, int | float) or not math.isfinite(value):
                continue
            seed = str(row.get("seed", ""))
            lines.setdefault((stage, name), {}).setdefault(seed, []).append((place, float(value)))
            units.setdefault((stage, name), unit)
    figures: dict[str, list[Figure]] = {}
    for (stage, name), by_seed in list(lines.items())[:most]:
        if max(len(points) for points in by_seed.values()) > 1:
            figures.setdefault(stage, []).append(_training_curve(stage, name, by_seed, units[stage, name]))
    return figures


def _training_curve(stage: str, name: str, by_seed: dict[str, list[tuple[float, float]]], unit: str) -> Figure:
    points = [point for line in by_seed.values() for point in line]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    last = [line[-1][1] for line in by_seed.values()]
    key = "curve-" + "".join(c if c.isalnum() else "-" for c in f"{stage}-{name}")
    seeds = f"{len(by_seed)} seeds" if len(by_seed) > 1 else "one seed"
    told = (
        f"{name} over {unit}s {min(xs):g} to {max(xs):g}, {seeds}: begins at {points[0][1]:.4g}, ends at "
        f"{np.mean(last):.4g}, lowest {min(ys):.4g}, highest {max(ys):.4g}."
    )
    canvas = Canvas(key, 340, 200, f"{stage}: {name}".strip(": "), told)
    axes = Axes(canvas, (min(xs), max(xs)), (min(ys), max(ys)), left=52, xlabel=unit)
    for line in by_seed.values():
        canvas.path([axes.at(x, y) for x, y in _thinned(line)], "series")
    return Figure(key, name, canvas.render())


def _thinned(line: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most 200 points, ends kept."""
    if len(line) <= _MOST_POINTS:
        return line
    keep = np.unique(np.linspace(0, len(line) - 1, _MOST_POINTS).round().astype(int))
    return [line[index] for index in keep]


def seen_unseen_curve(
    seen: np.ndarray, unseen: np.ndarray, *, point: tuple[float, float] | None = None, area: float | None = None
) -> Figure:
    """Accuracy on unseen against seen classes as the bias between them moves.

    Args:
        seen: Per-class accuracy on the seen classes [K], in percent or as a fraction.
        unseen: The same for the unseen ones [K].
        point: (seen, unseen) at the bias that validation chose.
        area: The area under the curve, for the caption.
    """
    seen, unseen = np.asarray(seen, dtype=float), np.asarray(unseen, dtype=float)
    whole = 100.0 if max(seen.max(initial=0), unseen.max(initial=0)) > 1.0 else 1.0
    unit = " (%)" if whole == 100.0 else ""
    order = np.lexsort((-unseen, seen))
    told = (
        f"From {unseen.max(initial=0):.1f} on unseen classes alone to {seen.max(initial=0):.1f} on seen classes alone."
    )
    if point:
        told += f" The chosen bias gives {point[0]:.1f} seen and {point[1]:.1f} unseen."
    if area is not None:
        told += f" Area under the curve {area:.3f}."
    canvas = Canvas("seen-unseen", 420, 320, "Accuracy on unseen against seen classes", told)
    top = max(float(unseen.max(initial=0)), point[1] if point else 0.0) * 1.08 or whole
    right = max(float(seen.max(initial=0)), point[0] if point else 0.0) * 1.08 or whole
    axes = Axes(
        canvas,
        (0, min(right, whole)),
        (0, min(top, whole)),
        left=56,
        xlabel=f"seen classes{unit}",
        ylabel=f"unseen classes{unit}",
    )
    line = [axes.at(seen[i], unseen[i]) for i in order]
    canvas.path([axes.at(0, unseen[order[0]]), *line, axes.at(seen[order[-1]], 0), axes.at(0, 0)], "area")
    canvas.path(line, "series strong")
    if point:
        x, y = axes.at(*point)
        canvas.add(f'<path class="mark" d="M{x - 6:.1f} {y:.1f}l6 -6l6 6l-6 6z"><title>the chosen bias</title></path>')
    caption = "Each point is one bias between seen and unseen classes."
    if point:
        caption += " The diamond is the bias chosen on held-out seen classes."
    if area is not None:
        caption += f" AUSUC {area:.3f}."
    return Figure("seen-unseen", "Seen against unseen", canvas.render(), caption)
