"""What a class graph says about one class, in words; and the graph without one such statement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from kgzsl.knowledge.operations import without_edge
from kgzsl.knowledge.texts import humanise, local_name
from kgzsl.knowledge.vocabulary import RDFS

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph

__all__ = ["Statement", "statements_about", "without_edge"]

Kind = Literal["kind of", "same as", "different", "attribute"]

_KINDS: dict[str, tuple[Kind, str]] = {
    "subclassof": ("kind of", "is a kind of"),
    "subpropertyof": ("kind of", "is a kind of"),
    "broader": ("kind of", "is a kind of"),
    "type": ("kind of", "is one of"),
    "equivalentclass": ("same as", "is the same as"),
    "equivalentproperty": ("same as", "is the same as"),
    "sameas": ("same as", "is the same as"),
    "disjointwith": ("different", "is never"),
    "propertydisjointwith": ("different", "is never"),
    "disjointunionof": ("different", "is the disjoint union with"),
    "complementof": ("different", "is all but"),
    "differentfrom": ("different", "is not"),
}
_ORDER = ("kind of", "attribute", "same as", "different")
_BOTH_WAYS = ("same as", "different")
_NO_STATEMENT = {"seealso", "isdefinedby", "versioninfo", "imports", "inscheme", "topconceptof"}


@dataclass(frozen=True)
class Statement:
    """One axiom of a class graph.

    Args:
        text: In words, with the subject: "zebra has stripes".
        kind: ``"kind of"``, ``"same as"``, ``"different"`` (disjointness) or ``"attribute"``.
        triple: IRIs of subject, relation and object.
        edge: Its place among the graph's edges.
    """

    text: str
    kind: Kind
    triple: tuple[str, str, str]
    edge: int

    def to_dict(self) -> dict[str, object]:
        """Plain values."""
        return {"text": self.text, "kind": self.kind, "triple": list(self.triple)}


def statements_about(graph: ClassGraph, name: str) -> tuple[Statement, ...]:
    """The statements whose subject is the class ``name``: what it is a kind of, its attributes, what it is not.

    Equivalences and disjointness hold both ways, so that they are found from either end. Each triple is told once; the
    order is that of the kinds, then of the graph. Empty where the graph lacks the class.
    """
    node = int(graph.align([name]).indices[0])
    if node < 0:
        return ()
    subjects, objects = graph.edge_index
    found: dict[tuple[str, str, str], Statement] = {}
    for edge in np.flatnonzero((subjects == node) | (objects == node)).tolist():
        relation = graph.relations[int(graph.edge_type[edge])]
        local = local_name(relation).lower()
        kind, words = _KINDS.get(local, ("attribute", _words(relation)))
        own = int(subjects[edge]) == node
        if local in _NO_STATEMENT or (not own and kind not in _BOTH_WAYS):
            continue
        a, b = int(subjects[edge]), int(objects[edge])
        other = b if own else a
        triple = (graph.iris[a], relation, graph.iris[b])
        text = f"{graph.labels[node]} {words} {graph.labels[other]}{_or(graph, *triple)}"
        found.setdefault(triple, Statement(text, kind, triple, edge))
    return tuple(sorted(found.values(), key=lambda one: (_ORDER.index(one.kind), one.edge)))


def _or(graph: ClassGraph, subject: str, relation: str, target: str) -> str:
    """The other classes of a union that an edge of rdfs:domain or rdfs:range is a part of: one of them is enough."""
    unions = graph.provenance.get("unions", {}).get(relation.removeprefix(RDFS), {})
    for union in unions.get(subject, ()):
        others = [graph.labels[graph.node_index[iri]] for iri in union if iri != target and iri in graph.node_index]
        if target in union and others:
            return f" (or {' or '.join(others)})"
    return ""


def _words(relation: str) -> str:
    return " ".join(w if w.isupper() and len(w) > 1 else w.lower() for w in humanise(local_name(relation)).split())
