"""How far apart classes are in the graph: three metrics, worked out in blocks of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError, nearest

if TYPE_CHECKING:
    from kgzsl.knowledge.class_graph import ClassGraph

__all__ = ["DISTANCES", "distance_blocks", "distance_rows", "distances"]

#: The kinds of distance.
DISTANCES = ("hops", "weighted", "resistance")
_CHUNK_BYTES = 256 * 2**20
_FLOOR = 1e-12


def distances(graph: ClassGraph, nodes: Sequence[int] | None = None, kind: str = "hops") -> npt.NDArray[np.float64]:
    """Distances between nodes along similarity edges, taken both ways.

    Each kind is a metric: zero between a node and itself only, symmetric, with the triangle inequality; infinite
    between nodes that no path links. Between two nodes the strongest edge counts, once, however many there are;
    disjointness edges and edges of weight 0 or less are no link.

    - ``hops``: edges on a shortest path.
    - ``weighted``: the least sum of 1/weight along a path, so that strong links are short.
    - ``resistance``: of the network in which each edge conducts as much as its weight (Klein and Randić, Journal of
      Mathematical Chemistry 12, 1993): ``G_ii + G_jj - 2 G_ij``, G the inverse of the Laplacian with one node
      earthed. Many short paths make it small; on a tree of weights 1 it equals ``hops``.

    Args:
        graph: The graph; paths may run through all of its nodes.
        nodes: Between which nodes; ``None``: all.
        kind: One of ``DISTANCES``.

    Returns:
        float64 [n, n].

    Raises:
        InputError: A kind that is not known, or a node outside the graph.
    """
    chosen = _chosen(graph, nodes, kind)
    out = np.empty((len(chosen), len(chosen)))
    for start, block in distance_blocks(graph, nodes, kind):
        out[start : start + len(block)] = block
    # Two ways of working out one pair differ in the last digits.
    return out if kind == "hops" else np.minimum(out, out.T)


def distance_blocks(
    graph: ClassGraph, nodes: Sequence[int] | None = None, kind: str = "hops", *, max_bytes: int = _CHUNK_BYTES
) -> Iterator[tuple[int, npt.NDArray[np.float64]]]:
    """The rows of :func:`distances` in blocks, for matrices that are too large to hold.

    Args:
        graph: The graph.
        nodes: Between which nodes; ``None``: all.
        kind: One of ``DISTANCES``.
        max_bytes: For one block while it is worked out.

    Yields:
        (number of the first row, float64 [rows, n]).

    Raises:
        InputError: As :func:`distances`.
    """
    chosen = _chosen(graph, nodes, kind)
    start = 0
    for block in distance_rows(graph, chosen, chosen, kind, max_bytes=max_bytes):
        yield start, block
        start += len(block)


def distance_rows(
    graph: ClassGraph,
    sources: Sequence[int] | npt.NDArray[np.int64],
    targets: Sequence[int] | npt.NDArray[np.int64],
    kind: str = "hops",
    *,
    max_bytes: int = _CHUNK_BYTES,
) -> Iterator[npt.NDArray[np.float64]]:
    """The distances of a few nodes to many, in blocks of rows float64 [rows, targets]; see :func:`distances`.

    Args:
        graph: The graph.
        sources: One row each, in this order.
        targets: One column each.
        kind: One of ``DISTANCES``.
        max_bytes: For one block while it is worked out.

    Raises:
        InputError: As :func:`distances`.
    """
    rows, columns = _chosen(graph, sources, kind), _chosen(graph, targets, kind)
    links = _links(graph)
    step = max(1, max_bytes // (8 * max(graph.num_nodes, 1)))
    if kind == "resistance":
        yield from _resistance(links, rows, columns, step)
        return
    from scipy.sparse.csgraph import dijkstra

    if kind == "weighted":
        links.data = 1 / links.data
    for start in range(0, len(rows), step):
        found = dijkstra(links, directed=False, indices=rows[start : start + step], unweighted=kind == "hops")
        yield found[:, columns]


def _chosen(graph: ClassGraph, nodes: Sequence[int] | npt.NDArray[np.int64] | None, kind: str) -> npt.NDArray[np.int64]:
    if kind not in DISTANCES:
        close = nearest(kind, DISTANCES)
        hint = f"did you mean {close[0]!r}?" if close else f"give kind= {', '.join(DISTANCES)}"
        raise InputError(f"no distance is called {kind!r}", remedy=hint)
    chosen = np.arange(graph.num_nodes) if nodes is None else np.asarray(nodes, dtype=np.int64)
    if len(chosen) and (chosen.min() < 0 or chosen.max() >= graph.num_nodes):
        raise InputError(f"a node lies outside 0..{graph.num_nodes - 1}", remedy="align the names first")
    return chosen


def _links(graph: ClassGraph) -> Any:
    """Symmetric CSR [N, N]: the largest weight between two nodes."""
    from scipy.sparse import csr_array

    mask = graph.similarity_edges() & (graph.edge_index[0] != graph.edge_index[1])
    weights = np.ones(int(mask.sum()))
    if graph.edge_weight is not None:
        weights = graph.edge_weight[mask].astype(np.float64)
    heads, tails = graph.edge_index[:, mask]
    low, high = np.minimum(heads, tails), np.maximum(heads, tails)
    order = np.lexsort((-weights, high, low))
    low, high, weights = low[order], high[order], weights[order]
    first = np.ones(len(low), bool)
    first[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    first &= weights > _FLOOR
    low, high, weights = low[first], high[first], weights[first]
    shape = (graph.num_nodes, graph.num_nodes)
    ends = (np.concatenate([low, high]), np.concatenate([high, low]))
    return csr_array((np.concatenate([weights, weights]), ends), shape=shape)


def _resistance(
    links: Any, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64], step: int
) -> Iterator[npt.NDArray[np.float64]]:
    """Block after block; the diagonal of G is worked out before the first."""
    from scipy.sparse.csgraph import connected_components

    component = connected_components(links, directed=False)[1]
    networks = {
        int(number): _Network(links, np.flatnonzero(component == number))
        for number in np.intersect1d(component[rows], component[columns]).tolist()
    }
    nodes = np.union1d(rows, columns)
    own = np.zeros(len(component))
    for number, network in networks.items():
        members = nodes[component[nodes] == number]
        for start in range(0, len(members), step):
            here = members[start : start + step]
            own[here] = np.diagonal(network.potentials(here, here))
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        block = np.full((len(part), len(columns)), np.inf)
        for number, network in networks.items():
            mine, others = np.flatnonzero(component[part] == number), np.flatnonzero(component[columns] == number)
            if not len(mine):
                continue
            here, there = part[mine], columns[others]
            found = own[here][:, None] + own[there][None] - 2 * network.potentials(here, there)
            block[np.ix_(mine, others)] = np.maximum(found, 0)
        block[part[:, None] == columns[None]] = 0
        yield block


class _Network:
    """One connected component: the inverse of its Laplacian, one node earthed."""

    def __init__(self, links: Any, members: npt.NDArray[np.int64]) -> None:
        self.place = np.full(links.shape[0], -1, np.int64)
        self.place[members[1:]] = np.arange(len(members) - 1)  # the first member is earthed
        self.size = len(members) - 1
        self.solver: Any = None
        if self.size:
            from scipy.sparse import csc_matrix, diags_array
            from scipy.sparse.linalg import splu

            inner = links[members][:, members]
            laplacian = csc_matrix((diags_array(inner.sum(axis=1)) - inner)[1:, 1:])
            self.solver = splu(
                laplacian, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
            )

    def potentials(self, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """float64 [rows, columns]: entries of G, zero at the earthed node."""
        out = np.zeros((len(rows), len(columns)))
        sources, targets = self.place[rows], self.place[columns]
        inside, seen = np.flatnonzero(sources >= 0), np.flatnonzero(targets >= 0)
        if self.solver is None or not len(inside) or not len(seen):
            return out
        right = np.zeros((self.size, len(inside)))
        right[sources[inside], np.arange(len(inside))] = 1
        out[np.ix_(inside, seen)] = self.solver.solve(right)[targets[seen]].T
        return out
