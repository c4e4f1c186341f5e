"""Class graphs from plain Python triples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError
from kgzsl.knowledge.account import Account, AccountRow
from kgzsl.knowledge.class_graph import ClassGraph
from kgzsl.knowledge.texts import NodeText
from kgzsl.knowledge.triples import Ids
from kgzsl.knowledge.vocabulary import (
    CHARACTERISTICS,
    DECLARATIONS,
    KINDS,
    PREFIXES,
    RDF_TYPE,
    RDFS,
    SUBCLASS_OF,
    SUBPROPERTY_OF,
    WELL_KNOWN_NAMES,
)

__all__ = ["graph_from_triples"]


def graph_from_triples(
    triples: Iterable[tuple[str, str, str]],
    labels: Mapping[str, str],
    texts: Mapping[str, Iterable[NodeText | tuple[str, str] | str]],
    weights: Sequence[float] | None,
    language: str | None,
) -> ClassGraph:
    """See ``ClassGraph.from_triples``."""
    nodes, relations = Ids(), Ids()
    rows: list[tuple[int, int, int]] = []
    for number, triple in enumerate(triples):
        if len(triple) != 3 or not all(isinstance(part, str) for part in triple):
            raise InputError(
                f"{triple!r} is no triple of three strings", place=f"triple {number}", remedy="give (s, r, o)"
            )
        subject, relation, object_ = triple
        rows.append((nodes[subject], relations[_expand(relation)], nodes[object_]))
    for name in (*labels, *texts):
        nodes[name]  # a node of its own, if no triple has it
    array = np.array(rows, np.int64).reshape(-1, 3)
    edge_weight = None
    if weights is not None:
        if len(weights) != len(array):
            raise InputError(f"{len(array)} triples, {len(weights)} weights", remedy="give one weight for each triple")
        edge_weight = np.array(weights, np.float32)
    _, first = np.unique(array, axis=0, return_index=True)
    first.sort()
    kept = array[first]
    if edge_weight is not None:
        edge_weight = edge_weight[first]
    merged = len(array) - len(kept)
    table = {nodes[name]: tuple(_text(item) for item in _listed(items)) for name, items in texts.items()}
    for name, label in labels.items():
        table[nodes[name]] = (NodeText("label", label, None), *table.get(nodes[name], ()))
    names = list(relations)
    counts = np.bincount(array[:, 1], minlength=len(names))
    ledger = tuple(
        AccountRow(name, int(n), int(n), int(n), 0, int(n), 0, {}, {}) for name, n in zip(names, counts, strict=True)
    )
    return ClassGraph(
        tuple(nodes),
        _kinds(kept, names, list(nodes)),
        kept[:, [0, 2]].T,
        kept[:, 1],
        names,
        texts=table,
        edge_weight=edge_weight,
        language=language,
        account=Account(ledger, triples=len(array), num_edges=len(kept), merged=merged),
        provenance={
            "source": "triples",
            "format": "python",
            "projection": None,
            "reasoning": None,
            "language": language,
        },
    )


def _expand(relation: str) -> str:
    prefix, colon, local = relation.partition(":")
    if colon and prefix in PREFIXES and not local.startswith("//"):
        return PREFIXES[prefix] + local
    return WELL_KNOWN_NAMES.get(relation, relation)


def _listed(items: Iterable[NodeText | tuple[str, str] | str] | str) -> list[NodeText | tuple[str, str] | str]:
    return [items] if isinstance(items, str) else list(items)


def _text(item: NodeText | tuple[str, str] | str) -> NodeText:
    if isinstance(item, NodeText):
        return item
    return NodeText("comment", item, None) if isinstance(item, str) else NodeText(item[0], item[1], None)


def _kinds(edges: npt.NDArray[np.int64], relations: list[str], nodes: list[str]) -> npt.NDArray[np.int8]:
    """Class, property or individual, as far as the relations tell; the rest are classes (this is a class graph)."""
    kinds = np.full(len(nodes), KINDS.index("class"), np.int8)
    property_code, individual = KINDS.index("property"), KINDS.index("individual")
    for number, relation in enumerate(relations):
        rows = edges[edges[:, 1] == number]
        if relation == RDF_TYPE:
            kinds[rows[:, 0]] = individual
            for subject, _, object_ in rows.tolist():
                declared = DECLARATIONS.get(nodes[object_])
                if declared is not None or nodes[object_] in CHARACTERISTICS:
                    kinds[subject] = KINDS.index(declared or "property")
                    kinds[object_] = KINDS.index("other")
        elif relation == SUBPROPERTY_OF:
            kinds[rows[:, [0, 2]]] = property_code
        elif relation in (RDFS + "domain", RDFS + "range"):
            kinds[rows[:, 0]] = property_code
    for number, relation in enumerate(relations):
        if relation == SUBCLASS_OF:
            kinds[edges[edges[:, 1] == number][:, [0, 2]]] = KINDS.index("class")
    return kinds
