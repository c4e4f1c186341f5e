"""Only what stands above what: subclasses, sub-properties, instances, broader terms."""

from __future__ import annotations

import numpy as np

from kgzsl.knowledge.projection.edges import Projected
from kgzsl.knowledge.projection.owl2vec import project_owl2vec
from kgzsl.knowledge.triples import Triples
from kgzsl.knowledge.vocabulary import RDF_TYPE, SKOS, SUBCLASS_OF, SUBPROPERTY_OF

__all__ = ["TAXONOMIC", "project_taxonomy"]

#: Relations that lead upwards.
TAXONOMIC = (SUBCLASS_OF, SUBPROPERTY_OF, RDF_TYPE, SKOS + "broader", SKOS + "broaderTransitive")


def project_taxonomy(triples: Triples) -> Projected:
    """The edges of the ``owl2vec`` projection that lead upwards; the account says what was left out."""
    return project_owl2vec(triples, only=frozenset(TAXONOMIC))
