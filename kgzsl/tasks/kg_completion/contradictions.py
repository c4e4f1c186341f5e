"""Facts that a schema's disjoint properties hold against answers: who borders a land is no maritime neighbour of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from kgzsl.knowledge import ClassGraph
from kgzsl.knowledge.vocabulary import OWL, RDFS
from kgzsl.tasks.kg_completion._answers import answers_of_pairs
from kgzsl.tasks.kg_completion._axioms import closure, objects_of, properties_implied

__all__ = ["Contradictions"]


@dataclass(frozen=True)
class Contradictions:
    """Which relations exclude which, by owl:propertyDisjointWith.

    Disjointness is symmetric and is inherited by subproperties on both sides. Where one of the two relations is
    symmetric, facts of the other speak in both directions.

    Args:
        forward: Relation id to those whose fact (h, t) contradicts its (h, t).
        backward: Relation id to those whose fact (t, h) contradicts its (h, t).
    """

    forward: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    backward: Mapping[int, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def read(cls, relations: Sequence[str], schema: ClassGraph | None) -> Contradictions:
        """What a schema says of the relations, numbered as they come."""
        if schema is None or OWL + "propertyDisjointWith" not in schema.relations:
            return cls()
        parents = objects_of(schema, RDFS + "subPropertyOf")
        pairs = {(a, b) for a, bs in objects_of(schema, OWL + "propertyDisjointWith").items() for b in bs}
        pairs |= {(b, a) for a, b in pairs}
        nodes = schema.align(list(relations)).indices.tolist()
        above = [closure(parents, node) for node in nodes]
        turning = {node for node, implied in properties_implied(schema).items() if (node, True) in implied}
        forward: dict[int, tuple[int, ...]] = {}
        backward: dict[int, tuple[int, ...]] = {}
        named = {node for pair in pairs for node in pair}
        told = [number for number, nodes_of in enumerate(above) if nodes_of & named]
        for one in told:
            against = [two for two in told if any((a, b) in pairs for a in above[one] for b in above[two])]
            if against:
                forward[one] = tuple(against)
            turned = tuple(two for two in against if nodes[one] in turning or nodes[two] in turning)
            if turned:
                backward[one] = turned
        return cls(forward, backward)

    def joined(self, other: Contradictions) -> Contradictions:
        """What both say."""
        both = []
        for mine, more in ((self.forward, other.forward), (self.backward, other.backward)):
            keys = {*mine, *more}
            both.append({key: tuple(sorted({*mine.get(key, ()), *more.get(key, ())})) for key in keys})
        return Contradictions(*both)

    def codes(self, relation: int, facts: Tensor, entities: int) -> Tensor:
        """int64 [N]: ``head * entities + tail`` of all triples of a relation that the facts, int64 [T, 3], rule out."""
        found = []
        for table, given, asked in ((self.forward, 0, 2), (self.backward, 2, 0)):
            mine = facts[torch.isin(facts[:, 1], torch.tensor(table.get(relation, ()), dtype=torch.int64))]
            found.append(mine[:, given] * entities + mine[:, asked])
        return torch.cat(found)

    def out(self, relation: int, anchors: Tensor, side: str, facts: Tensor, entities: int) -> Tensor | None:
        """Answers that the facts rule out: bool [Q, E]; None where no relation excludes this one."""
        if relation not in self.forward:
            return None
        codes = self.codes(relation, facts, entities)
        head, tail = codes // entities, codes % entities
        given, asked = (head, tail) if side == "tail" else (tail, head)
        return answers_of_pairs(given, asked, anchors, entities)

    def to_dict(self) -> dict[str, dict[str, list[int]]]:
        """JSON-able; see :meth:`from_dict`."""
        ends = {"forward": self.forward, "backward": self.backward}
        return {end: {str(key): list(value) for key, value in table.items()} for end, table in ends.items()}

    @classmethod
    def from_dict(cls, told: Mapping[str, Mapping[str, Sequence[int]]]) -> Contradictions:
        """What :meth:`to_dict` gave."""
        ends = ({int(key): tuple(value) for key, value in told[end].items()} for end in ("forward", "backward"))
        return cls(*ends)
