"""The control: a graph with the same counts and the wrong knowledge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kgzsl.knowledge.account import Account

if TYPE_CHECKING:
    from kgzsl.knowledge.class_graph import ClassGraph

__all__ = ["shuffled"]

# A permutation of a handful of objects leaves many where they were; relations this rare are mixed with one another.
_RARE = 20


def shuffled(graph: ClassGraph, seed: int) -> ClassGraph:
    """The graph with its knowledge given to the wrong nodes: what a method learns from it, it learns from counts alone.

    Within each relation the objects are permuted among its edges, so that every node keeps its number of outgoing
    and incoming edges of the relation. Relations with fewer than 20 edges are permuted together (a relation with one
    edge could not change otherwise): there, nodes keep their outgoing edges by relation and their incoming edges in
    all. Texts and labels are permuted among nodes of the same kind. Names are still found by
    :meth:`ClassGraph.align`, which goes by the true ones.

    Args:
        graph: The true graph.
        seed: Which permutation.

    Returns:
        A graph with the same nodes.
    """
    from kgzsl.knowledge.class_graph import ClassGraph

    random = np.random.default_rng(seed)
    edge_index = graph.edge_index.copy()
    counts = np.bincount(graph.edge_type, minlength=len(graph.relations))
    group = (
        np.where(counts < _RARE, -1, np.arange(len(counts)))[graph.edge_type] if graph.num_edges else graph.edge_type
    )
    for number in np.unique(group).tolist():
        rows = np.flatnonzero(group == number)
        edge_index[1, rows] = edge_index[1, random.permutation(rows)]
    source = _within_kinds(graph.kinds, random)
    labels = graph.labels
    # The order of links in property chains is knowledge too, and is not kept in edges.
    provenance = {key: value for key, value in graph.provenance.items() if key != "chains"}
    note = f"a control: edges and texts shuffled with seed {seed}"
    return ClassGraph(
        graph.iris,
        graph.kinds,
        edge_index,
        graph.edge_type,
        graph.relations,
        texts=graph.texts.permuted(source),
        edge_weight=graph.edge_weight,
        labels=[labels[i] for i in source.tolist()],
        names=graph.names if graph.names is not None else graph.texts,
        language=graph.language,
        account=Account(num_edges=graph.num_edges, notes=(note,)),
        provenance={**provenance, "shuffled": seed},
    )


def _within_kinds(kinds: npt.NDArray[np.int8], random: np.random.Generator) -> npt.NDArray[np.int64]:
    source = np.arange(len(kinds))
    for kind in np.unique(kinds).tolist():
        rows = np.flatnonzero(kinds == kind)
        source[rows] = random.permutation(rows)
    return source
