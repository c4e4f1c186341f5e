"""Walking and cutting a class graph: neighbours, parents, ancestors, closures, subgraphs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError
from kgzsl.knowledge.account import Account
from kgzsl.knowledge.texts import local_name
from kgzsl.knowledge.vocabulary import OWL, SUBCLASS_OF

if TYPE_CHECKING:
    from kgzsl.knowledge.class_graph import ClassGraph

__all__ = [
    "Adjacency",
    "Neighbour",
    "ancestors",
    "closure",
    "come_anew",
    "edges_only",
    "induced",
    "neighbours",
    "parents",
    "reach",
    "without_edge",
]

_EQUIVALENT = (OWL + "equivalentClass", OWL + "equivalentProperty")


class Neighbour(NamedTuple):
    """A node beside another.

    Args:
        node: Its number.
        relation: The relation's IRI.
        outgoing: Whether the edge leads to it (else from it).
    """

    node: int
    relation: str
    outgoing: bool


class Adjacency(NamedTuple):
    """Compressed rows: node i has the neighbours ``targets[offsets[i]:offsets[i + 1]]``, over ``edges[...]``."""

    offsets: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]
    edges: npt.NDArray[np.int64]

    @classmethod
    def of(cls, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64], num_nodes: int) -> Adjacency:
        """From the two ends of edges."""
        order = np.argsort(rows, kind="stable")
        counts = np.bincount(rows, minlength=num_nodes)
        return cls(np.concatenate([[0], np.cumsum(counts)]), columns[order], order)

    def row(self, node: int) -> slice:
        """Where the row of ``node`` lies."""
        return slice(int(self.offsets[node]), int(self.offsets[node + 1]))

    def step(self, nodes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """All neighbours of ``nodes``, with repeats."""
        lengths = self.offsets[nodes + 1] - self.offsets[nodes]
        total = int(lengths.sum())
        starts = np.repeat(self.offsets[nodes] - (np.cumsum(lengths) - lengths), lengths)
        return self.targets[starts + np.arange(total)]


def relation_mask(graph: ClassGraph, relations: str | Sequence[str] | None) -> npt.NDArray[np.bool_]:
    """bool [E]: edges of these relations (those the graph has none of are passed over); all for ``None``."""
    if relations is None:
        return np.ones(graph.num_edges, bool)
    wanted = {relations} if isinstance(relations, str) else set(relations)
    known = np.array([name in wanted for name in graph.relations], bool)
    return known[graph.edge_type] if len(known) else np.zeros(graph.num_edges, bool)


def neighbours(graph: ClassGraph, node: int, relation: str | None, direction: str) -> list[Neighbour]:
    """See ``ClassGraph.neighbours``."""
    if direction not in ("out", "in", "both"):
        raise InputError(f"direction is {direction!r}", remedy="give 'out', 'in' or 'both'")
    wanted = None if relation is None else graph.relation(relation)
    found = []
    for outgoing, adjacency in ((True, graph.outgoing), (False, graph.incoming)):
        if direction not in ("both", "out" if outgoing else "in"):
            continue
        row = adjacency.row(node)
        for target, edge in zip(adjacency.targets[row].tolist(), adjacency.edges[row].tolist(), strict=True):
            kind = int(graph.edge_type[edge])
            if wanted is None or kind == wanted:
                found.append(Neighbour(target, graph.relations[kind], outgoing))
    return found


def parents(graph: ClassGraph, relation: str | Sequence[str]) -> Any:
    """See ``ClassGraph.parents``."""
    from scipy.sparse import csr_array

    mask = relation_mask(graph, relation)
    rows, columns = graph.edge_index[:, mask]
    ones = np.ones(len(rows), bool)
    return csr_array((ones, (rows, columns)), shape=(graph.num_nodes, graph.num_nodes), dtype=bool)


def upward(graph: ClassGraph, relation: str | Sequence[str]) -> Adjacency:
    up = relation_mask(graph, relation)
    same = relation_mask(graph, _EQUIVALENT)
    rows = np.concatenate([graph.edge_index[0, up], graph.edge_index[0, same], graph.edge_index[1, same]])
    columns = np.concatenate([graph.edge_index[1, up], graph.edge_index[1, same], graph.edge_index[0, same]])
    return Adjacency.of(rows, columns, graph.num_nodes)


def _above(adjacency: Adjacency, node: int) -> set[int]:
    seen = {node}
    stack = [node]
    while stack:
        for target in adjacency.targets[adjacency.row(stack.pop())].tolist():
            if target not in seen:
                seen.add(target)
                stack.append(target)
    seen.discard(node)
    return seen


def ancestors(graph: ClassGraph, node: int, relation: str | Sequence[str] = SUBCLASS_OF) -> set[int]:
    """See ``ClassGraph.ancestors``."""
    return _above(upward(graph, relation), node)


def closure(graph: ClassGraph, nodes: Iterable[int] | None, relation: str | Sequence[str], reflexive: bool) -> Any:
    """See ``ClassGraph.closure``."""
    from scipy.sparse import csr_array

    adjacency = upward(graph, relation)
    chosen = range(graph.num_nodes) if nodes is None else [int(node) for node in nodes]
    offsets, columns = [0], []
    for node in chosen:
        found = _above(adjacency, node)
        if reflexive:
            found.add(node)
        columns.append(np.fromiter(found, np.int64, len(found)))
        columns[-1].sort()
        offsets.append(offsets[-1] + len(found))
    joined = np.concatenate([*columns, np.empty(0, np.int64)])
    return csr_array((np.ones(len(joined), bool), joined, offsets), shape=(len(offsets) - 1, graph.num_nodes))


def reach(graph: ClassGraph, seeds: npt.NDArray[np.int64], hops: int) -> npt.NDArray[np.int64]:
    """Nodes within ``hops`` edges of ``seeds``, either way along similarity edges, ascending."""
    mask = graph.similarity_edges()
    heads, tails = graph.edge_index[:, mask]
    both = Adjacency.of(np.concatenate([heads, tails]), np.concatenate([tails, heads]), graph.num_nodes)
    seen = np.zeros(graph.num_nodes, bool)
    seen[seeds] = True
    front = np.unique(seeds)
    for _ in range(hops):
        if not len(front):
            break
        found = np.unique(both.step(front))
        front = found[~seen[found]]
        seen[front] = True
    return np.flatnonzero(seen)


def induced(graph: ClassGraph, nodes: npt.NDArray[np.int64], note: str) -> ClassGraph:
    """The graph on ``nodes`` (ascending) with all edges between them."""
    number = np.full(graph.num_nodes, -1, np.int64)
    number[nodes] = np.arange(len(nodes))
    ends = number[graph.edge_index]
    return _cut(graph, (ends >= 0).all(axis=0), nodes, number, note)


def edges_only(graph: ClassGraph, mask: npt.NDArray[np.bool_], note: str) -> ClassGraph:
    """The graph with all nodes and the edges in ``mask``."""
    nodes = np.arange(graph.num_nodes)
    return _cut(graph, mask, nodes, nodes, note)


def without_edge(graph: ClassGraph, edge: int) -> ClassGraph:
    """The graph without the statement at ``edge``, all copies of it left out; what was inferred from it stays."""
    same = (graph.edge_index == graph.edge_index[:, edge : edge + 1]).all(axis=0)
    same &= graph.edge_type == graph.edge_type[edge]
    return edges_only(graph, ~same, "without one statement")


def come_anew(graph: ClassGraph, node: int) -> ClassGraph:
    """The graph in which ``node`` is bare and a new node, the last one, has its edges, texts and label.

    What was learnt from ``graph`` takes the class in as one that it never saw. Edges keep their places, and the new
    node's IRI has the local name of the old one.
    """
    from kgzsl.knowledge.class_graph import ClassGraph

    size = graph.num_nodes
    name = local_name(graph.iris[node])
    head = graph.iris[node].rpartition(name)[0]
    taken = set(graph.iris)
    iri = next(made for made in (f"{head}anew{n}#{name}" for n in range(size + 1)) if made not in taken)
    source = np.append(np.arange(size), node)
    source[node] = -1
    labels = graph.labels
    return ClassGraph(
        (*graph.iris, iri),
        np.append(graph.kinds, graph.kinds[node]),
        np.where(graph.edge_index == node, size, graph.edge_index),
        graph.edge_type,
        graph.relations,
        texts=graph.texts.permuted(source),
        edge_weight=graph.edge_weight,
        labels=[*(label if at != node else "" for at, label in enumerate(labels)), labels[node]],
        names=None if graph.names is None else graph.names.permuted(source),
        language=graph.language,
        provenance={**graph.provenance, "anew": graph.iris[node]},
    )


def _cut(
    graph: ClassGraph,
    mask: npt.NDArray[np.bool_],
    nodes: npt.NDArray[np.int64],
    number: npt.NDArray[np.int64],
    note: str,
) -> ClassGraph:
    from kgzsl.knowledge.class_graph import ClassGraph

    used, types = np.unique(graph.edge_type[mask], return_inverse=True)
    return ClassGraph(
        [graph.iris[i] for i in nodes.tolist()],
        graph.kinds[nodes],
        number[graph.edge_index[:, mask]],
        types.reshape(-1),
        [graph.relations[i] for i in used.tolist()],
        texts=graph.texts.permuted(nodes),
        edge_weight=None if graph.edge_weight is None else graph.edge_weight[mask],
        labels=None if graph.own_labels is None else [graph.own_labels[i] for i in nodes.tolist()],
        names=None if graph.names is None else graph.names.permuted(nodes),
        language=graph.language,
        account=Account(num_edges=int(mask.sum()), notes=(note,)),
        provenance={**graph.provenance, "cut": [*graph.provenance.get("cut", []), note]},
    )
