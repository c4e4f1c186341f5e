"""Statements about statements: weights, and annotations of axioms."""

from __future__ import annotations

import numpy as np

from kgzsl.knowledge.projection.context import Context
from kgzsl.knowledge.projection.unfold import number_of
from kgzsl.knowledge.vocabulary import OWL, RDF, RDF_TYPE, WEIGHT

__all__ = ["project_statements"]

_FORMS = (
    (OWL + "Axiom", OWL + "annotatedSource", OWL + "annotatedProperty", OWL + "annotatedTarget"),
    (OWL + "Annotation", OWL + "annotatedSource", OWL + "annotatedProperty", OWL + "annotatedTarget"),
    (RDF + "Statement", RDF + "subject", RDF + "predicate", RDF + "object"),
)


def project_statements(context: Context) -> None:
    """Weights from owl:Axiom, rdf:Statement and RDF 1.2 reifiers; their other annotations are dropped by name."""
    triples, structure = context.triples, context.structure
    type_id = triples.predicate(RDF_TYPE)
    for name, *parts in _FORMS:
        predicates = [triples.predicate(part) for part in parts]
        typed = (triples.predicates == type_id) & (triples.objects == context.term(name))
        sources = (triples.predicates == predicates[0]) & ~structure.claimed
        nodes = np.unique(np.concatenate([triples.subjects[typed & ~structure.claimed], triples.subjects[sources]]))
        for node in nodes.tolist():
            _reified(context, node, parts)
    _reifiers(context)


def _reified(context: Context, node: int, parts: list[str]) -> None:
    structure = context.structure
    rows = structure.rows(node) or np.flatnonzero(context.triples.subjects == node).tolist()
    objects, predicates = context.triples.objects, context.triples.predicates
    values = {context.triples.terms[predicates[row]]: int(objects[row]) for row in rows}
    triple = tuple(values.get(part, -1) for part in parts)
    _enter(context, triple, values, rows)


def _reifiers(context: Context) -> None:
    triples, structure = context.triples, context.structure
    predicate = triples.predicate(RDF + "reifies")
    if predicate < 0:
        return
    rows = np.flatnonzero(
        (triples.predicates == predicate) & ~structure.claimed & (triples.objects >= triples.first_quoted)
    )
    for row in rows.tolist():
        node = int(triples.subjects[row])
        used = structure.rows(node) or np.flatnonzero(triples.subjects == node).tolist()
        values = {triples.terms[triples.predicates[one]]: int(triples.objects[one]) for one in used}
        quoted = tuple(triples.quoted[int(triples.objects[row]) - triples.first_quoted].tolist())
        _enter(context, quoted, values, used)


def _enter(context: Context, triple: tuple[int, ...], values: dict[str, int], rows: list[int]) -> None:
    """A weight becomes an edge with that weight, which the plain edge of the same triple then takes over."""
    triples, ledger = context.triples, context.out.ledger
    count = context.structure.claim(rows)
    if not count:
        return
    term = values.get(WEIGHT, -1)
    if term < 0:
        ledger.dropped("Annotation of an axiom", "annotations of axioms are not kept", 1, count)
        return
    weight = number_of(triples.terms[term]) if triples.first_literal <= term < triples.first_quoted else None
    if weight is None:
        ledger.dropped("Weight", "a weight that is no number", 1, count)
    elif any(part < 0 or part >= triples.num_iris for part in triple):
        ledger.dropped("Weight", "a weight of a statement that is not between named things", 1, count)
    else:
        context.out.add(triple[0], triples.terms[triple[1]], triple[2], weight)
        ledger.used("Weight", triples=count, edges=1)
