"""An axiom of a class taken away: how far the score of the answer moves."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError
from kgzsl.knowledge import ClassPriors
from kgzsl.tasks.counterfactuals import Counterfactual
from kgzsl.tasks.statements import statements_about, without_edge

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph
    from kgzsl.priors import PriorEncoder
    from kgzsl.tasks.image_classification.zero_shot_classifier import ZeroShotClassifier

__all__ = ["counterfactuals", "without_axiom", "without_statement"]

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


def without_axiom(model: ZeroShotClassifier, graph: ClassGraph, edge: int) -> ZeroShotClassifier:
    """The model as if ``graph`` lacked the statement at ``edge``; ``model`` stays as it is.

    The vectors of all classes are read off the smaller graph, in the columns they had; then as
    :func:`without_statement`. A statement about a class above others so changes all of them.

    Raises:
        InputError: The model's priors were not made of this graph by an encoder in closed form that names its columns.
    """
    encoder = _reader_of(model.priors_, graph)
    if encoder is None:
        raise InputError("these priors cannot be read off the graph again", remedy="make them with attributes")
    return _with_priors(model, _read(encoder, without_edge(graph, edge), model.priors_, model.names_))


def counterfactuals(
    model: ZeroShotClassifier,
    x: Any,
    candidates: str | Sequence[Any] = "all",
    *,
    graph: ClassGraph | None = None,
    most: int = 3,
) -> list[Counterfactual]:
    """What one sample [1, D] would be answered without each of the ``most`` weightiest statements about its answer.

    With the class graph that the priors were read off, a statement is an axiom of the graph (:func:`without_axiom`):
    of the answered class first, then of what stands above it. Else it is a positive column of its prior
    (:func:`without_statement`). Those that fewest classes share come first: they tell the answer from the others. The
    list comes back with the largest fall of the lead first; it is empty where columns have no names.
    """
    columns = model.priors_.columns
    if columns is None:
        return []
    classes = [str(name) for name in model.candidates(candidates)]
    before = _Answer(model, x, candidates)
    best = before.best
    name = classes[best]
    encoder = None if graph is None else _reader_of(model.priors_, graph)
    found = []
    if encoder is not None and graph is not None:
        for edge, text in _weighty(model.priors_, encoder, graph, name, most):
            changed = _with_priors(model, _read(encoder, without_edge(graph, edge), model.priors_, model.names_))
            found.append(before.against(_Answer(changed, x, candidates), text, "axiom", classes))
    else:
        held = np.flatnonzero(model.priors_[name] > 0)
        rare = held[np.argsort((model.priors_.matrix[:, held] > 0).sum(axis=0), kind="stable")][:most]
        for index in rare:
            changed = without_statement(model, name, columns[index])
            found.append(before.against(_Answer(changed, x, candidates), columns[index], "column", classes))
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

    def against(self, other: _Answer, removed: str, kind: Any, classes: Sequence[str]) -> Counterfactual:
        own = self.best
        return Counterfactual(
            removed,
            float(self.shares[own]),
            float(other.shares[own]),
            classes[other.best],
            kind,
            (float(self.scores[own]), float(other.scores[own])),
            (self.lead(own), other.lead(own)),
        )


def _fall(one: Counterfactual) -> float:
    assert one.leads is not None
    return one.leads[1] - one.leads[0]


def _with_priors(model: ZeroShotClassifier, matrix: Matrix) -> ZeroShotClassifier:
    """A copy of ``model`` with other class vectors, heads trained again; the generator stays."""
    moved = (matrix != model.priors_.matrix).any(axis=1)
    same = {str(name) for name, changed in zip(model.names_, moved, strict=True) if not changed}
    changed = copy.copy(model)
    changed.priors_ = ClassPriors(model.priors_.names, matrix, model.priors_.made)
    changed._synthetic = {name: rows for name, rows in model._synthetic.items() if name in same}
    changed._prior_head = None
    return changed.fit_heads()


def _reader_of(priors: ClassPriors, graph: ClassGraph) -> PriorEncoder | None:
    """The encoder in closed form that reads ``priors`` off ``graph``; None where no such one gives just these."""
    from kgzsl.priors import encoders, make

    made = priors.made
    if made.get("encoder") not in encoders.names or priors.columns is None or "pairs" not in made:
        return None
    encoder = make(made["encoder"], **made.get("options", {}))
    if not encoder.grows_exactly():
        return None
    try:
        read = _read(encoder, graph, priors, priors.names)
    except InputError:  # another graph, or vectors that were scaled in a way that is not kept
        return None
    return encoder if np.allclose(read, priors.matrix, rtol=1e-4, atol=1e-6) else None


def _read(encoder: PriorEncoder, graph: ClassGraph, priors: ClassPriors, names: Sequence[str]) -> Matrix:
    """Vectors of ``names`` in the columns and the scale of ``priors``."""
    from kgzsl.priors import PriorWarning
    from kgzsl.tasks.image_classification._new_class import _scaled_like

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PriorWarning)
        rows = encoder.fit(graph).priors_like(names, priors).matrix
    return np.stack([_scaled_like(priors, row) for row in rows])


def _weighty(
    priors: ClassPriors, encoder: PriorEncoder, graph: ClassGraph, name: str, most: int, *, tried: int = 200
) -> list[tuple[int, str]]:
    """Edge and words of the axioms that move the vector of ``name``, those with the rarest columns first."""
    node = int(graph.align([name]).require()[0])
    above = sorted(graph.ancestors(node), key=lambda other: graph.iris[other])
    statements = [one for other in (node, *above) for one in statements_about(graph, graph.iris[other])]
    unique = list({one.triple: one for one in statements if one.kind != "different"}.values())[:tried]
    rarity = 1.0 / np.maximum((priors.matrix > 0).sum(axis=0), 1)
    weighed = []
    for place, one in enumerate(unique):
        try:
            row = _read(encoder, without_edge(graph, one.edge), priors, [name])[0]
        except InputError:  # the last statement of a relation that the encoder's options name
            continue
        moved = float((np.abs(row - priors[name]) * rarity).sum())
        if moved > 0:
            weighed.append((-moved, place, one))
    return [(one.edge, one.text) for _, _, one in sorted(weighed)[:most]]
