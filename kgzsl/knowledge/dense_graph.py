"""The dense graph of DGP: every class linked to all that stands above and below it, grouped by distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError
from kgzsl.knowledge.operations import closure, upward
from kgzsl.knowledge.vocabulary import SUBCLASS_OF

if TYPE_CHECKING:
    from kgzsl.knowledge.class_graph import ClassGraph

__all__ = ["DenseGraph", "dense_graph"]


@dataclass(frozen=True)
class DenseGraph:
    """Ancestors and descendants by distance, for dense graph propagation.

    Kampffmeyer et al., "Rethinking Knowledge Graph Propagation for Zero-Shot Learning" (CVPR 2019), equation 3:
    ``H = act( sum_k a_k U_k act( sum_k d_k D_k X W_d ) W_a )``, with ``U_k`` and ``D_k`` the row-normalised
    adjacencies below. Group 0 is the node itself, group k the nodes k edges away, the last group all that lie as far
    or farther.

    Args:
        nodes: int64 [n], their numbers in the class graph, ascending.
        iris: Their IRIs.
        hops: SciPy CSR int32 [n, n]: how far above the row's node the column's node stands (no entry: it does not).
        groups: K; there are K + 1 groups.
    """

    nodes: npt.NDArray[np.int64]
    iris: tuple[str, ...]
    hops: Any
    groups: int

    @property
    def up(self) -> tuple[Any, ...]:
        """K + 1 SciPy CSR float32 [n, n]: row = node, columns = its ancestors of the group, rows sum to 1 or 0."""
        return self._grouped(self.hops)

    @property
    def down(self) -> tuple[Any, ...]:
        """K + 1 SciPy CSR float32 [n, n]: row = node, columns = its descendants of the group, rows sum to 1 or 0."""
        return self._grouped(self.hops.T.tocsr())

    @property
    def num_links(self) -> int:
        """Pairs of a node and something above it."""
        return int(self.hops.nnz)

    def edges(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """(int64 [2, links] node over ancestor, int64 [links] group), the nodes themselves left out."""
        links = self.hops.tocoo()
        index = np.stack([links.row, links.col]).astype(np.int64)
        return index, np.minimum(links.data, self.groups).astype(np.int64)

    def _grouped(self, hops: Any) -> tuple[Any, ...]:
        from scipy.sparse import csr_array, eye_array

        links = hops.tocoo()
        group = np.minimum(links.data, self.groups)
        made = [eye_array(len(self.nodes), dtype=np.float32, format="csr")]
        for number in range(1, self.groups + 1):
            here = group == number
            rows, columns = links.row[here], links.col[here]
            counts = np.bincount(rows, minlength=len(self.nodes))
            shares = (1 / counts[rows]).astype(np.float32)
            made.append(csr_array((shares, (rows, columns)), shape=hops.shape))
        return tuple(made)


def dense_graph(
    graph: ClassGraph,
    names: Sequence[str] | None = None,
    *,
    groups: int = 4,
    relation: str | Sequence[str] = SUBCLASS_OF,
) -> DenseGraph:
    """Link classes to all that stands above and below them.

    Args:
        graph: The graph.
        names: Classes; they and all their ancestors are kept. ``None``: all nodes.
        groups: K, the distance from which on nodes share a group; 4 in the paper.
        relation: Which relation (or relations) leads upwards; equivalent classes stand above each other.

    Raises:
        InputError: A name is not in the graph, or ``groups`` is less than 1.
    """
    from scipy.sparse import csr_array

    if groups < 1:
        raise InputError(f"groups is {groups}", remedy="give 1 or more; the paper has 4")
    nodes = np.arange(graph.num_nodes)
    if names is not None:
        kept = closure(graph, graph.align(names).require().tolist(), relation, True)
        nodes = np.unique(kept.indices).astype(np.int64)
    place = np.full(graph.num_nodes, -1, np.int64)
    place[nodes] = np.arange(len(nodes))
    adjacency = upward(graph, relation)
    offsets, columns, values = [0], [], []
    for node in nodes.tolist():
        found = _above(adjacency.offsets, adjacency.targets, node)
        columns.append(place[np.fromiter(found, np.int64, len(found))])
        values.append(np.fromiter(found.values(), np.int32, len(found)))
        offsets.append(offsets[-1] + len(found))
    data = np.concatenate([*values, np.empty(0, np.int32)])
    hops = csr_array((data, np.concatenate([*columns, np.empty(0, np.int64)]), offsets), shape=(len(nodes), len(nodes)))
    hops.sort_indices()
    return DenseGraph(nodes, tuple(graph.iris[node] for node in nodes.tolist()), hops, groups)


def _above(offsets: npt.NDArray[np.int64], targets: npt.NDArray[np.int64], node: int) -> dict[int, int]:
    """Ancestor -> fewest edges to it."""
    found: dict[int, int] = {node: 0}
    front = [node]
    distance = 0
    while front:
        distance += 1
        following: list[int] = []
        for one in front:
            for target in targets[offsets[one] : offsets[one + 1]].tolist():
                if target not in found:
                    found[target] = distance
                    following.append(target)
        front = following
    del found[node]
    return found
