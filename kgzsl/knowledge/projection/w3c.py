"""The triples as they are: the OWL 2 mapping to RDF, blank nodes and lists included."""

from __future__ import annotations

import numpy as np

from kgzsl.knowledge.projection.edges import EdgeCollector, Projected
from kgzsl.knowledge.projection.kinds import find_kinds
from kgzsl.knowledge.triples import Triples
from kgzsl.knowledge.vocabulary import TEXT_PROPERTIES

__all__ = ["project_w3c"]


def project_w3c(triples: Triples) -> Projected:
    """One edge for each triple, literals as nodes; texts are kept beside them.

    Blank nodes are called ``_:b0``, ``_:b1``, ... in order of first appearance.
    """
    out = EdgeCollector(triples)
    find_kinds(triples, out)
    literals = np.arange(triples.first_literal, triples.first_quoted)
    out.set_kind(literals, "literal")
    predicates, compact = np.unique(triples.predicates, return_inverse=True)
    names = [triples.terms[i] for i in predicates.tolist()]
    types = np.array([out.relation(name) for name in names], np.int64)
    out.add_many(triples.subjects, types[compact], triples.objects, distinct=True)
    counts = np.bincount(compact, minlength=len(predicates))
    is_literal = triples.is_literal(triples.objects)
    for number, name in enumerate(names):
        texts = 0
        if name in TEXT_PROPERTIES:
            rows = np.flatnonzero((compact == number) & is_literal)
            texts = len(rows)
            out.add_texts(triples.subjects[rows], out.text_kind(TEXT_PROPERTIES[name]), triples.objects[rows])
        count = int(counts[number])
        out.ledger.used(name, axioms=count, triples=count, edges=count, texts=texts)
    return out.build()
