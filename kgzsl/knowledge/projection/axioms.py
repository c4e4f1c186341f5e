"""Axioms that are one triple, with or without class expressions at its ends."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kgzsl.knowledge.projection.context import DIFFERENT, Context, union_parts
from kgzsl.knowledge.projection.structure import STRUCTURAL
from kgzsl.knowledge.projection.unfold import Outcome
from kgzsl.knowledge.vocabulary import (
    CHARACTERISTICS,
    DECLARATIONS,
    OWL,
    RDF_TYPE,
    RDFS,
    SUBCLASS_OF,
    SUBPROPERTY_OF,
)

__all__ = ["AXIOM_PREDICATES", "project_axioms"]

#: Predicate -> (kind of axiom, whether the edge goes both ways)
_SIMPLE = {
    SUBCLASS_OF: ("SubClassOf", False),
    OWL + "equivalentClass": ("EquivalentClasses", True),
    OWL + "disjointWith": ("DisjointClasses", False),
    SUBPROPERTY_OF: ("SubPropertyOf", False),
    OWL + "equivalentProperty": ("EquivalentProperties", True),
    OWL + "inverseOf": ("InverseProperties", True),
    OWL + "propertyDisjointWith": ("DisjointProperties", False),
    RDFS + "domain": ("PropertyDomain", False),
    RDFS + "range": ("PropertyRange", False),
    OWL + "sameAs": ("SameIndividual", False),
}
AXIOM_PREDICATES = frozenset({*_SIMPLE, RDF_TYPE, OWL + "complementOf", OWL + "differentFrom"})
_TRIVIAL = (OWL + "Thing", OWL + "topObjectProperty", OWL + "topDataProperty", RDFS + "Resource")
_HIDDEN = (OWL + "AnnotationProperty", OWL + "OntologyProperty")
#: Most pairs (domain, range) that one property links.
_MAX_CROSS = 400


def project_axioms(context: Context) -> None:
    """Class and property axioms, types, and the links from domains to ranges."""
    triples, structure = context.triples, context.structure
    for iri, (kind, both) in _SIMPLE.items():
        predicate = triples.predicate(iri)
        if predicate < 0:
            continue
        rows = np.flatnonzero((triples.predicates == predicate) & ~structure.claimed)
        named = triples.is_iri(triples.subjects[rows]) & triples.is_iri(triples.objects[rows])
        _simple(context, iri, kind, both, rows[named])
        for row in rows[~named].tolist():
            _complex(context, iri, kind, row)
    _different(context)
    _types(context)
    _definitions(context)
    _domains_to_ranges(context)


def _simple(context: Context, iri: str, kind: str, both: bool, rows: npt.NDArray[np.int64]) -> None:
    triples, out = context.triples, context.out
    subjects, objects = triples.subjects[rows], triples.objects[rows]
    context.structure.claimed[rows] = True
    trivial = np.isin(objects, [context.term(name) for name in _TRIVIAL])
    bottom = objects == context.term(OWL + "Nothing")
    # A property that is its own inverse is symmetric; of anything else it says nothing that it is itself.
    itself = (subjects == objects) & ~trivial & ~bottom & (iri != OWL + "inverseOf")
    out.ledger.dropped(kind, "trivial: everything is below owl:Thing", int(trivial.sum()), int(trivial.sum()))
    out.ledger.dropped(kind, "unsatisfiable: below owl:Nothing", int(bottom.sum()), int(bottom.sum()))
    out.ledger.dropped(kind, "says that a thing is itself", int(itself.sum()), int(itself.sum()))
    kept = ~(trivial | bottom | itself)
    subjects, objects = subjects[kept], objects[kept]
    if not len(subjects):
        return
    types, edges = np.full(len(subjects), out.relation(iri)), len(subjects)
    out.add_many(subjects, types, objects, distinct=not both)
    if both:
        turned = subjects != objects
        out.add_many(objects[turned], types[turned], subjects[turned])
        edges += int(turned.sum())
    out.ledger.used(kind, axioms=len(subjects), triples=len(subjects), edges=edges)


def _complex(context: Context, iri: str, kind: str, row: int) -> None:
    """An axiom with a class expression (or an inverse property) at one of its ends."""
    triples, structure, unfolder = context.triples, context.structure, context.unfolder
    subject, object_ = int(triples.subjects[row]), int(triples.objects[row])
    if kind in ("PropertyDomain", "PropertyRange"):
        relation, inverse, used = structure.property_expression(subject)
        found, rows, lost = context.leaves(object_)
        if relation < 0 or inverse:
            outcome = Outcome(lost=["the domain or range of an inverse"])
        else:
            outcome = Outcome([(relation, iri, target, 1.0) for target in found], lost)
            unions = union_parts(structure, object_)
            if unions:
                ends = context.out.unions.setdefault(iri.removeprefix(RDFS), {})
                ends.setdefault(triples.terms[relation], []).extend(unions)
        context.settle(kind, outcome, structure.claim([row, *used, *rows]))
        return
    if kind in ("SubPropertyOf", "EquivalentProperties", "InverseProperties", "DisjointProperties"):
        _property_axiom(context, iri, kind, row)
        return
    if kind == "SameIndividual":
        return  # an anonymous individual: left to the end
    left, left_rows = structure.expression(subject)
    right, right_rows = structure.expression(object_)
    rows = (row, *left_rows, *right_rows)
    if left.kind == "name" and kind == "SubClassOf":
        outcome = unfolder.below(left.term, right)
    elif right.kind == "name" and kind == "SubClassOf":
        outcome = unfolder.above(right.term, left)
    elif kind == "EquivalentClasses" and "data" in (left.kind, right.kind):
        kind, outcome = "DatatypeDefinition", Outcome(lost=["a data range"])
    elif kind == "EquivalentClasses" and "name" in (left.kind, right.kind):
        named, other = (left, right) if left.kind == "name" else (right, left)
        outcome = unfolder.equal(named.term, other)
    elif kind == "DisjointClasses" and "name" in (left.kind, right.kind):
        named, other = (left, right) if left.kind == "name" else (right, left)
        outcome = unfolder.disjoint(named.term, other)
    else:
        broken = next((part.reason for part in (left, right) if part.kind == "broken"), "")
        outcome = Outcome(lost=[broken or "a general axiom between two class expressions"])
    context.settle(kind, outcome, structure.claim(rows))


def _property_axiom(context: Context, iri: str, kind: str, row: int) -> None:
    triples, structure = context.triples, context.structure
    if kind == "InverseProperties" and int(triples.subjects[row]) >= triples.num_iris:
        return  # a property expression, claimed by the axiom that uses it
    left, left_inverse, left_rows = structure.property_expression(int(triples.subjects[row]))
    right, right_inverse, right_rows = structure.property_expression(int(triples.objects[row]))
    outcome = Outcome(lost=["not between properties"])
    if left >= 0 and right >= 0:
        if left_inverse == right_inverse:
            relation = iri
        elif kind in ("SubPropertyOf", "EquivalentProperties"):
            relation = OWL + "inverseOf"
        else:
            relation = ""
        # A property that is its own inverse is symmetric: that is kept as it stands.
        if relation and (left != right or relation == OWL + "inverseOf"):
            outcome = Outcome([(left, relation, right, 1.0)])
        else:
            outcome = Outcome(lost=["between a property and its own inverse"])
    context.settle(kind, outcome, structure.claim([row, *left_rows, *right_rows]))


def _different(context: Context) -> None:
    """``a differentFrom b`` says nothing about classes: among n individuals it would make n² edges of no use."""
    triples, structure = context.triples, context.structure
    rows = np.flatnonzero((triples.predicates == triples.predicate(OWL + "differentFrom")) & ~structure.claimed)
    count = structure.claim(rows.tolist())
    context.out.ledger.dropped("DifferentIndividuals", DIFFERENT, count, count)


def _types(context: Context) -> None:
    """Declarations, characteristics of properties, and which class an individual is of."""
    triples, structure, out = context.triples, context.structure, context.out
    predicate = triples.predicate(RDF_TYPE)
    if predicate < 0:
        return
    rows = np.flatnonzero((triples.predicates == predicate) & ~structure.claimed)
    rows = rows[triples.is_iri(triples.subjects[rows])]
    named = triples.is_iri(triples.objects[rows])
    relation = out.relation(RDF_TYPE)
    targets = triples.objects[rows]
    for target in np.unique(targets[named]).tolist():
        name = triples.terms[target]
        here = rows[targets == target]
        members = triples.subjects[here]
        count = len(here)
        structure.claimed[here] = True
        if name in DECLARATIONS or name == OWL + "Restriction":
            if name not in _HIDDEN:
                own = [term for term in members.tolist() if not triples.terms[term].startswith((OWL, RDFS))]
                out.is_node[own] = True
            out.ledger.declared("Declaration", count)
        elif name in CHARACTERISTICS:
            out.add_many(members, np.full(count, relation), triples.objects[here], distinct=True)
            out.ledger.used(name.removeprefix(OWL), axioms=count, triples=count, edges=count)
        elif name.startswith((OWL, RDFS)):
            out.ledger.dropped("Declaration", f"a type of the language itself: {name}", count, count)
        else:
            out.add_many(members, np.full(count, relation), triples.objects[here], distinct=True)
            out.ledger.used("ClassAssertion", axioms=count, triples=count, edges=count)
    for row in rows[~named].tolist():
        expression, used = structure.expression(int(triples.objects[row]))
        if expression.kind == "broken" and not used:
            continue
        outcome = context.unfolder.below(int(triples.subjects[row]), expression, RDF_TYPE)
        context.settle("ClassAssertion", outcome, structure.claim([row, *used]))


def _definitions(context: Context) -> None:
    """Named classes that carry a class expression themselves, as OWL 1 wrote them: the two are equivalent."""
    triples, structure = context.triples, context.structure
    wanted = [
        structure.ids[iri] for iri in STRUCTURAL if structure.ids[iri] >= 0 and not iri.endswith(("first", "rest"))
    ]
    rows = np.flatnonzero(
        np.isin(triples.predicates, wanted) & ~structure.claimed & (triples.subjects < triples.num_iris)
    )
    for subject in dict.fromkeys(triples.subjects[rows].tolist()):
        expression, used = structure.definition(subject)
        if used:
            outcome = context.unfolder.equal(subject, expression)
            context.settle("EquivalentClasses", outcome, structure.claim(used))


def _domains_to_ranges(context: Context) -> None:
    """(D, r, R) for the domains and ranges that the property axioms above have found."""
    out = context.out
    domains, ranges = out.edges_of(RDFS + "domain"), out.edges_of(RDFS + "range")
    by_property: dict[int, list[int]] = {}
    for relation, target in ranges:
        if not context.unfolder.is_datatype(target):
            by_property.setdefault(relation, []).append(target)
    counts: dict[int, int] = {}
    total = 0
    for relation, domain in domains:
        for target in by_property.get(relation, ()):
            counts[relation] = counts.get(relation, 0) + 1
            if counts[relation] > _MAX_CROSS:
                break
            out.add(domain, context.triples.terms[relation], target)
            total += 1
    if total:
        out.ledger.used("PropertyDomain", axioms=0, edges=total)
    for relation, count in counts.items():
        if count > _MAX_CROSS:
            name = context.triples.terms[relation]
            out.ledger.notes.append(f"{name}: only the first {_MAX_CROSS} pairs of domain and range are linked")
