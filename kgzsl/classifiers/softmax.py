"""Softmax regression on the device that the features live on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from kgzsl._options import check_choices, check_device, check_numbers, check_seed, check_whole
from kgzsl.classifiers._inputs import class_indices, float_matrix, row_weights, with_label
from kgzsl.classifiers.base import Classifier
from kgzsl.errors import InputError

__all__ = ["SoftmaxClassifier"]

_NORMALISATIONS = ("none", "l2", "standard")
_MOST_STEPS = 1000  # for one class that joins: it bounds the work, whatever the data


class SoftmaxClassifier(Classifier):
    """Multinomial logistic regression: the head of the generative zero-shot methods (Xian et al. 2018, section 3.3).

    ``P(c | x) = exp(x w_c + b_c) / sum_k exp(x w_k + b_k)``; the mean of -log P of the right class is minimised.

    Args:
        solver: ``"adam"``: mini-batches for ``epochs``, which stops early of the optimum and so regularises, as the
            published heads do; ``"lbfgs"``: the optimum of the convex problem.
        lr: Learning rate of Adam.
        epochs: Passes over the data (Adam), or at most ten times as many iterations (L-BFGS).
        batch_size: Rows of a step of Adam.
        weight_decay: Weight of ``||W||^2 / 2`` beside the mean loss.
        normalise: What happens to each row first: ``"none"``, ``"l2"`` (unit length), ``"standard"`` (zero mean, unit
            variance by the training rows).
        tolerance: Adam stops when an epoch lowers the mean training loss by less than this share of it.
        seed: Seed of the batches; the weights start at zero.
        device: Where it computes; None follows X.

    Attributes:
        classes_: The C classes, sorted.
        coef_: float32 [C, D].
        intercept_: float32 [C].
        n_iter_: Epochs or iterations that ran.
    """

    classes_: np.ndarray
    coef_: Tensor
    intercept_: Tensor

    def __init__(
        self,
        solver: str = "adam",
        lr: float = 1e-3,
        epochs: int = 25,
        batch_size: int = 256,
        weight_decay: float = 0.0,
        normalise: str = "none",
        tolerance: float = 0.0,
        seed: int = 0,
        device: torch.device | str | None = None,
    ) -> None:
        self.solver = solver
        self.lr = lr
        self.epochs = epochs
        self.batch_size = batch_size
        self.weight_decay = weight_decay
        self.normalise = normalise
        self.tolerance = tolerance
        self.seed = seed
        self.device = device

    def check_options(self) -> None:
        """See :meth:`Classifier.check_options`."""
        check_choices(self, solver=("adam", "lbfgs"), normalise=_NORMALISATIONS)
        check_numbers(self, "lr", zero=False)
        check_whole(self, "epochs", "batch_size")
        check_numbers(self, "weight_decay", "tolerance")
        check_seed(self.seed)
        check_device(self.device)

    def fit(self, X: Any, y: Any, sample_weight: Any | None = None) -> SoftmaxClassifier:
        """Learn from X [N, D] and labels y [N] of any sortable type.

        Args:
            X: Features: tensor, array or data frame.
            y: Labels.
            sample_weight: [N], not negative, or None for equal weights.

        Raises:
            InputError: NaN, shapes that do not fit, an unknown option, or weights that sum to zero.
        """
        self.check_options()
        features = float_matrix(X, "X", device=self.device)
        self.classes_, encoded = class_indices(y, len(features))
        labels = torch.as_tensor(encoded, device=features.device)
        weights = None
        if sample_weight is not None:
            weights = row_weights(sample_weight, features)
        self.n_features_in_ = features.shape[1]
        self._mean = features.mean(dim=0) if self.normalise == "standard" else None
        spread = int(len(features) > 1)  # of one row there is no unbiased deviation, and none at all
        self._scale = features.std(dim=0, correction=spread).clamp_min(1e-8) if self.normalise == "standard" else None
        inputs = self._prepared(features)
        self.coef_ = torch.zeros(len(self.classes_), inputs.shape[1], device=inputs.device, requires_grad=True)
        self.intercept_ = torch.zeros(len(self.classes_), device=inputs.device, requires_grad=True)
        run = self._adam if self.solver == "adam" else self._lbfgs
        self.n_iter_ = run(inputs, labels, weights)
        self.coef_, self.intercept_ = self.coef_.detach(), self.intercept_.detach()
        return self

    def add_class(self, label: Any, X: Any, others: Any, weights: Any | None = None) -> SoftmaxClassifier:
        """Learn one more class beside those that were learnt, whose weights stay.

        With the logits of the known classes held fast, the loss depends on the new class's logit z against their log
        sum s alone: it is the logistic loss of z - s. One row of weights is trained on it, as :meth:`fit` trains all.

        Args:
            label: Of the new class.
            X: Its features [K, D].
            others: Features [M, D] of the known classes.
            weights: How much each of ``others`` counts, [M]; None for 1. A row of the new class counts 1.

        Raises:
            InputError: Not fitted, the class is known already, or features that do not fit.
        """
        self._check_fitted("coef_")
        if label in self.classes_.tolist():
            raise InputError(f"the class {label!r} is known already", remedy="give another label")
        device = self.coef_.device
        parts = [float_matrix(part, "X", columns=self.n_features_in_, device=device) for part in (X, others)]
        inputs = self._prepared(torch.cat(parts))
        target = torch.cat([torch.ones(len(parts[0])), torch.zeros(len(parts[1]))]).to(device)
        counts = torch.ones(len(target), device=device)
        if weights is not None:
            told = torch.as_tensor(weights, dtype=inputs.dtype, device=device)
            counts[len(parts[0]) :] = row_weights(told, parts[1]) * told.mean()
        known = torch.cat(
            [torch.addmm(self.intercept_, part, self.coef_.T).logsumexp(dim=1) for part in torch.split(inputs, 8192)]
        )
        row = self._one_row(inputs, target, counts / counts.mean(), known)
        self.classes_, place = with_label(self.classes_, label)
        self.coef_ = torch.cat([self.coef_[:place], row[:, :-1], self.coef_[place:]])
        self.intercept_ = torch.cat([self.intercept_[:place], row[:, -1], self.intercept_[place:]])
        return self

    def _one_row(self, inputs: Tensor, target: Tensor, weights: Tensor, known: Tensor) -> Tensor:
        """Weights and intercept [1, D + 1] of the new class; at most 1,000 steps of Adam, as many as ``fit`` takes."""
        generator = torch.Generator(device=inputs.device).manual_seed(int(self.seed))
        coef = torch.zeros(inputs.shape[1], device=inputs.device)
        intercept = torch.zeros(1, device=inputs.device)

        def descend(rows: Tensor, goal: Tensor, counts: Tensor, log_sums: Tensor) -> Tensor:
            """The logits of rows; the gradient of their mean loss, written out for speed, goes to ``grad``."""
            logit = torch.mv(rows, coef) + intercept - log_sums
            slope = counts * (logit.sigmoid() - goal) / len(rows)
            coef.grad, intercept.grad = torch.mv(rows.T, slope) + self.weight_decay * coef, slope.sum()[None]
            return logit

        def closure() -> Tensor:
            logit = descend(inputs, target, weights, known)
            loss = functional.binary_cross_entropy_with_logits(logit, target, weights)
            return loss + 0.5 * self.weight_decay * coef.square().sum()

        if self.solver == "lbfgs":
            lbfgs = torch.optim.LBFGS([coef, intercept], max_iter=10 * self.epochs, line_search_fn="strong_wolfe")
            lbfgs.step(closure)  # type: ignore[no-untyped-call]
            return torch.cat([coef, intercept])[None]
        adam = torch.optim.Adam([coef, intercept], lr=self.lr, fused=True)
        order = torch.randperm(len(inputs), generator=generator, device=inputs.device)
        # Shuffled once, so that a step reads rows that lie together; then only the order of the batches changes.
        parts = [torch.split(part[order], int(self.batch_size)) for part in (inputs, target, weights, known)]
        batches = list(zip(*parts, strict=True))
        steps = min(_MOST_STEPS, self.epochs * len(batches))
        while steps > 0:
            for number in torch.randperm(len(batches), generator=generator, device=inputs.device)[:steps].tolist():
                descend(*batches[number])
                adam.step()
                steps -= 1
        return torch.cat([coef, intercept])[None]

    def decision_function(self, X: Any) -> Tensor:
        """Logits, float32 [N, C], on the device of the weights."""
        self._check_fitted("coef_")
        features = float_matrix(X, "X", columns=self.n_features_in_, device=self.coef_.device)
        return torch.addmm(self.intercept_, self._prepared(features), self.coef_.T)

    def predict(self, X: Any) -> np.ndarray:
        """The class of each row."""
        best = self.decision_function(X).argmax(dim=1).cpu().numpy()
        answers: np.ndarray = self.classes_[best]
        return answers

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities, float32 [N, C]."""
        probabilities: np.ndarray = self.decision_function(X).softmax(dim=1).cpu().numpy()
        return probabilities

    def state_dict(self) -> dict[str, Any]:
        """What was learnt, as tensors and plain values."""
        self._check_fitted("coef_")
        state: dict[str, Any] = {"coef": self.coef_, "intercept": self.intercept_, "classes": self.classes_.tolist()}
        state["epochs"] = self.epochs  # what add_class goes by; a head may have raised it
        if self._mean is not None and self._scale is not None:
            state |= {"mean": self._mean, "scale": self._scale}
        return state

    def load_state_dict(self, state: dict[str, Any]) -> SoftmaxClassifier:
        """Take over what :meth:`state_dict` gave."""
        device = self.device or state["coef"].device
        self.coef_, self.intercept_ = state["coef"].to(device), state["intercept"].to(device)
        self.classes_ = np.array(state["classes"])
        self.epochs = int(state.get("epochs", self.epochs))
        self._mean = state["mean"].to(device) if "mean" in state else None
        self._scale = state["scale"].to(device) if "scale" in state else None
        self.n_features_in_ = self.coef_.shape[1]
        return self

    def _prepared(self, features: Tensor) -> Tensor:
        if self.normalise == "l2":
            return functional.normalize(features, dim=1)
        if self._mean is not None and self._scale is not None:
            return (features - self._mean) / self._scale
        return features

    @torch.enable_grad()
    def _adam(self, inputs: Tensor, labels: Tensor, weights: Tensor | None) -> int:
        generator = torch.Generator(device=inputs.device).manual_seed(int(self.seed))
        optimiser = torch.optim.Adam([self.coef_, self.intercept_], lr=self.lr, fused=True)
        previous = float("inf")
        for epoch in range(self.epochs):
            order = torch.randperm(len(inputs), generator=generator, device=inputs.device)
            total = torch.zeros((), device=inputs.device)
            for rows in torch.split(order, int(self.batch_size)):
                logits = torch.addmm(self.intercept_, inputs[rows], self.coef_.T)
                loss = _mean_loss(logits, labels[rows], None if weights is None else weights[rows])
                if self.weight_decay:
                    loss = loss + 0.5 * self.weight_decay * self.coef_.square().sum()
                optimiser.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                total += loss.detach() * len(rows)
            if self.tolerance:
                mean = float(total) / len(inputs)
                if previous - mean < self.tolerance * abs(previous):
                    return epoch + 1
                previous = mean
        return self.epochs

    def _lbfgs(self, inputs: Tensor, labels: Tensor, weights: Tensor | None) -> int:
        optimiser = torch.optim.LBFGS(
            [self.coef_, self.intercept_],
            max_iter=10 * self.epochs,
            tolerance_grad=1e-7,
            tolerance_change=1e-10,
            line_search_fn="strong_wolfe",
        )

        def closure() -> Tensor:
            optimiser.zero_grad(set_to_none=True)
            loss = _mean_loss(torch.addmm(self.intercept_, inputs, self.coef_.T), labels, weights)
            loss = loss + 0.5 * self.weight_decay * self.coef_.square().sum()
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        optimiser.step(closure)  # type: ignore[no-untyped-call]
        return int(optimiser.state[self.coef_]["n_iter"])


def _mean_loss(logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    if weights is None:
        return functional.cross_entropy(logits, labels)
    return (functional.cross_entropy(logits, labels, reduction="none") * weights).mean()
