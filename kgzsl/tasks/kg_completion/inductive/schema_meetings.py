"""What an ontology says of relations, as edges of the graph of how relations meet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from kgzsl.knowledge import ClassGraph
from kgzsl.knowledge.vocabulary import OWL, RDFS
from kgzsl.tasks.kg_completion._axioms import chains_of

__all__ = ["CHAIN_MEETINGS", "SCHEMA_MEETINGS", "schema_meetings"]


CHAIN_MEETINGS = ("made-first", "first-made", "made-last", "last-made", "link-next", "next-link")
"""Of a property chain ``p1 o p2 -> q``, receiver before sender: q begins where p1 does, ends where p2 does, and p2
begins where p1 ends."""

SCHEMA_MEETINGS = (
    "sub-property",
    "super-property",
    "inverse",
    "domain-domain",
    "range-range",
    "domain-range",
    "range-domain",
    *CHAIN_MEETINGS,
)
"""Edge types that a schema adds to the relation graph (Geng et al., "Relational Message Passing for Fully Inductive
Knowledge Graph Completion", ICDE 2023, use a schema's relations among relations likewise)."""


def schema_meetings(schema: ClassGraph, relations: Sequence[str]) -> dict[str, Tensor]:
    """Edges among the 2 R directed relations, for :class:`FactGraph`'s ``extra_meetings``.

    A statement about r holds of its inverse r + R with domain and range exchanged. Relations meet domain-domain when
    they have a domain in common, and so on; a relation does not meet itself. Of a chain ``p1 o ... o pn -> q`` the
    first link meets q, the last one does, and each link the next; so do inverses, as ``pn' o ... o p1' -> q'``. Where a
    graph does not tell the order of links (one from triples alone), its chains make no edges.

    Args:
        schema: With rdfs:subPropertyOf, owl:inverseOf, rdfs:domain, rdfs:range and owl:propertyChainAxiom edges; any
            may be absent.
        relations: Names of the R relations; those that the schema does not know get no edges.

    Returns:
        A name of :data:`SCHEMA_MEETINGS` to int64 [2, E] (receiver, sender), all names present.
    """
    count = len(relations)
    nodes = schema.align(list(relations)).indices.tolist()
    place = {node: number for number, node in enumerate(nodes) if node >= 0}
    pairs: dict[str, set[tuple[int, int]]] = {name: set() for name in SCHEMA_MEETINGS}
    for child, parent in _edges(schema, RDFS + "subPropertyOf"):
        if child in place and parent in place and child != parent:
            for shift in (0, count):
                pairs["sub-property"].add((place[parent] + shift, place[child] + shift))
                pairs["super-property"].add((place[child] + shift, place[parent] + shift))
    for one, other in _edges(schema, OWL + "inverseOf"):
        if one in place and other in place:
            a, b = place[one], place[other]
            pairs["inverse"] |= {(a, b + count), (b + count, a), (b, a + count), (a + count, b)}
    for name, to, by in _chained(schema, place, count):
        pairs[name].add((to, by))
    at: dict[str, dict[int, set[int]]] = {"domain": {}, "range": {}}
    for end, opposite in (("domain", "range"), ("range", "domain")):
        for relation, kind in _edges(schema, RDFS + end):
            if relation in place:
                at[end].setdefault(kind, set()).add(place[relation])
                at[opposite].setdefault(kind, set()).add(place[relation] + count)
    for left in ("domain", "range"):
        for right in ("domain", "range"):
            for kind, mine in at[left].items():
                others = at[right].get(kind, ())
                pairs[f"{left}-{right}"] |= {(to, by) for to in mine for by in others if to != by}
    return {
        name: torch.tensor(sorted(found), dtype=torch.int64).reshape(-1, 2).T.contiguous()
        for name, found in pairs.items()
    }


def _chained(schema: ClassGraph, place: dict[int, int], count: int) -> Iterator[tuple[str, int, int]]:
    """Edge types, receivers and senders of property chains."""

    def directed(node: int, turned: bool) -> int:
        return place[node] + count * turned if node in place else -1

    for whole, chains in chains_of(schema).items():
        for chain in chains:
            for back in (False, True):
                made = directed(whole, back)
                links = [directed(node, turned != back) for node, turned in (reversed(chain) if back else chain)]
                met = [("made-first", "first-made", made, links[0]), ("made-last", "last-made", made, links[-1])]
                met += [("link-next", "next-link", one, other) for one, other in pairwise(links)]
                for there, here, one, other in met:
                    if one >= 0 and other >= 0 and one != other:
                        yield there, one, other
                        yield here, other, one


def _edges(schema: ClassGraph, iri: str) -> list[tuple[int, int]]:
    if iri not in schema.relations:
        return []
    rows = schema.edge_type == schema.relation(iri)
    return [(int(subject), int(target)) for subject, target in schema.edge_index[:, rows].T.tolist()]
