"""From a class expression to edges: what ``A is below this expression`` says about A, as links to named things."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from kgzsl.knowledge.projection.structure import Expression, Structure
from kgzsl.knowledge.triples import split_literal
from kgzsl.knowledge.vocabulary import OWL, RDF, RDF_TYPE, RDFS, SUBCLASS_OF, XSD

__all__ = ["Edge", "Outcome", "Unfolder", "number_of"]

_NUMERIC = {
    XSD + name
    for name in (
        *("integer", "decimal", "double", "float", "int", "long", "short", "byte", "nonNegativeInteger"),
        *("positiveInteger", "negativeInteger", "nonPositiveInteger", "unsignedInt", "unsignedLong"),
        *("unsignedShort", "unsignedByte"),
    )
}

#: (subject, relation IRI, object, weight)
Edge = tuple[int, str, int, float]


@dataclass
class Outcome:
    """What an axiom gave.

    Args:
        edges: The edges.
        lost: Why parts of it gave none.
    """

    edges: list[Edge] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        """Take in another one."""
        self.edges += other.edges
        self.lost += other.lost


def number_of(key: str) -> float | None:
    """The value of a finite numeric literal (booleans are 0 and 1), ``None`` for any other literal."""
    text, _, datatype = split_literal(key)
    if datatype == XSD + "boolean":
        return {"true": 1.0, "1": 1.0, "false": 0.0, "0": 0.0}.get(text.strip())
    if datatype not in _NUMERIC:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None


class Unfolder:
    """Rules of the ``owl2vec`` projection (Chen et al., OWL2Vec*, 2021, section 4.1), and a few more.

    Args:
        structure: For terms.
        ranges: Named ranges of a property, which stand in for a restriction without a filler.
    """

    def __init__(self, structure: Structure, ranges: Callable[[int], list[int]]) -> None:
        self.triples = structure.triples
        self.thing = structure.triples.iri_index.get(OWL + "Thing", -2)
        self.nothing = structure.triples.iri_index.get(OWL + "Nothing", -2)
        self.ranges = ranges

    def is_datatype(self, term: int) -> bool:
        """Whether a term names a datatype."""
        return self.triples.terms[term].startswith((XSD, RDFS + "Literal", RDF + "langString", RDF + "PlainLiteral"))

    def disjoint(self, subject: int, expression: Expression) -> Outcome:
        """Edges of ``subject`` disjoint with ``expression``."""
        return self._apart(subject, expression)

    def below(self, subject: int, expression: Expression, relation: str = SUBCLASS_OF) -> Outcome:
        """Edges of ``subject ⊑ expression``.

        Args:
            subject: A named thing.
            expression: What is above it.
            relation: The relation to named classes: subClassOf for a class, rdf:type for an individual.
        """
        kind = expression.kind
        if kind == "name":
            return self._named(subject, relation, expression.term)
        if kind == "and":
            out = Outcome()
            for part in expression.parts:
                out.add(self.below(subject, part, relation))
            return out
        if kind == "or":
            return self._each(subject, OWL + "unionOf", expression, "a union over something that is not named")
        if kind == "not":
            return self._apart(subject, expression.parts[0])
        if kind == "oneof":
            return Outcome([(subject, OWL + "oneOf", part.term, 1.0) for part in expression.parts])
        if kind == "data":
            return Outcome(lost=["a data range"])
        if kind == "broken":
            return Outcome(lost=[expression.reason])
        return self._restricted(subject, expression)

    def above(self, target: int, expression: Expression) -> Outcome:
        """Edges of ``expression ⊑ target``: unions part by part, a restriction links its target, as OWL2Vec* does."""
        kind = expression.kind
        if kind == "or":
            out = Outcome()
            for part in expression.parts:
                out.add(self.above(target, part))
            return out
        if kind == "name":
            return self._named(expression.term, SUBCLASS_OF, target)
        if kind == "oneof":
            return Outcome([(part.term, RDF_TYPE, target, 1.0) for part in expression.parts])
        if kind in ("some", "all", "value", "self", "min", "max", "exact"):
            return self._restricted(target, expression)
        if kind == "broken":
            return Outcome(lost=[expression.reason])
        return Outcome(lost=["a general axiom with a complex left side"])

    def equal(self, subject: int, expression: Expression) -> Outcome:
        """Edges of ``subject ≡ expression``."""
        if expression.kind == "name":
            other = expression.term
            if other == subject:
                return Outcome(lost=["says that a thing is itself"])
            if other in (self.thing, self.nothing):
                return self._named(subject, SUBCLASS_OF, other)
            name = OWL + "equivalentClass"
            return Outcome([(subject, name, other, 1.0), (other, name, subject, 1.0)])
        if expression.kind in ("or", "oneof"):
            return self.above(subject, expression)
        return self.below(subject, expression)

    def _named(self, subject: int, relation: str, target: int) -> Outcome:
        if target == self.thing:
            return Outcome(lost=["trivial: everything is below owl:Thing"])
        if target == self.nothing:
            return Outcome(lost=["unsatisfiable: below owl:Nothing"])
        if subject == target:
            return Outcome(lost=["says that a thing is itself"])
        return Outcome([(subject, relation, target, 1.0)])

    def _each(self, subject: int, relation: str, expression: Expression, reason: str) -> Outcome:
        out = Outcome()
        for part in expression.parts:
            if part.kind == "name":
                out.add(self._named(subject, relation, part.term))
            elif part.kind == relation.removeprefix(OWL)[:2]:
                out.add(self._each(subject, relation, part, reason))
            else:
                out.lost.append(reason)
        return out

    def _apart(self, subject: int, inner: Expression) -> Outcome:
        """``A ⊑ ¬B``: the two are disjoint."""
        if inner.kind == "name":
            return self._named(subject, OWL + "disjointWith", inner.term)
        if inner.kind == "or":
            out = Outcome()
            for part in inner.parts:
                out.add(self._apart(subject, part))
            return out
        if inner.kind == "not":
            return self.below(subject, inner.parts[0])
        return Outcome(lost=["a negated restriction"])

    def _restricted(self, subject: int, expression: Expression) -> Outcome:
        out = Outcome()
        terms = self.triples.terms
        for path, inverse, target, weight, lost in self._targets(expression, 0):
            if lost:
                out.lost.append(lost)
                continue
            relation = "/".join(terms[step] for step in path)
            if target == -1:
                target = path[-1] if weight is not None else subject
            pair = (target, subject) if inverse else (subject, target)
            out.edges.append((pair[0], relation, pair[1], 1.0 if weight is None else weight))
        return out

    def _targets(
        self, expression: Expression, depth: int
    ) -> list[tuple[tuple[int, ...], bool, int, float | None, str]]:
        """(path of properties, inverse, target, weight, why lost); target -1: itself, or the property."""
        step = (expression.relation,)
        inverse = expression.inverse
        kind = expression.kind
        if kind in ("max", "exact") and expression.number == 0:
            return [(step, inverse, -1, None, "at most none: a negative statement")]
        if kind == "self":
            return [(step, inverse, -1, None, "")]
        if kind == "value":
            return [self._value(step, inverse, expression.term)]
        fillers = list(expression.parts)
        if not fillers or (fillers[0].kind == "name" and fillers[0].term == self.thing):
            named = [] if inverse else self.ranges(expression.relation)
            if not named:
                return [(step, inverse, -1, None, "a restriction to anything at all")]
            fillers = [Expression("name", term=term) for term in named]
        found: list[tuple[tuple[int, ...], bool, int, float | None, str]] = []
        while fillers:
            part = fillers.pop(0)
            if part.kind == "name":
                if part.term == self.nothing:
                    found.append((step, inverse, -1, None, "only nothing: a negative statement"))
                elif self.is_datatype(part.term):
                    found.append((step, inverse, -1, None, "a restriction to a datatype"))
                else:
                    found.append((step, inverse, part.term, None, ""))
            elif part.kind in ("and", "or", "oneof"):
                fillers = [*part.parts, *fillers]
            elif part.kind == "data":
                found.append((step, inverse, -1, None, "a restriction to a datatype"))
            elif part.kind == "not":
                found.append((step, inverse, -1, None, "a restriction to a complement"))
            elif part.kind == "broken":
                found.append((step, inverse, -1, None, part.reason))
            elif part.inverse or inverse:
                found.append((step, inverse, -1, None, "a nested restriction over an inverse"))
            else:
                deeper = self._targets(part, depth + 1)
                found += [((*step, *path), inverse, target, weight, lost) for path, _, target, weight, lost in deeper]
        return found

    def _value(
        self, step: tuple[int, ...], inverse: bool, term: int
    ) -> tuple[tuple[int, ...], bool, int, float | None, str]:
        if term < self.triples.num_iris:
            return step, inverse, term, None, ""
        if term < self.triples.first_literal:
            return step, inverse, -1, None, "a value that is an anonymous individual"
        number = number_of(self.triples.terms[term]) if term < self.triples.first_quoted else None
        if number is None:
            return step, inverse, -1, None, "a value that is a text"
        return step, inverse, -1, number, ""
