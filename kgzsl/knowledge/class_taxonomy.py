"""The hierarchy over a list of classes: their ancestors, and those that several of them share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError
from kgzsl.knowledge.account import Account
from kgzsl.knowledge.operations import Adjacency, closure, edges_only, induced, relation_mask, upward
from kgzsl.knowledge.vocabulary import SUBCLASS_OF

if TYPE_CHECKING:
    from kgzsl.knowledge.class_graph import ClassGraph

__all__ = ["class_taxonomy", "common_ancestors"]


def common_ancestors(
    graph: ClassGraph, nodes: Iterable[int], relation: str | Sequence[str] = SUBCLASS_OF
) -> tuple[int, ...]:
    """The lowest nodes that all of ``nodes`` lie below (or are): those with no other common one beneath.

    Args:
        graph: The graph.
        nodes: Node numbers, one or more.
        relation: Which relation (or relations) leads upwards.

    Returns:
        Node numbers, ascending; several where the hierarchy is no tree, none where nothing is common.

    Raises:
        InputError: No node is given.
    """
    chosen = list(dict.fromkeys(int(node) for node in nodes))
    if not chosen:
        raise InputError("no node is given", remedy="give one or more")
    above = closure(graph, chosen, relation, True)
    counts = np.bincount(above.indices, minlength=graph.num_nodes)
    common = np.flatnonzero(counts == len(chosen))
    over = closure(graph, common.tolist(), relation, False)
    # What stands above another common node is not lowest; equivalent nodes stand above each other, and both stay.
    higher = {(row, int(column)) for row, columns in _rows(over) for column in columns}
    at = {int(node): row for row, node in enumerate(common.tolist())}
    return tuple(
        node
        for node in common.tolist()
        if not any(
            (row, node) in higher and (at[node], int(common[row])) not in higher
            for row in range(len(common))
            if int(common[row]) != node
        )
    )


def class_taxonomy(
    graph: ClassGraph,
    names: Sequence[str],
    *,
    relation: str | Sequence[str] = SUBCLASS_OF,
    contract: bool = False,
) -> ClassGraph:
    """The classes and all that stands above them.

    Args:
        graph: The graph.
        names: Classes, found as :meth:`ClassGraph.align` finds them.
        relation: Which relation (or relations) leads upwards.
        contract: Keep only the classes and the ancestors where several of them come together (those with more classes
            beneath than any node below them has), linked by ``rdfs:subClassOf`` to the nearest that is kept.

    Returns:
        The hierarchy; ``provenance["classes"]`` maps each name to the IRI of its node.

    Raises:
        InputError: Names that no single node answers to.
    """
    indices = graph.align(names).require()
    below = closure(graph, indices.tolist(), relation, True)
    nodes = np.unique(np.concatenate([below.indices, indices])).astype(np.int64)
    cut = induced(graph, nodes, f"{len(names)} classes and what stands above them")
    cut = edges_only(cut, relation_mask(cut, _listed(relation)), "only the edges that lead upwards")
    if contract:
        place = np.full(graph.num_nodes, -1, np.int64)
        place[nodes] = np.arange(len(nodes))
        counts = np.bincount(place[below.indices], minlength=len(nodes))
        cut = _contracted(cut, place[indices], counts, relation)
    cut.provenance["classes"] = {name: graph.iris[node] for name, node in zip(names, indices.tolist(), strict=True)}
    return cut


def _listed(relation: str | Sequence[str]) -> list[str]:
    return [relation] if isinstance(relation, str) else list(relation)


def _rows(matrix: object) -> Iterable[tuple[int, npt.NDArray[np.int64]]]:
    offsets, columns = matrix.indptr, matrix.indices  # type: ignore[attr-defined]
    for row in range(len(offsets) - 1):
        yield row, columns[offsets[row] : offsets[row + 1]]


def _contracted(
    cut: ClassGraph, classes: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], relation: str | Sequence[str]
) -> ClassGraph:
    """Without the nodes that gather no more classes than a single child of theirs."""
    from kgzsl.knowledge.class_graph import ClassGraph

    adjacency = upward(cut, relation)
    children, parents = cut.edge_index
    fullest = np.zeros(cut.num_nodes, np.int64)
    np.maximum.at(fullest, parents, counts[children])
    kept = counts > fullest
    kept[classes] = True
    nodes = np.flatnonzero(kept)
    number = np.cumsum(kept) - 1
    edges = [
        (int(number[node]), int(number[target]))
        for node in nodes.tolist()
        for target in sorted(_nearest(adjacency, node, kept))
    ]
    index = np.array(edges, np.int64).reshape(-1, 2).T
    note = f"{cut.num_nodes - len(nodes)} nodes with a single branch were left out"
    return ClassGraph(
        [cut.iris[node] for node in nodes.tolist()],
        cut.kinds[nodes],
        index,
        np.zeros(index.shape[1], np.int64),
        [SUBCLASS_OF] if index.shape[1] else [],
        texts=cut.texts.permuted(nodes),
        labels=None if cut.own_labels is None else [cut.own_labels[node] for node in nodes.tolist()],
        names=None if cut.names is None else cut.names.permuted(nodes),
        language=cut.language,
        account=Account(num_edges=index.shape[1], notes=(*cut.account.notes, note)),
        provenance={**cut.provenance, "cut": [*cut.provenance.get("cut", []), note]},
    )


def _nearest(adjacency: Adjacency, node: int, kept: npt.NDArray[np.bool_]) -> set[int]:
    """The first kept nodes on every way up from ``node``."""
    found: set[int] = set()
    seen = {node}
    stack = [node]
    while stack:
        for target in adjacency.targets[adjacency.row(stack.pop())].tolist():
            if target in seen:
                continue
            seen.add(target)
            if kept[target]:
                found.add(target)
            else:
                stack.append(target)
    return found
