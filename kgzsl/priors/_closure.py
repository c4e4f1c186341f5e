"""Who is above whom: reachability along "more general than", for the asked rows only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

__all__ = ["general_edges", "reach"]

Int = npt.NDArray[np.int64]


def general_edges(
    edge_index: Int, edge_type: Int, hierarchy: npt.NDArray[np.bool_], equivalent: npt.NDArray[np.bool_]
) -> Int:
    """Edges [2, H] from a node to a more general one; an equivalence counts in both directions.

    Args:
        edge_index: int64 [2, E].
        edge_type: int64 [E].
        hierarchy: bool [R], relations whose object is more general.
        equivalent: bool [R], relations whose ends mean the same.
    """
    up = edge_index[:, hierarchy[edge_type]]
    same = edge_index[:, equivalent[edge_type]]
    return np.concatenate([up, same, same[::-1]], axis=1)


def reach(rows: Int, edges: Int, num_nodes: int, *, max_hops: int | None = None) -> tuple[Int, Int, Int]:
    """Every node above each of ``rows``, the row's own node included, with the least number of hops.

    Breadth first with sparse boolean products, all rows at once; cycles end by themselves.

    Args:
        rows: int64 [Q], nodes to start from.
        edges: int64 [2, H], as from :func:`general_edges`.
        num_nodes: Number of nodes of the graph.
        max_hops: Stop after this many hops; None goes to the top.

    Returns:
        Three int64 [K]: position in ``rows``, node reached, hops.
    """
    step = sparse.csr_matrix((np.ones(edges.shape[1], dtype=bool), (edges[0], edges[1])), shape=(num_nodes, num_nodes))
    here = np.arange(len(rows), dtype=np.int64)
    frontier = sparse.csr_matrix((np.ones(len(rows), dtype=bool), (here, rows)), shape=(len(rows), num_nodes))
    seen = frontier
    found = [(here, np.asarray(rows, dtype=np.int64), np.zeros(len(rows), dtype=np.int64))]
    hops = 0
    while frontier.nnz and (max_hops is None or hops < max_hops):
        hops += 1
        ahead = (frontier @ step).astype(bool)
        frontier = (ahead > seen).tocsr()
        frontier.eliminate_zeros()
        seen = (seen + frontier).astype(bool)
        new = frontier.tocoo()
        found.append((new.row.astype(np.int64), new.col.astype(np.int64), np.full(new.nnz, hops, dtype=np.int64)))
    query, node, distance = (np.concatenate(part) for part in zip(*found, strict=True))
    return query, node, distance
