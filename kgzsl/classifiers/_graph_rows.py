"""Distances of a few classes to very many, in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kgzsl.knowledge.distances import distance_rows

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph

__all__ = ["hop_rows", "metric_rows"]


def metric_rows(
    graph: ClassGraph,
    sources: npt.NDArray[np.int64],
    targets: npt.NDArray[np.int64],
    metric: str = "hops",
    *,
    budget: int = 64 << 20,
) -> Iterator[npt.NDArray[np.float32]]:
    """The rows of ``graph.distances(kind=metric)`` for ``sources`` [k], columns ``targets`` [C], as blocks [b, C].

    Args:
        graph: Paths run through all of its nodes, along similarity edges taken both ways.
        sources: Node numbers.
        targets: Node numbers.
        metric: ``"hops"``, ``"weighted"`` or ``"resistance"``.
        budget: Bytes that a block may take while it is worked out.

    Raises:
        InputError: An unknown metric.
    """
    if metric == "hops":
        yield from hop_rows(graph, sources, targets, budget=budget)
        return
    for block in distance_rows(graph, sources, targets, metric, max_bytes=budget):
        yield block.astype(np.float32)


def hop_rows(
    graph: ClassGraph,
    sources: npt.NDArray[np.int64],
    targets: npt.NDArray[np.int64],
    *,
    budget: int = 64 << 20,
) -> Iterator[npt.NDArray[np.float32]]:
    """The rows of ``graph.distances()`` for ``sources`` [k], columns ``targets`` [C], as blocks float32 [b, C].

    Breadth-first from a block of sources at once: one product of the sparse adjacency with a dense front a level.

    Args:
        graph: Paths run through all of its nodes, along similarity edges taken both ways.
        sources: Node numbers.
        targets: Node numbers.
        budget: Bytes that a block's fronts may take.
    """
    from scipy.sparse import csr_array

    heads, tails = graph.edge_index[:, graph.similarity_edges()]
    ones = np.ones(2 * len(heads), np.float32)
    both = (np.concatenate([heads, tails]), np.concatenate([tails, heads]))
    links = csr_array((ones, both), shape=(graph.num_nodes, graph.num_nodes))
    width = max(1, budget // (16 * max(graph.num_nodes, 1)))
    for start in range(0, len(sources), width):
        block = sources[start : start + width]
        hops = np.full((graph.num_nodes, len(block)), np.inf, np.float32)
        hops[block, np.arange(len(block))] = 0
        front = (hops == 0).astype(np.float32)
        level = 0
        while front.any():
            level += 1
            fresh = (links @ front > 0) & np.isinf(hops)
            hops[fresh] = level
            front = fresh.astype(np.float32)
        yield hops[targets].T
