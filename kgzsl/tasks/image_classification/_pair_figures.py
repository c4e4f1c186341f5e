"""Figures that runs over pairs have beside the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kgzsl.tasks.image_classification.metrics import add_bias, harmonic_mean, per_class_accuracy, seen_unseen_curve

if TYPE_CHECKING:
    from kgzsl.classifiers.compositional import Compositions
    from kgzsl.tasks.image_classification.protocol import ScoreCard, TestScores

__all__ = ["PairFigures"]


class PairFigures:
    """Figures that runs over pairs have beside the others.

    ``pairs.*`` are those of the field (Purushwalkam et al., ICCV 2019, after Chao et al., ECCV 2016): every test row
    counts alike, a bias on unseen pairs is swept, and told are the best accuracy on seen pairs, on unseen ones, their
    best harmonic mean, and the area under the curve, all over test labels: what the best bias would have given, and not
    what a chosen one gives. ``pairs.attribute`` and ``pairs.object`` are how often each part is right among the unseen
    pairs. ``open.*`` are T1, U, S, H and AUSUC with every feasible pair as a candidate.

    Args:
        compositions: The pair of each class.
        seen: The seen classes.
        unseen: The unseen ones.
        beyond: How many pairs an open world adds.
    """

    def __init__(
        self, compositions: Compositions, seen: npt.NDArray[np.int64], unseen: npt.NDArray[np.int64], beyond: int
    ) -> None:
        self.seen, self.unseen, self.beyond = seen, unseen, beyond
        sides = np.array(compositions.pairs, dtype=np.str_)
        numbers = (np.unique(sides[:, at], return_inverse=True)[1] for at in (0, 1))
        self.parts = dict(zip(("attribute", "object"), numbers, strict=True))

    def of(self, scores: TestScores, card: ScoreCard) -> dict[str, float]:
        """Of one method's answers."""
        table = np.concatenate([scores.gzsl_unseen, scores.gzsl_seen]).astype(np.float64)
        curve = seen_unseen_curve(table, card.true, self.seen, average="rows")
        found = {
            "pairs.seen": 100.0 * float(curve.seen[0]),
            "pairs.unseen": 100.0 * float(curve.unseen[-1]),
            "pairs.harmonic": 100.0 * float(curve.harmonic.max()),
            "pairs.auc": curve.area,
        }
        true = card.true[: len(card.zsl_predicted)]
        for name, part in self.parts.items():
            found[f"pairs.{name}"] = 100.0 * float((part[true] == part[card.zsl_predicted]).mean())
        return {**found, **self._open(scores, card, table)}

    def _open(self, scores: TestScores, card: ScoreCard, table: npt.NDArray[np.float64]) -> dict[str, float]:
        if scores.open_unseen is None or scores.open_seen is None:
            return {}
        # One more class, unseen and never right: the best of the pairs that are no class.
        best = np.concatenate([scores.open_unseen, scores.open_seen]).astype(np.float64)
        wide = np.concatenate([table, best[:, None]], axis=1)
        classes = wide.shape[1]
        rows = len(scores.open_unseen)
        among = [*self.unseen.tolist(), classes - 1]
        alone = np.asarray(among)[wide[:rows][:, among].argmax(axis=1)]
        curve = seen_unseen_curve(wide, card.true, self.seen)
        mask = np.ones(classes, dtype=bool)
        mask[self.seen] = False
        add_bias(wide, mask, scores.unseen_bias)
        predicted = wide.argmax(axis=1)

        def right(true: npt.NDArray[np.int64], guess: Any, of: npt.NDArray[np.int64]) -> float:
            return per_class_accuracy(true, guess, num_classes=classes, classes=of).mean

        on_unseen, on_seen = right(card.true, predicted, self.unseen), right(card.true, predicted, self.seen)
        return {
            "open.top1": right(card.true[:rows], alone, self.unseen),
            "open.unseen": on_unseen,
            "open.seen": on_seen,
            "open.harmonic": harmonic_mean(on_seen, on_unseen),
            "open.ausuc": curve.area,
        }

    def chance(self) -> dict[str, float]:
        """The figures of guessing, exact, as ``ImageProtocol.chance`` has them."""
        seen, unseen = len(self.seen), len(self.unseen)
        if not self.beyond:
            return {}
        every = 100.0 / (seen + unseen + self.beyond)
        figures: Mapping[str, float] = {
            "open.top1": 100.0 / (unseen + self.beyond),
            **{f"open.{name}": every for name in ("unseen", "seen", "harmonic")},
            "open.ausuc": 1.0 / (2 * seen * (unseen + self.beyond)),
        }
        return dict(figures)
