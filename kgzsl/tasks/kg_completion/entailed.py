"""Triples that follow from known facts by what a schema says about properties: a new inverse needs no guessing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from kgzsl.tasks.kg_completion._answers import answers_in
from kgzsl.tasks.kg_completion._axioms import Properties
from kgzsl.tasks.kg_completion.compositions import Compositions, Fact

__all__ = ["Entailed"]


@dataclass(frozen=True)
class Entailed:
    """What follows for one relation from known facts.

    By rdfs:subPropertyOf, owl:equivalentProperty, owl:inverseOf, owl:SymmetricProperty, owl:propertyChainAxiom and
    owl:TransitiveProperty, over and over, and through properties that no fact uses.

    Args:
        facts: int64 [T, 3], what is known.
        entities: E.
        sources: Relations whose facts are facts of this one: (id, whether head and tail are exchanged).
        composed: What follows by chains of facts.
    """

    facts: Tensor
    entities: int
    sources: tuple[tuple[int, bool], ...] = ()
    composed: Compositions = field(default_factory=Compositions)

    @classmethod
    def read(cls, relation: int, said: Properties, facts: Tensor, entities: int) -> Entailed:
        """What follows for the relation with this id by what a schema says, over facts int64 [T, 3]."""
        found = cls.of_node(said.nodes[relation], said, facts, entities)
        others = tuple(source for source in found.sources if source != (relation, False))
        return cls(facts, entities, others, found.composed)

    @classmethod
    def of_node(cls, node: int, said: Properties, facts: Tensor, entities: int) -> Entailed:
        """All facts of a property, which is a node of the schema: those of relations called so, and what follows."""
        if said.schema is None or node < 0:
            return cls(facts, entities)
        sources = tuple(
            (number, turned)
            for number, one in enumerate(said.nodes)
            for turned in (False, True)
            if (node, turned) in said.implied.get(one, ()) or (one == node and not turned)
        )
        return cls(facts, entities, sources, Compositions.read(node, said.nodes, said.implied, said.schema, facts))

    @property
    def empty(self) -> bool:
        """Whether the schema says nothing of this kind."""
        return not self.sources and self.composed.node < 0

    def answers(self, anchors: Tensor, side: str) -> Tensor:
        """bool [Q, E]: what follows for each anchor, int64 [Q], known or not."""
        found = torch.zeros(len(anchors), self.entities, dtype=torch.bool)
        for number, turned in self.sources:
            asked = "tail" if (side == "tail") != turned else "head"
            found |= answers_in(self.facts, number, anchors, asked, self.entities)
        self.composed.answers(anchors, side, found)
        return found

    def heads(self) -> Tensor:
        """bool [E]: entities of which a triple of the relation follows."""
        return self._ends(tails=False)

    def tails(self) -> Tensor:
        """bool [E]: entities at the other end of what follows."""
        return self._ends(tails=True)

    def _ends(self, tails: bool) -> Tensor:
        found = torch.zeros(self.entities, dtype=torch.bool)
        for number, turned in self.sources:
            found[self.facts[self.facts[:, 1] == number, 2 if turned != tails else 0]] = True
        found[self.composed.tails() if tails else self.composed.heads()] = True
        return found

    def pairs(self) -> Tensor:
        """int64 [N], ``head * E + tail`` of all that follows, each once, ascending."""
        found = [self.composed.codes(self.entities)]
        for number, turned in self.sources:
            head, tail = self.facts[self.facts[:, 1] == number][:, [2, 0] if turned else [0, 2]].unbind(dim=1)
            found.append(head * self.entities + tail)
        codes: Tensor = torch.unique(torch.cat(found))
        return codes

    def because(self, head: int, tail: int) -> list[tuple[Fact, ...]]:
        """The known facts, as (head, relation, tail) ids, that one triple follows from; any of the tuples is enough."""
        found: list[tuple[Fact, ...]] = []
        for number, turned in self.sources:
            ends = (tail, head) if turned else (head, tail)
            fact = (ends[0], number, ends[1])
            if bool((self.facts == torch.tensor(fact)).all(dim=1).any()):
                found.append((fact,))
        together = () if found else self.composed.because(head, tail)
        return [together] if together else found

    def told(self, head: int, tail: int, named: Callable[[Fact], tuple[str, str, str]]) -> tuple[str, ...]:
        """:meth:`because`, in words."""
        return tuple(" and ".join(" ".join(named(fact)) for fact in facts) for facts in self.because(head, tail))
