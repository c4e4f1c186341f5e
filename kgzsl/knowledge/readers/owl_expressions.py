"""Class expressions, data ranges and properties of py-horned-owl as triples."""

from __future__ import annotations

from typing import Any

from kgzsl.knowledge.readers.owl_emit import Note, OwlEmitter
from kgzsl.knowledge.triples import TripleBuilder
from kgzsl.knowledge.vocabulary import OWL, RDF, RDFS, XSD

__all__ = ["OwlExpressions"]

_THING = OWL + "Thing"
_LITERAL = RDFS + "Literal"
_FACETS = {
    "MinInclusive": XSD + "minInclusive",
    "MaxInclusive": XSD + "maxInclusive",
    "MinExclusive": XSD + "minExclusive",
    "MaxExclusive": XSD + "maxExclusive",
    "MinLength": XSD + "minLength",
    "MaxLength": XSD + "maxLength",
    "Length": XSD + "length",
    "Pattern": XSD + "pattern",
    "TotalDigits": XSD + "totalDigits",
    "FractionDigits": XSD + "fractionDigits",
    "LangRange": RDF + "langRange",
}
_CARDINALITIES = {"Min": "minCardinality", "Max": "maxCardinality", "Exact": "cardinality"}
_QUALIFIED = {"Min": "minQualifiedCardinality", "Max": "maxQualifiedCardinality", "Exact": "qualifiedCardinality"}


class OwlExpressions:
    """Terms of an ontology that py-horned-owl holds, as codes of a builder (OWL 2 mapping to RDF, section 2.1).

    Args:
        builder: Receives the triples.
    """

    def __init__(self, builder: TripleBuilder) -> None:
        self.out = OwlEmitter(builder)

    def entity(self, item: Any) -> int:
        """Anything named, an anonymous individual, a literal, a property expression, or a bare IRI."""
        name = type(item).__name__
        if name == "IRI":
            return self.out.iri(str(item))
        if name == "AnonymousIndividual":
            return self.out.named_blank(str(item.first).removeprefix("_:"))
        if name.endswith("Literal"):
            return self.literal(item)
        if name == "InverseObjectProperty":
            node = self.out.fresh()
            self.out.add(node, OWL + "inverseOf", self.entity(item.first))
            return node
        return self.out.iri(str(item.first))

    def literal(self, item: Any) -> int:
        """A literal."""
        language = getattr(item, "lang", None)
        datatype = getattr(item, "datatype_iri", None)
        return self.out.text(str(item.literal), language, None if datatype is None else str(datatype))

    def notes(self, annotations: Any) -> tuple[Note, ...]:
        """Annotations, in an order that does not change."""
        ordered = sorted(annotations, key=lambda one: (str(one), str(sorted(map(str, one.ann)))))
        return tuple((self.entity(one.ap), self.entity(one.av), self.notes(one.ann)) for one in ordered)

    def class_expression(self, item: Any) -> int:
        """A class expression."""
        name = type(item).__name__
        if name == "Class":
            return self.out.iri(str(item.first))
        if name in ("ObjectIntersectionOf", "ObjectUnionOf"):
            parts = [self.class_expression(part) for part in item.first]
            return self.out.listed("intersectionOf" if name == "ObjectIntersectionOf" else "unionOf", parts)
        if name == "ObjectComplementOf":
            return self.out.complement(self.class_expression(item.first))
        if name == "ObjectOneOf":
            return self.out.listed("oneOf", [self.entity(one) for one in item.first])
        return self._restriction(item, name)

    def _restriction(self, item: Any, name: str) -> int:
        if name == "ObjectHasSelf":
            true = self.out.text("true", None, XSD + "boolean")
            return self.out.restriction(self.entity(item.first), "hasSelf", true)
        data = name.startswith("Data")
        relation = self.entity(item.dp if data else item.ope)
        kind = name.removeprefix("Data").removeprefix("Object")
        if kind == "HasValue":
            return self.out.restriction(relation, "hasValue", self.entity(item.l if data else item.i))
        if kind in ("SomeValuesFrom", "AllValuesFrom"):
            filler = self.data_range(item.dr) if data else self.class_expression(item.bce)
            return self.out.restriction(relation, kind[0].lower() + kind[1:], filler)
        count = self.out.number(int(item.n))
        kind = kind.removesuffix("Cardinality")
        # The library writes "at least 1 r" as "at least 1 r of anything".
        filler_item = item.dr if data else item.bce
        if type(filler_item).__name__ in ("Class", "Datatype") and str(filler_item.first) in (_THING, _LITERAL):
            return self.out.restriction(relation, _CARDINALITIES[kind], count)
        filler = self.data_range(filler_item) if data else self.class_expression(filler_item)
        return self.out.restriction(relation, _QUALIFIED[kind], count, ("onDataRange" if data else "onClass", filler))

    def data_range(self, item: Any) -> int:
        """A data range."""
        name = type(item).__name__
        if name == "Datatype":
            return self.out.iri(str(item.first))
        if name == "DataOneOf":
            return self.out.listed("oneOf", [self.literal(one) for one in item.first], data=True)
        if name == "DataComplementOf":
            return self.out.complement(self.data_range(item.first), data=True)
        if name in ("DataIntersectionOf", "DataUnionOf"):
            parts = [self.data_range(part) for part in item.first]
            return self.out.listed("intersectionOf" if name == "DataIntersectionOf" else "unionOf", parts, data=True)
        node = self.out.fresh()
        self.out.declare(node, RDFS + "Datatype")
        self.out.add(node, OWL + "onDatatype", self.out.iri(str(item.first.first)))
        facets = []
        for facet in item.second:
            one = self.out.fresh()
            self.out.add(one, _FACETS[str(facet.f).rpartition(".")[2]], self.literal(facet.l))
            facets.append(one)
        self.out.add(node, OWL + "withRestrictions", self.out.sequence(facets))
        return node
