"""Which classes a schema lets the two ends of a property have."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from kgzsl.knowledge import ClassGraph
from kgzsl.knowledge.vocabulary import RDFS
from kgzsl.tasks.kg_completion._axioms import objects_of, properties_implied

__all__ = ["Clauses", "RelationEnds", "clauses_of"]

Clauses = tuple[frozenset[int], ...]
"""Sets of nodes: an entity has to be of one of each set."""


@dataclass(frozen=True)
class RelationEnds:
    """Domains and ranges, with what follows for a property from those that it implies.

    Whatever stands at an end of a property stands at that end of its super-properties and equivalents too, and at the
    other end of its inverses. Classes of a union are one set; several statements, and the parts of an intersection, are
    a set each. A union with a part that has no name leaves its statement without effect, and so does a list of
    individuals.

    Args:
        domain: Node of a property to its sets. Those without any are not there.
        range: The same for the other end.
    """

    domain: dict[int, Clauses]
    range: dict[int, Clauses]

    @classmethod
    def read(cls, schema: ClassGraph) -> RelationEnds:
        """What a schema says."""
        own = {end: _stated(schema, end) for end in ("domain", "range")}
        implied = properties_implied(schema)
        found: dict[str, dict[int, Clauses]] = {"domain": {}, "range": {}}
        for end, other in (("domain", "range"), ("range", "domain")):
            for node in {*own[end], *implied}:
                sets = dict.fromkeys(own[end].get(node, ()))
                for above, turned in sorted(implied.get(node, ())):
                    sets |= dict.fromkeys(own[other if turned else end].get(above, ()))
                if sets:
                    found[end][node] = tuple(sets)
        return cls(found["domain"], found["range"])


def clauses_of(schema: ClassGraph, end: str, node: int, targets: Collection[int]) -> Clauses:
    """What rdfs:domain (or range, by ``end``) edges from a property to ``targets`` ask for: unions are one set."""
    unions = schema.provenance.get("unions", {}).get(end, {})
    groups = [frozenset(schema.node_index.get(iri, -1) for iri in one) for one in unions.get(schema.iris[node], ())]
    joined = frozenset().union(*groups)
    alone = sorted(set(targets) - joined)
    sets = [frozenset({target}) for target in alone if not schema.iris[target].startswith("_:")]
    return (*sets, *(group for group in groups if -1 not in group))  # -1: a part that names no class


def _stated(schema: ClassGraph, end: str) -> dict[int, Clauses]:
    found = objects_of(schema, RDFS + end)
    return {node: clauses_of(schema, end, node, targets) for node, targets in found.items()}
