"""What the classifiers that answer from class priors share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from kgzsl._options import check_choices, check_device
from kgzsl.classifiers._candidates import candidate_rows, label_rows, one_prior, prior_matrix
from kgzsl.classifiers._inputs import check_label, float_matrix
from kgzsl.classifiers.base import Classifier
from kgzsl.errors import InputError

__all__ = ["PriorClassifier"]


class PriorClassifier(Classifier):
    """A classifier that learns from seen classes how features and priors go together, and answers for any class.

    A subclass learns in ``fit`` after :meth:`_start`, scores in :meth:`_scores`, and names in ``_learnt`` the tensors
    that make up its state besides the priors. It may have ``normalise`` (``"l2"`` or ``"none"``) and ``device`` among
    its options.

    Attributes:
        classes_: Names of all classes that have a prior, [C].
        seen_: bool [C], which of them had samples.
        priors_: float64 [C, P], as used.
        n_features_in_: D.
    """

    classes_: np.ndarray
    seen_: np.ndarray
    priors_: Tensor
    n_features_in_: int
    normalise: str = "l2"
    device: torch.device | str | None = None

    _learnt: ClassVar[tuple[str, ...]] = ("coef_",)

    @abstractmethod
    def fit(self, X: Any, y: Any, priors: Any = None) -> Self:
        """Learn from X [N, D], labels y [N] and priors of all classes, seen and unseen.

        Args:
            X: Features of seen classes.
            y: Class names (or rows of a bare prior matrix).
            priors: ``ClassPriors``, or a matrix [C, P].

        Raises:
            InputError: NaN, a class without a prior, no priors, options out of range.
        """

    @abstractmethod
    def _scores(self, features: Tensor, priors: Tensor) -> Tensor:
        """float32 [N, K]: how well prepared features [N, D] and priors (float64 [K, P]) go together."""

    def check_options(self) -> None:
        """See :meth:`Classifier.check_options`."""
        check_choices(self, normalise=("l2", "none"))
        check_device(self.device)

    def _start(self, X: Any, y: Any, priors: Any, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
        """Check and keep what every ``fit`` is given: prepared features [N, D], and rows of priors, int64 [N]."""
        self.check_options()
        name = type(self).__name__
        if priors is None:
            raise InputError(f"{name} needs priors", remedy="give priors=ClassPriors or a matrix [C, P]")
        features = self._prepared(float_matrix(X, "X", device=self.device, dtype=dtype))
        self.n_features_in_ = features.shape[1]
        self.classes_, matrix = prior_matrix(priors, features.device)
        self.priors_ = self._prepared(matrix)
        self.seen_ = np.zeros(len(self.classes_), dtype=bool)
        return features, self._labels(y, features)

    def _labels(self, y: Any, features: Tensor) -> Tensor:
        """Rows of priors for the labels of ``features``; marks these classes as seen."""
        rows = label_rows(y, self.classes_)
        if len(rows) != len(features):
            raise InputError(f"y has {len(rows)} labels for {len(features)} rows of X")
        self.seen_[np.unique(rows)] = True
        return torch.as_tensor(rows, device=features.device)

    def _seen_rows(self) -> Tensor:
        return torch.as_tensor(np.flatnonzero(self.seen_), device=self.priors_.device)

    def _among_seen(self, rows: Tensor) -> Tensor:
        """The places of rows of priors, int64 [N], among those of the seen classes."""
        return torch.searchsorted(self._seen_rows(), rows)

    def decision_function(self, X: Any, candidates: str | Sequence[Any] = "all") -> Tensor:
        """Compatibilities, float32 [N, K], of the candidates in their order ("all": the order of ``classes_``).

        Args:
            X: Features [N, D].
            candidates: ``"all"``, ``"seen"``, ``"unseen"`` or a list of names.
        """
        self._check_fitted("priors_")
        rows = candidate_rows(candidates, self.classes_, self.seen_)
        features = float_matrix(X, "X", columns=self.n_features_in_, device=self.priors_.device)
        priors = self.priors_[torch.as_tensor(rows, device=self.priors_.device)]
        return self._scores(self._prepared(features), priors)

    def predict(self, X: Any, candidates: str | Sequence[Any] = "all") -> np.ndarray:
        """The most compatible candidate of each row."""
        self._check_fitted("priors_")
        rows = candidate_rows(candidates, self.classes_, self.seen_)
        answers: np.ndarray = self.classes_[rows[self.decision_function(X, candidates).argmax(dim=1).cpu().numpy()]]
        return answers

    def add_class(self, name: Any, prior: Any) -> Self:
        """Make one more class answerable; nothing is trained, since nothing learnt depends on unseen classes.

        Args:
            name: Its name.
            prior: Its row [P].

        Raises:
            InputError: The class is there already, or the row does not fit.
        """
        self._check_fitted("priors_")
        return self.add_classes([name], one_prior(prior, self.priors_.shape[1], self.priors_.device))

    def add_classes(self, names: Sequence[Any], priors: Any) -> Self:
        """Make several more classes answerable at once, as :meth:`add_class` does one.

        Args:
            names: K names.
            priors: Their rows [K, P].

        Raises:
            InputError: One of them is there already or named twice, or the rows do not fit.
        """
        self._check_fitted("priors_")
        taken = set(self.classes_.tolist())
        for name in names:
            if name in taken:
                raise InputError(f"the class {name!r} is there already")
            check_label(self.classes_.tolist()[:1], name)
            taken.add(name)
        rows = float_matrix(priors, "priors", columns=self.priors_.shape[1], device=self.priors_.device)
        if len(rows) != len(names):
            raise InputError(f"there are {len(rows)} rows of priors for {len(names)} classes")
        self.priors_ = torch.cat([self.priors_, self._prepared(rows.double())])
        self.classes_ = np.append(self.classes_, np.asarray(names))
        self.seen_ = np.append(self.seen_, np.zeros(len(names), dtype=bool))
        return self

    def state_dict(self) -> dict[str, Any]:
        """What predicting needs, as tensors and plain values."""
        self._check_fitted("priors_")
        learnt = {name.rstrip("_"): getattr(self, name) for name in self._learnt}
        shared = {"priors": self.priors_, "classes": self.classes_.tolist(), "seen": self.seen_.tolist()}
        return {**learnt, **shared, "width": self.n_features_in_}

    def load_state_dict(self, state: dict[str, Any]) -> Self:
        """Take over what :meth:`state_dict` gave."""
        device = self.device or state["priors"].device
        for name in (*self._learnt, "priors_"):
            setattr(self, name, state[name.rstrip("_")].to(device))
        self.classes_, self.seen_ = np.array(state["classes"]), np.array(state["seen"], dtype=bool)
        self.n_features_in_ = int(state["width"])
        return self

    def _prepared(self, rows: Tensor) -> Tensor:
        return functional.normalize(rows, dim=1) if self.normalise == "l2" else rows
