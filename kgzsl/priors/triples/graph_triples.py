"""The triples of a class graph in an order that its numbering leaves no trace in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph

__all__ = ["GraphTriples"]


@dataclass(frozen=True)
class GraphTriples:
    """Triples over nodes and relations that are sorted by IRI.

    Args:
        triples: int64 [T, 3], (head, relation, tail), each once, sorted; ids count sorted nodes and relations.
        nodes: int64 [N], the graph's node behind each sorted position.
        position: int64 [N], the sorted position of each of the graph's nodes.
        relations: IRIs of the relations in use, sorted.
        has_edge: bool [N], which of the graph's nodes are in a triple.
    """

    triples: npt.NDArray[np.int64]
    nodes: npt.NDArray[np.int64]
    position: npt.NDArray[np.int64]
    relations: tuple[str, ...]
    has_edge: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, graph: ClassGraph, *, disjointness: bool = True) -> GraphTriples:
        """The triples of ``graph``.

        Args:
            graph: The class graph.
            disjointness: Whether disjointness is kept as a relation.

        Raises:
            InputError: No edge is left.
        """
        keep = np.ones(graph.num_edges, dtype=bool) if disjointness else graph.similarity_edges()
        if not keep.any():
            raise InputError(
                "the class graph has no edge to learn from",
                remedy="read it with another projection, or use a text prior",
            )
        head, tail = graph.edge_index[:, keep]
        kind = graph.edge_type[keep]
        nodes = np.array(sorted(range(graph.num_nodes), key=graph.iris.__getitem__), dtype=np.int64)
        position = np.empty_like(nodes)
        position[nodes] = np.arange(len(nodes))
        used = sorted({graph.relations[index] for index in np.unique(kind)})
        rank = {relation: index for index, relation in enumerate(used)}
        renumber = np.array([rank.get(relation, -1) for relation in graph.relations], dtype=np.int64)
        triples = np.unique(np.stack([position[head], renumber[kind], position[tail]], axis=1), axis=0)
        has_edge = np.zeros(graph.num_nodes, dtype=bool)
        has_edge[head] = True
        has_edge[tail] = True
        return cls(triples, nodes, position, tuple(used), has_edge)
