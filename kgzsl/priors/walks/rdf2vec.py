"""RDF2Vec."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.priors.base import warn_bare
from kgzsl.priors.triples.graph_triples import GraphTriples
from kgzsl.priors.walks.documents import Documents
from kgzsl.priors.walks.encoder import WalkEncoder

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph

__all__ = ["RDF2Vec"]


class RDF2Vec(WalkEncoder):
    """Walks of nodes and relations are the sentences, IRIs the words.

    Ristoski and Paulheim, "RDF2Vec: RDF Graph Embeddings for Data Mining" (ISWC 2016), with random walks and skip-gram:
    ``log s(v_c . u_o) + k E_n log s(-v_c . u_n)`` for a centre c, its context o and noise n (Mikolov et al., NIPS 2013,
    equation 4).
    See :class:`WalkEncoder` for the options.
    """

    name: ClassVar[str] = "rdf2vec"

    def documents(
        self, graph: ClassGraph, triples: GraphTriples, walks: Documents, random: np.random.Generator
    ) -> tuple[Documents, int]:
        """The walks themselves."""
        del random
        return walks, graph.num_nodes + 2 * len(triples.relations)

    def priors(self, names: Iterable[str]) -> ClassPriors:
        """The vectors of the classes' IRIs; those without an edge are warned of by name.

        Raises:
            InputError: Not fitted yet, or names that are not in the graph.
        """
        _, wanted, rows = self._rows(names)
        warn_bare(
            "no edge in the graph, so that their vectors mean nothing",
            [name for name, bare in zip(wanted, ~self.triples_.has_edge[rows], strict=True) if bare],
        )
        return self._finish(wanted, self.vectors_[self.triples_.position[rows]], **self._told())
