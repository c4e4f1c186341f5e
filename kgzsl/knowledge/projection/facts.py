"""Everything that is not OWL's own: relations between named things, texts, numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kgzsl.knowledge import _large
from kgzsl.knowledge.projection.axioms import AXIOM_PREDICATES
from kgzsl.knowledge.projection.context import Context
from kgzsl.knowledge.projection.structure import STRUCTURAL
from kgzsl.knowledge.projection.unfold import number_of
from kgzsl.knowledge.triples import split_literal
from kgzsl.knowledge.vocabulary import DOCUMENTATION, OWL, RDF, RDF_TYPE, RDFS, SKOS, TEXT_PROPERTIES

__all__ = ["project_facts"]


def project_facts(context: Context) -> None:
    """Relations become edges, texts go to their nodes, numbers become weights; the rest is dropped by name."""
    triples, structure, out = context.triples, context.structure, context.out
    special = [
        number
        for number in triples.predicate_counts
        if triples.terms[number] in AXIOM_PREDICATES or triples.terms[number] in STRUCTURAL
    ]
    rows = ~structure.claimed & (triples.subjects < triples.num_iris)
    if special:
        rows &= ~np.isin(triples.predicates, special)
    named = np.flatnonzero(rows & (triples.objects < triples.num_iris))
    _relations(context, named)
    literal = np.flatnonzero(rows & triples.is_literal(triples.objects))
    if not len(literal):
        return
    predicates = triples.predicates[literal]
    texts = np.zeros(int(predicates.max()) + 1, np.int64) - 1
    for number in np.unique(predicates).tolist():
        name = triples.terms[number]
        if name in TEXT_PROPERTIES:
            texts[number] = out.text_kind(TEXT_PROPERTIES[name])
    is_text = texts[predicates] >= 0
    kept = literal[is_text]
    out.add_texts(triples.subjects[kept], texts[predicates[is_text]], triples.objects[kept])
    structure.claimed[kept] = True
    if len(kept):
        out.ledger.used("Text", axioms=len(kept), triples=len(kept), texts=len(kept))
    _values(context, literal[~is_text])


def _relations(context: Context, rows: npt.NDArray[np.int64]) -> None:
    triples, out = context.triples, context.out
    context.structure.claimed[rows] = True
    predicates = _large.taken(triples.predicates, rows)
    if not len(rows):
        return
    number = np.full(int(predicates.max()) + 1, -1, np.int32)
    documents = np.zeros(len(number), bool)
    for predicate in np.flatnonzero(np.bincount(predicates)).tolist():
        name = triples.terms[predicate]
        if name in DOCUMENTATION or name.startswith((OWL, RDF, RDFS)):
            documents[predicate] = True
        else:
            number[predicate] = out.relation(name)
    dropped = int(documents[predicates].sum())
    out.ledger.dropped("Relation", "a link to a document, or of the language itself", dropped, dropped)
    kept = rows[~documents[predicates]] if dropped else rows
    if len(kept):
        types = _large.taken(number, predicates if kept is rows else triples.predicates[kept])
        subjects, objects = _large.taken(triples.subjects, kept), _large.taken(triples.objects, kept)
        out.add_many(subjects, types, objects, distinct=True)
        out.ledger.used("Relation", axioms=len(kept), triples=len(kept), edges=len(kept))
        _broader(context, kept)


def _broader(context: Context, rows: npt.NDArray[np.int64]) -> None:
    """``a narrower b`` is ``b broader a`` (SKOS, section 8.4): either of them makes a hierarchy."""
    triples, out = context.triples, context.out
    for down, up in (("narrower", "broader"), ("narrowerTransitive", "broaderTransitive")):
        here = rows[triples.predicates[rows] == triples.predicate(SKOS + down)]
        if len(here):
            relation = np.full(len(here), out.relation(SKOS + up))
            out.add_many(triples.objects[here], relation, triples.subjects[here])
            out.ledger.used("Relation", axioms=0, edges=len(here))


def _values(context: Context, rows: npt.NDArray[np.int64]) -> None:
    """Strings are texts under the property's IRI, numbers are weights of an edge to their property."""
    triples, out, ledger = context.triples, context.out, context.out.ledger
    context.structure.claimed[rows] = True
    predicates = triples.predicates[rows]
    present = np.flatnonzero(np.bincount(predicates)).tolist() if len(rows) else []
    builtin = np.array([number for number in present if triples.terms[number].startswith((OWL, RDF, RDFS))], np.int64)
    own = np.isin(predicates, builtin)
    ledger.dropped("Value", "a flag or a version of the language itself", int(own.sum()), int(own.sum()))
    rows = rows[~own]
    literals, where = np.unique(triples.objects[rows], return_inverse=True)
    untyped = np.array([triples.terms[literal][0] in "@\0" for literal in literals.tolist()], bool)
    kept = rows[untyped[where]] if len(rows) else rows
    if len(kept):
        kinds = {
            number: out.text_kind(triples.terms[number]) for number in np.unique(triples.predicates[kept]).tolist()
        }
        table = np.zeros(max(kinds) + 1, np.int64)
        table[list(kinds)] = list(kinds.values())
        out.add_texts(triples.subjects[kept], table[triples.predicates[kept]], triples.objects[kept])
        ledger.used("Text", axioms=len(kept), triples=len(kept), texts=len(kept))
    if len(rows):
        typed = ~untyped[where]
        _numbers(context, rows[typed], literals, where[typed])


def _numbers(
    context: Context, rows: npt.NDArray[np.int64], literals: npt.NDArray[np.int32], where: npt.NDArray[np.int64]
) -> None:
    """Weights from typed values; ``literals[where]`` are the objects of ``rows``. Each distinct value is read once."""
    triples, out, ledger = context.triples, context.out, context.out.ledger
    values = np.full(len(literals), np.nan)
    denied = np.zeros(len(literals), bool)
    for place in np.unique(where).tolist():
        key = triples.terms[literals[place]]
        number = number_of(key)
        if number is not None:
            values[place] = number
            denied[place] = not number and (split_literal(key)[2] or "").endswith("#boolean")
    weights = values[where]
    unread = np.isnan(weights)
    for place, count in zip(*np.unique(where[unread], return_counts=True), strict=True):
        datatype = split_literal(triples.terms[literals[place]])[2] or ""
        ledger.dropped("Value", f"a value of type {datatype.rpartition('#')[2]}", int(count), int(count))
    predicates = triples.predicates[rows]
    annotated = ~unread & np.isin(predicates, list(_annotation_properties(context)))
    negative = ~unread & ~annotated & denied[where]
    ledger.dropped("Value", "a number in an annotation", int(annotated.sum()), int(annotated.sum()))
    ledger.dropped("Value", "false: a negative statement", int(negative.sum()), int(negative.sum()))
    kept = ~(unread | annotated | negative)
    if not kept.any():
        return
    rows, predicates, weights = rows[kept], predicates[kept], weights[kept].astype(np.float32)
    present, first, which = np.unique(predicates, return_index=True, return_inverse=True)
    types = np.empty(len(present), np.int64)
    for place in np.argsort(first).tolist():
        types[place] = out.relation(triples.terms[present[place]])
    shares = weights if bool((weights != 1).any()) else None
    out.add_many(triples.subjects[rows], types[which.reshape(-1)], predicates, shares)
    ledger.used("Number", axioms=len(rows), triples=len(rows), edges=len(rows))


def _annotation_properties(context: Context) -> set[int]:
    triples = context.triples
    type_id, target = triples.predicate(RDF_TYPE), context.term(OWL + "AnnotationProperty")
    found: set[int] = set(triples.subjects[(triples.predicates == type_id) & (triples.objects == target)].tolist())
    return found
