"""Metrics of (generalized) zero-shot image classification, as pure functions over arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from kgzsl._options import check_choice
from kgzsl.errors import InputError

__all__ = [
    "ClassAccuracy",
    "SeenUnseenCurve",
    "add_bias",
    "ausuc",
    "confusion",
    "harmonic_mean",
    "hit_at_k",
    "overall_accuracy",
    "per_class_accuracy",
    "seen_unseen_curve",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ClassAccuracy:
    """Accuracy class by class.

    Args:
        mean: Mean over the classes that have samples, in percent; NaN where no class has any.
        accuracies: float64 [C], in percent; NaN for a class without samples.
        counts: int64 [C], samples per class.
        absent: The classes that were asked for and have no samples; they are not part of the mean.
    """

    mean: float
    accuracies: Floats
    counts: Ints
    absent: tuple[int, ...]


def per_class_accuracy(true: Any, predicted: Any, *, num_classes: int, classes: Any = None) -> ClassAccuracy:
    """Average per-class top-1 accuracy (Xian et al., TPAMI 2019), in percent.

    Args:
        true: int [N], labels in 0..C-1.
        predicted: int [N], predictions in 0..C-1 (-1 for "none").
        num_classes: C.
        classes: int [K]: the classes to average over; all C when left out. Samples of other classes are ignored.

    Raises:
        InputError: Lengths differ, or a label lies outside 0..C-1.
    """
    truth, guess = _pair(true, predicted, num_classes)
    counts = np.bincount(truth, minlength=num_classes)
    hits = np.bincount(truth[truth == guess], minlength=num_classes)
    wanted = np.arange(num_classes) if classes is None else np.unique(np.asarray(classes, dtype=np.int64))
    accuracies = np.full(num_classes, np.nan)
    present = wanted[counts[wanted] > 0]
    accuracies[present] = 100.0 * hits[present] / counts[present]
    mean = float(accuracies[present].mean()) if len(present) else float("nan")
    absent = tuple(int(label) for label in wanted[counts[wanted] == 0])
    return ClassAccuracy(mean, accuracies, counts.astype(np.int64), absent)


def overall_accuracy(true: Any, predicted: Any) -> float:
    """Share of all samples that are right, in percent, large classes counting more; NaN for no samples."""
    truth, guess = np.asarray(true), np.asarray(predicted)
    return 100.0 * float((truth == guess).mean()) if len(truth) else float("nan")


def harmonic_mean(seen: float, unseen: float) -> float:
    """``2 s u / (s + u)`` (Xian et al., TPAMI 2019), in the unit of its arguments; 0 where both are 0."""
    return 2.0 * seen * unseen / (seen + unseen) if seen + unseen > 0 else 0.0


def hit_at_k(scores: Any, true: Any, k: int, *, classes: Any = None) -> float:
    """Average per-class share of samples whose true class is among the ``k`` best, in percent.

    Ties are settled by chance, in expectation: a constant scorer over K classes reaches ``100 k / K``.

    Args:
        scores: float [N, C]; -inf for a class that is no candidate.
        true: int [N].
        k: At least 1.
        classes: int [K]: the classes to average over; those that occur when left out.

    Raises:
        InputError: A k below 1, not one label a row of scores, or a label outside 0..C-1.
    """
    if k < 1:
        raise InputError(f"hit@k needs k of at least 1, not {k}")
    table, truth = _scored(np.asarray(scores), true)
    own = np.take_along_axis(table, truth[:, None], axis=1)
    above = (table > own).sum(axis=1)
    tied = (table == own).sum(axis=1)
    share = np.clip((k - above) / tied, 0.0, 1.0)
    share[~np.isfinite(own[:, 0])] = 0.0
    counts = np.bincount(truth, minlength=table.shape[1])
    sums = np.bincount(truth, weights=share, minlength=table.shape[1])
    wanted = np.flatnonzero(counts) if classes is None else np.unique(np.asarray(classes, dtype=np.int64))
    wanted = wanted[counts[wanted] > 0]
    return 100.0 * float((sums[wanted] / counts[wanted]).mean()) if len(wanted) else float("nan")


def confusion(true: Any, predicted: Any, classes: Any) -> Ints:
    """Counts [K, K]: row is the true class, column the predicted one, both in the order of ``classes``.

    Samples whose true or predicted class is not among ``classes`` are left out.
    """
    order = np.asarray(classes, dtype=np.int64)
    truth, guess = np.asarray(true, dtype=np.int64), np.asarray(predicted, dtype=np.int64)
    size = int(max(order.max(initial=-1), truth.max(initial=-1), guess.max(initial=-1))) + 1
    place = np.full(size + 1, -1, dtype=np.int64)  # the last entry answers for -1, "none"
    place[order] = np.arange(len(order))
    rows, columns = place[truth], place[guess]
    kept = (rows >= 0) & (columns >= 0)
    flat = np.bincount(rows[kept] * len(order) + columns[kept], minlength=len(order) ** 2)
    return flat.reshape(len(order), len(order)).astype(np.int64)


def add_bias(scores: npt.NDArray[np.floating[Any]], unseen: Any, bias: float) -> None:
    """Calibrated stacking in place: add ``bias`` to the unseen classes' columns of ``scores`` [N, C].

    An infinite bias leaves the classes of one kind, -inf for the others. So +inf lowers the seen ones: added to the
    unseen ones, it would make them all alike.

    Args:
        scores: Floats, changed.
        unseen: bool [C].
        bias: -inf to +inf.
    """
    mask = np.asarray(unseen, dtype=bool)
    if bias == np.inf:
        scores[:, ~mask] = -np.inf
    else:
        scores[:, mask] += scores.dtype.type(bias)


@dataclass(frozen=True)
class SeenUnseenCurve:
    """Seen against unseen accuracy while a bias is added to the scores of unseen classes.

    Args:
        bias: float64 [P], rising: one bias inside each interval on which nothing changes; the first is below, the last
            above every change point.
        seen: float64 [P], accuracy, by default per class, on seen samples among all classes, 0..1; never rises.
        unseen: float64 [P], the same on unseen samples; never falls.
    """

    bias: Floats
    seen: Floats
    unseen: Floats

    @property
    def area(self) -> float:
        """AUSUC: the area under seen accuracy as a function of unseen accuracy, 0..1."""
        return float(((self.seen[1:] + self.seen[:-1]) / 2 * np.diff(self.unseen)).sum())

    @property
    def harmonic(self) -> Floats:
        """Harmonic mean at every bias, 0..1."""
        total = self.seen + self.unseen
        return np.divide(2.0 * self.seen * self.unseen, total, out=np.zeros_like(total), where=total > 0)

    def best_bias(self, criterion: Literal["harmonic", "sum"] = "harmonic") -> tuple[float, float]:
        """The bias of the best point and its value 0..1: the middle of the best plateau nearest to 0.

        Use it on validation classes only: on test samples it is an oracle.
        """
        values = self.harmonic if criterion == "harmonic" else (self.seen + self.unseen) / 2
        best = np.flatnonzero(values >= values.max() - 1e-12)
        chosen = best[np.argmin(np.abs(self.bias[best]))]
        return float(self.bias[chosen]), float(values[chosen])


def seen_unseen_curve(
    scores: Any, true: Any, seen: Any, *, average: Literal["classes", "rows"] = "classes"
) -> SeenUnseenCurve:
    """The seen-unseen curve of calibrated stacking, exact: every change point, no grid.

    Chao et al., "An Empirical Study and Analysis of Generalized Zero-Shot Learning" (ECCV 2016), sec. 3; used for COSMO
    (Atzmon & Chechik, CVPR 2019). A sample flips from its best seen to its best unseen class when the bias passes
    ``max_seen score - max_unseen score``; between two such points nothing changes.

    Args:
        scores: float [N, C], finite, higher is better.
        true: int [N], labels in 0..C-1, of seen and unseen classes.
        seen: int [S], the seen classes; all others count as unseen.
        average: Whether each class counts alike, or each sample (as compositional zero-shot learning has it).

    Returns:
        The curve with one point an interval: at most N + 1.

    Raises:
        InputError: No seen or no unseen class, no sample of one of the two kinds, scores that are not finite, not one
            label a row of scores, or a label outside 0..C-1.
    """
    check_choice(average, "average", ("classes", "rows"))
    table, truth = _scored(np.asarray(scores, dtype=np.float64), true)
    is_seen = np.zeros(table.shape[1], dtype=bool)
    is_seen[np.asarray(seen, dtype=np.int64)] = True
    if is_seen.all() or not is_seen.any():
        raise InputError("a seen-unseen curve needs seen and unseen classes")
    if not np.isfinite(table).all():
        raise InputError("a seen-unseen curve needs finite scores of all classes", remedy="ask for candidates='all'")
    of_seen = is_seen[truth]
    if of_seen.all() or not of_seen.any():
        raise InputError("a seen-unseen curve needs samples of seen and of unseen classes")
    seen_ids, unseen_ids = np.flatnonzero(is_seen), np.flatnonzero(~is_seen)
    rows = np.arange(len(table))
    best_seen = seen_ids[table[:, seen_ids].argmax(axis=1)]
    best_unseen = unseen_ids[table[:, unseen_ids].argmax(axis=1)]
    flip = table[rows, best_seen] - table[rows, best_unseen]
    weight = _class_weights(truth, of_seen)
    if average == "rows":
        weight = np.where(of_seen, 1.0 / of_seen.sum(), 1.0 / (~of_seen).sum())
    right_if_seen = np.where(of_seen & (best_seen == truth), weight, 0.0)
    right_if_unseen = np.where(~of_seen & (best_unseen == truth), weight, 0.0)

    points, index = np.unique(flip, return_inverse=True)
    lost = np.bincount(index, weights=right_if_seen, minlength=len(points))
    won = np.bincount(index, weights=right_if_unseen, minlength=len(points))
    # Summed from the end, the last seen accuracy is exactly 0 and the curve exactly monotone.
    seen_accuracy = np.concatenate([lost[::-1].cumsum()[::-1], [0.0]])
    unseen_accuracy = np.concatenate([[0.0], won.cumsum()])
    margin = max(1.0, float(np.abs(points).max()) * 1e-3)
    inner = points[:-1] + np.diff(points) / 2
    bias = np.concatenate([[points[0] - margin], inner, [points[-1] + margin]])
    return SeenUnseenCurve(bias, seen_accuracy, unseen_accuracy)


def ausuc(scores: Any, true: Any, seen: Any) -> float:
    """Area under the seen-unseen curve, 0..1; see :func:`seen_unseen_curve`."""
    return seen_unseen_curve(scores, true, seen).area


def _class_weights(truth: Ints, of_seen: npt.NDArray[np.bool_]) -> Floats:
    """1 / (samples of the class * classes of its kind): sums to 1 over the seen and over the unseen samples."""
    counts = np.bincount(truth)
    kinds = np.where(of_seen, len(np.unique(truth[of_seen])), len(np.unique(truth[~of_seen])))
    return np.asarray(1.0 / (counts[truth] * kinds), dtype=np.float64)


def _pair(true: Any, predicted: Any, num_classes: int) -> tuple[Ints, Ints]:
    truth, guess = np.asarray(true, dtype=np.int64), np.asarray(predicted, dtype=np.int64)
    if truth.shape != guess.shape or truth.ndim != 1:
        raise InputError(f"labels of the shape {list(truth.shape)} and predictions of the shape {list(guess.shape)}")
    _check_labels(truth, num_classes)
    return truth, guess


def _scored(scores: npt.NDArray[Any], true: Any) -> tuple[npt.NDArray[Any], Ints]:
    """Scores [N, C] and labels [N] that go with them."""
    truth = np.asarray(true, dtype=np.int64)
    if scores.ndim != 2 or truth.shape != (len(scores),):
        raise InputError(f"scores of the shape {list(scores.shape)} for labels of the shape {list(truth.shape)}")
    _check_labels(truth, scores.shape[1])
    return scores, truth


def _check_labels(truth: Ints, num_classes: int) -> None:
    outside = np.flatnonzero((truth < 0) | (truth >= num_classes))
    if len(outside):
        raise InputError(
            f"the label {truth[outside[0]]} of sample {outside[0]} is outside 0..{num_classes - 1}",
            remedy="labels index the class list",
        )
