"""Gaussian prototypes: where the priors say that a class lies, and how far to trust them, in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kgzsl._options import check_choices, check_numbers
from kgzsl._ridge import choose_ridge
from kgzsl.classifiers._candidates import candidate_rows
from kgzsl.classifiers._inputs import float_matrix
from kgzsl.classifiers.prior_classifier import PriorClassifier

__all__ = ["GaussianPrototypes"]

_METRICS = ("cosine", "gaussian")
_SEEN_SHRINKAGE = 0.1
_SAMPLE = 2000


class GaussianPrototypes(PriorClassifier):
    """Ridge regression from priors to class means; the nearest mean in a metric that knows the regression's errors.

    With M the means of the C seen classes, m the mean of M, and A their centred priors, the prototype of a class with
    centred prior a is ``m + a A' (A A' + l I)^-1 (M - m)``, l = ``ridge`` times the mean squared length of A's rows
    (the map of Shigeto et al., "Ridge Regression, Hubness, and Zero-Shot Learning", ECML 2015, from class means). A
    seen class's prototype is its own mean. What the regression misses of a class that it has not seen is measured
    exactly, by leaving each seen class out in turn; with E the covariance of these residuals and S that of the rows
    within seen classes, samples of an unseen class spread about its prototype as ``S + mean_error E``, shrunk towards
    a multiple of the identity: directions that the priors tell nothing of count less. The answer is the prototype of
    largest cosine about m in the metric ``(S + mean_error E + shrinkage tr(S)/D I)^-1``; prototypes of unsure classes
    are drawn towards m, and a cosine does not mind. ``metric="gaussian"`` takes the log density instead.

    Among seen classes real rows tell more than a cosine does: ``seen_weight`` adds the discriminant of a Gaussian with
    the metric ``(S + tr(S)/10D I)^-1``, brought to the deviation of the cosines, to the scores of seen classes.

    Args:
        power: Each feature f becomes sign(f) |f|^power first; 0.5 suits the outputs of rectifiers and histograms.
        ridge: Weight of the penalty, or ``"auto"``: the one of a grid whose error on classes left out is least; of many
            features most may be noise, and then a weight chosen by accuracy on validation classes is better.
        mean_error: Factor on E.
        shrinkage: Weight of the identity, in units of the mean variance within classes.
        metric: ``"cosine"`` or ``"gaussian"``.
        seen_weight: Weight of the seen classes' own discriminant beside the prototype's score.
        normalise: ``"l2"`` scales each row of X and each prior to unit length first; ``"none"`` takes them as they are.
        device: Where it computes; None follows X.

    Attributes:
        ridge_: The weight that is used.
        left_out_: Mean squared error of left-out means over their mean squared deviation from m; at 1 and above the
            priors say nothing about the means.
        coef_: float64 [P, D], from centred priors to deviations from m.
        means_: float64 [C, D], of the classes; zero for those without rows.
        centre_, prior_centre_: float64 [D] and [P].
        precision_, seen_precision_: float64 [D, D].
    """

    _learnt = ("coef_", "means_", "centre_", "prior_centre_", "precision_", "seen_precision_", "seen_unit_")

    coef_: Tensor
    means_: Tensor
    centre_: Tensor
    prior_centre_: Tensor
    precision_: Tensor
    seen_precision_: Tensor
    seen_unit_: Tensor

    def __init__(
        self,
        power: float = 1.0,
        ridge: float | str = 0.1,
        mean_error: float = 1.0,
        shrinkage: float = 1.0,
        metric: str = "cosine",
        seen_weight: float = 0.5,
        normalise: str = "l2",
        device: torch.device | str | None = None,
    ) -> None:
        self.power = power
        self.ridge = ridge
        self.mean_error = mean_error
        self.shrinkage = shrinkage
        self.metric = metric
        self.seen_weight = seen_weight
        self.normalise = normalise
        self.device = device

    def check_options(self) -> None:
        """See :meth:`Classifier.check_options`."""
        super().check_options()
        check_numbers(self, "power", "shrinkage", zero=False)
        check_numbers(self, "ridge", zero=False, instead=("auto",))
        check_numbers(self, "mean_error", "seen_weight")
        check_choices(self, metric=_METRICS)

    def fit(self, X: Any, y: Any, priors: Any = None) -> GaussianPrototypes:
        """See :class:`PriorClassifier`."""
        features, labels = self._start(X, y, priors)
        features = self._powered(features)
        seen = self._seen_rows()
        counts = torch.bincount(labels, minlength=len(self.classes_)).to(features.dtype)
        sums = torch.zeros(len(counts), self.n_features_in_, dtype=features.dtype, device=features.device)
        self.means_ = sums.index_add_(0, labels, features) / counts.clamp_min(1)[:, None]
        self.centre_, self.prior_centre_ = self.means_[seen].mean(dim=0), self.priors_[seen].mean(dim=0)
        deviations, known = self.means_[seen] - self.centre_, self.priors_[seen] - self.prior_centre_
        missed = self._regress(known, deviations)
        within = features - self.means_[labels]
        spread = within.T @ within / len(within)
        unit = float(spread.diagonal().mean()) or 1.0
        identity = torch.eye(len(spread), dtype=spread.dtype, device=spread.device)
        wrong = self.mean_error / len(missed) * (missed.T @ missed)
        self.precision_ = torch.linalg.inv(spread + wrong + self.shrinkage * unit * identity)
        self.seen_precision_ = torch.linalg.inv(spread + _SEEN_SHRINKAGE * unit * identity)
        self.seen_unit_ = torch.zeros((), dtype=features.dtype, device=features.device)
        if len(seen) > 1:
            # A share of the training rows tells how far the two kinds of scores spread over the classes.
            rows = features[:: max(1, len(features) // _SAMPLE)]
            own = self._by_density(rows, deviations, self.seen_precision_).std(dim=1).mean()
            self.seen_unit_ = self._by_prototype(rows, deviations).std(dim=1).mean() / own.clamp_min(1e-12)
        return self

    def _regress(self, known: Tensor, deviations: Tensor) -> Tensor:
        """Set ``coef_``; returns what it misses of each class that is left out, [S, D]."""
        gram = known @ known.T
        size = float(gram.diagonal().mean())
        if size == 0.0:  # one class, or priors that are all alike: every class lies at the centre
            self.ridge_, self.left_out_ = float("inf"), 1.0
            self.coef_ = torch.zeros(known.shape[1], deviations.shape[1], dtype=known.dtype, device=known.device)
            return deviations
        self.ridge_, errors, missed = choose_ridge(gram, deviations, self.ridge)
        self.left_out_ = errors[self.ridge_]
        identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
        self.coef_ = known.T @ torch.linalg.solve(gram + self.ridge_ * size * identity, deviations)
        return missed

    def prototypes(self, candidates: str | Sequence[Any] = "all") -> Tensor:
        """Where the candidates lie, float64 [K, D], in the space of the transformed features.

        Args:
            candidates: ``"all"``, ``"seen"``, ``"unseen"`` or a list of names.
        """
        self._check_fitted("priors_")
        return self._deviations(candidate_rows(candidates, self.classes_, self.seen_)) + self.centre_

    def _deviations(self, rows: np.ndarray) -> Tensor:
        """Prototypes minus the centre, float64 [K, D]."""
        chosen = torch.as_tensor(rows, device=self.priors_.device)
        predicted = (self.priors_[chosen] - self.prior_centre_) @ self.coef_
        own = torch.as_tensor(self.seen_[rows], device=self.priors_.device)[:, None]
        return torch.where(own, self.means_[chosen] - self.centre_, predicted)

    def decision_function(self, X: Any, candidates: str | Sequence[Any] = "all") -> Tensor:
        """See :class:`PriorClassifier`."""
        self._check_fitted("priors_")
        rows = candidate_rows(candidates, self.classes_, self.seen_)
        features = float_matrix(X, "X", columns=self.n_features_in_, device=self.priors_.device)
        features = self._powered(self._prepared(features)).double()
        deviations = self._deviations(rows)
        scores = self._by_prototype(features, deviations)
        seen = torch.as_tensor(self.seen_[rows], device=scores.device)
        if self.seen_weight and bool(seen.any()):
            own = self._by_density(features, deviations[seen], self.seen_precision_)
            scores[:, seen] += self.seen_weight * self.seen_unit_ * own
        return scores.float()

    def _by_prototype(self, features: Tensor, deviations: Tensor) -> Tensor:
        if self.metric == "gaussian":
            return self._by_density(features, deviations, self.precision_)
        projected = deviations @ self.precision_
        length = (projected * deviations).sum(dim=1).clamp_min(1e-24).sqrt()
        return (features - self.centre_) @ (projected / length[:, None]).T

    def _by_density(self, features: Tensor, deviations: Tensor, metric: Tensor) -> Tensor:
        projected = deviations @ metric
        return (features - self.centre_) @ projected.T - 0.5 * (projected * deviations).sum(dim=1)

    def _powered(self, features: Tensor) -> Tensor:
        if self.power == 1.0:
            return features
        return self._prepared(features.sign() * features.abs() ** self.power)

    def _scores(self, features: Tensor, priors: Tensor) -> Tensor:
        raise NotImplementedError  # the scores of a class depend on whether it was seen, see decision_function

    def add_classes(self, names: Sequence[Any], priors: Any) -> GaussianPrototypes:
        """See :class:`PriorClassifier`."""
        super().add_classes(names, priors)
        self.means_ = torch.cat([self.means_, self.means_.new_zeros(len(names), self.means_.shape[1])])
        return self
