"""Loki: decide by the Frechet mean over the classes' metric, so that classes without training data can be answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from kgzsl._options import check_budget, check_device, check_names
from kgzsl.classifiers._inputs import distributions, rows_per_chunk
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
        device: Where scores are computed; None is the CPU.

    Raises:
        InputError: Not a metric (the offending classes are named), a class that is named twice, or an observed class
            that is not among ``classes``.
    """

    def __init__(
        self,
        distances: Any,
        classes: Sequence[str],
        observed: Sequence[str],
        *,
        budget: int = 256 << 20,
        device: torch.device | str | None = "cpu",
    ) -> None:
        self._name(classes, observed, budget, device)
        matrix = _numbers(distances)
        _check_metric(matrix, self.classes)
        self._row_of: Callable[[str], np.ndarray] | None = lambda name: matrix[self._places[name]]
        self._take(matrix[row] for row in self.observed_rows)

    @classmethod
    def from_rows(
        cls,
        rows: Iterable[Any],
        classes: Sequence[str],
        observed: Sequence[str],
        *,
        row_of: Callable[[str], np.ndarray] | None = None,
        budget: int = 256 << 20,
        device: torch.device | str | None = "cpu",
    ) -> Self:
        """From the rows of the observed classes alone, where [C, C] would not fit.

        Args:
            rows: The distances of the observed classes to all classes, in the order of ``observed``: [k, C], or blocks
                [b, C] of it one after the other. They must come from a metric; only what k rows can show is checked.
            classes: The C class names.
            observed: Names of the k classes that the classifier gives probabilities for.
            row_of: Answers with the distances [C] of any class, for :meth:`next_class`.
            budget: Bytes that one chunk of scores may take.
            device: Where scores are computed; None is the CPU.

        Raises:
            InputError: Rows that cannot be a metric's, another number of rows than observed classes.
        """
        self = cls.__new__(cls)
        self._name(classes, observed, budget, device)
        self._row_of = row_of
        self._take(rows)
        among = self._squared[:, torch.as_tensor(self.observed_rows, device=self.device)]
        if not torch.allclose(among, among.T, rtol=1e-4) or bool(among.diagonal().any()):
            raise InputError("distances are not symmetric, or not zero on the diagonal", remedy="give a metric's rows")
        return self

    def _name(
        self, classes: Sequence[str], observed: Sequence[str], budget: int, device: torch.device | str | None
    ) -> None:
        self.classes = _distinct(classes, "classes")
        self.observed = _distinct(observed, "observed")
        check_budget(budget, "budget")
        check_device(device)
        self.budget = budget
        self.device = torch.device("cpu" if device is None else device)
        self._places = {name: row for row, name in enumerate(self.classes)}
        for name in self.observed:
            if name not in self._places:
                close = nearest(name, self.classes)
                raise InputError(
                    f"the observed class {name!r} has no distances",
                    remedy=f"did you mean {close[0]!r}?" if close else "give distances for every observed class",
                )
        self.observed_rows = np.array([self._places[name] for name in self.observed], dtype=np.int64)

    def _take(self, rows: Iterable[Any]) -> None:
        """Square and keep the observed rows, block by block, so that nothing but the result is ever whole."""
        squared = np.empty((len(self.observed), len(self.classes)), dtype=np.float32)
        filled = 0
        for block in rows:
            table = np.atleast_2d(_numbers(block))
            if table.shape[1] != len(self.classes) or filled + len(table) > len(squared):
                raise InputError(
                    f"rows of shape {table.shape} after {filled} rows, for {len(squared)} observed of "
                    f"{len(self.classes)} classes",
                    remedy="give one row for each observed class",
                )
            if np.isnan(table).any() or (table < 0).any():
                raise InputError("distances hold NaN or negative values")
            squared[filled : filled + len(table)] = table**2
            filled += len(table)
        if filled != len(squared):
            raise InputError(f"{filled} rows of distances for {len(squared)} observed classes")
        reached = np.zeros(len(self.classes), dtype=bool)
        largest = 0.0
        for row in squared:
            finite = np.isfinite(row)
            reached |= finite
            largest = max(largest, float(row[finite].max(initial=0.0)))
        self.unreachable = int((~reached).sum())
        # A class that cannot be reached from an observed one is farther than every class that can, yet comparable.
        self._beyond = 4.0 * largest if largest > 0 else 1.0
        for row in squared:
            row[np.isinf(row)] = self._beyond
        self._squared = torch.from_numpy(squared).to(self.device)

    @property
    def squared(self) -> Tensor:
        """Squared distances of the observed classes to all classes, float32 [k, C]; finite, however far."""
        return self._squared

    def scores(self, probabilities: Any, among: Any | None = None) -> Tensor:
        """Minus the expected squared distance: float32 [N, C] for ``probabilities`` [N, k] over ``observed``.

        The whole [N, C] is returned; :meth:`predict` keeps only one chunk of it.

        Args:
            probabilities: [N, k].
            among: int64 [K], rows of ``classes`` to score, in this order; None: all.
        """
        weights = self._checked(probabilities)
        squared, pick, places = self._columns(among)
        if pick is None:
            return -(weights @ squared)
        found = torch.empty(len(weights), int((places >= 0).sum()), device=self.device)
        chunk = rows_per_chunk(8 * squared.shape[1], self.budget)
        for rows in torch.split(torch.arange(len(weights)), chunk):
            torch.index_select(weights[rows] @ squared, 1, pick, out=found[rows[0] : rows[-1] + 1])
        return found.neg_()

    def predict(self, probabilities: Any, among: Any | None = None) -> np.ndarray:
        """The Frechet mean's name for each row of ``probabilities`` [N, k]; ties go to the more probable class.

        Args:
            probabilities: [N, k].
            among: int64 [K], rows of ``classes`` that may be answered; None: all.
        """
        weights = self._checked(probabilities)
        squared, pick, places = self._columns(among)
        own = torch.as_tensor(places[self.observed_rows], device=self.device)
        answerable = own >= 0
        # Risk, preference and the mask of ties with its negation: ten bytes a class, and some room.
        chunk = rows_per_chunk((16 if pick is None else 20) * squared.shape[1], self.budget)
        answers = []
        for part in torch.split(weights, chunk):
            risk = part @ squared
            if pick is not None:
                risk = risk[:, pick]
            best = risk.min(dim=1, keepdim=True).values
            behind = risk > best + 1e-6 * best.abs().clamp_min(1e-12)
            # Among equals, an observed class with more probability wins; otherwise the first one.
            preference = risk.zero_()
            preference[:, own[answerable]] = part[:, answerable]
            answers.append(preference.masked_fill_(behind, -1.0).argmax(dim=1))
        chosen = torch.cat(answers).cpu().numpy()
        names: np.ndarray = np.array(self.classes)[chosen if among is None else np.asarray(among)[chosen]]
        return names

    def _columns(self, among: Any | None) -> tuple[Tensor, Tensor | None, np.ndarray]:
        """Squared distances, the columns of it that are still to be taken, and each class's place among those asked
        for (-1: none). A copy [k, K] that the budget does not hold is not made: all classes are scored then."""
        if among is None:
            return self._squared, None, np.arange(len(self.classes))
        rows = np.asarray(among, dtype=np.int64)
        places = np.full(len(self.classes), -1, dtype=np.int64)
        places[rows] = np.arange(len(rows))
        pick = torch.as_tensor(rows, device=self.device)
        if 4 * len(self.observed) * len(rows) > self.budget:
            return self._squared, pick, places
        return self._squared[:, pick], None, places

    def locus(self, observed: Sequence[int] | None = None) -> np.ndarray:
        """Which classes can be answered at all: bool [C], the union over pairs of observed classes.

        On a tree this is exact: every reachable class lies on the path between two observed ones. In other metrics a
        class that needs weight on three or more observed classes is not counted.

        At most ``budget`` bytes of distances are held; what does not fit is worked out again.

        Args:
            observed: Rows of the observed classes; default: those of this object.
        """
        rows = self.observed_rows if observed is None else np.asarray(observed, dtype=np.int64)
        names = [self.classes[row] for row in rows]
        reachable = np.zeros(len(self.classes), dtype=bool)
        reachable[rows] = True
        room = self._room()
        for start in range(0, len(names), room):
            held = [self._square_row(name) for name in names[start : start + room]]
            for place in range(start + 1, len(names)):
                inside = place - start < len(held)
                second = held[place - start] if inside else self._square_row(names[place])
                for first in held[: place - start]:
                    reachable |= _pair_locus(first, second)
        return reachable

    def _room(self) -> int:
        """How many rows of distances to all classes fit in the budget, beside those that are being compared."""
        return max(1, rows_per_chunk(8 * len(self.classes), self.budget) - 4)

    def next_class(self, candidates: Sequence[str] | None = None) -> list[tuple[str, int]]:
        """Which class to label next: candidates with how many more classes become answerable, best first.

        Args:
            candidates: Names to choose from; default: every class not observed yet.

        Raises:
            InputError: A name that is not among the classes, or of a class that is observed already, or there is no
                way to its distances.
        """
        known = set(self.observed)
        check_names(candidates, "candidates")
        names = [name for name in self.classes if name not in known] if candidates is None else list(candidates)
        for name in names:
            if name not in self._places:
                close = nearest(name, self.classes)
                raise InputError(
                    f"no class is called {name!r}", remedy=f"did you mean {close[0]!r}?" if close else None
                )
            if name in known:
                raise InputError(f"the class {name!r} is observed already", remedy="give classes that are not")
        before = self.locus()
        # Rows that do not fit in the budget are worked out anew for every candidate.
        held = [self._square_row(name) for name in self.observed[: self._room()]]
        gains = []
        for name in names:
            after = before.copy()
            after[self._places[name]] = True
            own = self._square_row(name)
            for other in held:
                after |= _pair_locus(own, other)
            for one in self.observed[len(held) :]:
                after |= _pair_locus(own, self._square_row(one))
            gains.append((name, int(after.sum() - before.sum())))
        return sorted(gains, key=lambda pair: -pair[1])

    def _square_row(self, name: str) -> np.ndarray:
        """Squared distances [C] from one class, infinite where there is no way."""
        if self._row_of is not None:
            return np.asarray(self._row_of(name), dtype=np.float64) ** 2
        if name not in self.observed:
            raise InputError(f"the distances of {name!r} are not known", remedy="give row_of=")
        row = self._squared[self.observed.index(name)].cpu().numpy().astype(np.float64)
        return np.where(row >= self._beyond, np.inf, row)

    def _checked(self, probabilities: Any) -> Tensor:
        return distributions(probabilities, columns=len(self.observed), device=self.device)


def _pair_locus(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Classes that minimise ``w a + (1 - w) b`` for some w in [0, 1]: on the lower-left hull of the points (a, b)."""
    reachable = np.zeros(len(first), dtype=bool)
    usable = np.isfinite(first) & np.isfinite(second)
    if not usable.any():
        return reachable
    # In units of the largest, so that what counts as equal does not hang on the unit of the metric.
    points = np.stack([first, second], axis=1) / (max(first[usable].max(), second[usable].max()) or 1.0)
    order = [int(i) for i in np.lexsort((second, first)) if usable[i]]
    hull: list[int] = []
    for index in order:
        if hull and points[index, 1] > points[hull[-1], 1]:
            continue  # dominated: farther from the second class and no nearer to the first
        while len(hull) >= 2 and _turn(points[hull[-2]], points[hull[-1]], points[index]) < -1e-14:
            hull.pop()
        hull.append(index)
    # Points equal to a corner, or on an edge of the hull, are minimisers as well.
    for index in order:
        for left, right in zip(hull, [*hull[1:], hull[-1]], strict=True):
            a, b = points[left], points[right]
            within = min(a[0], b[0]) <= points[index, 0] <= max(a[0], b[0])
            inside = within and min(a[1], b[1]) <= points[index, 1] <= max(a[1], b[1])
            if inside and abs(_turn(a, b, points[index])) <= 1e-12:
                reachable[index] = True
                break
    return reachable


def _turn(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


def _distinct(names: Sequence[str], what: str) -> tuple[str, ...]:
    """Names of which none comes twice."""
    check_names(names, what)
    listed = tuple(names or ())
    if not listed:
        raise InputError(f"{what} is empty", remedy="name at least one class")
    if len(set(listed)) != len(listed):
        twice = next(name for name, count in Counter(listed).items() if count > 1)
        raise InputError(f"{what} has {twice!r} twice", remedy="name each class once")
    return listed


def _numbers(distances: Any) -> np.ndarray:
    """Distances, which may be infinite, as float64."""
    try:
        return np.asarray(distances.cpu() if isinstance(distances, Tensor) else distances, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"distances are not numeric ({error})", remedy="give a [C, C] matrix") from error


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
