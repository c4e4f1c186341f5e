"""The part of a graph that a list of classes needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError
from kgzsl.knowledge.operations import edges_only, induced, relation_mask
from kgzsl.knowledge.vocabulary import TAXONOMIC

if TYPE_CHECKING:
    from kgzsl.knowledge.class_graph import ClassGraph

__all__ = ["for_classes"]


def for_classes(
    graph: ClassGraph,
    names: Sequence[str],
    *,
    hops: int = 2,
    relations: Sequence[str] | None = None,
    max_neighbours: int | None = None,
    mapping: Mapping[str, str] | None = None,
    kinds: Sequence[str] | None = None,
    missing: str = "raise",
) -> ClassGraph:
    """The classes, what lies within some hops of them, and all edges between what is kept.

    Where a node has more than ``max_neighbours`` neighbours, the walk goes on to the best of them: the strongest edge
    first, then what stands above, then the neighbour with the fewest edges (the most telling one), then the first in
    the graph. The result does not depend on the order of ``names``.

    Args:
        graph: Where to look.
        names: Class names, found as :meth:`ClassGraph.align` finds them.
        hops: How many edges to follow, either way; 0 keeps the classes alone.
        relations: Follow and keep edges of these relations only (IRIs or local names); ``None``: all. Disjointness
            edges are never followed, and kept between nodes that are.
        max_neighbours: Most neighbours that the walk takes from one node; ``None``: all.
        mapping: Name -> IRI, where the names do not tell.
        kinds: Look for classes among nodes of these kinds.
        missing: ``"raise"`` refuses names that are not found; ``"skip"`` goes on without them.

    Returns:
        A graph whose ``provenance["classes"]`` maps each name to the IRI of its node.

    Raises:
        InputError: Names that no single node answers to (all are named), an unknown relation, an option out of range.
    """
    if hops < 0 or (max_neighbours is not None and max_neighbours < 1):
        raise InputError(f"hops={hops}, max_neighbours={max_neighbours}", remedy="give hops >= 0, max_neighbours >= 1")
    if missing not in ("raise", "skip"):
        raise InputError(f"missing is {missing!r}", remedy="give 'raise' or 'skip'")
    alignment = graph.align(names, mapping=mapping, kinds=kinds)
    indices = alignment.require() if missing == "raise" else alignment.indices
    wanted = None if relations is None else [graph.relations[graph.relation(name)] for name in relations]
    followed = graph.similarity_edges() & relation_mask(graph, wanted)
    nodes = _walk(graph, np.unique(indices[indices >= 0]), hops, followed, max_neighbours)
    note = f"{len(nodes)} nodes within {hops} hops of {int((indices >= 0).sum())} classes"
    if max_neighbours is not None:
        note += f", at most {max_neighbours} neighbours of each"
    cut = induced(graph, nodes, note)
    if wanted is not None:
        kept = relation_mask(cut, wanted) | ~cut.similarity_edges()
        cut = edges_only(cut, kept, f"only {', '.join(wanted)}")
    cut.provenance["classes"] = {
        name: graph.iris[node] for name, node in zip(names, indices.tolist(), strict=True) if node >= 0
    }
    return cut


def _walk(
    graph: ClassGraph,
    seeds: npt.NDArray[np.int64],
    hops: int,
    followed: npt.NDArray[np.bool_],
    most: int | None,
) -> npt.NDArray[np.int64]:
    heads, tails = graph.edge_index[:, followed]
    ends, others = np.concatenate([heads, tails]), np.concatenate([tails, heads])
    if most is not None:
        ends, others = _best(graph, ends, others, followed, most)
    order = np.argsort(ends, kind="stable")
    ends, others = ends[order], others[order]
    seen = np.zeros(graph.num_nodes, bool)
    seen[seeds] = True
    front = seeds
    for _ in range(hops):
        starts, stops = np.searchsorted(ends, front), np.searchsorted(ends, front, side="right")
        lengths = stops - starts
        places = np.repeat(starts - (np.cumsum(lengths) - lengths), lengths) + np.arange(int(lengths.sum()))
        found = np.unique(others[places])
        front = found[~seen[found]]
        if not len(front):
            break
        seen[front] = True
    return np.flatnonzero(seen)


def _best(
    graph: ClassGraph,
    ends: npt.NDArray[np.int64],
    others: npt.NDArray[np.int64],
    followed: npt.NDArray[np.bool_],
    most: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """For each node its ``most`` best neighbours."""
    count = len(ends) // 2
    weights = np.ones(count) if graph.edge_weight is None else graph.edge_weight[followed].astype(np.float64)
    above = relation_mask(graph, TAXONOMIC)[followed]
    upward = np.concatenate([above, np.zeros(count, bool)])
    order = np.lexsort((others, graph.degrees[others], ~upward, -np.concatenate([weights, weights]), ends))
    ends, others = ends[order], others[order]
    # A neighbour over several edges is one neighbour: it counts where its best edge stands.
    _, first = np.unique(np.stack([ends, others]), axis=1, return_index=True)
    first.sort()
    ends, others = ends[first], others[first]
    rank = np.arange(len(ends)) - np.searchsorted(ends, ends)
    kept = rank < most
    return ends[kept], others[kept]
