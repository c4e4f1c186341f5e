"""What the parts of the ``owl2vec`` projection share."""

from __future__ import annotations

import numpy as np

from kgzsl.knowledge.projection.edges import EdgeCollector
from kgzsl.knowledge.projection.kinds import find_kinds
from kgzsl.knowledge.projection.structure import STRUCTURAL, Structure
from kgzsl.knowledge.projection.unfold import Outcome, Unfolder
from kgzsl.knowledge.triples import Triples
from kgzsl.knowledge.vocabulary import OWL, RDFS

__all__ = ["DIFFERENT", "MAX_PAIRS", "Context", "NamedRanges", "named_parts", "union_parts"]

#: An n-ary axiom (all disjoint, all different) gives at most so many pairs.
MAX_PAIRS = 250_000
#: Why differentFrom makes no edges.
DIFFERENT = "says that individuals are not one and the same, which is taken for granted"


def named_parts(structure: Structure, node: int) -> tuple[list[int], tuple[int, ...], list[str]]:
    """(named classes, rows, why parts are lost) of a class expression, its unions and intersections split."""
    thing = structure.triples.iri_index.get(OWL + "Thing", -2)
    expression, rows = structure.expression(node)
    found: list[int] = []
    lost: list[str] = []
    stack = [expression]
    while stack:
        part = stack.pop()
        if part.kind == "name":
            if part.term == thing:
                lost.append("trivial: everything is below owl:Thing")
            else:
                found.append(part.term)
        elif part.kind in ("and", "or", "oneof"):
            stack += reversed(part.parts)
        else:
            lost.append(part.reason or ("a data range" if part.kind == "data" else "a restriction or complement"))
    return found, rows, lost


def union_parts(structure: Structure, node: int) -> list[list[str]]:
    """The named classes of each union that a class expression is, or is an intersection of.

    A part that names no class (a restriction, a complement, owl:Thing, an individual) is an empty string.
    """
    terms, thing = structure.triples.terms, structure.triples.iri_index.get(OWL + "Thing", -2)
    conjuncts, found = [structure.expression(node)[0]], []
    while conjuncts:
        conjunct = conjuncts.pop()
        if conjunct.kind == "and":
            conjuncts += reversed(conjunct.parts)
        if conjunct.kind not in ("or", "oneof"):
            continue
        names, parts = [], [conjunct]
        while parts:
            part = parts.pop()
            if part.kind == "name":
                names.append("" if part.term == thing else terms[part.term])
            elif part.kind in ("and", "or"):
                parts += reversed(part.parts)
            else:
                names += ["", *(terms[one.term] for one in part.parts if part.kind == "oneof")]
        found.append(names)
    return found


class NamedRanges:
    """Property -> its named ranges, looked up when first asked for.

    Args:
        structure: Of the graph.
    """

    def __init__(self, structure: Structure) -> None:
        self._structure = structure
        self._rows: dict[int, list[int]] | None = None

    def __call__(self, relation: int) -> list[int]:
        """The named ranges of a property."""
        if self._rows is None:
            triples = self._structure.triples
            rows = np.flatnonzero(triples.predicates == triples.predicate(RDFS + "range"))
            self._rows = {}
            for row in rows.tolist():
                self._rows.setdefault(int(triples.subjects[row]), []).append(int(triples.objects[row]))
        found: list[int] = []
        for node in self._rows.get(relation, ()):
            found += named_parts(self._structure, node)[0]
        return found


class Context:
    """The triples, their structure, and where edges go.

    Args:
        triples: The source.
    """

    def __init__(self, triples: Triples) -> None:
        self.triples = triples
        self.structure = Structure(triples)
        self.out = EdgeCollector(triples)
        find_kinds(triples, self.out)
        self.unfolder = Unfolder(self.structure, NamedRanges(self.structure))
        self.structural_ids = np.array([i for iri, i in self.structure.ids.items() if iri in STRUCTURAL and i >= 0])

    def term(self, iri: str) -> int:
        """The number of an IRI, -2 where it does not occur (so that it equals no term)."""
        return self.triples.iri_index.get(iri, -2)

    def settle(self, kind: str, outcome: Outcome, triples: int) -> None:
        """Enter one axiom with its outcome into the graph and the account."""
        if not outcome.edges:
            reason = outcome.lost[0] if outcome.lost else "empty"
            self.out.ledger.dropped(kind, reason, 1, triples)
            return
        for edge in outcome.edges:
            self.out.add(*edge)
        self.out.ledger.used(kind, triples=triples, edges=len(outcome.edges))
        for reason in outcome.lost:
            self.out.ledger.partly(kind, reason)

    def leaves(self, node: int) -> tuple[list[int], tuple[int, ...], list[str]]:
        """See :func:`named_parts`."""
        return named_parts(self.structure, node)
