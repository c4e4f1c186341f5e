"""Gaussian discriminant head: closed form, no training loop, one covariance for all classes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kgzsl._options import check_choice, check_choices, check_device, check_numbers
from kgzsl.classifiers._inputs import class_indices, float_matrix, with_label
from kgzsl.classifiers.base import Classifier
from kgzsl.errors import InputError

__all__ = ["GDA", "shrunk_precision"]

_COVARIANCES = ("ks", "ledoit_wolf", "oas", "empirical")


class GDA(Classifier):
    """Gaussian discriminant analysis with a shared, shrunk covariance, after Wang et al. (ICLR 2024).

    "A Hard-to-Beat Baseline for Training-Free CLIP-Based Adaptation": with class means mu_c and one
    precision matrix, ``w_c = precision mu_c`` and ``b_c = log pi_c - mu_c' precision mu_c / 2``; the answer is
    ``alpha (x W + b) + zero_shot``, the second term being any other expert's scores.

    It fits real features, generated ones, or both: give it what a generator samples and it is a zero-shot head.

    Args:
        covariance: ``"ks"`` (Kubokawa and Srivastava's ridge, the paper's choice), ``"ledoit_wolf"``, ``"oas"`` or
            ``"empirical"``.
        class_prior: ``"uniform"`` or ``"empirical"`` pi_c.
        alpha: Weight of the Gaussian scores beside ``zero_shot`` scores.
        device: Where it computes; None follows the input.

    Attributes:
        classes_: The classes, sorted.
        coef_: [C, D] weights.
        intercept_: [C].
        means_: [C, D].
        precision_: [D, D], the inverse of the shrunk covariance.
    """

    def __init__(
        self,
        covariance: str = "ks",
        class_prior: str = "uniform",
        alpha: float = 1.0,
        device: torch.device | str | None = None,
    ) -> None:
        self.covariance = covariance
        self.class_prior = class_prior
        self.alpha = alpha
        self.device = device

    def check_options(self) -> None:
        """See :meth:`Classifier.check_options`."""
        check_choices(self, covariance=_COVARIANCES, class_prior=("uniform", "empirical"))
        check_numbers(self, "alpha")
        check_device(self.device)

    def fit(self, X: Any, y: Any) -> GDA:
        """Estimate means and the shared covariance from X [N, D] and labels y [N].

        Raises:
            InputError: NaN in X, unequal lengths, an unknown option.
        """
        self.check_options()
        features = float_matrix(X, "X", device=self.device)
        self.classes_, encoded = class_indices(y, len(features))
        labels = torch.as_tensor(encoded, device=features.device)
        count = len(self.classes_)
        sizes = torch.bincount(labels, minlength=count).to(features.dtype)
        sums = torch.zeros(count, features.shape[1], dtype=features.dtype, device=features.device)
        self.means_ = sums.index_add_(0, labels, features) / sizes[:, None]
        precision = shrunk_precision(features - self.means_[labels], self.covariance)
        self.precision_ = precision
        pi = sizes / sizes.sum() if self.class_prior == "empirical" else torch.full_like(sizes, 1 / count)
        self.coef_ = self.means_ @ precision
        self.intercept_ = pi.log() - 0.5 * (self.coef_ * self.means_).sum(dim=1)
        return self

    def add_class(self, label: Any, X: Any) -> GDA:
        """Learn one more class from its features X [K, D]: its mean, under the covariance of the classes known.

        Raises:
            InputError: The class is known already, or ``class_prior`` is not uniform: then every class's share changes.
        """
        self._check_fitted("coef_")
        if label in self.classes_.tolist():
            raise InputError(f"the class {label!r} is known already", remedy="give another label")
        if self.class_prior != "uniform":
            raise InputError("shares of classes change with every class", remedy="fit again with all rows")
        mean = float_matrix(X, "X", columns=self.coef_.shape[1], device=self.coef_.device).mean(dim=0, keepdim=True)
        row = mean @ self.precision_
        self.classes_, place = with_label(self.classes_, label)
        self.means_ = torch.cat([self.means_[:place], mean, self.means_[place:]])
        self.coef_ = torch.cat([self.coef_[:place], row, self.coef_[place:]])
        # log pi of all classes is the same number, which no answer depends on.
        constant = torch.full((1,), -math.log(len(self.classes_)), device=row.device) - 0.5 * (row * mean).sum()
        shift = math.log(1 - 1 / len(self.classes_))
        before = self.intercept_ + shift
        self.intercept_ = torch.cat([before[:place], constant, before[place:]])
        return self

    def decision_function(self, X: Any, zero_shot: Any | None = None) -> Tensor:
        """Scores [N, C]; ``zero_shot`` [N, C] are another expert's scores over ``classes_`` to add.

        Raises:
            InputError: X or ``zero_shot`` of the wrong width.
        """
        self._check_fitted("coef_")
        features = float_matrix(X, "X", columns=self.coef_.shape[1], device=self.coef_.device)
        scores = self.alpha * torch.addmm(self.intercept_, features, self.coef_.T)
        if zero_shot is not None:
            scores += float_matrix(zero_shot, "zero_shot", columns=len(self.classes_), device=scores.device)
        return scores

    def predict(self, X: Any, zero_shot: Any | None = None) -> np.ndarray:
        """The class of each row of X."""
        best = self.decision_function(X, zero_shot).argmax(dim=1).cpu().numpy()
        chosen: np.ndarray = self.classes_[best]
        return chosen

    def predict_proba(self, X: Any, zero_shot: Any | None = None) -> np.ndarray:
        """Posterior probabilities [N, C]."""
        proba: np.ndarray = self.decision_function(X, zero_shot).softmax(dim=1).cpu().numpy()
        return proba


def shrunk_precision(centred: Tensor, covariance: str) -> Tensor:
    """The inverse of a shrunk covariance [D, D] of ``centred`` rows [N, D] (each minus its class mean).

    ``"ks"``: D ((N - 1) S + tr(S) I)^-1, S with divisor N - 1 (Kubokawa and Srivastava 2008, as the GDA paper uses
    it). ``"ledoit_wolf"`` and ``"oas"``: (1 - a) S + a tr(S)/D I with S of divisor N and the coefficient a of Ledoit
    and Wolf (2004) or Chen et al. (2010), inverted. ``"empirical"``: the pseudo-inverse of S.

    Raises:
        InputError: Unknown name, or ``"empirical"`` of rows without any spread.
    """
    check_choice(covariance, "covariance", _COVARIANCES)
    rows, dim = centred.shape
    # Sums of squares lose digits in float32 when classes are many; the matrix is small, so take float64 throughout.
    centred = centred.double()
    gram = centred.T @ centred
    total = float(gram.diagonal().sum())
    if total == 0.0:
        raise InputError("all rows of a class are equal, so there is no covariance", remedy="give more than one row")
    identity = torch.eye(dim, dtype=gram.dtype, device=gram.device)
    if covariance == "ks":
        inverse: Tensor = dim * torch.linalg.inv(gram + total / max(rows - 1, 1) * identity)
    elif covariance == "empirical":
        inverse = torch.linalg.pinv(gram / rows, hermitian=True)
    else:
        spread = gram / rows
        mean_variance = total / rows / dim
        shrinkage = _ledoit_wolf(centred, spread, mean_variance) if covariance == "ledoit_wolf" else _oas(spread, rows)
        inverse = torch.linalg.inv((1 - shrinkage) * spread + shrinkage * mean_variance * identity)
    return inverse.float()


def _ledoit_wolf(centred: Tensor, spread: Tensor, mean_variance: float) -> float:
    rows, dim = centred.shape
    squared_norm = float((spread**2).sum())
    distance = squared_norm - dim * mean_variance**2
    if distance <= 0:
        return 1.0
    # The mean over rows of ||x x' - S||^2 is the mean of ||x||^4 minus ||S||^2.
    noise = (float((centred**2).sum(dim=1).square().mean()) - squared_norm) / rows
    return min(1.0, max(0.0, noise / distance))


def _oas(spread: Tensor, rows: int) -> float:
    dim = len(spread)
    mean_square = float((spread**2).mean())
    mean_variance_square = (float(spread.diagonal().sum()) / dim) ** 2
    denominator = (rows + 1) * (mean_square - mean_variance_square / dim)
    if denominator == 0 or math.isclose(denominator, 0.0):
        return 1.0
    return min((mean_square + mean_variance_square) / denominator, 1.0)
