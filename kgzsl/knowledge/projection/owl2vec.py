"""From OWL to edges between named things: no blank node is left."""

from __future__ import annotations

import numpy as np

from kgzsl.knowledge.projection.edges import EdgeCollector, Projected
from kgzsl.knowledge.projection.kinds import find_kinds
from kgzsl.knowledge.triples import Triples
from kgzsl.knowledge.vocabulary import DECLARATIONS, DOCUMENTATION, RDF_TYPE, TEXT_PROPERTIES

__all__ = ["project_owl2vec"]


def project_owl2vec(triples: Triples, only: frozenset[str] | None = None) -> Projected:
    """First cut: plain triples between IRIs, texts, declarations."""
    out = EdgeCollector(triples)
    find_kinds(triples, out)
    subjects, predicates, objects = triples.subjects, triples.predicates, triples.objects
    plain = triples.is_iri(subjects) & triples.is_iri(objects)
    is_literal = triples.is_literal(objects)
    for predicate in np.unique(predicates).tolist():
        name = triples.terms[predicate]
        rows = np.flatnonzero(predicates == predicate)
        if name in TEXT_PROPERTIES:
            kept = rows[is_literal[rows] & triples.is_iri(subjects[rows])]
            out.add_texts(subjects[kept], TEXT_PROPERTIES[name], objects[kept])
            out.ledger.used("text", axioms=len(kept), triples=len(kept), texts=len(kept))
            rows = np.setdiff1d(rows, kept)
        elif name == RDF_TYPE:
            meta = np.array(
                [o < triples.num_iris and triples.terms[o] in DECLARATIONS for o in objects[rows].tolist()], bool
            )
            named = triples.is_iri(subjects[rows])
            out.set_kind(subjects[rows[meta & named]], "other", node=True)
            out.ledger.declared("Declaration", int(meta.sum()))
            rows = rows[~meta]
        kept = rows[plain[rows]]
        if name in DOCUMENTATION or (only is not None and name not in only):
            kept = kept[:0]
        if len(kept):
            out.add_many(subjects[kept], np.full(len(kept), out.relation(name)), objects[kept])
            out.ledger.used(name, axioms=len(kept), triples=len(kept), edges=len(kept))
        lost = len(rows) - len(kept)
        out.ledger.dropped(name, "not yet projected", lost, lost)
    return out.build()
