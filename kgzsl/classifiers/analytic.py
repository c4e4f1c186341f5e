"""Analytic incremental head: ridge regression that learns batch by batch and equals learning all at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from kgzsl._options import check_device, check_names, check_numbers, check_seed, check_whole
from kgzsl._tensors import number_tensor
from kgzsl.classifiers._inputs import check_label, class_indices, float_matrix
from kgzsl.classifiers.base import Classifier
from kgzsl.errors import InputError

__all__ = ["AnalyticHead"]


class AnalyticHead(Classifier):
    """Recursive ridge regression over classes, after G-ACIL (Zhuang et al., NeurIPS 2024).

    With R = (X'X + gamma I)^-1 kept, a batch (X_t, Y_t) is absorbed by recursive least squares (Woodbury's identity):
    ``R <- R - R X_t' (I + X_t R X_t')^-1 X_t R``, then ``W <- W + R X_t' (Y_t - X_t W)``. Whatever the batches and the
    order of the classes, W equals the joint solution (X'X + gamma I)^-1 X'Y; memory does not grow with the samples
    seen. New and known classes may come mixed in one batch; a class never seen before starts as a column of zeros.

    Args:
        gamma: Ridge weight.
        expansion: Width of a fixed random ReLU layer before the ridge (their buffer layer); None uses X itself.
        seed: Seed of that layer.
        block: Rows absorbed at a time.
        device: Where it computes; None follows the first batch.

    Attributes:
        classes_: Classes in the order they were first met, each with its column.
        coef_: float64 [F, C].
    """

    classes_: dict[Any, int]
    coef_: Tensor

    def __init__(
        self,
        gamma: float = 1.0,
        expansion: int | None = None,
        seed: int = 0,
        block: int = 1024,
        device: torch.device | str | None = None,
    ) -> None:
        self.gamma = gamma
        self.expansion = expansion
        self.seed = seed
        self.block = block
        self.device = device

    def check_options(self) -> None:
        """See :meth:`Classifier.check_options`."""
        check_numbers(self, "gamma", zero=False)
        check_whole(self, "expansion", instead=(None,))
        check_whole(self, "block")
        check_seed(self.seed)
        check_device(self.device)

    def fit(self, X: Any, y: Any) -> AnalyticHead:
        """Forget everything, then learn X [N, D] with labels y [N]."""
        for name in ("classes_", "coef_", "_inverse", "_layer", "_dim"):
            self.__dict__.pop(name, None)
        return self.partial_fit(X, y)

    def partial_fit(self, X: Any, y: Any, classes: Any | None = None) -> AnalyticHead:
        """Learn one more batch; ``classes`` announces classes that are to come (scikit-learn's argument).

        Raises:
            InputError: X of another width than before, NaN, a label that does not fit, or a gamma that is not positive;
                then nothing was learnt.
        """
        self.check_options()
        known = hasattr(self, "classes_")
        features = float_matrix(X, "X", columns=self._dim if known else None, device=self.device, dtype=torch.float64)
        batch_classes, encoded = class_indices(y, len(features))
        check_names(classes, "classes")
        coming = [*(classes if classes is not None else []), *batch_classes]
        for name in coming:
            check_label(list(self._rows) if known and self._rows else coming[:1], name)
        if not known:
            self._start(features)
        for name in coming:
            if name not in self._rows:
                self.add_class(name)
        targets = torch.as_tensor(
            np.array([self._rows[name] for name in batch_classes.tolist()], dtype=np.int64)[encoded],
            device=features.device,
        )
        block = int(self.block)
        for part, answer in zip(torch.split(features, block), torch.split(targets, block), strict=True):
            self._absorb(self._expand(part), answer)
        return self

    def add_class(self, name: Any, weights: Any | None = None) -> AnalyticHead:
        """Make room for a class before any of its samples came.

        Args:
            name: Its label.
            weights: Its column [F], when one is known (from a prior, say); zeros by default. Later batches correct it
                as they correct every column, but the equality with the joint solution then holds only for the others.
        """
        if name in self._rows:
            raise InputError(f"the class {name!r} is known already")
        check_label(list(self._rows), name)
        column = torch.zeros(len(self.coef_), 1, dtype=torch.float64, device=self.coef_.device)
        if weights is not None:
            column = number_tensor(weights, "weights", device=self.coef_.device, remedy="give the class's column [F]")
            column = column.to(torch.float64).reshape(-1, 1)
            if len(column) != len(self.coef_):
                raise InputError(f"weights have length {len(column)} where {len(self.coef_)} was expected")
            if not bool(torch.isfinite(column).all()):
                raise InputError(f"weights of {name!r} hold NaN or infinite values", remedy="give finite numbers")
        self._rows[name] = len(self._rows)
        self.coef_ = torch.cat([self.coef_, column], dim=1)
        return self

    @property
    def _rows(self) -> dict[Any, int]:
        if not hasattr(self, "classes_"):
            raise InputError("the analytic head has not learnt anything yet", remedy="call fit or partial_fit first")
        return self.classes_

    def decision_function(self, X: Any) -> Tensor:
        """Ridge scores, float64 [N, C], columns as in ``classes_``."""
        _ = self._rows
        features = float_matrix(X, "X", columns=self._dim, device=self.coef_.device, dtype=torch.float64)
        return self._expand(features) @ self.coef_

    def predict(self, X: Any) -> np.ndarray:
        """The class of each row."""
        names = np.array(list(self._rows))
        chosen: np.ndarray = names[self.decision_function(X).argmax(dim=1).cpu().numpy()]
        return chosen

    def _start(self, features: Tensor) -> None:
        self._dim = features.shape[1]
        self._layer: Tensor | None = None
        if self.expansion is not None:
            generator = torch.Generator().manual_seed(int(self.seed))
            layer = torch.randn(self._dim, self.expansion, generator=generator, dtype=torch.float64)
            self._layer = (layer / self._dim**0.5).to(features.device)
        width = self.expansion or self._dim
        self._inverse = torch.eye(width, dtype=torch.float64, device=features.device) / self.gamma
        self.classes_ = {}
        self.coef_ = torch.zeros(width, 0, dtype=torch.float64, device=features.device)

    def _expand(self, features: Tensor) -> Tensor:
        return features if self._layer is None else torch.relu(features @ self._layer)

    def _absorb(self, features: Tensor, targets: Tensor) -> None:
        inner = torch.eye(len(features), dtype=features.dtype, device=features.device)
        projected = features @ self._inverse
        solved = torch.linalg.solve(inner + projected @ features.T, projected)
        self._inverse = self._inverse - projected.T @ solved
        # Rounding would slowly break the symmetry that the recursion rests on.
        self._inverse = (self._inverse + self._inverse.T) / 2
        wanted = torch.zeros(len(features), self.coef_.shape[1], dtype=features.dtype, device=features.device)
        wanted[torch.arange(len(features), device=features.device), targets] = 1.0
        self.coef_ = self.coef_ + self._inverse @ (features.T @ (wanted - features @ self.coef_))
