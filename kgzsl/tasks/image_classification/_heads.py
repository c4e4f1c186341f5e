"""A decision head: any classifier of the project, its answers spread over all classes."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kgzsl import classifiers
from kgzsl.classifiers.needs import takes_priors, takes_unlabeled
from kgzsl.knowledge import ClassPriors
from kgzsl.tasks.image_classification._borrowed import is_borrowed, rows_for, table_of

__all__ = ["Head", "rows_at_once"]

_CHUNK = 8192  # rows scored at once
_BYTES = 2**26  # of one table of scores
_LEAST_STEPS = 1000  # a few passes over few rows leave a classifier that is trained by steps far from done


def rows_at_once(classes: int) -> int:
    """How many rows of scores of this many classes stay within the budget of one table."""
    return max(1, _BYTES // (4 * max(classes, 1)))


class Head:
    """One classifier over C numbered classes, of which it may know a part.

    Args:
        name: The classifier's short name or import path.
        options: Options of its constructor; ``seed``, ``device`` and ``precision`` are added where it takes them.
        context: Values for ``seed``, ``device`` and so on.
        scale: Multiplies all features, so that a learning rate means the same whatever their unit.
    """

    def __init__(
        self, name: str, options: Mapping[str, Any], context: Mapping[str, Any], *, scale: float = 1.0
    ) -> None:
        parameters = inspect.signature(classifiers.classifiers.find(name)).parameters
        extra = {key: value for key, value in context.items() if key in parameters}
        self.name = name
        self.scale = scale
        self._with_priors, self._looks = takes_priors(name), takes_unlabeled(name)
        self._own_epochs = "epochs" not in options
        inner = dict(options).get("head", parameters["head"].default) if "head" in parameters else None
        if isinstance(inner, str):  # what is told to a classifier is told to the one inside it
            told = dict(options.get("options") or {})
            self._own_epochs = "epochs" not in told
            known = inspect.signature(classifiers.classifiers.find(inner)).parameters
            options = {**options, "options": {**{key: context[key] for key in context if key in known}, **told}}
        self.classifier: Any = classifiers.make(name, **{**extra, **options})
        self._inner = inner if isinstance(inner, str) else None
        self._alone: int | None = None  # the class that there is nothing to tell from
        self.names: tuple[str, ...] = ()

    def fit(
        self,
        features: Tensor,
        labels: npt.NDArray[np.int64],
        priors: ClassPriors,
        weights: npt.NDArray[np.float64] | None = None,
        *,
        unlabeled: Tensor | None = None,
        among: Sequence[str] | None = None,
    ) -> Head:
        """Train on features [N, D] and labels [N], rows of ``priors``; returns itself.

        Args:
            features: The rows.
            labels: Their classes.
            priors: Of all classes.
            weights: How much each row counts [N], where the classifier takes such; equal ones are none.
            unlabeled: Rows [M, D] for a classifier that looks at such; others do not see them.
            among: Names of the classes that these may be of, for one that answers them by priors.
        """
        self.names = priors.names
        features = features * self.scale
        self._enough_steps(len(features))
        more: dict[str, Any] = {} if not self._looks or unlabeled is None else {"unlabeled": unlabeled * self.scale}
        if weights is not None and np.ptp(weights) > 0:
            more["sample_weight"] = weights
        if self._with_priors:
            if self._looks and among is not None:
                more["candidates"] = list(among)
            self.classifier.fit(features, np.asarray(priors.names)[labels], priors=priors, **more)
        elif is_borrowed(self.classifier) and len(set(labels.tolist())) == 1:
            self._alone = int(labels[0])  # scikit-learn's own refuse one class
        else:
            self._alone = None
            self.classifier.fit(rows_for(self.classifier, features), labels, **more)
        return self

    def state_dict(self) -> dict[str, Any] | None:
        """What the classifier has learnt; None of one that does not tell it, which is then trained again."""
        own = getattr(self.classifier, "state_dict", None)
        return own() if callable(own) and self._alone is None else None

    def _enough_steps(self, rows: int) -> None:
        """Raise the epochs of a classifier, or of the one inside it, where nobody gave them and they are too few."""
        if not self._own_epochs:
            return
        own: Any = self.classifier
        if self._inner is not None:
            own = classifiers.make(self._inner, **self.classifier.options)
        epochs, batch = (getattr(own, key, None) for key in ("epochs", "batch_size"))
        if not (isinstance(epochs, int) and isinstance(batch, int)):
            return
        epochs = max(epochs, math.ceil(_LEAST_STEPS / math.ceil(rows / batch)))
        if self._inner is None:
            self.classifier.epochs = epochs
        else:
            self.classifier.options = {**self.classifier.options, "epochs": epochs}

    def add_prior(self, priors: ClassPriors) -> bool:
        """Make the last class of ``priors`` answerable from its prior alone; False where the classifier cannot."""
        if not isinstance(self.classifier, classifiers.PriorClassifier):
            return False
        self.classifier.add_class(priors.names[-1], priors.matrix[-1])
        self.names = priors.names
        return True

    def add_open(self, priors: ClassPriors) -> None:
        """Make what is beyond the classes answerable, after them in number; for one that answers from priors."""
        self.classifier.add_classes(priors.names, priors.matrix)
        self.names = (*self.names, *priors.names)

    def add_rows(
        self, priors: ClassPriors, label: int, rows: Tensor, others: Tensor, weights: npt.NDArray[np.float32]
    ) -> bool:
        """Learn one more class from its features, beside what was learnt.

        A recursive head ends where training with the class would; a Gaussian head keeps its covariance; a softmax
        head keeps the other classes' rows and trains one row more.

        Args:
            priors: All classes, the new one among them.
            label: Its row.
            rows: Its features [K, D].
            others: Features [M, D] of other classes.
            weights: How many rows of a full training each of them stands for, [M].

        Returns:
            False where the classifier can only be trained again.
        """
        classifier, rows, others = self.classifier, rows * self.scale, others * self.scale
        if isinstance(classifier, classifiers.SoftmaxClassifier):
            classifier.add_class(label, rows, others, weights)
        elif isinstance(classifier, classifiers.GDA) and classifier.class_prior == "uniform":
            classifier.add_class(label, rows)
        elif isinstance(classifier, classifiers.AnalyticHead):
            classifier.partial_fit(rows, np.full(len(rows), label))
        else:
            return False
        self.names = priors.names
        return True

    def scores(self, features: Tensor, candidates: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """float32 [N, K], scores of the classes ``candidates``; -inf for those that the classifier does not know."""
        if not len(features):
            return np.zeros((0, len(candidates)), dtype=np.float32)
        step = min(_CHUNK, rows_at_once(len(candidates)))
        parts = [self._chunk(part, candidates) for part in torch.split(features, step)]
        return np.concatenate(parts)

    @property
    def learns_space(self) -> bool:
        """Whether the classifier maps features into a space of its own."""
        return callable(getattr(self.classifier, "transform", None))

    def space(self, features: Tensor) -> npt.NDArray[np.float32]:
        """float32 [N, d], the rows in the space that the classifier has learnt."""
        return _array(self.classifier.transform(features * self.scale))

    def _chunk(self, features: Tensor, candidates: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        features = features * self.scale
        if self._with_priors:
            names = [self.names[i] for i in candidates]
            return _array(self.classifier.decision_function(features, candidates=names))
        if self._alone is None:
            table = _array(table_of(self.classifier, features))
            known = np.array(list(self.classifier.classes_), dtype=np.int64)
        else:
            table, known = np.zeros((len(features), 1), dtype=np.float32), np.array([self._alone])
        if table.ndim == 1:  # two classes may be told by one number, as scikit-learn does
            table = np.stack([-table / 2, table / 2], axis=1)
        place = np.full(int(max(known.max(), candidates.max())) + 1, -1, dtype=np.int64)
        place[known] = np.arange(len(known))
        columns = place[candidates]
        chosen = table[:, columns]
        chosen[:, columns < 0] = -np.inf
        return chosen


def _array(values: Any) -> npt.NDArray[np.float32]:
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().numpy()
    return np.asarray(values, dtype=np.float32)
