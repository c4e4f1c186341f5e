"""What the terms are: class, property, individual, datatype."""

from __future__ import annotations

import numpy as np

from kgzsl.knowledge.projection.edges import EdgeCollector
from kgzsl.knowledge.triples import Triples
from kgzsl.knowledge.vocabulary import (
    CHARACTERISTICS,
    DECLARATIONS,
    OWL,
    RDF_TYPE,
    RDFS,
    SKOS,
    SUBCLASS_OF,
    SUBPROPERTY_OF,
    XSD,
)

__all__ = ["find_kinds"]

_BOTH_ENDS = {
    SUBCLASS_OF: "class",
    OWL + "equivalentClass": "class",
    OWL + "disjointWith": "class",
    OWL + "complementOf": "class",
    SKOS + "broader": "class",
    SKOS + "narrower": "class",
    SUBPROPERTY_OF: "property",
    OWL + "equivalentProperty": "property",
    OWL + "inverseOf": "property",
    OWL + "propertyDisjointWith": "property",
}
_SUBJECT = {RDFS + "domain": "property", RDFS + "range": "property", OWL + "propertyChainAxiom": "property"}
_OBJECT = {
    RDFS + "domain": "class",
    RDFS + "range": "class",
    OWL + "someValuesFrom": "class",
    OWL + "allValuesFrom": "class",
    OWL + "onProperty": "property",
    OWL + "onClass": "class",
}

_MAY_NAME_DATATYPES = (
    RDFS + "range",
    *(OWL + name for name in ("someValuesFrom", "allValuesFrom", "onDataRange", "onDatatype")),
)


def find_kinds(triples: Triples, out: EdgeCollector) -> None:
    """Set kinds from declarations, from use (both ends of subClassOf are classes), and from the datatype names."""
    subjects, predicates, objects = triples.subjects, triples.predicates, triples.objects
    type_id = triples.predicate(RDF_TYPE)
    if type_id >= 0:
        rows = predicates == type_id
        typed, types = subjects[rows], objects[rows]
        for target in np.unique(types).tolist():
            name = triples.terms[target] if target < triples.num_iris else ""
            kind = DECLARATIONS.get(name) or ("property" if name in CHARACTERISTICS else None)
            members = typed[types == target]
            if kind is not None:
                out.set_kind(members, kind)
            elif not name.startswith((OWL, RDFS)):
                out.set_kind(members, "individual")
                out.set_kind(target, "class")
    for table, ends in ((_BOTH_ENDS, "so"), (_SUBJECT, "s"), (_OBJECT, "o")):
        for iri, kind in table.items():
            predicate = triples.predicate(iri)
            if predicate < 0:
                continue
            rows = predicates == predicate
            if "s" in ends:
                out.set_kind(subjects[rows], kind)
            if "o" in ends:
                out.set_kind(objects[rows], kind)
    out.set_kind(np.unique(predicates), "property")
    asked = [triples.predicate(iri) for iri in _MAY_NAME_DATATYPES]
    targets = np.unique(objects[np.isin(predicates, asked)])
    datatypes = [i for i in targets.tolist() if i < triples.num_iris and triples.terms[i].startswith(XSD)]
    datatypes += _declared_datatypes(triples)
    if datatypes:
        out.only_kind(np.array(datatypes), "datatype")


def _declared_datatypes(triples: Triples) -> list[int]:
    """Datatypes of the ontology's own: an equivalent data range does not make them classes."""
    type_id = triples.predicate(RDF_TYPE)
    typed = [
        triples.subjects[(triples.predicates == type_id) & (triples.objects == triples.iri_index.get(name, -1))]
        for name in (RDFS + "Datatype", OWL + "Class", RDFS + "Class")
    ]
    declared = np.setdiff1d(typed[0], np.concatenate(typed[1:]))
    found: list[int] = declared[declared < triples.num_iris].tolist()
    return found
