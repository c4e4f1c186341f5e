"""One matrix for each relation of a class graph, either way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import sparse

from kgzsl.errors import InputError
from kgzsl.priors.propagation.operator import GraphOperator

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph

__all__ = ["RELATION_NORMALISATIONS", "relation_operators", "relations_in_use"]

RELATION_NORMALISATIONS = ("relation", "all", "none")
"""Each relation's row sums to 1; all relations of a row sum to 1 together; edges count as they are."""


def relation_operators(
    graph: ClassGraph, *, normalisation: Literal["relation", "all", "none"] = "relation", inverse: bool = True
) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """The similarity edges of ``graph`` by relation: disjointness carries nothing.

    Args:
        graph: The class graph; weights of 0 or less are no edge.
        normalisation: One of :data:`RELATION_NORMALISATIONS`.
        inverse: Whether edges are read against their direction too, as relations of their own.

    Returns:
        The R relations in use, sorted by IRI, and SciPy CSR [N, N] for each, then for each against its direction.

    Raises:
        InputError: An unknown normalisation.
    """
    if normalisation not in RELATION_NORMALISATIONS:
        raise InputError(
            f"normalisation={normalisation!r} is not known",
            remedy=f"choose among {', '.join(RELATION_NORMALISATIONS)}",
        )
    keep = graph.similarity_edges()
    kinds, edges = graph.edge_type[keep], graph.edge_index[:, keep]
    weights = None if graph.edge_weight is None else graph.edge_weight[keep].astype(np.float64)
    used = relations_in_use(graph)
    by_name = np.array([graph.relations[kind] for kind in kinds.tolist()], dtype=object)
    made: list[Any] = []
    for direction in ("out", "in") if inverse else ("out",):
        for relation in used:
            own = by_name == relation
            made.append(
                GraphOperator.from_edges(
                    edges[:, own],
                    graph.num_nodes,
                    weight=None if weights is None else weights[own],
                    normalisation="none",
                    direction=direction,
                    self_loops=0.0,
                ).matrix
            )
    if normalisation == "none":
        return used, tuple(made)
    sums = [np.asarray(matrix.sum(axis=1)).ravel() for matrix in made]
    if normalisation == "all" and sums:
        sums = [np.sum(sums, axis=0)] * len(made)
    scaled = [
        sparse.csr_array(sparse.diags_array(1 / np.where(total > 0, total, 1)) @ matrix)
        for total, matrix in zip(sums, made, strict=True)
    ]
    return used, tuple(scaled)


def relations_in_use(graph: ClassGraph) -> tuple[str, ...]:
    """The relations of the similarity edges of ``graph``, sorted."""
    kinds = np.unique(graph.edge_type[graph.similarity_edges()]).tolist()
    return tuple(sorted({graph.relations[kind] for kind in kinds}))
