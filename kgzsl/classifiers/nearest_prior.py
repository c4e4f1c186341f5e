"""The nearest prior after a ridge map: the simplest zero-shot classifier."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from kgzsl._options import check_choices, check_flags, check_number, check_numbers
from kgzsl.classifiers._inputs import float_matrix, row_weights
from kgzsl.classifiers.prior_classifier import PriorClassifier
from kgzsl.errors import InputError

__all__ = ["NearestPrior"]


class NearestPrior(PriorClassifier):
    """Ridge regression between features and priors, then the class whose vector is nearest.

    ``direction="priors"`` maps each sample to where its prior should be; ``"features"`` maps each prior to where its
    samples should be, which makes fewer classes the neighbour of everything (Shigeto et al., "Ridge Regression,
    Hubness, and Zero-Shot Learning", ECML 2015).

    Args:
        lam: Ridge weight.
        direction: The space in which samples and classes meet.
        metric: ``"cosine"`` (about the seen classes' mean, where ``centre`` is on) or ``"euclidean"``.
        centre: Take the mean out of both sides first; the map then has an intercept.
        normalise: ``"l2"`` scales each row of X and each prior to unit length first; ``"none"`` takes them as they are.
        device: Where it computes; None follows X.

    Attributes:
        coef_: float64 [D, P] or, for ``direction="features"``, [P, D].
        feature_mean_: float64 [D], zero without ``centre``.
        prior_mean_: float64 [P], likewise.
    """

    coef_: Tensor
    feature_mean_: Tensor
    prior_mean_: Tensor

    _learnt = ("coef_", "feature_mean_", "prior_mean_")

    def __init__(
        self,
        lam: float = 1.0,
        direction: str = "features",
        metric: str = "cosine",
        centre: bool = True,
        normalise: str = "l2",
        device: torch.device | str | None = None,
    ) -> None:
        self.lam = lam
        self.direction = direction
        self.metric = metric
        self.centre = centre
        self.normalise = normalise
        self.device = device

    def check_options(self) -> None:
        """See :meth:`Classifier.check_options`."""
        super().check_options()
        check_numbers(self, "lam", zero=False)
        check_choices(self, direction=("features", "priors"), metric=("cosine", "euclidean"))
        check_flags(self, "centre")

    def fit(self, X: Any, y: Any, priors: Any = None, sample_weight: Any | None = None) -> NearestPrior:
        """See :class:`PriorClassifier`; ``sample_weight`` [N], not negative, says how much each row counts."""
        features, labels = self._start(X, y, priors)
        weights = row_weights(sample_weight, features)[:, None]
        wanted = self.priors_[labels]
        share = weights / weights.sum() if self.centre else torch.zeros_like(weights)
        self.feature_mean_, self.prior_mean_ = (share * features).sum(dim=0), (share * wanted).sum(dim=0)
        # Both sides weighted by the root of the weights: the plain normal equations are then the weighted ones.
        features = (features - self.feature_mean_) * weights.sqrt()
        wanted = (wanted - self.prior_mean_) * weights.sqrt()
        source, target = (wanted, features) if self.direction == "features" else (features, wanted)
        self._values, self._basis = torch.linalg.eigh(source.T @ source)
        self._rotated = self._basis.T @ (source.T @ target)
        return self.solve(self.lam)

    def solve(self, lam: float) -> NearestPrior:
        """Take another ridge weight for the data that ``fit`` saw.

        Raises:
            InputError: Not fitted, or a weight that is not positive.
        """
        check_number(lam, "lam", zero=False)
        self._check_fitted("_rotated")
        self.lam = lam
        self.coef_ = self._basis @ (self._rotated / (self._values.clamp_min(0) + lam)[:, None])
        return self

    def project(self, X: Any) -> Tensor:
        """Where the priors of X [N, D] should be, float64 [N, P]; for ``direction="priors"``.

        Raises:
            InputError: Not fitted, or fitted in the other direction.
        """
        self._check_fitted("coef_")
        if self.direction != "priors":
            raise InputError("this map goes from priors to features", remedy='fit with direction="priors"')
        device = self.coef_.device
        features = float_matrix(X, "X", columns=self.n_features_in_, device=device, dtype=torch.float64)
        return (self._prepared(features) - self.feature_mean_) @ self.coef_ + self.prior_mean_

    def _scores(self, features: Tensor, priors: Tensor) -> Tensor:
        samples, classes = features - self.feature_mean_.float(), priors - self.prior_mean_
        if self.direction == "features":
            classes = classes @ self.coef_
        else:
            samples = samples @ self.coef_.float()
        if self.metric == "euclidean":
            return -torch.cdist(samples, classes.float())
        return functional.normalize(samples, dim=1) @ functional.normalize(classes, dim=1).float().T
