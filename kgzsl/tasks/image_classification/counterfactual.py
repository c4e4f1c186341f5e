"""An axiom of a class taken away: how far the score of the answer moves."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError
from kgzsl.knowledge import ClassPriors
from kgzsl.tasks.counterfactuals import Counterfactual, moving_statements

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph
    from kgzsl.priors import PriorsAgain
    from kgzsl.priors.again import Way
    from kgzsl.tasks.image_classification.zero_shot_classifier import ZeroShotClassifier

__all__ = ["again_of", "counterfactuals", "without_axiom", "without_statement"]

Matrix = npt.NDArray[np.float32]


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
    return _with_priors(model, matrix)


def without_axiom(model: ZeroShotClassifier, graph: ClassGraph, edge: int, name: str) -> ZeroShotClassifier:
    """The model as if ``graph`` lacked the statement at ``edge``, about the class ``name`` or what stands above it.

    ``model`` stays as it is. Vectors in closed form are read off the smaller graph for all classes, in the columns and
    the scale they had; so a statement about a class above others changes all of them. Vectors that were trained stay,
    and ``name`` joins them anew (see :class:`kgzsl.priors.PriorsAgain`). The heads are then trained again.

    Raises:
        InputError: The model's priors were not made of this graph, or cannot be without that statement.
    """
    again = again_of(model, graph)
    if again is None:
        raise InputError(
            "these class vectors cannot be made from the graph again", remedy="give the graph that they were made from"
        )
    return _with_priors(model, again.without(edge, name)[1])


def again_of(model: ZeroShotClassifier, graph: ClassGraph | None) -> PriorsAgain | None:
    """What made the model's class vectors from ``graph``; None where they were not made from it."""
    from kgzsl.engine import Engine
    from kgzsl.priors import PriorsAgain

    if graph is None:
        return None
    engine = Engine(device=model.device, precision=model.precision, seed=model.seed, progress=False)
    return PriorsAgain.of(model._every_prior, graph, engine=engine)


def counterfactuals(
    model: ZeroShotClassifier,
    x: Any,
    candidates: str | Sequence[Any] = "all",
    *,
    graph: ClassGraph | None = None,
    again: PriorsAgain | None = None,
    most: int = 3,
) -> list[Counterfactual]:
    """What one sample [1, D] would be answered without each of the ``most`` weightiest statements about its answer.

    With the class graph that the priors were made from, a statement is an axiom of the graph, about the answered class
    or what stands above it; the axioms that move the class's vector the farthest are taken (:func:`without_axiom`).
    Where none does, or without that graph, it is a positive column of the class's prior (:func:`without_statement`),
    those that fewest classes share first. The list comes back with the largest fall of the lead first; it is empty
    where there are no such axioms and columns have no names.

    Args:
        model: Fitted.
        x: Features [1, D].
        candidates: As for ``model.predict``.
        graph: The class graph.
        again: What :func:`again_of` gave for model and graph, where it was called already.
        most: How many statements.
    """
    classes = [str(name) for name in model.candidates(candidates)]
    before = _Answer(model, x, candidates)
    name = classes[before.best]
    again = again_of(model, graph) if again is None else again
    statements = [] if again is None else moving_statements(again, name, most)
    found = []
    if again is not None and statements:
        for one in statements:
            with_it, without_it = again.without(one.edge, name)
            start = before if again.way == "read" else _Answer(_with_priors(model, with_it), x, candidates)
            start.best = before.best
            changed = _Answer(_with_priors(model, without_it), x, candidates)
            found.append(start.against(changed, one.text, "axiom", classes, again.way))
    elif model.priors_.columns is not None:
        columns = model.priors_.columns
        held = np.flatnonzero((model.priors_[name] > 0) & model.priors_.named)
        rare = held[np.argsort((model.priors_.matrix[:, held] > 0).sum(axis=0), kind="stable")][:most]
        for index in rare:
            changed = _Answer(without_statement(model, name, columns[index]), x, candidates)
            found.append(before.against(changed, columns[index], "column", classes))
    return sorted(found, key=lambda one: _fall(one))


class _Answer:
    """Probabilities and scores of one sample."""

    def __init__(self, model: ZeroShotClassifier, x: Any, candidates: str | Sequence[Any]) -> None:
        self.shares = model.predict_proba(x, candidates)[0]
        self.scores = model.decision_function(x, candidates)[0].astype(np.float64)
        self.best = int(self.shares.argmax())

    def lead(self, of: int) -> float:
        others = np.delete(self.scores, of)
        return float(self.scores[of] - others.max()) if len(others) else 0.0

    def against(
        self, other: _Answer, removed: str, kind: Any, classes: Sequence[str], way: Way | Literal[""] = ""
    ) -> Counterfactual:
        own = self.best
        return Counterfactual(
            removed,
            float(self.shares[own]),
            float(other.shares[own]),
            classes[other.best],
            kind,
            (float(self.scores[own]), float(other.scores[own])),
            (self.lead(own), other.lead(own)),
            way,
        )


def _fall(one: Counterfactual) -> float:
    assert one.leads is not None
    return one.leads[1] - one.leads[0]


def _with_priors(model: ZeroShotClassifier, matrix: Matrix) -> ZeroShotClassifier:
    """A copy of ``model`` with other class vectors, heads trained again; the generator stays.

    Where there are more rows than classes, the rest is of what the open world has beside them.
    """
    matrix, beyond = matrix[: len(model.priors_)], matrix[len(model.priors_) :]
    moved = (matrix != model.priors_.matrix).any(axis=1)
    same = {str(name) for name, changed in zip(model.names_, moved, strict=True) if not changed}
    changed = copy.copy(model)
    changed.priors_ = ClassPriors(model.priors_.names, matrix, model.priors_.made)
    if model.open_ is not None and len(beyond):
        changed.open_ = ClassPriors(model.open_.names, beyond, model.open_.made)
    changed._synthetic = {name: rows for name, rows in model._synthetic.items() if name in same}
    changed._prior_head = None
    return changed.fit_heads()
