"""The honest protocol: one object owns the splits, and test labels are behind a door that opens once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from kgzsl.datasets import ImageFeatures
from kgzsl.errors import InputError
from kgzsl.tasks.image_classification.metrics import (
    SeenUnseenCurve,
    add_bias,
    confusion,
    harmonic_mean,
    hit_at_k,
    overall_accuracy,
    per_class_accuracy,
    seen_unseen_curve,
)
from kgzsl.tasks.image_classification.retrieval import Space, score_spaces

if TYPE_CHECKING:
    from kgzsl.tasks.image_classification._pair_figures import PairFigures

__all__ = ["ImageProtocol", "ScoreCard", "TestScores"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TestScores:
    """What one method says about the test rows, before anybody looks at their labels.

    Args:
        zsl: float [Nu, U], scores of the unseen test rows over the unseen classes, in the order of ``data.unseen``.
        gzsl_unseen: float [Nu, C], scores of the same rows over all classes, without any bias.
        gzsl_seen: float [Ns, C], scores of the seen test rows over all classes, without any bias.
        unseen_bias: Added to the scores of unseen classes in the generalized setting.
        open_unseen: float [Nu] or None: the best score, of the same rows, among pairs that are no class: an open world.
        open_seen: float [Ns] or None.
    """

    __test__ = False  # not a test case, whatever its name

    zsl: Floats
    gzsl_unseen: Floats
    gzsl_seen: Floats
    unseen_bias: float = 0.0
    open_unseen: Floats | None = None
    open_seen: Floats | None = None


@dataclass(frozen=True)
class ScoreCard:
    """Figures of one method on labelled rows, and what a report draws of them.

    Args:
        metrics: ``zsl.top1``, ``zsl.overall``, ``zsl.hit@k``, ``gzsl.seen``, ``gzsl.unseen``, ``gzsl.harmonic``,
            ``gzsl.overall`` in percent, ``gzsl.ausuc`` in 0..1; of a space also ``retrieval.recall@k`` and
            ``retrieval.nmi``, in percent.
        curve: The seen-unseen curve.
        confusion: int64 [U, U], zero-shot predictions among the unseen classes; rows are the true ones.
        absent: Classes without a test row, left out of every mean.
        zsl_predicted: int64 [Nu], classes predicted among the unseen ones.
        gzsl_predicted: int64 [Nu + Ns], classes predicted among all, unseen test rows first.
        true: int64 [Nu + Ns].
    """

    metrics: dict[str, float]
    curve: SeenUnseenCurve
    confusion: npt.NDArray[np.int64]
    absent: tuple[int, ...]
    zsl_predicted: npt.NDArray[np.int64]
    gzsl_predicted: npt.NDArray[np.int64]
    true: npt.NDArray[np.int64]


class ImageProtocol:
    """Owns the splits of a data set.

    Training sees ``train``. Choices are made on ``selection_data()``, a smaller zero-shot problem made of training rows
    alone. Methods are asked about ``test_features``. ``final_score`` opens the door to the test labels, once, for
    everything that is to be scored.

    Args:
        data: The data set.
        validation: ``"held-out-classes"`` (some seen classes play the unseen ones), ``"none"`` (nothing is selected),
            or ``"oracle"``: select on the test data, which is stamped on the result.
        seed: Decides the held-out classes and rows.
        fraction: Share of seen classes, and of their rows, to hold out.
        splits: Cut the seen classes into so many parts, each held out in turn; 1 makes one split.
        hits: The k of hit@k; those of at least U are left out.
        setting: ``"inductive"``, or ``"transductive"`` where a method was given unlabelled test rows.
        pairs: What is told of pairs beside the usual figures; None where classes are no pairs.

    Raises:
        InputError: An unknown validation, no unseen class, or no test row of seen or of unseen classes.
    """

    def __init__(
        self,
        data: ImageFeatures,
        *,
        validation: str = "held-out-classes",
        seed: int = 0,
        fraction: float = 0.2,
        splits: int = 1,
        hits: Sequence[int] = (2, 5),
        setting: str = "inductive",
        pairs: PairFigures | None = None,
    ) -> None:
        kinds = ("held-out-classes", "none", "oracle")
        if validation not in kinds:
            raise InputError(
                f"no validation is called {validation!r}",
                place="protocol.validation",
                remedy=f"choose one of {', '.join(kinds)}",
            )
        if not len(data.unseen):
            raise InputError("the data set has no unseen class", file=data.source, remedy="say which are unseen")
        more = (
            "give more rows of seen classes (of three or more a fifth is kept for the test), or pack them again with "
        )
        remedies = {"unseen": "give rows of unseen classes", "seen": f"{more}a larger --test-fraction"}
        for kind, rows in (("unseen", data.test_unseen_loc), ("seen", data.test_seen_loc)):
            if not len(rows):
                raise InputError(
                    f"the data set has no test row of {kind} classes, so S, U and H cannot be measured",
                    file=data.source,
                    place=f"test_{kind}_loc",
                    remedy=remedies[kind],
                )
        self.validation = validation
        self.seed = seed
        self.fraction = fraction
        self.splits = splits
        self.hits = tuple(hits)
        self.setting = setting
        self.pairs = pairs
        self._data = data
        self.retrieval: dict[str, dict[str, float]] = {}  # of the spaces that final_score was given
        self._opened = False

    @property
    def oracle(self) -> bool:
        """Whether selection sees test labels."""
        return self.validation == "oracle"

    @property
    def class_names(self) -> tuple[str, ...]:
        """All C class names."""
        return self._data.class_names

    @property
    def seen(self) -> npt.NDArray[np.int64]:
        """The seen classes, int64."""
        return np.asarray(self._data.seen.cpu())

    @property
    def unseen(self) -> npt.NDArray[np.int64]:
        """The unseen classes, int64."""
        return np.asarray(self._data.unseen.cpu())

    @property
    def train(self) -> tuple[Tensor, npt.NDArray[np.int64]]:
        """Features [T, D] and labels [T] of the training rows."""
        features, labels = self._data.rows(self._data.trainval_loc)
        return features, np.asarray(labels.cpu())

    @property
    def test_features(self) -> tuple[Tensor, Tensor]:
        """Features of the unseen and of the seen test rows; their labels are not to be had."""
        data = self._data
        return data.features[data.test_unseen_loc], data.features[data.test_seen_loc]

    @property
    def test_rows(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The rows of the data set that ``test_features`` are."""
        return np.asarray(self._data.test_unseen_loc.cpu()), np.asarray(self._data.test_seen_loc.cpu())

    def selection_data(self) -> ImageFeatures | None:
        """The (first) zero-shot problem that choices are made on; None where nothing is to be selected."""
        if self.validation == "none":
            return None
        return self._data if self.oracle else self._part(0)

    def selection_splits(self) -> list[ImageFeatures]:
        """The zero-shot problems that choices are made on: as many as ``splits``, none where nothing is selected."""
        first = self.selection_data()
        if first is None or self.oracle:
            return [] if first is None else [first]
        return [first, *(self._part(place) for place in range(1, self.splits))]

    def _part(self, place: int) -> ImageFeatures:
        part = (place, self.splits) if self.splits > 1 else None
        found = self._data.validation_split(self.seed, self.fraction, part=part)
        if not len(found.test_seen_loc):
            raise InputError(
                f"the validation split has no row of a seen class to validate on: each of the {len(found.seen)} seen "
                "classes that are not held out has one training row",
                file=self._data.source,
                place="protocol.validation",
                remedy="give two or more rows of a class, or write validation: none with numbers in place of choices "
                "(unseen_bias: 0.1, one samples_per_class)",
            )
        return found

    def describe(self, chosen: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """How the selection was done, JSON-able: ``by``, ``classes``, ``chosen``, ``setting``, ``oracle``."""
        splits = self.selection_splits()
        return {
            "by": self.validation,
            "classes": [name for data in splits for name in data.unseen_names],
            "notes": [] if self.oracle else [note for data in splits for note in data.notes],
            "chosen": dict(chosen or {}),
            "setting": self.setting,
            "oracle": self.oracle,
        }

    @staticmethod
    def score_problem(data: ImageFeatures, scores: TestScores, *, hits: Sequence[int] = ()) -> ScoreCard:
        """Figures of one method on a problem whose labels may be seen: that of ``selection_data()``."""
        seen, unseen = np.asarray(data.seen.cpu()), np.asarray(data.unseen.cpu())
        labels = np.asarray(data.labels.cpu())
        true_unseen = labels[np.asarray(data.test_unseen_loc.cpu())]
        true_seen = labels[np.asarray(data.test_seen_loc.cpu())]
        return _score(scores, true_unseen, true_seen, seen, unseen, hits)

    def final_score(
        self, scores: Mapping[str, TestScores], spaces: Mapping[str, Space] | None = None
    ) -> dict[str, ScoreCard]:
        """Open the door: the figures of every method, at once; with those of pairs, where classes are such.

        Args:
            scores: What the methods say.
            spaces: Unseen test rows in spaces in which retrieval and clustering are to be judged: that of a method
                under its name in ``scores``, whose card then tells it, or any other. All figures are in ``retrieval``.

        Raises:
            RuntimeError: It was opened before.
        """
        if self._opened:
            raise RuntimeError(
                "the test labels were used already: score everything in one call, or make a new protocol"
            )
        self._opened = True
        cards = {name: self.score_problem(self._data, one, hits=self.hits) for name, one in scores.items()}
        if self.pairs is not None:
            for name, card in cards.items():
                card.metrics.update(self.pairs.of(scores[name], card))
        labels = np.asarray(self._data.labels[self._data.test_unseen_loc].cpu())
        self.retrieval = score_spaces(spaces or {}, labels)
        return {
            name: replace(card, metrics={**card.metrics, **self.retrieval.get(name, {})})
            for name, card in cards.items()
        }

    def chance(self) -> dict[str, float]:
        """The figures of guessing, exact: uniform among the candidates.

        Uniform guessing among C classes is right with 1/C for seen and unseen samples alike. A guesser that chooses the
        kind with any odds moves along the line from (seen 1/S, unseen 0) to (0, 1/U): the area below is 1 / (2 S U).
        """
        num_seen, num_unseen = len(self.seen), len(self.unseen)
        everything = 100.0 / (num_seen + num_unseen)
        figures = {
            "zsl.top1": 100.0 / num_unseen,
            "zsl.overall": 100.0 / num_unseen,
            "gzsl.seen": everything,
            "gzsl.unseen": everything,
            "gzsl.harmonic": everything,
            "gzsl.overall": everything,
            "gzsl.ausuc": 1.0 / (2 * num_seen * num_unseen),
        }
        figures.update({f"zsl.hit@{k}": 100.0 * k / num_unseen for k in self.hits if k < num_unseen})
        return figures if self.pairs is None else {**figures, **self.pairs.chance()}


def _score(
    scores: TestScores,
    true_unseen: npt.NDArray[np.int64],
    true_seen: npt.NDArray[np.int64],
    seen: npt.NDArray[np.int64],
    unseen: npt.NDArray[np.int64],
    hits: Sequence[int],
) -> ScoreCard:
    num_classes = len(seen) + len(unseen)
    place = np.full(num_classes, -1, dtype=np.int64)
    place[unseen] = np.arange(len(unseen))
    zsl_predicted = unseen[scores.zsl.argmax(axis=1)]
    zsl = per_class_accuracy(true_unseen, zsl_predicted, num_classes=num_classes, classes=unseen)
    table = np.concatenate([scores.gzsl_unseen, scores.gzsl_seen])
    true = np.concatenate([true_unseen, true_seen])
    curve = seen_unseen_curve(table, true, seen)
    biased = table.astype(np.float64)
    add_bias(biased, place >= 0, scores.unseen_bias)
    predicted = biased.argmax(axis=1)
    on_unseen = per_class_accuracy(true, predicted, num_classes=num_classes, classes=unseen)
    on_seen = per_class_accuracy(true, predicted, num_classes=num_classes, classes=seen)
    metrics = {
        "zsl.top1": zsl.mean,
        "zsl.overall": overall_accuracy(true_unseen, zsl_predicted),
        "gzsl.seen": on_seen.mean,
        "gzsl.unseen": on_unseen.mean,
        "gzsl.harmonic": harmonic_mean(on_seen.mean, on_unseen.mean),
        "gzsl.overall": overall_accuracy(true, predicted),
        "gzsl.ausuc": curve.area,
    }
    for k in hits:
        if k < len(unseen):
            metrics[f"zsl.hit@{k}"] = hit_at_k(scores.zsl, place[true_unseen], k)
    return ScoreCard(
        metrics=metrics,
        curve=curve,
        confusion=confusion(true_unseen, zsl_predicted, unseen),
        absent=tuple(sorted({*on_unseen.absent, *on_seen.absent})),
        zsl_predicted=zsl_predicted,
        gzsl_predicted=predicted,
        true=true,
    )
