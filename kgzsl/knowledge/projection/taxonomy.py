"""Only what stands above what: subclasses, sub-properties, instances, broader terms."""

from __future__ import annotations

from kgzsl.knowledge.projection.edges import Projected
from kgzsl.knowledge.projection.owl2vec import project_owl2vec
from kgzsl.knowledge.triples import Triples
from kgzsl.knowledge.vocabulary import TAXONOMIC

__all__ = ["project_taxonomy"]


def project_taxonomy(triples: Triples) -> Projected:
    """The edges of the ``owl2vec`` projection that lead upwards; the account says what was left out."""
    return project_owl2vec(triples, only=frozenset(TAXONOMIC))
