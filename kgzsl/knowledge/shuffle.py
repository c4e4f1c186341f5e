"""The control: a graph with the same counts and the wrong knowledge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kgzsl.knowledge.account import Account
from kgzsl.knowledge.vocabulary import OWL

if TYPE_CHECKING:
    from kgzsl.knowledge.class_graph import ClassGraph

__all__ = ["shuffled"]

# A permutation of a handful of objects leaves many where they were; relations this rare are mixed with one another.
_RARE = 20
_CHAIN = OWL + "propertyChainAxiom"


def shuffled(graph: ClassGraph, seed: int) -> ClassGraph:
    """The graph with its knowledge given to the wrong nodes: what a method learns from it, it learns from counts alone.

    Within each relation the objects are permuted among its edges, so that every node keeps its number of outgoing
    and incoming edges of the relation. Relations with fewer than 20 edges are permuted together (a relation with one
    edge could not change otherwise): there, nodes keep their outgoing edges by relation and their incoming edges in
    all. Property chains keep their lengths and what they make, not their links. Texts and labels are permuted among
    nodes of the same kind. Names are still found by :meth:`ClassGraph.align`, which goes by the true ones.

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
    provenance = dict(graph.provenance)
    if "chains" in provenance:
        provenance["chains"] = _as_edges_lead(graph, edge_index)
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


def _as_edges_lead(graph: ClassGraph, edge_index: npt.NDArray[np.int64]) -> dict[str, list[list[str]]]:
    """Property chains, whose order is told beside the edges, of the links that these edges lead to now."""
    number = graph.relation(_CHAIN) if _CHAIN in graph.relations else -1
    rows = np.flatnonzero(graph.edge_type == number)
    now = {tuple(graph.edge_index[:, row].tolist()): int(edge_index[1, row]) for row in rows.tolist()}
    found: dict[str, list[list[str]]] = {}
    for whole, chains in graph.provenance["chains"].items():
        node = graph.node_index.get(whole, -1)
        for chain in chains:
            ends = [(node, graph.node_index.get(link.removeprefix("^"), -1)) for link in chain]
            if all(end in now for end in ends):
                marks = ["^" if link.startswith("^") else "" for link in chain]
                links = [mark + graph.iris[now[end]] for mark, end in zip(marks, ends, strict=True)]
                found.setdefault(whole, []).append(links)
    return found


def _within_kinds(kinds: npt.NDArray[np.int8], random: np.random.Generator) -> npt.NDArray[np.int64]:
    source = np.arange(len(kinds))
    for kind in np.unique(kinds).tolist():
        rows = np.flatnonzero(kinds == kind)
        source[rows] = random.permutation(rows)
    return source
