"""OWL written as triples: lists, class expressions and annotated axioms, as the OWL 2 mapping to RDF has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kgzsl.knowledge.triples import TripleBuilder
from kgzsl.knowledge.vocabulary import OWL, RDF, RDF_TYPE, RDFS, SUBCLASS_OF, XSD

__all__ = ["Note", "OwlEmitter"]

#: An annotation: (property, value, annotations of the annotation), by codes.
Note = tuple[int, int, tuple["Note", ...]]


class OwlEmitter:
    """Adds OWL to a builder, for the readers of syntaxes that are not RDF.

    All terms are codes of the builder.

    Args:
        builder: Receives the triples.
    """

    def __init__(self, builder: TripleBuilder) -> None:
        self.builder = builder
        self._fresh = 0
        self.nil = builder.iri(RDF + "nil")
        self.type = builder.iri(RDF_TYPE)

    def iri(self, iri: str) -> int:
        """An IRI."""
        return self.builder.iris[iri]

    def text(self, value: str, language: str | None = None, datatype: str | None = None) -> int:
        """A literal; xsd:string is what a literal has without a datatype."""
        return self.builder.literal(value, language or None, None if datatype == XSD + "string" else datatype)

    def number(self, value: int) -> int:
        """A cardinality."""
        return self.builder.literal(str(value), None, XSD + "nonNegativeInteger")

    def named_blank(self, name: str) -> int:
        """The blank node that the document calls ``name``."""
        return self.builder.blank(f"n{name}")

    def fresh(self) -> int:
        """A new blank node."""
        self._fresh += 1
        return self.builder.blank(f"f{self._fresh}")

    def add(self, subject: int, predicate: str, object_: int) -> None:
        """A triple."""
        self.builder.add(subject, self.builder.iris[predicate], object_)

    def declare(self, subject: int, name: str) -> None:
        """``subject rdf:type owl:name`` (or rdfs:, where ``name`` is an IRI of its own)."""
        self.builder.add(subject, self.type, self.builder.iris[name if ":" in name else OWL + name])

    def sequence(self, members: Sequence[int]) -> int:
        """An RDF list."""
        head = self.nil
        first, rest = self.iri(RDF + "first"), self.iri(RDF + "rest")
        for member in reversed(members):
            cell = self.fresh()
            self.builder.add(cell, first, member)
            self.builder.add(cell, rest, head)
            head = cell
        return head

    def listed(self, name: str, members: Sequence[int], *, data: bool = False) -> int:
        """``[ owl:name ( members ) ]``: an intersection, a union or an enumeration."""
        node = self.fresh()
        self.declare(node, RDFS + "Datatype" if data else "Class")
        self.add(node, OWL + name, self.sequence(members))
        return node

    def complement(self, inner: int, *, data: bool = False) -> int:
        """``[ owl:complementOf inner ]``."""
        node = self.fresh()
        self.declare(node, RDFS + "Datatype" if data else "Class")
        self.add(node, OWL + ("datatypeComplementOf" if data else "complementOf"), inner)
        return node

    def restriction(self, relation: int, name: str, value: int, on: tuple[str, int] | None = None) -> int:
        """``[ owl:onProperty relation ; owl:name value ]``, with ``on`` for a qualified cardinality.

        Args:
            relation: The property.
            name: E.g. ``someValuesFrom``.
            value: The filler, the value or the number.
            on: ``("onClass" or "onDataRange", filler)``.
        """
        node = self.fresh()
        self.declare(node, "Restriction")
        self.add(node, OWL + "onProperty", relation)
        self.add(node, OWL + name, value)
        if on is not None:
            self.add(node, OWL + on[0], on[1])
        return node

    def some(self, relation: int, filler: int) -> int:
        """``[ owl:onProperty relation ; owl:someValuesFrom filler ]``."""
        return self.restriction(relation, "someValuesFrom", filler)

    def below(self, subject: int, object_: int, notes: Iterable[Note] = ()) -> None:
        """``subject rdfs:subClassOf object``."""
        self.axiom(subject, SUBCLASS_OF, object_, notes)

    def axiom(self, subject: int, predicate: str, object_: int, notes: Iterable[Note] = ()) -> None:
        """A triple, and its annotations as an owl:Axiom."""
        self.add(subject, predicate, object_)
        notes = tuple(notes)
        if notes:
            self._about("Axiom", subject, self.iri(predicate), object_, notes)

    def annotate(self, subject: int, notes: Iterable[Note]) -> None:
        """Annotations of a node itself; annotations of these as owl:Annotation."""
        for predicate, value, inner in notes:
            self.builder.add(subject, predicate, value)
            if inner:
                self._about("Annotation", subject, predicate, value, inner)

    def _about(self, name: str, subject: int, predicate: int, object_: int, notes: tuple[Note, ...]) -> None:
        node = self.fresh()
        self.declare(node, name)
        self.add(node, OWL + "annotatedSource", subject)
        self.add(node, OWL + "annotatedProperty", predicate)
        self.add(node, OWL + "annotatedTarget", object_)
        self.annotate(node, notes)
