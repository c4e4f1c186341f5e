"""An axiom of a class taken away: how far the score of the answer moves."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kgzsl.errors import InputError
from kgzsl.knowledge import ClassPriors
from kgzsl.tasks.counterfactuals import Counterfactual

if TYPE_CHECKING:
    from kgzsl.tasks.image_classification.zero_shot_classifier import ZeroShotClassifier

__all__ = ["counterfactuals", "without_statement"]


def without_statement(model: ZeroShotClassifier, name: str, column: str) -> ZeroShotClassifier:
    """The model as if the class ``name`` had nothing in the named column of its prior; ``model`` stays as it is.

    The generator stays; features of the class are made anew from what is left of its prior, and the heads are trained
    on them again. A classifier that answers from priors is fitted again.

    Raises:
        InputError: The priors' columns have no names, or there is no such one.
    """
    columns = model.priors_.columns
    if columns is None or column not in columns:
        raise InputError(f"the priors have no column {column!r}", remedy="make them with the encoder attributes")
    matrix = model.priors_.matrix.copy()
    matrix[list(model.names_).index(name), columns.index(column)] = 0.0
    changed = copy.copy(model)
    changed.priors_ = ClassPriors(model.priors_.names, matrix, model.priors_.made)
    changed._synthetic = {other: rows for other, rows in model._synthetic.items() if other != name}
    return changed.fit_heads()


def counterfactuals(
    model: ZeroShotClassifier, x: Any, candidates: str | Sequence[Any] = "all", *, most: int = 3
) -> list[Counterfactual]:
    """What one sample [1, D] would be answered without each of the ``most`` weightiest statements about its answer.

    Statements are the positive columns of the answered class's prior, those that fewest classes have first: they tell
    it from the others. The list comes back with the largest move first; it is empty where columns have no names.
    """
    columns = model.priors_.columns
    if columns is None:
        return []
    classes = [str(name) for name in model.candidates(candidates)]
    shares = model.predict_proba(x, candidates)[0]
    best = int(shares.argmax())
    row = model.priors_[classes[best]]
    held = np.flatnonzero(row > 0)
    rare = held[np.argsort((model.priors_.matrix[:, held] > 0).sum(axis=0), kind="stable")][:most]
    found = []
    for index in rare:
        changed = without_statement(model, classes[best], columns[index]).predict_proba(x, candidates)[0]
        answer = classes[int(changed.argmax())]
        found.append(Counterfactual(columns[index], float(shares[best]), float(changed[best]), answer))
    return sorted(found, key=lambda one: one.after - one.before)
