"""Relations as nodes: which ones are below, inverse to, composed of or shaped like which others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError
from kgzsl.knowledge.account import Account
from kgzsl.knowledge.operations import edges_only, induced, relation_mask
from kgzsl.knowledge.vocabulary import KINDS, OWL, RDFS, SCHEMA, SCHEMA_HTTPS, SUBPROPERTY_OF, XSD

if TYPE_CHECKING:
    from kgzsl.knowledge.class_graph import ClassGraph

__all__ = ["FOLLOWS", "SHARED_DOMAIN", "SHARED_RANGE", "relation_graph"]

#: Two relations whose subjects are of one class.
SHARED_DOMAIN = "urn:kgzsl:sharedDomain"
#: Two relations whose objects are of one class.
SHARED_RANGE = "urn:kgzsl:sharedRange"
#: ``p follows q``: what q leads to is what p starts from, so that q and then p make a path.
FOLLOWS = "urn:kgzsl:follows"

_BETWEEN = (
    SUBPROPERTY_OF,
    *(OWL + name for name in ("equivalentProperty", "inverseOf", "propertyChainAxiom", "propertyDisjointWith")),
)
_DOMAINS = (RDFS + "domain", SCHEMA + "domainIncludes", SCHEMA_HTTPS + "domainIncludes")
_RANGES = (RDFS + "range", SCHEMA + "rangeIncludes", SCHEMA_HTTPS + "rangeIncludes")
#: These link all that there is and would tell nothing.
_TOO_WIDE = frozenset({OWL + "Thing", RDFS + "Resource", RDFS + "Literal", OWL + "topObjectProperty"})


def relation_graph(graph: ClassGraph, names: Sequence[str] | None = None, *, max_shared: int = 50) -> ClassGraph:
    """The graph of the relations themselves, for completing relations that have no fact yet.

    Edges that the schema states are kept: sub-property, equivalent, inverse, disjoint, and ``owl:propertyChainAxiom``
    from a relation to each link of a chain that makes it. Those that follow from domains and ranges are added:
    ``urn:kgzsl:sharedDomain`` and ``sharedRange`` once for two relations (the first node of the graph is the subject),
    ``urn:kgzsl:follows`` from a relation to one that ends where it starts. schema.org's domainIncludes and
    rangeIncludes count as domains and ranges.

    Args:
        graph: A graph that was read from a schema.
        names: Relations to keep; ``None``: every property of the graph.
        max_shared: A class that is the domain (or the range) of more relations than this tells little of each, and
            links none of them; the account names it. Datatypes link none either.

    Returns:
        The nodes, with their texts, and the edges between them.

    Raises:
        InputError: A name is no property of the graph, or the graph has no property at all.
    """
    if names is None:
        nodes = np.flatnonzero(graph.kinds == KINDS.index("property"))
        own = [node for node in nodes.tolist() if not graph.iris[node].startswith((OWL, RDFS))]
        nodes = np.array(own, np.int64)
    else:
        nodes = np.unique(graph.align(names, kinds=("property",)).require())
    if not len(nodes):
        raise InputError("the graph has no property", remedy="read the schema that declares the relations")
    cut = induced(graph, nodes, f"{len(nodes)} relations")
    cut = edges_only(cut, relation_mask(cut, _BETWEEN), "only what links relations")
    number = np.full(graph.num_nodes, -1, np.int64)
    number[nodes] = np.arange(len(nodes))
    domains, ranges = _ends(graph, _DOMAINS, number), _ends(graph, _RANGES, number)
    notes: list[str] = []
    added = {
        SHARED_DOMAIN: _shared(domains, graph, max_shared, "domain", notes),
        SHARED_RANGE: _shared(ranges, graph, max_shared, "range", notes),
        FOLLOWS: _followers(domains, ranges, max_shared),
    }
    return _with(cut, added, notes)


def _ends(graph: ClassGraph, relations: Sequence[str], number: npt.NDArray[np.int64]) -> dict[int, list[int]]:
    """Class -> the relations (by their new numbers) that have it as domain (or range)."""
    found: dict[int, list[int]] = {}
    mask = relation_mask(graph, relations)
    for subject, target in graph.edge_index[:, mask].T.tolist():
        iri = graph.iris[target]
        datatype = KINDS[int(graph.kinds[target])] == "datatype" or iri.startswith(XSD)
        if number[subject] < 0 or datatype or iri in _TOO_WIDE:
            continue
        members = found.setdefault(target, [])
        if int(number[subject]) not in members:
            members.append(int(number[subject]))
    return found


def _shared(
    ends: dict[int, list[int]], graph: ClassGraph, most: int, what: str, notes: list[str]
) -> Iterator[tuple[int, int]]:
    """Each two relations of one class, the lower number first."""
    for target, members in ends.items():
        if len(members) > most:
            notes.append(f"{graph.iris[target]} is the {what} of {len(members)} relations and links none of them")
            continue
        ordered = sorted(members)
        yield from ((first, second) for at, first in enumerate(ordered) for second in ordered[at + 1 :])


def _followers(domains: dict[int, list[int]], ranges: dict[int, list[int]], most: int) -> Iterator[tuple[int, int]]:
    for target, starting in domains.items():
        ending = ranges.get(target, [])
        if len(starting) <= most and len(ending) <= most:
            yield from ((after, before) for after in starting for before in ending if after != before)


def _with(cut: ClassGraph, added: dict[str, Iterator[tuple[int, int]]], notes: list[str]) -> ClassGraph:
    from kgzsl.knowledge.class_graph import ClassGraph

    relations = list(cut.relations)
    index, types = [cut.edge_index], [cut.edge_type]
    for name, pairs in added.items():
        found = np.array(list(dict.fromkeys(pairs)), np.int64).reshape(-1, 2).T
        if found.shape[1]:
            index.append(found)
            types.append(np.full(found.shape[1], len(relations)))
            relations.append(name)
    count = sum(part.shape[1] for part in index)
    weights = cut.edge_weight
    if weights is not None:
        weights = np.concatenate([weights, np.ones(count - len(weights), np.float32)])
    return ClassGraph(
        cut.iris,
        cut.kinds,
        np.concatenate(index, axis=1),
        np.concatenate(types),
        relations,
        texts=cut.texts,
        edge_weight=weights,
        labels=cut.own_labels,
        names=cut.names,
        language=cut.language,
        account=Account(num_edges=count, notes=(*cut.account.notes, *notes)),
        provenance=cut.provenance,
    )
