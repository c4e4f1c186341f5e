"""Everything that is not OWL's own: relations between named things, texts, numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kgzsl.knowledge.projection.axioms import AXIOM_PREDICATES
from kgzsl.knowledge.projection.context import Context
from kgzsl.knowledge.projection.structure import STRUCTURAL
from kgzsl.knowledge.projection.unfold import number_of
from kgzsl.knowledge.triples import split_literal
from kgzsl.knowledge.vocabulary import DOCUMENTATION, OWL, RDF, RDF_TYPE, RDFS, TEXT_PROPERTIES

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
    predicates = triples.predicates[rows]
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
    kept = rows[~documents[predicates]]
    if len(kept):
        out.add_many(triples.subjects[kept], number[triples.predicates[kept]], triples.objects[kept], distinct=True)
        out.ledger.used("Relation", axioms=len(kept), triples=len(kept), edges=len(kept))


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
    annotation = _annotation_properties(context)
    for row in rows[~untyped[where]].tolist() if len(rows) else ():
        predicate, key = int(triples.predicates[row]), triples.terms[triples.objects[row]]
        datatype = split_literal(key)[2] or ""
        number = number_of(key)
        if number is None:
            ledger.dropped("Value", f"a value of type {datatype.rpartition('#')[2]}", 1, 1)
        elif predicate in annotation:
            ledger.dropped("Value", "a number in an annotation", 1, 1)
        elif not number and datatype.endswith("#boolean"):
            ledger.dropped("Value", "false: a negative statement", 1, 1)
        else:
            out.add(int(triples.subjects[row]), triples.terms[predicate], predicate, number)
            ledger.used("Number", triples=1, edges=1)


def _annotation_properties(context: Context) -> set[int]:
    triples = context.triples
    type_id, target = triples.predicate(RDF_TYPE), context.term(OWL + "AnnotationProperty")
    found: set[int] = set(triples.subjects[(triples.predicates == type_id) & (triples.objects == target)].tolist())
    return found
