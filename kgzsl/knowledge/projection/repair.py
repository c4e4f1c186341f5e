"""Put right what some published files write in a way that their own format does not mean."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kgzsl.knowledge.triples import Triples
from kgzsl.knowledge.vocabulary import OWL, RDF

__all__ = ["repair"]


def repair(triples: Triples) -> Triples:
    """Turn backward RDF lists round.

    The KZSL schema files write the cells of a property chain with subject and object exchanged (``rdf:nil rdf:rest
    _:y2``), and their Turtle form writes the blank nodes as IRIs that end in ``#_:y2``. A list cell whose subject is
    ``rdf:nil`` means nothing else, so it is the sign.
    """
    nil = triples.iri_index.get(RDF + "nil", -1)
    first, rest = triples.predicate(RDF + "first"), triples.predicate(RDF + "rest")
    if nil < 0 or rest < 0 or not bool(((triples.predicates == rest) & (triples.subjects == nil)).any()):
        return triples
    turned = np.isin(triples.predicates, [first, rest])
    chain = triples.predicate(OWL + "propertyChainAxiom")
    cells = np.unique(triples.objects[turned])
    turned |= (triples.predicates == chain) & np.isin(triples.subjects, cells)
    subjects = np.where(turned, triples.objects, triples.subjects)
    objects = np.where(turned, triples.subjects, triples.objects)
    note = f"{int(turned.sum())} triples of lists were written backwards and were turned round"
    return replace(triples, subjects=subjects, objects=objects, notes=(*triples.notes, note))
