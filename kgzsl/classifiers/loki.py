"""Loki: decide by the Frechet mean over the classes' metric, so that classes without training data can be answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kgzsl.classifiers._inputs import float_matrix, rows_per_chunk
from kgzsl.errors import InputError, nearest

__all__ = ["Loki"]


class Loki:
    """Replace a classifier's argmax by the Frechet mean of its probabilities in a metric space of classes.

    Roberts et al., "Geometry-Aware Adaptation for Pretrained Models" (NeurIPS 2023): the answer is
    ``argmin_y sum_k p_k d(y, y_k)^2`` over *all* classes y, where k runs over the classes that the probabilistic
    classifier knows. Nothing is trained. With the discrete metric it is the argmax itself.

    Args:
        distances: [C, C], a metric over ``classes`` (from :meth:`kgzsl.ClassGraph.distances`): symmetric, zero on the
            diagonal, triangle inequality. Infinite entries (classes in separate components) are allowed.
        classes: The C class names.
        observed: Names of the classes that the classifier gives probabilities for, in its column order.
        budget: Bytes that one chunk of scores may take.
        device: Where scores are computed.

    Raises:
        InputError: Not a metric (the offending classes are named), or an observed class that is not among ``classes``.
    """

    def __init__(
        self,
        distances: Any,
        classes: Sequence[str],
        observed: Sequence[str],
        *,
        budget: int = 256 << 20,
        device: torch.device | str = "cpu",
    ) -> None:
        self.classes = tuple(classes)
        self.observed = tuple(observed)
        self.budget = budget
        self.device = torch.device(device)
        matrix = np.asarray(distances.cpu() if isinstance(distances, Tensor) else distances, dtype=np.float64)
        _check_metric(matrix, self.classes)
        rows = {name: row for row, name in enumerate(self.classes)}
        for name in self.observed:
            if name not in rows:
                close = nearest(name, self.classes)
                raise InputError(
                    f"the observed class {name!r} has no distances",
                    remedy=f"did you mean {close[0]!r}?" if close else "give distances for every observed class",
                )
        self._distances = matrix
        self.observed_rows = np.array([rows[name] for name in self.observed], dtype=np.int64)
        squared = matrix[self.observed_rows] ** 2
        # A class that cannot be reached from an observed one is farther than every class that can, yet comparable.
        finite = squared[np.isfinite(squared)]
        beyond = 4.0 * float(finite.max()) if finite.size and finite.max() > 0 else 1.0
        self.unreachable = int((~np.isfinite(squared)).all(axis=0).sum())
        self._squared = torch.as_tensor(np.where(np.isfinite(squared), squared, beyond), dtype=torch.float32).to(
            self.device
        )

    def scores(self, probabilities: Any) -> Tensor:
        """Minus the expected squared distance: float32 [N, C] for ``probabilities`` [N, k] over ``observed``.

        The whole [N, C] is returned; :meth:`predict` keeps only one chunk of it.
        """
        return -(self._checked(probabilities) @ self._squared)

    def predict(self, probabilities: Any) -> np.ndarray:
        """The Frechet mean's name for each row of ``probabilities`` [N, k]; ties go to the more probable class."""
        weights = self._checked(probabilities)
        chunk = rows_per_chunk(8 * len(self.classes), self.budget)
        own = torch.as_tensor(self.observed_rows, device=self.device)
        answers = []
        for part in torch.split(weights, chunk):
            risk = part @ self._squared
            best = risk.min(dim=1, keepdim=True).values
            tied = risk <= best + 1e-6 * best.abs().clamp_min(1e-12)
            # Among equals, an observed class with more probability wins; otherwise the first one.
            preference = torch.zeros_like(risk)
            preference[:, own] = part
            answers.append(preference.masked_fill_(~tied, -1.0).argmax(dim=1))
        chosen = torch.cat(answers).cpu().numpy()
        names: np.ndarray = np.array(self.classes)[chosen]
        return names

    def locus(self, observed: Sequence[int] | None = None) -> np.ndarray:
        """Which classes can be answered at all: bool [C], the union over pairs of observed classes.

        On a tree this is exact: every reachable class lies on the path between two observed ones. In other metrics a
        class that needs weight on three or more observed classes is not counted.

        Args:
            observed: Rows of the observed classes; default: those of this object.
        """
        rows = self.observed_rows if observed is None else np.asarray(observed, dtype=np.int64)
        reachable = np.zeros(len(self.classes), dtype=bool)
        reachable[rows] = True
        for place, first in enumerate(rows):
            for second in rows[place + 1 :]:
                reachable |= _pair_locus(self._distances[first] ** 2, self._distances[second] ** 2)
        return reachable

    def next_class(self, candidates: Sequence[str] | None = None) -> list[tuple[str, int]]:
        """Which class to label next: candidates with how many more classes become answerable, best first.

        Args:
            candidates: Names to choose from; default: every class not observed yet.
        """
        names = [name for name in self.classes if name not in self.observed] if candidates is None else list(candidates)
        rows = {name: row for row, name in enumerate(self.classes)}
        before = self.locus()
        gains = []
        for name in names:
            row = rows[name]
            after = before.copy()
            after[row] = True
            for other in self.observed_rows:
                after |= _pair_locus(self._distances[row] ** 2, self._distances[other] ** 2)
            gains.append((name, int(after.sum() - before.sum())))
        return sorted(gains, key=lambda pair: -pair[1])

    def _checked(self, probabilities: Any) -> Tensor:
        weights = float_matrix(probabilities, "probabilities", columns=len(self.observed), device=self.device)
        if bool((weights < 0).any()):
            raise InputError("probabilities hold negative values", remedy="apply a softmax first")
        return weights


def _pair_locus(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Classes that minimise ``w a + (1 - w) b`` for some w in [0, 1]: on the lower-left hull of the points (a, b)."""
    reachable = np.zeros(len(first), dtype=bool)
    usable = np.isfinite(first) & np.isfinite(second)
    if not usable.any():
        return reachable
    points = np.stack([first, second], axis=1)
    order = [int(i) for i in np.lexsort((second, first)) if usable[i]]
    hull: list[int] = []
    for index in order:
        if hull and points[index, 1] > points[hull[-1], 1]:
            continue  # dominated: farther from the second class and no nearer to the first
        while len(hull) >= 2 and _turn(points[hull[-2]], points[hull[-1]], points[index]) < -1e-12:
            hull.pop()
        hull.append(index)
    # Points equal to a corner, or on an edge of the hull, are minimisers as well.
    for index in order:
        for left, right in zip(hull, [*hull[1:], hull[-1]], strict=True):
            a, b = points[left], points[right]
            within = min(a[0], b[0]) <= points[index, 0] <= max(a[0], b[0])
            inside = within and min(a[1], b[1]) <= points[index, 1] <= max(a[1], b[1])
            if inside and abs(_turn(a, b, points[index])) <= 1e-9:
                reachable[index] = True
                break
    return reachable


def _turn(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


def _check_metric(matrix: np.ndarray, classes: tuple[str, ...]) -> None:
    count = len(classes)
    if matrix.shape != (count, count):
        raise InputError(f"distances have shape {matrix.shape} for {count} classes", remedy="give a [C, C] matrix")
    if np.isnan(matrix).any() or (matrix < 0).any() or np.diagonal(matrix).any():
        raise InputError("distances hold NaN or negative values, or are not zero on the diagonal")
    both = np.isfinite(matrix) & np.isfinite(matrix.T)
    if not np.array_equal(np.isfinite(matrix), both) or not np.allclose(matrix[both], matrix.T[both]):
        row, column = np.argwhere(~np.isclose(matrix, matrix.T))[0]
        raise InputError(
            f"distances are not symmetric between {classes[row]!r} and {classes[column]!r}",
            remedy="average the two directions, or take graph.distances()",
        )
    for middle in range(count):
        through = matrix[:, middle, None] + matrix[None, middle, :]
        broken = matrix > through * (1 + 1e-6) + 1e-9
        if broken.any():
            row, column = np.argwhere(broken)[0]
            raise InputError(
                f"the triangle inequality fails: {classes[row]!r} to {classes[column]!r} is farther than by way of "
                f"{classes[middle]!r}",
                remedy="take shortest-path distances (graph.distances())",
            )
