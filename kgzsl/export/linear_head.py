"""The decision of a fitted classifier as one matrix, where it is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from kgzsl.errors import InputError

if TYPE_CHECKING:
    from kgzsl.tasks import ZeroShotClassifier

__all__ = ["LinearHead", "linear_head"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LinearHead:
    """``scores = prepared(x) @ weight.T + bias``, all classes in the order of ``classes``.

    Args:
        weight: float32 [C, D].
        bias: float32 [C].
        classes: Names [C].
        seen: Which of them had training rows, [C].
        unit: Whether rows are scaled to unit length first.
    """

    weight: Floats
    bias: Floats
    classes: tuple[str, ...]
    seen: tuple[bool, ...]
    unit: bool = False

    def scores(self, x: npt.ArrayLike) -> Floats:
        """float32 [N, C]."""
        rows = np.asarray(x, dtype=np.float32)
        if self.unit:
            rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        return rows @ self.weight.T + self.bias


def linear_head(model: ZeroShotClassifier) -> LinearHead:
    """The head that answers among all classes, its bias for unseen classes included.

    The matrix is read off the classifier's answers to the zero row and to the D unit rows, so that it holds for every
    classifier that is linear in its (possibly unit-length) rows; that it is, is checked on other rows.

    Raises:
        InputError: The classifier is not linear, the bias is infinite, or the model is not fitted.
    """
    if np.isinf(model.unseen_bias):
        raise InputError(
            f"unseen_bias is {model.unseen_bias}, and no matrix holds an infinite number",
            remedy="set a finite unseen_bias on the model",
        )
    classes = tuple(str(name) for name in model.names_)
    dim = model.n_features_in_
    random = np.random.default_rng(0)
    trial = random.normal(size=(16, dim)).astype(np.float32)
    expected = model.decision_function(trial)
    for unit in (False, True):
        head = _read_off(model, dim, classes, unit)
        given = head.scores(trial)
        if np.allclose(given, expected, rtol=1e-3, atol=1e-3 * max(1e-6, float(np.abs(expected).max()))):
            return head
    raise InputError(
        f"the classifier {model.classifier!r} is not linear, so it is not one matrix",
        remedy="export a run with softmax, eszsl, sae, ale, sje or devise",
    )


def _read_off(model: Any, dim: int, classes: tuple[str, ...], unit: bool) -> LinearHead:
    seen = tuple(bool(one) for one in np.isin(classes, list(map(str, model.seen_))))
    chosen = model.decision_function
    rows = torch.eye(dim)
    if unit:
        # A row and its opposite tell slope and offset of what sees unit rows only.
        up, down = chosen(rows), chosen(-rows)
        weight, bias = (up - down) / 2, (up + down).mean(axis=0) / 2
    else:
        bias = chosen(torch.zeros(1, dim))[0]
        weight = chosen(rows) - bias
    return LinearHead(np.ascontiguousarray(weight.T, dtype=np.float32), bias.astype(np.float32), classes, seen, unit)
