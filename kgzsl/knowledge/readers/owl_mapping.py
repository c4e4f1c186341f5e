"""Axioms of py-horned-owl as triples: the OWL 2 mapping to RDF graphs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from kgzsl.knowledge.readers.owl_emit import Note
from kgzsl.knowledge.readers.owl_expressions import OwlExpressions
from kgzsl.knowledge.triples import TripleBuilder
from kgzsl.knowledge.vocabulary import OWL, RDF_TYPE, RDFS, SUBCLASS_OF, SUBPROPERTY_OF, SWRL

__all__ = ["OwlMapping"]

_CHARACTERISTICS = (
    *("Functional", "InverseFunctional", "Reflexive", "Irreflexive", "Symmetric", "Asymmetric", "Transitive"),
)
_DECLARED = {
    "DeclareClass": "Class",
    "DeclareObjectProperty": "ObjectProperty",
    "DeclareDataProperty": "DatatypeProperty",
    "DeclareAnnotationProperty": "AnnotationProperty",
    "DeclareNamedIndividual": "NamedIndividual",
    "DeclareDatatype": RDFS + "Datatype",
}


class OwlMapping(OwlExpressions):
    """Adds axioms to a builder, one after the other (OWL 2 Web Ontology Language, Mapping to RDF Graphs, section 2).

    Args:
        builder: Receives the triples.
    """

    def __init__(self, builder: TripleBuilder) -> None:
        super().__init__(builder)
        self._ontology = -1
        self._kinds: dict[str, Callable[[Any, tuple[Note, ...]], None]] = {
            "SubClassOf": self._sub_class,
            "EquivalentClasses": self._equivalent_classes,
            "DisjointClasses": self._disjoint_classes,
            "DisjointUnion": self._disjoint_union,
            "SubObjectPropertyOf": self._sub_property,
            "SubDataPropertyOf": self._sub_property,
            "SubAnnotationPropertyOf": self._sub_property,
            "EquivalentObjectProperties": self._equivalent_properties,
            "EquivalentDataProperties": self._equivalent_properties,
            "DisjointObjectProperties": self._disjoint_properties,
            "DisjointDataProperties": self._disjoint_properties,
            "InverseObjectProperties": self._inverse,
            "ObjectPropertyDomain": self._domain,
            "DataPropertyDomain": self._domain,
            "AnnotationPropertyDomain": self._domain,
            "ObjectPropertyRange": self._range,
            "DataPropertyRange": self._range,
            "AnnotationPropertyRange": self._range,
            "DatatypeDefinition": self._datatype,
            "HasKey": self._key,
            "SameIndividual": self._same,
            "DifferentIndividuals": self._different,
            "ClassAssertion": self._class_assertion,
            "ObjectPropertyAssertion": self._assertion,
            "DataPropertyAssertion": self._assertion,
            "NegativeObjectPropertyAssertion": self._negative,
            "NegativeDataPropertyAssertion": self._negative,
            "AnnotationAssertion": self._annotation,
            "Rule": self._rule,
        }

    def header(self, items: Sequence[Any]) -> None:
        """The ontology itself: its IRI, version, imports and annotations."""
        out = self.out
        parts = [item.component for item in items]
        identity = next((part for part in parts if type(part).__name__ == "OntologyID"), None)
        iri = None if identity is None or identity.iri is None else str(identity.iri)
        self._ontology = out.fresh() if iri is None else out.iri(iri)
        out.declare(self._ontology, "Ontology")
        if identity is not None and identity.viri is not None:
            out.add(self._ontology, OWL + "versionIRI", out.iri(str(identity.viri)))
        for part in parts:
            if type(part).__name__ == "Import":
                out.add(self._ontology, OWL + "imports", out.iri(str(part.first)))
            elif type(part).__name__ == "OntologyAnnotation":
                out.annotate(self._ontology, self.notes([part.first]))

    def add(self, item: Any) -> None:
        """One axiom with its annotations."""
        axiom = item.component
        name = type(axiom).__name__
        how = self._kinds.get(name)
        notes = self.notes(item.ann) if item.ann else ()
        if how is not None:
            how(axiom, notes)
        elif name in _DECLARED:
            declared = _DECLARED[name]
            target = self.out.iri(declared if ":" in declared else OWL + declared)
            self.out.axiom(self.entity(axiom.first), RDF_TYPE, target, notes)
        elif name.endswith("Property") and name.removesuffix("ObjectProperty").removesuffix("DataProperty") in (
            _CHARACTERISTICS
        ):
            characteristic = name.removesuffix("ObjectProperty").removesuffix("DataProperty") + "Property"
            self.out.axiom(self.entity(axiom.first), RDF_TYPE, self.out.iri(OWL + characteristic), notes)
        elif name not in ("OntologyID", "DocIRI", "Import", "OntologyAnnotation"):
            self.out.builder.notes.append(f"an axiom of the kind {name} was left out")

    def _sub_class(self, axiom: Any, notes: tuple[Note, ...]) -> None:
        self.out.axiom(self.class_expression(axiom.sub), SUBCLASS_OF, self.class_expression(axiom.sup), notes)

    def _equivalent_classes(self, axiom: Any, notes: tuple[Note, ...]) -> None:
        self._chain_of("equivalentClass", [self.class_expression(part) for part in axiom.first], notes)

    def _equivalent_properties(self, axiom: Any, notes: tuple[Note, ...]) -> None:
        self._chain_of("equivalentProperty", [self.entity(part) for part in axiom.first], notes)

    def _same(self, axiom: Any, notes: tuple[Note, ...]) -> None:
        self._chain_of("sameAs", [self.entity(part) for part in axiom.first], notes)

    def _chain_of(self, name: str, members: list[int], notes: tuple[Note, ...]) -> None:
        for first, second in pairwise(members):
            self.out.axiom(first, OWL + name, second, notes)

    def _disjoint_classes(self, axiom: Any, notes: tuple[Note, ...]) -> None:
        members = [self.class_expression(part) for part in axiom.first]
        self._apart("disjointWith", "AllDisjointClasses", "members", members, notes)

    def _disjoint_properties(self, axiom: Any, notes: tuple[Note, ...]) -> None:
        members = [self.entity(part) for part in axiom.first]
        self._apart("propertyDisjointWith", "AllDisjointProperties", "members", members, notes)

    def _different(self, axiom: Any, notes: tuple[Note, ...]) -> None:
        members = [self.entity(part) for part in axiom.first]
        self._apart("differentFrom", "AllDifferent", "distinctMembers", members, notes)

    def _apart(self, pair: str, group: str, listed: str, members: list[int], notes: tuple[Note, ...]) -> None:
        """Two members make one triple, more of them a node with a list."""
        if len(members) == 2:
            self.out.axiom(members[0], OWL + pair, members[1], notes)
            return
        node = self.out.fresh()
        self.out.declare(node, group)
        self.out.add(node, OWL + listed, self.out.sequence(members))
        self.out.annotate(node, notes)

    def _disjoint_union(self, axiom: Any, notes: tuple[Note, ...]) -> None:
        members = [self.class_expression(part) for part in axiom.second]
        self.out.axiom(self.entity(axiom.first), OWL + "disjointUnionOf", self.out.sequence(members), notes)

    def _sub_property(self, axiom: Any, notes: tuple[Note, ...]) -> None:
        above = self.entity(axiom.sup)
        if isinstance(axiom.sub, list):
            chain = self.out.sequence([self.entity(link) for link in axiom.sub])
            self.out.axiom(above, OWL + "propertyChainAxiom", chain, notes)
        else:
            self.out.axiom(self.entity(axiom.sub), SUBPROPERTY_OF, above, notes)

    def _inverse(self, axiom: Any, notes: tuple[Note, ...]) -> None:
        self.out.axiom(self.entity(axiom.first), OWL + "inverseOf", self.entity(axiom.second), notes)

    def _domain(self, axiom: Any, notes: tuple[Note, ...]) -> None:
        relation, target = self._property_and_class(axiom)
        self.out.axiom(relation, RDFS + "domain", target, notes)

    def _range(self, axiom: Any, notes: tuple[Note, ...]) -> None:
        relation, target = self._property_and_class(axiom)
        self.out.axiom(relation, RDFS + "range", target, notes)

    def _property_and_class(self, axiom: Any) -> tuple[int, int]:
        if hasattr(axiom, "ope"):
            return self.entity(axiom.ope), self.class_expression(axiom.ce)
        if hasattr(axiom, "ap"):
            return self.entity(axiom.ap), self.entity(axiom.iri)
        target = self.class_expression(axiom.ce) if hasattr(axiom, "ce") else self.data_range(axiom.dr)
        return self.entity(axiom.dp), target

    def _datatype(self, axiom: Any, notes: tuple[Note, ...]) -> None:
        self.out.axiom(self.entity(axiom.kind), OWL + "equivalentClass", self.data_range(axiom.range), notes)

    def _key(self, axiom: Any, notes: tuple[Note, ...]) -> None:
        key = self.out.sequence([self.entity(part) for part in axiom.vpe])
        self.out.axiom(self.class_expression(axiom.ce), OWL + "hasKey", key, notes)

    def _class_assertion(self, axiom: Any, notes: tuple[Note, ...]) -> None:
        self.out.axiom(self.entity(axiom.i), RDF_TYPE, self.class_expression(axiom.ce), notes)

    def _assertion(self, axiom: Any, notes: tuple[Note, ...]) -> None:
        subject, object_ = self.entity(axiom.source), self.entity(axiom.target)
        relation = axiom.ope if hasattr(axiom, "ope") else axiom.dp
        if type(relation).__name__ == "InverseObjectProperty":
            subject, object_, relation = object_, subject, relation.first
        self.out.axiom(subject, str(relation.first), object_, notes)

    def _negative(self, axiom: Any, notes: tuple[Note, ...]) -> None:
        node = self.out.fresh()
        data = hasattr(axiom, "dp")
        self.out.declare(node, "NegativePropertyAssertion")
        self.out.add(node, OWL + "sourceIndividual", self.entity(axiom.source))
        self.out.add(node, OWL + "assertionProperty", self.entity(axiom.dp if data else axiom.ope))
        self.out.add(node, OWL + ("targetValue" if data else "targetIndividual"), self.entity(axiom.target))
        self.out.annotate(node, notes)

    def _annotation(self, axiom: Any, notes: tuple[Note, ...]) -> None:
        subject = self.entity(axiom.subject)
        self.out.axiom(subject, str(axiom.ann.ap.first), self.entity(axiom.ann.av), notes)

    def _rule(self, axiom: Any, notes: tuple[Note, ...]) -> None:
        node = self.out.fresh()
        self.out.declare(node, SWRL + "Imp")
        self.out.add(node, SWRL + "body", self._atoms(axiom.body))
        self.out.add(node, SWRL + "head", self._atoms(axiom.head))
        self.out.annotate(node, notes)

    def _atoms(self, atoms: Sequence[Any]) -> int:
        return self.out.sequence([self._atom(atom) for atom in atoms])

    def _atom(self, atom: Any) -> int:
        node = self.out.fresh()
        kind = {"ObjectPropertyAtom": "IndividualPropertyAtom", "DataPropertyAtom": "DatavaluedPropertyAtom"}
        name = type(atom).__name__
        self.out.declare(node, SWRL + kind.get(name, name))
        if name in ("SameIndividualAtom", "DifferentIndividualsAtom"):
            self.out.add(node, SWRL + "argument1", self._argument(atom.first))
            self.out.add(node, SWRL + "argument2", self._argument(atom.second))
            return node
        target = {"ClassAtom": "classPredicate", "DataRangeAtom": "dataRange", "BuiltInAtom": "builtin"}
        predicate = {"ClassAtom": self.class_expression, "DataRangeAtom": self.data_range}.get(name, self.entity)
        self.out.add(node, SWRL + target.get(name, "propertyPredicate"), predicate(atom.pred))
        if name == "BuiltInAtom":
            arguments = self.out.sequence([self._argument(one) for one in atom.args])
            self.out.add(node, SWRL + "arguments", arguments)
        elif hasattr(atom, "arg"):
            self.out.add(node, SWRL + "argument1", self._argument(atom.arg))
        else:
            for number, one in enumerate(atom.args, 1):
                self.out.add(node, f"{SWRL}argument{number}", self._argument(one))
        return node

    def _argument(self, item: Any) -> int:
        code = self.entity(item)
        if type(item).__name__ == "Variable":
            self.out.declare(code, SWRL + "Variable")
        return code
