"""A classifier that says how much it knows: Dirichlet evidence learnt from labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from kgzsl._options import check_device, check_numbers, check_seed, check_whole
from kgzsl.classifiers._inputs import check_finite, class_indices, float_matrix
from kgzsl.classifiers.base import Classifier
from kgzsl.classifiers.evidential import Opinion, opinion_from_evidence

__all__ = ["EvidentialHead", "evidential_loss"]


def evidential_loss(evidence: Tensor, labels: Tensor, regularisation: float) -> Tensor:
    """The loss of evidential deep learning for each row, [B].

    Sensoy, Kaplan and Kandemir (NeurIPS 2018), eq. 5 and 8. With alpha = evidence + 1, S their sum and p = alpha / S:
    the expected squared error under the Dirichlet, ``sum_k (y_k - p_k)^2 + p_k (1 - p_k) / (S + 1)``, plus
    ``regularisation`` times the divergence of the Dirichlet from the uniform one after the true class's evidence is
    taken out: evidence for wrong classes has a price.

    Args:
        evidence: [B, K], not negative.
        labels: int64 [B].
        regularisation: Weight of the divergence.
    """
    alpha = evidence + 1
    strength = alpha.sum(dim=1, keepdim=True)
    shares = alpha / strength
    truth = functional.one_hot(labels, alpha.shape[1]).to(alpha.dtype)
    error = ((truth - shares).square() + shares * (1 - shares) / (strength + 1)).sum(dim=1)
    if not regularisation:
        return error
    wrong = truth + (1 - truth) * alpha
    total = wrong.sum(dim=1, keepdim=True)
    classes = torch.tensor(float(alpha.shape[1]), dtype=alpha.dtype, device=alpha.device)
    divergence = torch.lgamma(total[:, 0]) - torch.lgamma(classes) - torch.lgamma(wrong).sum(dim=1)
    divergence = divergence + ((wrong - 1) * (torch.digamma(wrong) - torch.digamma(total))).sum(dim=1)
    return error + regularisation * divergence


class EvidentialHead(Classifier):
    """Evidence for each class, not only shares: an opinion with uncertainty, to fuse with other experts' by ``fuse``.

    A sample gives class k the evidence ``softplus(b_k - w_k ||z - m_k||^2 / D)`` with z = X in standard units and m_k,
    b_k, w_k > 0 learnt: far from every class there is none, so uncertainty grows away from the training data, which
    linear evidence does not promise. Trained by :func:`evidential_loss`, its divergence term rising over the first
    ``annealing`` epochs as published.

    Args:
        regularisation: Final weight of the divergence term.
        annealing: Epochs until it is reached.
        lr: Learning rate of Adam.
        epochs: Passes over the data.
        batch_size: Rows of a step.
        seed: Seed of the batches.
        device: Where it computes; None follows X.

    Attributes:
        classes_: The C classes, sorted.
        centres_: m, float32 [C, D].
        weights_: float32 [2, C]: b and the logarithm of w.
        mean_: float32 [D], taken off X first.
        scale_: float32 [D], what it is then divided by.
    """

    classes_: np.ndarray
    centres_: Tensor
    weights_: Tensor
    mean_: Tensor
    scale_: Tensor

    def __init__(
        self,
        regularisation: float = 0.1,
        annealing: int = 10,
        lr: float = 1e-2,
        epochs: int = 40,
        batch_size: int = 256,
        seed: int = 0,
        device: torch.device | str | None = None,
    ) -> None:
        self.regularisation = regularisation
        self.annealing = annealing
        self.lr = lr
        self.epochs = epochs
        self.batch_size = batch_size
        self.seed = seed
        self.device = device

    def check_options(self) -> None:
        """See :meth:`Classifier.check_options`."""
        check_whole(self, "epochs", "batch_size", "annealing")
        check_numbers(self, "lr", zero=False)
        check_numbers(self, "regularisation")
        check_seed(self.seed)
        check_device(self.device)

    @torch.enable_grad()
    def fit(self, X: Any, y: Any) -> EvidentialHead:
        """Learn from X [N, D] and labels y [N].

        Raises:
            InputError: NaN, shapes that do not fit, options out of range.
        """
        self.check_options()
        features = float_matrix(X, "X", device=self.device)
        self.classes_, encoded = class_indices(y, len(features))
        labels = torch.as_tensor(encoded, device=features.device)
        self.n_features_in_ = features.shape[1]
        self.mean_, spread = features.mean(dim=0), features.std(dim=0, correction=0)
        self.scale_ = torch.where(spread > 1e-8, spread, 1.0)
        inputs = (features - self.mean_) / self.scale_
        count = len(self.classes_)
        sizes = torch.bincount(labels, minlength=count)[:, None]
        centres = torch.zeros(count, inputs.shape[1], device=inputs.device).index_add_(0, labels, inputs) / sizes
        # A first guess: at a typical distance from its own centre a class has evidence, at twice that it has none.
        typical = (inputs - centres[labels]).square().mean().clamp_min(1e-6)
        start = torch.stack([torch.full((count,), 6.0), torch.full((count,), float(torch.log(3.0 / typical)))])
        weights = start.to(inputs.device).requires_grad_(True)
        centres = centres.requires_grad_(True)
        generator = torch.Generator(device=inputs.device).manual_seed(int(self.seed))
        optimiser = torch.optim.Adam([centres, weights], lr=self.lr, fused=True)
        for epoch in range(self.epochs):
            price = self.regularisation * min(1.0, epoch / self.annealing)
            order = torch.randperm(len(inputs), generator=generator, device=inputs.device)
            for rows in torch.split(order, int(self.batch_size)):
                loss = evidential_loss(_evidence(inputs[rows], centres, weights), labels[rows], price).mean()
                optimiser.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
        check_finite(centres, "EvidentialHead")
        self.centres_, self.weights_ = centres.detach(), weights.detach()
        return self

    def evidence(self, X: Any) -> Tensor:
        """Evidence for each class, float32 [N, C], not negative."""
        return _evidence(self._inputs(X), self.centres_, self.weights_)

    def opinion(self, X: Any) -> Opinion:
        """Belief [N, C] and uncertainty [N], for :func:`kgzsl.classifiers.fuse`."""
        return opinion_from_evidence(self.evidence(X))

    def decision_function(self, X: Any) -> Tensor:
        """``b_k - w_k ||z - m_k||^2 / D``, float32 [N, C]: ranks as evidence does, and where that is nearly 0 too."""
        return _strength(self._inputs(X), self.centres_, self.weights_)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Expected probabilities ``alpha / S``, float32 [N, C]."""
        shares: np.ndarray = self.opinion(X).probabilities.float().cpu().numpy()
        return shares

    def predict(self, X: Any) -> np.ndarray:
        """The class of most evidence."""
        best = self.decision_function(X).argmax(dim=1).cpu().numpy()
        chosen: np.ndarray = self.classes_[best]
        return chosen

    def _inputs(self, X: Any) -> Tensor:
        self._check_fitted("centres_")
        features = float_matrix(X, "X", columns=self.n_features_in_, device=self.centres_.device)
        return (features - self.mean_) / self.scale_

    def state_dict(self) -> dict[str, Any]:
        """What was learnt, as tensors and plain values."""
        self._check_fitted("centres_")
        learnt = {"centres": self.centres_, "weights": self.weights_, "mean": self.mean_, "scale": self.scale_}
        return {**learnt, "classes": self.classes_.tolist()}

    def load_state_dict(self, state: dict[str, Any]) -> EvidentialHead:
        """Take over what :meth:`state_dict` gave."""
        device = self.device or state["centres"].device
        self.centres_, self.weights_ = state["centres"].to(device), state["weights"].to(device)
        self.mean_, self.scale_ = state["mean"].to(device), state["scale"].to(device)
        self.classes_ = np.array(state["classes"])
        self.n_features_in_ = self.centres_.shape[1]
        return self


def _strength(inputs: Tensor, centres: Tensor, weights: Tensor) -> Tensor:
    squared = inputs.square().sum(dim=1, keepdim=True) + centres.square().sum(dim=1) - 2 * inputs @ centres.T
    return weights[0] - weights[1].exp() * squared / inputs.shape[1]


def _evidence(inputs: Tensor, centres: Tensor, weights: Tensor) -> Tensor:
    return functional.softplus(_strength(inputs, centres, weights))
