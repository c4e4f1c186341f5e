"""Triples that follow from known facts by what a schema says about properties: a new inverse needs no guessing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion._answers import answers_in
from kgzsl.tasks.kg_completion._axioms import properties_implied

__all__ = ["Entailed"]


@dataclass(frozen=True)
class Entailed:
    """Which relations' facts are facts of one relation too.

    By rdfs:subPropertyOf, owl:equivalentProperty, owl:inverseOf and owl:SymmetricProperty, over and over, and through
    properties that no fact uses.

    Args:
        sources: (relation id, whether its head and tail are exchanged).
    """

    sources: tuple[tuple[int, bool], ...] = ()

    @classmethod
    def read(cls, relation: int, relations: Sequence[str], schema: ClassGraph | None) -> Entailed:
        """What a schema says of the relation with this id among ``relations``."""
        if schema is None:
            return cls()
        nodes = schema.align(list(relations)).indices.tolist()
        implied = properties_implied(schema)
        return cls(
            tuple(
                (number, turned)
                for number, node in enumerate(nodes)
                for turned in (False, True)
                if (nodes[relation], turned) in implied.get(node, ()) and (number, turned) != (relation, False)
            )
        )

    def answers(self, facts: Tensor, anchors: Tensor, side: str, entities: int) -> Tensor:
        """bool [Q, E]: what follows for each anchor, int64 [Q], from facts int64 [T, 3], known or not."""
        found = torch.zeros(len(anchors), entities, dtype=torch.bool)
        for number, turned in self.sources:
            asked = "tail" if (side == "tail") != turned else "head"
            found |= answers_in(facts, number, anchors, asked, entities)
        return found

    def heads(self, facts: Tensor, entities: int) -> Tensor:
        """bool [E]: entities of which a triple of the relation follows from facts int64 [T, 3]."""
        found = torch.zeros(entities, dtype=torch.bool)
        for number, turned in self.sources:
            found[facts[facts[:, 1] == number, 2 if turned else 0]] = True
        return found

    def because(self, facts: Tensor, head: int, tail: int) -> list[tuple[int, int, int]]:
        """The known facts, as (head, relation, tail) ids, that one triple follows from."""
        found = []
        for number, turned in self.sources:
            ends = (tail, head) if turned else (head, tail)
            fact = (ends[0], number, ends[1])
            if bool((facts == torch.tensor(fact)).all(dim=1).any()):
                found.append(fact)
        return found
