"""How far apart classes are in the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError

if TYPE_CHECKING:
    from kgzsl.knowledge.class_graph import ClassGraph

__all__ = ["distances"]

_CHUNK_BYTES = 256 * 2**20


def distances(graph: ClassGraph, nodes: Sequence[int] | None = None, kind: str = "hops") -> npt.NDArray[np.float64]:
    """Distances between nodes along similarity edges, taken both ways.

    ``hops`` is the number of edges on a shortest path: a metric (zero between a node and itself only, symmetric,
    with the triangle inequality), infinite between nodes that no path links. Disjointness edges are no path.

    Args:
        graph: The graph; paths may run through all of its nodes.
        nodes: Between which nodes; ``None``: all.
        kind: ``"hops"``.

    Returns:
        float64 [n, n].

    Raises:
        InputError: A kind that is not known, or a node outside the graph.
    """
    if kind != "hops":
        raise InputError(f"no distance is called {kind!r}", remedy="give kind='hops'")
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import dijkstra

    chosen = np.arange(graph.num_nodes) if nodes is None else np.asarray(nodes, dtype=np.int64)
    if len(chosen) and (chosen.min() < 0 or chosen.max() >= graph.num_nodes):
        raise InputError(f"a node lies outside 0..{graph.num_nodes - 1}", remedy="align the names first")
    heads, tails = graph.edge_index[:, graph.similarity_edges()]
    shape = (graph.num_nodes, graph.num_nodes)
    links = csr_array((np.ones(len(heads), np.int8), (heads, tails)), shape=shape)
    out = np.empty((len(chosen), len(chosen)))
    step = max(1, _CHUNK_BYTES // (8 * max(graph.num_nodes, 1)))
    for start in range(0, len(chosen), step):
        rows = chosen[start : start + step]
        out[start : start + step] = dijkstra(links, directed=False, indices=rows, unweighted=True)[:, chosen]
    return out
