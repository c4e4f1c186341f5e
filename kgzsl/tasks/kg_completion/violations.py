"""Which candidate triples a schema speaks against: kinds outside domain or range, or disjoint with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from kgzsl.knowledge import ClassGraph
from kgzsl.knowledge.vocabulary import OWL
from kgzsl.tasks.kg_completion._axioms import closure, objects_of, superclasses_of
from kgzsl.tasks.kg_completion.evidence.kinds import EntityKinds
from kgzsl.tasks.kg_completion.relation_ends import Clauses, RelationEnds

__all__ = ["Violations", "in_domain_by_use"]

_DISJOINT = OWL + "disjointWith"


@dataclass(frozen=True)
class Violations:
    """What the schema says against entities at the two ends of relations.

    Args:
        kinds: Kinds of entities, with domains and ranges.
        disjoint_tails: Relation id to bool [K], kinds that are disjoint with its range.
        disjoint_heads: The same with its domain.
    """

    kinds: EntityKinds
    disjoint_tails: Mapping[int, Tensor] = field(default_factory=dict)
    disjoint_heads: Mapping[int, Tensor] = field(default_factory=dict)

    @classmethod
    def read(cls, kinds: EntityKinds, relations: tuple[str, ...], schema: ClassGraph | None) -> Violations:
        """Disjointness of kinds with domains and ranges, inherited by subclasses on both sides.

        What is disjoint with each class of a union is disjoint with the union. Domains and ranges that the schema has
        now hold beside those that the kinds were read with.
        """
        if schema is not None:
            kinds = kinds.beside(relations, schema)
        if schema is None or _DISJOINT not in schema.relations:
            return cls(kinds)
        parents = superclasses_of(schema)
        apart = objects_of(schema, _DISJOINT)
        for one, others in list(apart.items()):
            for other in others:
                apart.setdefault(other, set()).add(one)
        above = kinds.above(schema)
        against = [set().union(*(apart.get(node, set()) for node in nodes)) for nodes in above]
        said = RelationEnds.read(schema)
        nodes = schema.align(list(relations)).indices.tolist()

        def masks(wanted: Mapping[int, Clauses]) -> dict[int, Tensor]:
            found = {}
            for relation, node in enumerate(nodes):
                sets = [[closure(parents, one) for one in classes] for classes in wanted.get(node, ())]
                if sets:
                    barred = [any(all(one & enemies for one in each) for each in sets) for enemies in against]
                    found[relation] = torch.tensor(barred)
            return found

        return cls(kinds, masks(said.range), masks(said.domain))

    def wrong(self, relation: int, side: str) -> Tensor:
        """Entities that may not be at the asked end, for whatever reason: bool [E]."""
        return torch.stack(list(self.against(relation, side).values())).any(dim=0)

    def against(self, relation: int, side: str) -> dict[str, Tensor]:
        """Entities that may not be at the asked end: ``"disjoint"`` and ``"range"`` (or ``"domain"``) to bool [E].

        An entity whose kind is not known is held against nothing; one that is disjoint is not counted again.
        """
        end = "range" if side == "tail" else "domain"
        known = torch.tensor([bool(name) for name in self.kinds.names])
        none = torch.zeros(len(self.kinds), dtype=torch.bool)
        disjoint = (self.disjoint_tails if side == "tail" else self.disjoint_heads).get(relation, none)
        allowed = self.kinds.allowed(relation, side)
        outside = none if allowed is None else ~allowed & known & ~disjoint
        return {"disjoint": disjoint[self.kinds.of], end: outside[self.kinds.of]}


def in_domain_by_use(
    relation: int, facts: Tensor, entities: int, relations: tuple[str, ...], schema: ClassGraph | None
) -> Tensor:
    """bool [E]: entities whose facts make them what the rdfs:domain of a relation asks for, as RDFS entails it.

    The head of a fact is of the classes that the domain of the fact's relation names, its tail of those that its range
    names, and both of all their superclasses. No entity is, where the schema names no domain.

    Args:
        relation: The one that is asked about.
        facts: int64 [N, 3], head, relation, tail.
        entities: E.
        relations: Names of all relations.
        schema: With domains, ranges and subclasses.
    """
    none = torch.zeros(entities, dtype=torch.bool)
    if schema is None:
        return none
    nodes = schema.align(list(relations)).indices.tolist()
    parents, ends = superclasses_of(schema), RelationEnds.read(schema)
    each = []
    for wanted in ends.domain.get(nodes[relation], ()):
        holds = none.clone()
        for column, said in ((0, ends.domain), (2, ends.range)):
            # Of a union, whichever of its classes it is has to be one of those wanted.
            speaks = [
                any(all(wanted & closure(parents, one) for one in classes) for classes in said.get(node, ()))
                for node in nodes
            ]
            holds[facts[torch.tensor(speaks)[facts[:, 1]], column]] = True
        each.append(holds)
    return torch.stack(each).all(dim=0) if each else none
