"""A metric space for retrieval and clustering of classes that training has not seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from kgzsl._options import check_choices, check_device, check_numbers, check_seed, check_whole
from kgzsl.classifiers._inputs import check_finite, check_label, class_indices, float_matrix
from kgzsl.classifiers.base import Classifier
from kgzsl.errors import InputError

__all__ = ["MetricMapping", "energy_confusion", "neighbourhood_loss"]


def neighbourhood_loss(embedded: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """How unlikely each row is to pick a row of its own class as its neighbour: a scalar.

    Neighbourhood components (Goldberger et al., NeurIPS 2004) on the unit sphere: row i picks j != i in proportion to
    ``exp(f_i f_j / temperature)``; the loss is the mean of -log of the chance that j is of i's class, over rows that
    have a fellow.

    Args:
        embedded: [B, d], unit length.
        labels: int64 [B].
        temperature: Positive.
    """
    logits = embedded @ embedded.T / temperature
    logits.fill_diagonal_(-torch.inf)
    same = labels[:, None] == labels
    same.fill_diagonal_(False)
    has = same.any(dim=1)
    own = logits.masked_fill(~same, -torch.inf)[has].logsumexp(dim=1)
    return (logits[has].logsumexp(dim=1) - own).sum() / max(1, int(has.sum()))


def energy_confusion(embedded: Tensor, labels: Tensor) -> Tensor:
    """Mean squared distance between rows of different classes: a scalar, 0 where there is one class.

    Chen and Deng, "Energy Confused Adversarial Metric Learning for Zero-Shot Image Retrieval and Clustering" (AAAI
    2019), eq. 3: minimised against the metric loss, it keeps the space from learning what only tells the seen classes
    apart.

    Args:
        embedded: [B, d].
        labels: int64 [B].
    """
    squared = embedded.square().sum(dim=1)
    distance = squared[:, None] + squared - 2 * embedded @ embedded.T
    different = labels[:, None] != labels
    return (distance * different).sum() / different.sum().clamp_min(1)


class MetricMapping(Classifier):
    """A linear map onto the unit sphere in which rows of one class lie together, also for classes not seen.

    With f = x W + b brought to length 1, ``-log sum_same exp(f_i f_j / t) / sum_j exp(f_i f_j / t)`` over j != i, plus
    ``confusion * mean_other ||f_i - f_j||^2``, is minimised, "same" and "other" being the rows j of the same class as i
    and of others: :func:`neighbourhood_loss` and :func:`energy_confusion`. Judge it on unseen classes by
    :func:`recall_at_k` and :func:`normalised_mutual_information` of ``transform(X)``; ``predict`` answers with the
    class of nearest centre, and :meth:`add_class` takes a new class by a few of its rows.

    Args:
        dim: Dimensions of the space.
        confusion: lambda, the weight of energy confusion; 0 is plain metric learning, exactly.
        temperature: Of the neighbourhoods.
        start: W before training: ``"random"``, or ``"principal"``, the directions in which X varies most, so that what
            the features tell already is kept unless training finds better.
        lr: Learning rate of Adam.
        epochs: Passes over the data.
        batch_size: Rows of a step.
        weight_decay: Weight of ``||W||^2 / 2``.
        seed: Seed of W and of the batches.
        device: Where it computes; None follows X.

    Attributes:
        classes_: The classes, sorted; those added later at the end.
        coef_: float32 [D, dim].
        intercept_: float32 [dim].
        mean_: float32 [D], taken off X first.
        scale_: float32 scalar, root mean square of what is left.
        centres_: float32 [C, dim].
    """

    classes_: np.ndarray
    coef_: Tensor
    intercept_: Tensor
    mean_: Tensor
    scale_: Tensor
    centres_: Tensor

    def __init__(
        self,
        dim: int = 64,
        confusion: float = 0.0,
        temperature: float = 0.1,
        start: str = "random",
        lr: float = 1e-2,
        epochs: int = 30,
        batch_size: int = 256,
        weight_decay: float = 0.0,
        seed: int = 0,
        device: torch.device | str | None = None,
    ) -> None:
        self.dim = dim
        self.confusion = confusion
        self.temperature = temperature
        self.start = start
        self.lr = lr
        self.epochs = epochs
        self.batch_size = batch_size
        self.weight_decay = weight_decay
        self.seed = seed
        self.device = device

    def check_options(self) -> None:
        """See :meth:`Classifier.check_options`."""
        check_whole(self, "dim", "epochs", "batch_size")
        check_numbers(self, "temperature", "lr", zero=False)
        check_numbers(self, "confusion", "weight_decay")
        check_choices(self, start=("random", "principal"))
        check_seed(self.seed)
        check_device(self.device)

    @torch.enable_grad()
    def fit(self, X: Any, y: Any) -> MetricMapping:
        """Learn the map from X [N, D] and labels y [N].

        Raises:
            InputError: NaN, shapes that do not fit, options out of range.
        """
        self.check_options()
        features = float_matrix(X, "X", device=self.device)
        self.classes_, encoded = class_indices(y, len(features))
        labels = torch.as_tensor(encoded, device=features.device)
        self.n_features_in_ = features.shape[1]
        self.mean_ = features.mean(dim=0)
        self.scale_ = (features - self.mean_).square().mean().sqrt().clamp_min(1e-12)
        inputs = (features - self.mean_) / self.scale_
        generator = torch.Generator().manual_seed(int(self.seed))
        coef = (torch.randn(inputs.shape[1], self.dim, generator=generator) / inputs.shape[1] ** 0.5).to(inputs.device)
        if self.start == "principal":
            _, axes = torch.linalg.eigh(inputs.T @ inputs)  # of length 1, as random columns are about
            kept = min(self.dim, inputs.shape[1])
            coef[:, :kept] = axes.flip(1)[:, :kept]
        coef.requires_grad_(True)
        # Without it the rows would lie about the origin, and their mean distance could not change.
        intercept = torch.zeros(self.dim, device=inputs.device, requires_grad=True)
        optimiser = torch.optim.Adam([coef, intercept], lr=self.lr, fused=True)
        for _ in range(self.epochs):
            order = torch.randperm(len(inputs), generator=generator).to(inputs.device)
            for rows in torch.split(order, int(self.batch_size)):
                embedded = functional.normalize(torch.addmm(intercept, inputs[rows], coef), dim=1)
                loss = neighbourhood_loss(embedded, labels[rows], self.temperature)
                if self.confusion:
                    loss = loss + self.confusion * energy_confusion(embedded, labels[rows])
                if self.weight_decay:
                    loss = loss + 0.5 * self.weight_decay * coef.square().sum()
                optimiser.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
        check_finite(coef, "MetricMapping")
        self.coef_, self.intercept_ = coef.detach(), intercept.detach()
        embedded = self.transform(features)
        sums = torch.zeros(len(self.classes_), self.dim, device=embedded.device).index_add_(0, labels, embedded)
        self.centres_ = functional.normalize(sums, dim=1)
        return self

    def transform(self, X: Any) -> Tensor:
        """Rows in the learnt space, float32 [N, dim], of unit length."""
        self._check_fitted("coef_")
        features = float_matrix(X, "X", columns=self.n_features_in_, device=self.coef_.device)
        inputs = (features - self.mean_) / self.scale_
        return functional.normalize(torch.addmm(self.intercept_, inputs, self.coef_), dim=1)

    def decision_function(self, X: Any) -> Tensor:
        """Cosines to the classes' centres, float32 [N, C]."""
        return self.transform(X) @ self.centres_.T

    def predict(self, X: Any) -> np.ndarray:
        """The class of nearest centre."""
        best = self.decision_function(X).argmax(dim=1).cpu().numpy()
        chosen: np.ndarray = self.classes_[best]
        return chosen

    def add_class(self, name: Any, rows: Any) -> MetricMapping:
        """Take in a class by examples [n, D]; the map stays as it is.

        Raises:
            InputError: It is there already, or rows of another width.
        """
        self._check_fitted("coef_")
        if name in self.classes_.tolist():
            raise InputError(f"the class {name!r} is there already")
        check_label(self.classes_.tolist(), name)
        centre = functional.normalize(self.transform(rows).sum(dim=0, keepdim=True), dim=1)
        self.centres_ = torch.cat([self.centres_, centre])
        self.classes_ = np.append(self.classes_, name)
        return self

    def state_dict(self) -> dict[str, Any]:
        """What was learnt, as tensors and plain values."""
        self._check_fitted("coef_")
        names = ("coef", "intercept", "mean", "scale", "centres")
        return {**{name: getattr(self, f"{name}_") for name in names}, "classes": self.classes_.tolist()}

    def load_state_dict(self, state: dict[str, Any]) -> MetricMapping:
        """Take over what :meth:`state_dict` gave."""
        device = self.device or state["coef"].device
        for name in ("coef", "intercept", "mean", "scale", "centres"):
            setattr(self, f"{name}_", state[name].to(device))
        self.classes_ = np.array(state["classes"])
        self.n_features_in_ = self.coef_.shape[0]
        return self
