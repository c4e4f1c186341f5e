"""ESZSL: zero-shot classification in closed form, the honest baseline; it also learns batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from kgzsl._options import check_number, check_numbers
from kgzsl.classifiers._candidates import prior_matrix
from kgzsl.classifiers._inputs import float_matrix, row_weights
from kgzsl.classifiers.prior_classifier import PriorClassifier
from kgzsl.errors import InputError

__all__ = ["ESZSL"]


class ESZSL(PriorClassifier):
    """A bilinear map between features and priors, solved at once.

    Romera-Paredes and Torr, "An embarrassingly simple approach to zero-shot learning" (ICML 2015). Rows being samples,
    ``V = (X'X + gamma I)^-1 X'Y S (S'S + lam I)^-1``, Y in {-1, 1}, S the seen classes' priors. The answer is the
    candidate z of largest ``x V s_z``. Both inverses come from eigendecompositions made once, so that :meth:`solve`
    tries other weights for the price of two small products.

    X'X and the sum of each class's rows are all that is kept of the data, so :meth:`partial_fit` equals the joint
    solution whatever the batches and the order of the classes (the weight invariance of G-ACIL, Zhuang et al., NeurIPS
    2024, for a head with a second factor), and memory does not grow with the samples seen.

    Args:
        gamma: Ridge weight on the feature side.
        lam: Ridge weight on the prior side.
        normalise: ``"l2"`` scales each row of X and each prior to unit length first; ``"none"`` takes them as they are.
        device: Where it computes; None follows X.
    """

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

    def check_options(self) -> None:
        """See :meth:`Classifier.check_options`."""
        super().check_options()
        check_numbers(self, "gamma", "lam", zero=False)

    def fit(self, X: Any, y: Any, priors: Any = None, sample_weight: Any | None = None) -> ESZSL:
        """See :class:`PriorClassifier`; ``sample_weight`` [N], not negative, says how much each row counts."""
        features, labels = self._start(X, y, priors)
        width = self.n_features_in_
        self._gram = torch.zeros(width, width, dtype=features.dtype, device=features.device)
        self._sums = torch.zeros(len(self.classes_), width, dtype=features.dtype, device=features.device)
        self._absorb(features, labels, row_weights(sample_weight, features))
        return self.solve(self.gamma, self.lam)

    def partial_fit(self, X: Any, y: Any, priors: Any = None) -> ESZSL:
        """Learn one more batch; V is solved anew when it is next needed.

        Args:
            X: Features [N, D].
            y: Their class names; classes seen before, classes so far without samples, or both.
            priors: At the first call those of all classes known; later only those of classes to be added.

        Raises:
            InputError: A class without a prior (add it by ``priors`` or :meth:`add_class`), or X of another width.
        """
        if not hasattr(self, "_gram"):
            if hasattr(self, "_coef"):
                raise InputError("the data behind this ESZSL are gone, so it cannot go on learning", remedy="call fit")
            return self.fit(X, y, priors)
        if priors is not None:
            names, matrix = prior_matrix(priors, self.priors_.device)
            known = set(self.classes_.tolist())
            for name, row in zip(names.tolist(), matrix, strict=True):
                if name not in known:
                    self.add_class(name, row.cpu())
        features = float_matrix(X, "X", columns=self.n_features_in_, device=self.priors_.device, dtype=torch.float64)
        features = self._prepared(features)
        self._absorb(features, self._labels(y, features), row_weights(None, features))
        return self

    def _absorb(self, features: Tensor, labels: Tensor, weights: Tensor) -> None:
        weighted = features * weights[:, None]
        self._gram += features.T @ weighted
        self._sums.index_add_(0, labels, weighted)
        self._coef: Tensor | None = None
        self._rotated: Tensor | None = None

    def _factorise(self) -> Tensor:
        seen = self._seen_rows()
        priors = self.priors_[seen]
        # X'Y for Y in {-1, 1}: a class adds its own rows and takes off all the others.
        cross = (2 * self._sums[seen] - self._sums.sum(dim=0)).T @ priors
        self._feature_values, self._feature_basis = torch.linalg.eigh(self._gram)
        self._prior_values, self._prior_basis = torch.linalg.eigh(priors.T @ priors)
        rotated: Tensor = self._feature_basis.T @ cross @ self._prior_basis
        return rotated

    @property
    def coef_(self) -> Tensor:
        """V, float64 [D, P]."""
        if self._coef is None:
            self.solve(self.gamma, self.lam)
        assert self._coef is not None
        return self._coef

    @coef_.setter
    def coef_(self, value: Tensor) -> None:
        self._coef = value

    def solve(self, gamma: float, lam: float) -> ESZSL:
        """Take other ridge weights for the data seen so far.

        Raises:
            InputError: Not fitted, or a weight that is not positive.
        """
        check_number(gamma, "gamma", zero=False)
        check_number(lam, "lam", zero=False)
        self._check_fitted("_gram")
        self.gamma, self.lam = gamma, lam
        if self._rotated is None:
            self._rotated = self._factorise()
        scale = (self._feature_values.clamp_min(0) + gamma)[:, None] * (self._prior_values.clamp_min(0) + lam)
        self.coef_ = self._feature_basis @ (self._rotated / scale) @ self._prior_basis.T
        return self

    def add_classes(self, names: Sequence[Any], priors: Any) -> ESZSL:
        """See :class:`PriorClassifier`; samples of the classes may come later, by :meth:`partial_fit`."""
        super().add_classes(names, priors)
        if hasattr(self, "_sums"):
            self._sums = torch.cat([self._sums, self._sums.new_zeros(len(names), self._sums.shape[1])])
        return self

    def state_dict(self) -> dict[str, Any]:
        """What predicting needs, as tensors and plain values (``solve`` and ``partial_fit`` need the data again)."""
        return super().state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> ESZSL:
        """Take over what :meth:`state_dict` gave."""
        for name in ("_gram", "_sums", "_rotated"):
            self.__dict__.pop(name, None)
        return super().load_state_dict({**state, "width": state["coef"].shape[0]})

    def _scores(self, features: Tensor, priors: Tensor) -> Tensor:
        return features @ (self.coef_ @ priors.T).float()
