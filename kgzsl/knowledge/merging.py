"""Two graphs as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError
from kgzsl.knowledge.account import Account
from kgzsl.knowledge.matching import GraphAlignment, match_graphs
from kgzsl.knowledge.projection.edges import merge_edges
from kgzsl.knowledge.texts import NodeText, TextTable

if TYPE_CHECKING:
    from kgzsl.knowledge.class_graph import ClassGraph

__all__ = ["merge_graphs"]


def merge_graphs(
    first: ClassGraph, second: ClassGraph, alignment: GraphAlignment | Sequence[str] | None = None
) -> ClassGraph:
    """All that two graphs say, matched nodes taken as one.

    A matched node keeps the IRI and the first texts of ``first``; its kind is the first in ``KINDS`` of the two. The
    nodes of ``first`` keep their numbers. An edge that both have is counted once, with the weight of ``first`` unless
    that is 1. A relation is renamed where it is a matched node.

    Args:
        first: A graph.
        second: Another.
        alignment: Which nodes are the same: from :meth:`ClassGraph.match`, or kinds of evidence for it; ``None``: equal
            IRIs alone.

    Raises:
        InputError: The alignment is not between these graphs.
    """
    from kgzsl.knowledge.class_graph import ClassGraph

    if not isinstance(alignment, GraphAlignment):
        alignment = match_graphs(first, second, by=("iri",) if alignment is None else alignment)
    here, there = alignment.pairs
    _check(first, second, here, there)
    number = np.full(second.num_nodes, -1, np.int64)
    number[there] = here
    fresh = np.flatnonzero(number < 0)
    number[fresh] = first.num_nodes + np.arange(len(fresh))
    iris = [*first.iris, *(second.iris[node] for node in fresh.tolist())]
    kinds = np.concatenate([first.kinds, second.kinds[fresh]])
    kinds[here] = np.minimum(kinds[here], second.kinds[there])
    relations, types = _relations(first, second, iris, number)
    weights = None
    if first.edge_weight is not None or second.edge_weight is not None:
        weights = np.concatenate([_weights(first), _weights(second)])
    subjects = np.concatenate([first.edge_index[0], number[second.edge_index[0]]])
    objects = np.concatenate([first.edge_index[1], number[second.edge_index[1]]])
    heads, kept, tails, weights, merged = merge_edges(
        subjects.astype(np.int32), types.astype(np.int32), objects.astype(np.int32), weights, len(relations)
    )
    total = len(iris)
    named = first.names is not None or second.names is not None
    note = f"{len(here)} nodes of two graphs were taken as one, {merged} edges came from both"
    return ClassGraph(
        iris,
        kinds,
        np.stack([heads, tails]).astype(np.int64),
        kept.astype(np.int64),
        relations,
        texts=_texts(first.texts, second.texts, number, total),
        edge_weight=weights,
        labels=_labels(first, second, fresh),
        names=_texts(_names(first), _names(second), number, total) if named else None,
        language=first.language,
        account=Account(num_edges=len(kept), notes=(note,)),
        provenance={
            "source": f"{first.provenance.get('source')} + {second.provenance.get('source')}",
            "merged": [first.provenance, second.provenance],
            "prefixes": {**second.provenance.get("prefixes", {}), **first.provenance.get("prefixes", {})},
            "called": {**second.provenance.get("called", {}), **first.provenance.get("called", {})},
            **_unions(first, second),
            **_chains(first, second, iris, number),
            **_properties(first, second, iris, number),
            "matched_by": {how: alignment.matched_by.count(how) for how in dict.fromkeys(alignment.matched_by)},
        },
    )


def _unions(first: ClassGraph, second: ClassGraph) -> dict[str, dict[str, dict[str, list[list[str]]]]]:
    """Which domains and ranges are unions, by what both say; nothing where none is."""
    joined: dict[str, dict[str, list[list[str]]]] = {}
    for graph in (first, second):
        for end, properties in graph.provenance.get("unions", {}).items():
            for iri, groups in properties.items():
                joined.setdefault(end, {}).setdefault(iri, []).extend(groups)
    return {"unions": joined} if joined else {}


def _chains(
    first: ClassGraph, second: ClassGraph, iris: list[str], number: npt.NDArray[np.int64]
) -> dict[str, dict[str, list[list[str]]]]:
    """The property chains of both, by the merged graph's names; nothing where there is none."""

    def renamed(link: str) -> str:
        name = link.removeprefix("^")
        node = second.node_index.get(name)
        return "^" * link.startswith("^") + (name if node is None else iris[number[node]])

    joined = {whole: list(chains) for whole, chains in first.provenance.get("chains", {}).items()}
    for whole, chains in second.provenance.get("chains", {}).items():
        joined.setdefault(renamed(whole), []).extend([renamed(link) for link in chain] for chain in chains)
    return {"chains": joined} if joined else {}


def _properties(
    first: ClassGraph, second: ClassGraph, iris: list[str], number: npt.NDArray[np.int64]
) -> dict[str, dict[str, list[str]]]:
    """What both declare as object, datatype and annotation properties, by the merged graph's names."""
    joined = {kind: list(members) for kind, members in first.provenance.get("properties", {}).items()}
    for kind, members in second.provenance.get("properties", {}).items():
        nodes = map(second.node_index.get, members)
        renamed = [name if node is None else iris[number[node]] for name, node in zip(members, nodes, strict=True)]
        joined[kind] = list(dict.fromkeys([*joined.get(kind, ()), *renamed]))
    return {"properties": joined} if joined else {}


def _check(first: ClassGraph, second: ClassGraph, here: npt.NDArray[np.int64], there: npt.NDArray[np.int64]) -> None:
    for graph, nodes in ((first, here), (second, there)):
        if len(nodes) and (nodes.min() < 0 or nodes.max() >= graph.num_nodes):
            raise InputError("the alignment names nodes that the graph does not have", remedy="match these two graphs")
        if len(np.unique(nodes)) != len(nodes):
            raise InputError("the alignment has a node in two pairs", remedy="give each node one partner")


def _relations(
    first: ClassGraph, second: ClassGraph, iris: list[str], number: npt.NDArray[np.int64]
) -> tuple[list[str], npt.NDArray[np.int64]]:
    relations = {name: place for place, name in enumerate(first.relations)}
    codes = []
    for name in second.relations:
        node = second.node_index.get(name)
        renamed = name if node is None else iris[number[node]]
        codes.append(relations.setdefault(renamed, len(relations)))
    types = np.array(codes, np.int64)[second.edge_type] if codes else second.edge_type
    return list(relations), np.concatenate([first.edge_type, types])


def _weights(graph: ClassGraph) -> npt.NDArray[np.float32]:
    return np.ones(graph.num_edges, np.float32) if graph.edge_weight is None else graph.edge_weight


def _names(graph: ClassGraph) -> TextTable:
    return graph.texts if graph.names is None else graph.names


def _labels(first: ClassGraph, second: ClassGraph, fresh: npt.NDArray[np.int64]) -> list[str] | None:
    if first.own_labels is None and second.own_labels is None:
        return None
    return [*first.labels, *(second.labels[node] for node in fresh.tolist())]


def _texts(first: TextTable, second: TextTable, number: npt.NDArray[np.int64], total: int) -> TextTable:
    texts: dict[int, tuple[NodeText, ...]] = dict(first.items())
    for node, more in second.items():
        place = int(number[node])
        texts[place] = tuple(dict.fromkeys((*texts.get(place, ()), *more)))
    return TextTable.from_mapping(texts, total)
