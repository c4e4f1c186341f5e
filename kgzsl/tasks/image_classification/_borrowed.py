"""Classifiers of other libraries, used as those of the project: scikit-learn's own, or a user's."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kgzsl.classifiers.base import Classifier
from kgzsl.errors import InputError

__all__ = ["is_borrowed", "rows_for", "table_of"]


def is_borrowed(classifier: Any) -> bool:
    """Whether it is none of ours: it may have no ``decision_function``, no state to save, and refuse a single class."""
    return not isinstance(classifier, Classifier)


def rows_for(classifier: Any, features: Tensor) -> Tensor:
    """Features where ``classifier`` can read them: one that was told no device cannot read a GPU's memory."""
    return features.cpu() if is_borrowed(classifier) and not hasattr(classifier, "device") else features


def table_of(classifier: Any, features: Tensor) -> Any:
    """Scores [N, K] of the classes that ``classifier`` knows, or [N] of two: logarithms where it has probabilities.

    Raises:
        InputError: It tells neither scores nor probabilities.
    """
    features = rows_for(classifier, features)
    if callable(getattr(classifier, "decision_function", None)):
        return classifier.decision_function(features)
    if not callable(getattr(classifier, "predict_proba", None)):
        raise InputError(
            f"the classifier {type(classifier).__name__} has no decision_function and no predict_proba",
            remedy="give one that has (of scikit-learn's, some have by an option: probability: true)",
        )
    found = classifier.predict_proba(features)
    share: npt.NDArray[np.float64] = np.asarray(found.detach().cpu() if isinstance(found, torch.Tensor) else found)
    return np.log(np.maximum(share, np.finfo(np.float32).tiny))
