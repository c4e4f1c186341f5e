"""SAE: a semantic autoencoder, solved as one Sylvester equation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from kgzsl._options import check_choices, check_number, check_numbers
from kgzsl.classifiers.prior_classifier import PriorClassifier

__all__ = ["SAE"]


class SAE(PriorClassifier):
    """A linear map to the priors whose transpose maps back to the features.

    Kodirov, Xiang and Gong, "Semantic Autoencoder for Zero-Shot Learning" (CVPR 2017), eq. 5: with features X [N, D]
    and the prior of each sample S [N, P], ``min ||X - S W||^2 + lam ||X W' - S||^2`` leads to
    ``S'S W + lam W X'X = (1 + lam) S'X``, W [P, D]. Both matrices are symmetric, so their eigendecompositions
    diagonalise the equation, and :meth:`solve` tries another ``lam`` for three small products. Answers are the nearest
    by cosine.

    Args:
        lam: Weight of the encoder (features to priors) beside the decoder (priors to features).
        direction: Where samples and classes meet: ``"features"``, the decoded priors beside the samples, or
            ``"priors"``, the encoded samples beside the priors.
        normalise: ``"l2"`` scales each row of X and each prior to unit length first; ``"none"`` takes them as they are.
        device: Where it computes; None follows X.

    Attributes:
        coef_: W, float64 [P, D].
    """

    coef_: Tensor

    def __init__(
        self,
        lam: float = 1.0,
        direction: str = "features",
        normalise: str = "l2",
        device: torch.device | str | None = None,
    ) -> None:
        self.lam = lam
        self.direction = direction
        self.normalise = normalise
        self.device = device

    def check_options(self) -> None:
        """See :meth:`Classifier.check_options`."""
        super().check_options()
        check_numbers(self, "lam", zero=False)
        check_choices(self, direction=("features", "priors"))

    def fit(self, X: Any, y: Any, priors: Any = None) -> SAE:
        """See :class:`PriorClassifier`."""
        features, labels = self._start(X, y, priors)
        wanted = self.priors_[labels]
        self._prior_values, self._prior_basis = torch.linalg.eigh(wanted.T @ wanted)
        self._feature_values, self._feature_basis = torch.linalg.eigh(features.T @ features)
        self._rotated = self._prior_basis.T @ (wanted.T @ features) @ self._feature_basis
        return self.solve(self.lam)

    def solve(self, lam: float) -> SAE:
        """Take another weight for the data that ``fit`` saw.

        Raises:
            InputError: Not fitted, or a weight that is not positive.
        """
        check_number(lam, "lam", zero=False)
        self._check_fitted("_rotated")
        self.lam = lam
        scale = self._prior_values.clamp_min(0)[:, None] + lam * self._feature_values.clamp_min(0)
        # Where neither the priors nor the features vary, nothing is asked of W: it is zero there, the least solution.
        floor = scale.max() * torch.finfo(scale.dtype).eps * len(scale)
        solved = torch.where(scale > floor, (1 + lam) * self._rotated / scale.clamp_min(floor), 0.0)
        self.coef_ = self._prior_basis @ solved @ self._feature_basis.T
        return self

    def _scores(self, features: Tensor, priors: Tensor) -> Tensor:
        if self.direction == "features":
            decoded = functional.normalize(priors @ self.coef_, dim=1)
            return functional.normalize(features, dim=1) @ decoded.float().T
        encoded = functional.normalize(features @ self.coef_.float().T, dim=1)
        return encoded @ functional.normalize(priors, dim=1).float().T
