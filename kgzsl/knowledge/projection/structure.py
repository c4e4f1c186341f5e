"""The parts of OWL that RDF writes with blank nodes: lists, class expressions, property expressions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from kgzsl.knowledge.triples import Triples
from kgzsl.knowledge.vocabulary import OWL, RDF, RDF_TYPE, RDFS

__all__ = ["MAX_DEPTH", "Expression", "Structure"]

#: Class expressions nested deeper than this are not followed.
MAX_DEPTH: Final = 100

_CARDINALITIES = {
    OWL + "minCardinality": "min",
    OWL + "maxCardinality": "max",
    OWL + "cardinality": "exact",
    OWL + "minQualifiedCardinality": "min",
    OWL + "maxQualifiedCardinality": "max",
    OWL + "qualifiedCardinality": "exact",
}
_NARY = {OWL + "intersectionOf": "and", OWL + "unionOf": "or", OWL + "oneOf": "oneof"}
#: Predicates that make a node a class expression or a list cell.
STRUCTURAL = frozenset(
    {
        *_CARDINALITIES,
        *_NARY,
        RDF + "first",
        RDF + "rest",
        *(
            OWL + name
            for name in (
                "complementOf",
                "onProperty",
                "onProperties",
                "someValuesFrom",
                "allValuesFrom",
                "hasValue",
                "hasSelf",
                "onClass",
                "onDataRange",
                "onDatatype",
                "withRestrictions",
                "datatypeComplementOf",
            )
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Expression:
    """A class expression.

    Args:
        kind: ``name``, ``and``, ``or``, ``not``, ``some``, ``all``, ``value``, ``self``, ``min``, ``max``, ``exact``,
            ``oneof``, ``data`` (a data range), ``broken``.
        term: The named class (``name``), the value (``value``), -1 otherwise.
        relation: The property of a restriction, -1 otherwise.
        inverse: Whether the restriction goes over the inverse of it.
        parts: Operands, the filler of a restriction, the individuals of ``oneof``.
        number: Of a cardinality.
        reason: What is wrong with a ``broken`` one.
    """

    kind: str
    term: int = -1
    relation: int = -1
    inverse: bool = False
    parts: tuple[Expression, ...] = ()
    number: int = 0
    reason: str = ""


class Structure:
    """Looks into the blank nodes of a graph, and remembers which triples an axiom has claimed.

    Args:
        triples: The graph.
    """

    def __init__(self, triples: Triples) -> None:
        self.triples = triples
        self.claimed = np.zeros(len(triples), bool)
        self.ids = {iri: triples.predicate(iri) for iri in STRUCTURAL | {RDF_TYPE, OWL + "inverseOf"}}
        self.nil = self._term(RDF + "nil")
        self._datatypes = {self._term(RDFS + "Datatype"), self._term(OWL + "DataRange")} - {-1}
        structural = [number for iri, number in self.ids.items() if number >= 0 and iri in STRUCTURAL]
        chosen = (triples.subjects >= triples.num_iris) | np.isin(triples.predicates, structural)
        rows = np.flatnonzero(chosen)
        self._rows = rows[np.argsort(triples.subjects[rows], kind="stable")]
        self._subjects = triples.subjects[self._rows]
        self._known: dict[int, tuple[Expression, tuple[int, ...]]] = {}

    def _term(self, iri: str) -> int:
        """The id of an IRI that may be any term, -1 where it does not occur."""
        return self.triples.iri_index.get(iri, -1)

    def rows(self, node: int) -> list[int]:
        """The triples with the blank node (or named structure) ``node`` as subject."""
        start, end = np.searchsorted(self._subjects, [node, node + 1])
        found: list[int] = self._rows[start:end].tolist()
        return found

    def claim(self, rows: tuple[int, ...] | list[int]) -> int:
        """Mark triples as understood; answers how many of them no axiom had claimed."""
        array = np.array(rows, np.int64)
        if not len(array):
            return 0
        array = np.unique(array)
        new = int((~self.claimed[array]).sum())
        self.claimed[array] = True
        return new

    def properties(self, node: int) -> dict[str, tuple[int, int]]:
        """Predicate IRI -> (object, row) of a node; the first of several values."""
        found: dict[str, tuple[int, int]] = {}
        terms, predicates, objects = self.triples.terms, self.triples.predicates, self.triples.objects
        for row in self.rows(node):
            found.setdefault(terms[predicates[row]], (int(objects[row]), row))
        return found

    def items(self, node: int) -> tuple[list[int], list[int], bool]:
        """(members, rows, whether it is whole) of an RDF list; a list that bites its own tail is not whole."""
        members: list[int] = []
        used: list[int] = []
        seen: set[int] = set()
        first, rest = self.ids[RDF + "first"], self.ids[RDF + "rest"]
        predicates, objects = self.triples.predicates, self.triples.objects
        while node != self.nil:
            if node in seen:
                return members, used, False
            seen.add(node)
            value = following = -1
            for row in self.rows(node):
                predicate = int(predicates[row])
                if predicate == first and value < 0:
                    value = int(objects[row])
                elif predicate == rest and following < 0:
                    following = int(objects[row])
                elif predicate != self.ids[RDF_TYPE]:
                    return members, used, False
                used.append(row)
            if value < 0 or following < 0:
                return members, used, False
            members.append(value)
            node = following
        return members, used, True

    def expression(self, node: int) -> tuple[Expression, tuple[int, ...]]:
        """(class expression, its triples) at ``node``; a named class is itself."""
        return self._expression(node, 0, frozenset())

    def definition(self, node: int) -> tuple[Expression, tuple[int, ...]]:
        """(class expression, its triples) at a *named* node itself, as OWL 1 wrote ``:A owl:unionOf (...)``."""
        return self._complex(node, 0, frozenset())

    def _expression(self, node: int, depth: int, above: frozenset[int]) -> tuple[Expression, tuple[int, ...]]:
        if node < self.triples.num_iris:
            return Expression("name", term=node), ()
        if node >= self.triples.first_literal:
            return Expression("broken", reason="a literal stands where a class should"), ()
        known = self._known.get(node)
        if known is not None:
            return known
        if node in above:
            return Expression("broken", reason="a class expression contains itself"), ()
        if depth >= MAX_DEPTH:
            return Expression("broken", reason=f"nested deeper than {MAX_DEPTH}"), ()
        found = self._complex(node, depth, above | {node})
        self._known[node] = found
        return found

    def _complex(self, node: int, depth: int, above: frozenset[int]) -> tuple[Expression, tuple[int, ...]]:
        values = self.properties(node)
        rows = [row for iri, (_, row) in values.items() if iri in STRUCTURAL]
        if node >= self.triples.num_iris and RDF_TYPE in values:
            predicates = self.triples.predicates
            rows += [row for row in self.rows(node) if predicates[row] == self.ids[RDF_TYPE]]
        for iri, kind in _NARY.items():
            if iri in values:
                found, used = self._nary(kind, values[iri][0], rows, depth, above)
                is_data = RDF_TYPE in values and values[RDF_TYPE][0] in self._datatypes
                return (Expression("data") if is_data else found), used
        if OWL + "complementOf" in values or OWL + "datatypeComplementOf" in values:
            target = (values.get(OWL + "complementOf") or values[OWL + "datatypeComplementOf"])[0]
            inner, more = self._expression(target, depth + 1, above)
            if inner.kind == "data" or OWL + "datatypeComplementOf" in values:
                return Expression("data"), (*rows, *more)
            return Expression("not", parts=(inner,)), (*rows, *more)
        if OWL + "onProperty" in values:
            return self._restriction(values, rows, depth, above)
        if OWL + "onDatatype" in values or OWL + "onProperties" in values:
            return Expression("data"), (*rows, *self._below(rows))
        return Expression("broken", reason="a blank node that is no class expression"), tuple(rows)

    def _nary(
        self, kind: str, head: int, rows: list[int], depth: int, above: frozenset[int]
    ) -> tuple[Expression, tuple[int, ...]]:
        members, used, whole = self.items(head)
        rows = [*rows, *used]
        if not whole:
            return Expression("broken", reason="a list without an end"), tuple(rows)
        if kind == "oneof":
            literals = any(member >= self.triples.first_literal for member in members)
            if literals:
                return Expression("data"), tuple(rows)
            return Expression("oneof", parts=tuple(Expression("name", term=member) for member in members)), tuple(rows)
        parts = []
        for member in members:
            part, more = self._expression(member, depth + 1, above)
            parts.append(part)
            rows += more
        if parts and all(part.kind == "data" for part in parts):
            return Expression("data"), tuple(rows)
        return Expression(kind, parts=tuple(parts)), tuple(rows)

    def _restriction(
        self, values: dict[str, tuple[int, int]], rows: list[int], depth: int, above: frozenset[int]
    ) -> tuple[Expression, tuple[int, ...]]:
        relation, inverse, more = self.property_expression(values[OWL + "onProperty"][0])
        rows = [*rows, *more]
        if relation < 0:
            return Expression("broken", reason="a restriction on something that is no property"), tuple(rows)
        for iri, kind in ((OWL + "someValuesFrom", "some"), (OWL + "allValuesFrom", "all")):
            if iri in values:
                filler, used = self._expression(values[iri][0], depth + 1, above)
                return Expression(kind, -1, relation, inverse, (filler,)), (*rows, *used)
        if OWL + "hasValue" in values:
            return Expression("value", values[OWL + "hasValue"][0], relation, inverse), tuple(rows)
        if OWL + "hasSelf" in values:
            return Expression("self", -1, relation, inverse), tuple(rows)
        for iri, kind in _CARDINALITIES.items():
            if iri not in values:
                continue
            number = self._number(values[iri][0])
            parts: tuple[Expression, ...] = ()
            for where in (OWL + "onClass", OWL + "onDataRange"):
                if where in values:
                    filler, used = self._expression(values[where][0], depth + 1, above)
                    rows += used
                    parts = (filler,)
            if number < 0:
                return Expression("broken", reason="a cardinality that is no number"), tuple(rows)
            return Expression(kind, -1, relation, inverse, parts, number), tuple(rows)
        return Expression("broken", reason="a restriction that restricts nothing"), tuple(rows)

    def property_expression(self, node: int) -> tuple[int, bool, list[int]]:
        """(property, inverse?, rows) of a named property or ``[ owl:inverseOf p ]``; (-1, ...) for anything else."""
        inverse = False
        rows: list[int] = []
        while node >= self.triples.num_iris:
            if node >= self.triples.first_literal or len(rows) > 2 * MAX_DEPTH:
                return -1, inverse, rows
            values = self.properties(node)
            if OWL + "inverseOf" not in values:
                return -1, inverse, rows
            rows += [row for iri, (_, row) in values.items() if iri in (OWL + "inverseOf", RDF_TYPE)]
            node = values[OWL + "inverseOf"][0]
            inverse = not inverse
        return node, inverse, rows

    def _below(self, rows: list[int]) -> list[int]:
        """All triples hanging on the blank objects of ``rows``."""
        found: list[int] = []
        seen: set[int] = set()
        stack = [int(self.triples.objects[row]) for row in rows]
        while stack:
            node = stack.pop()
            if not self.triples.num_iris <= node < self.triples.first_literal or node in seen:
                continue
            seen.add(node)
            here = self.rows(node)
            found += here
            stack += [int(self.triples.objects[row]) for row in here]
        return found

    def below(self, node: int) -> list[int]:
        """All triples of a blank node and of the blank nodes under it."""
        rows = self.rows(node)
        return [*rows, *self._below(rows)]

    def _number(self, term: int) -> int:
        from kgzsl.knowledge.triples import split_literal

        if not self.triples.first_literal <= term < self.triples.first_quoted:
            return -1
        text = split_literal(self.triples.terms[term])[0].strip()
        return int(text) if text.isdigit() and len(text) < 10 else -1
