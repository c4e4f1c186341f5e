"""Self-training with balanced pseudo-labels: a transductive way to adapt any probabilistic head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kgzsl._options import check_count, check_names, check_whole
from kgzsl.classifiers._inner import InnerHead, inner_state, new_inner, put_inner_back
from kgzsl.classifiers._inputs import class_labels, distributions, float_matrix
from kgzsl.classifiers.base import Classifier
from kgzsl.errors import InputError

__all__ = ["SelfTraining", "balanced_pseudo_labels"]


def balanced_pseudo_labels(probabilities: Any, per_class: int) -> tuple[Tensor, Tensor]:
    """The ``per_class`` most probable rows of every class, no row used twice.

    Where two classes want the same row, the one that finds it more probable gets it and the other takes its next best,
    until every class is full or the rows are used up.

    Args:
        probabilities: [M, C].
        per_class: K, at least 1.

    Returns:
        Rows and their pseudo-labels, int64 each: min(K C, M) of them in all, K a class when M >= K C.
    """
    scores = float_matrix(probabilities, "probabilities").clone()
    rows, classes = scores.shape
    check_count(per_class, "per_class")
    owner = torch.full((rows,), -1, dtype=torch.int64, device=scores.device)
    need = torch.full((classes,), per_class, dtype=torch.int64, device=scores.device)
    while bool((need > 0).any()) and bool((owner < 0).any()):
        free = (owner < 0).nonzero().squeeze(1)
        wanted = scores[free]
        width = min(int(need.max()), len(free))
        best = wanted.topk(width, dim=0)
        # Entry (i, c) of this table is a bid of class c; bids beyond what the class still needs do not count.
        counts = torch.arange(width, device=scores.device)[:, None] < need[None, :]
        bid = torch.full_like(wanted, -torch.inf)
        bid.scatter_(0, best.indices, best.values.masked_fill(~counts, -torch.inf))
        value, winner = bid.max(dim=1)
        taken = value > -torch.inf
        owner[free[taken]] = winner[taken]
        need -= torch.bincount(winner[taken], minlength=classes)
    chosen = (owner >= 0).nonzero().squeeze(1)
    return chosen, owner[chosen]


class SelfTraining(Classifier):
    """Train a head on its own most confident answers, the same number for every class, over several rounds.

    Menghini et al., "Enhancing CLIP with CLIP" (NeurIPS 2023): pseudo-labels by the top K of every class rather than by
    a confidence threshold (which starves the classes that the first head dislikes), K growing from round to round,
    ``K_t = per_class + t * growth``, the head trained afresh each time. The labelled set may be empty.
    **Transductive**: it looks at unlabelled data, which come through ``unlabeled`` alone.

    Args:
        head: Name of a registered classifier with ``predict_proba``, or a function that builds any such model.
        options: Options of a head that is given by name.
        rounds: How often to label and train.
        per_class: K of the first round.
        growth: What K grows by each round.

    Attributes:
        classes_: The classes of the last head.
        head_: The head of the last round.
        history_: One mapping a round: ``round``, ``per_class``, ``pseudo_labels``.
        setting: Always ``"transductive"``.
    """

    setting = "transductive"

    def __init__(
        self,
        head: InnerHead = "softmax",
        options: Mapping[str, Any] | None = None,
        rounds: int = 5,
        per_class: int = 16,
        growth: int = 16,
    ) -> None:
        self.head = head
        self.options = options
        self.rounds = rounds
        self.per_class = per_class
        self.growth = growth

    def check_options(self) -> None:
        """See :meth:`Classifier.check_options`."""
        self._check_rounds()
        new_inner(self.head, self.options)

    def _check_rounds(self) -> None:
        check_whole(self, "rounds", "per_class")
        check_whole(self, "growth", least=0)

    def fit(
        self,
        X: Any = None,
        y: Any = None,
        *,
        unlabeled: Any = None,
        classes: Sequence[Any] | None = None,
        initial: Any = None,
    ) -> SelfTraining:
        """Adapt to ``unlabeled``.

        Args:
            X: Labelled (or generated) features [N, D], or None.
            y: Their labels.
            unlabeled: Features [M, D] without labels.
            classes: The C classes that pseudo-labels are given for; None takes those of ``y``.
            initial: Probabilities [M, C] of ``unlabeled`` from any first expert (a zero-shot head, a nearest prior);
                None takes those of a head that has learnt from X alone.

        Raises:
            InputError: No unlabelled rows, nothing to begin with, shapes or types of labels that do not fit,
                ``initial`` that is no probabilities, or settings below 1.
        """
        self._check_rounds()
        if unlabeled is None:
            raise InputError("self-training looks at unlabelled data", remedy="give fit(X, y, unlabeled=...)")
        if X is None and (classes is None or initial is None):
            raise InputError("there is nothing to begin with", remedy="give X and y, or classes= and initial=")
        features = float_matrix(unlabeled, "unlabeled")
        labelled = None if X is None else float_matrix(X, "X", columns=features.shape[1], device=features.device)
        known = None if labelled is None else class_labels(y, len(labelled))
        check_names(classes, "classes")
        if classes is not None:
            names = np.asarray(list(classes))
        else:
            assert known is not None
            names = np.unique(known)
        if known is not None and (known.dtype.kind in "US") != (names.dtype.kind in "US"):
            raise InputError("labels y and classes are of different types", remedy="give names for both, or numbers")
        if initial is None:
            self.head_ = new_inner(self.head, self.options)
            self.head_.fit(labelled, known)
            probabilities = self._over(names, features)
        else:
            probabilities = distributions(initial, "initial", columns=len(names), device=features.device)
        if len(probabilities) != len(features):
            raise InputError(f"initial has {len(probabilities)} rows for {len(features)} of unlabeled")
        self.history_: list[dict[str, int]] = []
        for turn in range(self.rounds):
            count = self.per_class + turn * self.growth
            rows, labels = balanced_pseudo_labels(probabilities, count)
            inputs, targets = features[rows], names[labels.cpu().numpy()]
            if labelled is not None and known is not None:
                inputs = torch.cat([labelled, inputs])
                targets = np.concatenate([known, targets])
            self.head_ = new_inner(self.head, self.options)
            self.head_.fit(inputs, targets)
            probabilities = self._over(names, features)
            self.history_.append({"round": turn, "per_class": count, "pseudo_labels": len(rows)})
        return self

    @property
    def classes_(self) -> np.ndarray:
        """The classes of the last head."""
        return np.asarray(self._fitted().classes_)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the last head, columns as in its ``classes_``."""
        return np.asarray(self._fitted().predict_proba(X))

    def decision_function(self, X: Any) -> Any:
        """Scores of the last head."""
        return self._fitted().decision_function(X)

    def predict(self, X: Any) -> np.ndarray:
        """The last head's answers."""
        chosen: np.ndarray = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return chosen

    def _fitted(self) -> Any:
        self._check_fitted("head_")
        return self.head_

    def _over(self, names: np.ndarray, features: Tensor) -> Tensor:
        """The head's probabilities of ``names``; a class that got no pseudo-label has probability zero."""
        found = torch.as_tensor(self.head_.predict_proba(features), dtype=torch.float32, device=features.device)
        column = {name: place for place, name in enumerate(np.asarray(self.head_.classes_).tolist())}
        result = torch.zeros(len(features), len(names), device=features.device)
        for place, name in enumerate(names.tolist()):
            if name in column:
                result[:, place] = found[:, column[name]]
        return result

    def state_dict(self) -> dict[str, Any]:
        """See :meth:`Classifier.state_dict`; the head must be one that goes by name."""
        return {"head": inner_state("SelfTraining", self.head, self._fitted()), "history": self.history_}

    def load_state_dict(self, state: dict[str, Any]) -> SelfTraining:
        """Take over what :meth:`state_dict` gave."""
        self.head_ = put_inner_back(self.head, self.options, state["head"])
        self.history_ = [dict(row) for row in state["history"]]
        return self
