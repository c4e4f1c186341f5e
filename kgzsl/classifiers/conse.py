"""ConSE: a sample's prior is the mixture of the priors of the seen classes it looks like."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from kgzsl._options import check_whole
from kgzsl.classifiers.prior_classifier import PriorClassifier
from kgzsl.classifiers.softmax import SoftmaxClassifier

__all__ = ["ConSE"]


class ConSE(PriorClassifier):
    """Convex combination of semantic embeddings; only a classifier of the seen classes is trained.

    Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic Embeddings" (ICLR 2014), eq. 3:
    ``f(x) = sum_t p(y_t | x) s(y_t) / sum_t p(y_t | x)`` over the ``top`` most probable seen classes; the answer is the
    candidate of largest ``cos(f(x), s_c)``.

    Args:
        top: T, how many seen classes are mixed.
        solver: Of the softmax regression, as lr, epochs, batch_size and weight_decay: see :class:`SoftmaxClassifier`.
        lr: Its learning rate.
        epochs: Its passes over the data.
        batch_size: Its rows of a step.
        weight_decay: Its ridge weight.
        normalise: ``"l2"`` scales each row of X and each prior to unit length first; ``"none"`` takes them as they are.
        seed: Seed of the batches.
        device: Where it computes; None follows X.

    Attributes:
        coef_: float32 [S, D] of the softmax regression over the S seen classes.
        intercept_: float32 [S].
        anchors_: float32 [S, P], their priors.
    """

    coef_: Tensor
    intercept_: Tensor
    anchors_: Tensor

    _learnt = ("coef_", "intercept_", "anchors_")

    def __init__(
        self,
        top: int = 10,
        solver: str = "adam",
        lr: float = 1e-2,
        epochs: int = 25,
        batch_size: int = 256,
        weight_decay: float = 0.0,
        normalise: str = "l2",
        seed: int = 0,
        device: torch.device | str | None = None,
    ) -> None:
        self.top = top
        self.solver = solver
        self.lr = lr
        self.epochs = epochs
        self.batch_size = batch_size
        self.weight_decay = weight_decay
        self.normalise = normalise
        self.seed = seed
        self.device = device

    def check_options(self) -> None:
        """See :meth:`Classifier.check_options`."""
        super().check_options()
        check_whole(self, "top")
        self._new_head().check_options()

    def _new_head(self) -> SoftmaxClassifier:
        return SoftmaxClassifier(self.solver, self.lr, self.epochs, self.batch_size, self.weight_decay, seed=self.seed)

    def fit(self, X: Any, y: Any, priors: Any = None, sample_weight: Any | None = None) -> ConSE:
        """See :class:`PriorClassifier`; ``sample_weight`` [N], not negative, says how much each row counts."""
        features, labels = self._start(X, y, priors, torch.float32)
        head = self._new_head().fit(features, labels, sample_weight)
        self.coef_, self.intercept_ = head.coef_, head.intercept_
        self.anchors_ = self.priors_[self._seen_rows()].float()
        return self

    def _scores(self, features: Tensor, priors: Tensor) -> Tensor:
        shares = torch.addmm(self.intercept_, features, self.coef_.T).softmax(dim=1)
        best = shares.topk(min(self.top, shares.shape[1]), dim=1)
        # Dividing by the sum of the shares changes no cosine, so it is left out.
        mixture = torch.zeros_like(shares).scatter_(1, best.indices, best.values) @ self.anchors_
        return functional.normalize(mixture, dim=1) @ functional.normalize(priors, dim=1).float().T
