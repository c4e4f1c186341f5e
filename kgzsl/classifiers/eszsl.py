"""ESZSL: zero-shot classification in closed form, the honest baseline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from kgzsl.classifiers._candidates import candidate_rows, label_rows, prior_matrix
from kgzsl.classifiers._inputs import float_matrix
from kgzsl.classifiers.base import Classifier
from kgzsl.errors import InputError

__all__ = ["ESZSL"]


class ESZSL(Classifier):
    """A bilinear map between features and priors, solved at once.

    Romera-Paredes and Torr, "An embarrassingly simple approach to zero-shot learning" (ICML 2015). Rows being samples,
    ``V = (X'X + gamma I)^-1 X'Y S (S'S + lam I)^-1``, Y in {-1, 1}, S the seen classes' priors. The answer is the
    candidate z of largest ``x V s_z``. Both inverses come from eigendecompositions made once by ``fit``, so that
    :meth:`solve` tries other weights for the price of two small products.

    Args:
        gamma: Ridge weight on the feature side.
        lam: Ridge weight on the prior side.
        normalise: ``"l2"`` scales each row of X and each prior to unit length first; ``"none"`` takes them as they are.
        device: Where it computes; None follows X.

    Attributes:
        classes_: Names of all classes that have a prior.
        seen_: bool [C], which of them had samples.
        coef_: V, float64 [D, P].
        priors_: float64 [C, P], as used.
    """

    classes_: np.ndarray
    seen_: np.ndarray
    coef_: Tensor
    priors_: Tensor

    def __init__(
        self,
        gamma: float = 1.0,
        lam: float = 1.0,
        normalise: str = "l2",
        device: torch.device | str | None = None,
    ) -> None:
        self.gamma = gamma
        self.lam = lam
        self.normalise = normalise
        self.device = device

    def fit(self, X: Any, y: Any, priors: Any = None) -> ESZSL:
        """Learn from X [N, D], labels y [N] and priors of all classes, seen and unseen.

        Args:
            X: Features of seen classes.
            y: Class names (or rows of a bare prior matrix).
            priors: ``ClassPriors``, or a matrix [C, P].

        Raises:
            InputError: NaN, a class without a prior, no priors, weights that are not positive.
        """
        if priors is None:
            raise InputError("ESZSL needs priors", remedy="give priors=ClassPriors or a matrix [C, P]")
        if self.normalise not in ("l2", "none"):
            raise InputError(f"normalise is {self.normalise!r}", remedy="choose l2 or none")
        features = self._prepared(float_matrix(X, "X", device=self.device, dtype=torch.float64))
        self.n_features_in_ = features.shape[1]
        self.classes_, matrix = prior_matrix(priors, features.device)
        self.priors_ = self._prepared(matrix)
        labels = torch.as_tensor(label_rows(y, self.classes_), device=features.device)
        if len(labels) != len(features):
            raise InputError(f"y has {len(labels)} labels for {len(features)} rows of X")
        self.seen_ = np.zeros(len(self.classes_), dtype=bool)
        self.seen_[torch.unique(labels).cpu().numpy()] = True
        seen = torch.as_tensor(np.flatnonzero(self.seen_), device=features.device)
        sums = torch.zeros(len(self.classes_), features.shape[1], dtype=features.dtype, device=features.device)
        sums.index_add_(0, labels, features)
        # X'Y for Y in {-1, 1}: a class adds its own rows and takes off all the others.
        cross = (2 * sums[seen] - features.sum(dim=0)).T @ self.priors_[seen]
        self._feature_values, self._feature_basis = torch.linalg.eigh(features.T @ features)
        self._prior_values, self._prior_basis = torch.linalg.eigh(self.priors_[seen].T @ self.priors_[seen])
        self._rotated = self._feature_basis.T @ cross @ self._prior_basis
        return self.solve(self.gamma, self.lam)

    def solve(self, gamma: float, lam: float) -> ESZSL:
        """Take other ridge weights for the data that ``fit`` saw.

        Raises:
            InputError: Not fitted, or a weight that is not positive.
        """
        if gamma <= 0 or lam <= 0:
            raise InputError(f"gamma is {gamma} and lam is {lam}", remedy="give positive ridge weights")
        self._check_fitted("_rotated")
        self.gamma, self.lam = gamma, lam
        scale = (self._feature_values.clamp_min(0) + gamma)[:, None] * (self._prior_values.clamp_min(0) + lam)
        self.coef_ = self._feature_basis @ (self._rotated / scale) @ self._prior_basis.T
        return self

    def decision_function(self, X: Any, candidates: str | Sequence[Any] = "all") -> Tensor:
        """Compatibilities, float32 [N, K], of the candidates in their order ("all": the order of ``classes_``)."""
        self._check_fitted("coef_")
        rows = candidate_rows(candidates, self.classes_, self.seen_)
        features = float_matrix(X, "X", columns=self.n_features_in_, device=self.coef_.device)
        weights = self.coef_ @ self.priors_[torch.as_tensor(rows, device=self.coef_.device)].T
        return self._prepared(features) @ weights.float()

    def predict(self, X: Any, candidates: str | Sequence[Any] = "all") -> np.ndarray:
        """The most compatible candidate of each row."""
        rows = candidate_rows(candidates, self.classes_, self.seen_)
        answers: np.ndarray = self.classes_[rows[self.decision_function(X, candidates).argmax(dim=1).cpu().numpy()]]
        return answers

    def add_class(self, name: Any, prior: Any) -> ESZSL:
        """Make one more unseen class answerable; nothing is trained, since V does not depend on unseen classes.

        Args:
            name: Its name.
            prior: Its row [P].
        """
        self._check_fitted("coef_")
        if name in self.classes_.tolist():
            raise InputError(f"the class {name!r} is there already")
        row = float_matrix(
            np.atleast_2d(np.asarray(prior)), "prior", columns=self.priors_.shape[1], device=self.priors_.device
        )
        self.priors_ = torch.cat([self.priors_, self._prepared(row.double())])
        self.classes_ = np.append(self.classes_, name)
        self.seen_ = np.append(self.seen_, False)
        return self

    def state_dict(self) -> dict[str, Any]:
        """What predicting needs, as tensors and plain values (``solve`` needs the data again)."""
        self._check_fitted("coef_")
        return {
            "coef": self.coef_,
            "priors": self.priors_,
            "classes": self.classes_.tolist(),
            "seen": self.seen_.tolist(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> ESZSL:
        """Take over what :meth:`state_dict` gave."""
        device = self.device or state["coef"].device
        self.coef_, self.priors_ = state["coef"].to(device), state["priors"].to(device)
        self.classes_, self.seen_ = np.array(state["classes"]), np.array(state["seen"], dtype=bool)
        self.n_features_in_ = self.coef_.shape[0]
        return self

    def _prepared(self, rows: Tensor) -> Tensor:
        return functional.normalize(rows, dim=1) if self.normalise == "l2" else rows
