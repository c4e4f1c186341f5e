"""Real and synthetic features of unseen classes in two dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from kgzsl.report.figures.svg import Axes, Canvas, Figure

__all__ = ["feature_map"]


def feature_map(xy: np.ndarray, synthetic: np.ndarray, classes: np.ndarray, names: Sequence[str]) -> Figure:
    """A scatter plot: discs are real, rings are synthetic; a list on the page picks one class out.

    Args:
        xy: Coordinates [N, 2].
        synthetic: Which points were generated [N], true or false.
        classes: The class of each point [N], an index into ``names``.
        names: What to call the classes.
    """
    xy, synthetic, classes = (
        np.asarray(xy, dtype=float),
        np.asarray(synthetic, dtype=bool),
        np.asarray(classes, dtype=int),
    )
    shown = np.unique(classes)
    told = (
        f"{int((~synthetic).sum())} real and {int(synthetic.sum())} synthetic features of {len(shown)} unseen classes. "
        + _how_near(xy, synthetic, classes)
    )
    canvas = Canvas("feature-map", 560, 420, "Real and synthetic features in two dimensions", told)
    low, high = xy.min(axis=0), xy.max(axis=0)
    axes = Axes(canvas, (low[0], high[0]), (low[1], high[1]), left=12, right=12, top=12, bottom=12, grid=False)
    for index in shown:
        name = names[index] if 0 <= index < len(names) else str(index)
        rows = classes == index
        canvas.add(f'<g data-class="{escape(name, quote=True)}"><title>{escape(name)}</title>')
        canvas.dots([axes.at(x, y) for x, y in xy[rows & synthetic]], "dot synthetic")
        canvas.dots([axes.at(x, y) for x, y in xy[rows & ~synthetic]], "dot real")
        canvas.add("</g>")
    caption = told + " Distances in such a map are a hint, not a measure."
    return Figure("feature-map", "Real and synthetic features", canvas.render(), caption, wide=True)


def _how_near(xy: np.ndarray, synthetic: np.ndarray, classes: np.ndarray) -> str:
    """For how many classes the nearest real centre to the synthetic one is their own."""
    both = [c for c in np.unique(classes) if (synthetic & (classes == c)).any() and (~synthetic & (classes == c)).any()]
    if len(both) < 2:
        return ""
    made = np.stack([xy[synthetic & (classes == c)].mean(axis=0) for c in both])
    real = np.stack([xy[~synthetic & (classes == c)].mean(axis=0) for c in both])
    nearest = ((made[:, None] - real[None]) ** 2).sum(axis=-1).argmin(axis=1)
    hits = int((nearest == np.arange(len(both))).sum())
    return f"On this map the real centre nearest to the synthetic one is the class's own for {hits} of {len(both)}."
