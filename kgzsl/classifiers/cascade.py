"""LisGAN's cascade: the surest answers on unlabelled data become training data for a second stage."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kgzsl._options import check_choice, check_number
from kgzsl.classifiers._inner import InnerHead, inner_state, new_inner, put_inner_back
from kgzsl.classifiers._inputs import class_labels, distributions, float_matrix
from kgzsl.classifiers.base import Classifier
from kgzsl.errors import InputError

__all__ = ["Cascade", "confident_rows"]


def confident_rows(probabilities: Any, ratio: float, confidence: str = "entropy") -> Tensor:
    """bool [M]: the ``ratio`` of rows that are answered most surely, rounded down; ties go to the earlier row.

    Args:
        probabilities: [M, C], rows that sum to 1.
        ratio: Share of the rows, in [0, 1].
        confidence: ``"entropy"`` (low is sure: Li et al., eq. 9) or ``"largest"`` (the largest probability).

    Raises:
        InputError: Rows that are no distributions (logits, say), an unknown confidence, or a ratio outside [0, 1].
    """
    shares = distributions(probabilities, dtype=torch.float64)
    _check(ratio, confidence)
    doubt = torch.special.entr(shares).sum(dim=1) if confidence == "entropy" else -shares.amax(dim=1)
    chosen = torch.zeros(len(shares), dtype=torch.bool, device=shares.device)
    chosen[doubt.argsort(stable=True)[: math.floor(ratio * len(shares) + 1e-9)]] = True
    return chosen


def _check(ratio: float, confidence: str) -> None:
    check_number(ratio, "ratio", most=1)
    check_choice(confidence, "confidence", ("entropy", "largest"))


class Cascade(Classifier):
    """A second stage that has learnt from the first one's easy answers.

    Li et al., "Leveraging the Invariant Side of Generative Zero-Shot Learning" (CVPR 2019), section 3.4: train a head,
    take its most confident answers on the unlabelled data (eq. 9: those of least entropy, ``-sum_c p_c log p_c``) as if
    they were labels, train it again with them, and answer the rest. The first stage is trained to its end: nothing is
    chosen by looking at labels of the unlabelled data.
    **Transductive**: unlabelled data come through ``unlabeled`` alone.

    Args:
        head: Name of a registered classifier with ``predict_proba``, or a function that builds any such model.
        options: Options of a head that is given by name.
        ratio: Share of the unlabelled rows that counts as easy; 0 leaves the first stage alone.
        confidence: ``"entropy"`` or ``"largest"``, both of probabilities.

    Attributes:
        classes_: The classes of the head.
        first_: The head of the first stage.
        head_: The head of the second stage (the first one's, where no row is easy).
        easy_: bool [M], which unlabelled rows joined the training.
        answers_: [M], answers for the unlabelled rows: the first stage's for easy ones, the second's for the rest.
        setting: Always ``"transductive"``.
    """

    setting = "transductive"

    def __init__(
        self,
        head: InnerHead = "softmax",
        options: Mapping[str, Any] | None = None,
        ratio: float = 0.4,
        confidence: str = "entropy",
    ) -> None:
        self.head = head
        self.options = options
        self.ratio = ratio
        self.confidence = confidence

    def check_options(self) -> None:
        """See :meth:`Classifier.check_options`."""
        _check(self.ratio, self.confidence)
        new_inner(self.head, self.options)

    def fit(self, X: Any, y: Any, *, unlabeled: Any = None) -> Cascade:
        """Learn from X [N, D] (real, or generated) with labels y [N], and from ``unlabeled`` [M, D].

        Raises:
            InputError: No unlabelled rows, or options out of range.
        """
        if unlabeled is None:
            raise InputError("a cascade looks at unlabelled data", remedy="give fit(X, y, unlabeled=...)")
        _check(self.ratio, self.confidence)
        features = float_matrix(X, "X")
        rest = float_matrix(unlabeled, "unlabeled", columns=features.shape[1], device=features.device)
        labels = class_labels(y, len(features))
        self.first_ = self.head_ = self._new_head()
        self.first_.fit(features, labels)
        shares = torch.as_tensor(np.asarray(self.first_.predict_proba(rest)))
        easy = confident_rows(shares, self.ratio, self.confidence)
        self.easy_ = easy.numpy()
        self.answers_: np.ndarray = np.asarray(self.first_.classes_)[shares.argmax(dim=1).numpy()]
        if self.easy_.any():
            self.head_ = self._new_head()
            more = self.answers_[self.easy_].astype(labels.dtype)
            self.head_.fit(torch.cat([features, rest[easy.to(rest.device)]]), np.concatenate([labels, more]))
            if not self.easy_.all():
                self.answers_[~self.easy_] = self.predict(rest[~easy.to(rest.device)])
        return self

    @property
    def classes_(self) -> np.ndarray:
        """The classes of the head."""
        return np.asarray(self._fitted().classes_)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the second stage, [N, C]."""
        return np.asarray(self._fitted().predict_proba(X))

    def decision_function(self, X: Any) -> Any:
        """Scores of the second stage, [N, C]."""
        return self._fitted().decision_function(X)

    def predict(self, X: Any) -> np.ndarray:
        """The second stage's answers; those for the unlabelled rows themselves are ``answers_``."""
        chosen: np.ndarray = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return chosen

    def _fitted(self) -> Any:
        self._check_fitted("head_")
        return self.head_

    def _new_head(self) -> Any:
        return new_inner(self.head, self.options)

    def state_dict(self) -> dict[str, Any]:
        """See :meth:`Classifier.state_dict`; the head must be one that goes by name."""
        head = self._fitted()
        return {
            "first": inner_state("Cascade", self.head, self.first_),
            "head": None if head is self.first_ else inner_state("Cascade", self.head, head),
            "easy": torch.from_numpy(self.easy_.astype(np.uint8)),
            "answers": self.answers_.tolist(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> Cascade:
        """Take over what :meth:`state_dict` gave."""
        self.first_ = self.head_ = put_inner_back(self.head, self.options, state["first"])
        if state["head"] is not None:
            self.head_ = put_inner_back(self.head, self.options, state["head"])
        self.easy_ = state["easy"].cpu().numpy().astype(bool)
        self.answers_ = np.array(state["answers"])
        return self
