"""Facts that a schema's disjoint properties hold against answers: who borders a land is no maritime neighbour of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from kgzsl.knowledge import ClassGraph
from kgzsl.knowledge.vocabulary import OWL
from kgzsl.tasks.kg_completion._answers import answers_of_pairs
from kgzsl.tasks.kg_completion._axioms import Properties, objects_of

__all__ = ["Contradictions"]


@dataclass(frozen=True)
class Contradictions:
    """Which relations exclude which, by owl:propertyDisjointWith.

    Disjointness is symmetric, and holds of all whose facts imply facts of the two properties: by
    rdfs:subPropertyOf, owl:equivalentProperty, owl:inverseOf and owl:SymmetricProperty, over and over, also through
    properties that are none of the relations. Which of them exchange head and tail says in which direction.

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
        disjoint = objects_of(schema, OWL + "propertyDisjointWith")
        pairs = {(a, b) for a, others in disjoint.items() for b in others}
        pairs |= {(b, a) for a, b in pairs}
        said = Properties.read(schema, relations)
        named = {node for pair in pairs for node in pair}
        # Relation to the properties that are disjoint with some, and that its facts are facts of, perhaps turned round.
        held = [
            {(one, turned) for one, turned in ((node, False), *said.implied.get(node, ())) if one in named}
            for node in said.nodes
        ]
        told = [number for number, properties in enumerate(held) if properties]
        found: dict[bool, dict[int, list[int]]] = {False: {}, True: {}}
        for one in told:
            for two in told:
                turns = {s != t for a, s in held[one] for b, t in held[two] if (a, b) in pairs}
                for turned in turns:
                    found[turned].setdefault(one, []).append(two)
        forward, backward = ({one: tuple(against) for one, against in found[turn].items()} for turn in (False, True))
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
        if relation not in self.forward and relation not in self.backward:
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
