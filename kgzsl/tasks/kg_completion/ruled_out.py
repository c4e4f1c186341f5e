"""What known facts, and all that follows from them, hold against answers, whichever ranker is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce

import torch
from torch import Tensor

from kgzsl.tasks.kg_completion._axioms import Properties
from kgzsl.tasks.kg_completion.characteristics import Characteristics
from kgzsl.tasks.kg_completion.contradictions import Contradictions
from kgzsl.tasks.kg_completion.entailed import Entailed
from kgzsl.tasks.kg_completion.proposing import ProposingCompleter

__all__ = ["RuledOut"]


@dataclass(frozen=True)
class RuledOut:
    """Answers of one relation that cannot be true beside known facts: of relations that exclude it, and of its own.

    Args:
        model: Which may rule out more by itself.
        relation: Id.
        against: All facts of each relation that excludes this one, and whether heads and tails are exchanged.
        by_itself: What is said of the relation by itself.
    """

    model: ProposingCompleter
    relation: int
    against: tuple[tuple[Entailed, bool], ...] = ()
    by_itself: Characteristics = field(default_factory=Characteristics)

    @classmethod
    def read(cls, model: ProposingCompleter, relation: int, said: Properties) -> RuledOut:
        """What a schema says of the relation, beside what the model knows."""
        facts, size = model._known, len(model.entities_)
        apart = Contradictions.read(model.relations_, said.schema)
        forward, backward = apart.forward.get(relation, ()), apart.backward.get(relation, ())
        every = {other: Entailed.of_node(said.nodes[other], said, facts, size) for other in {*forward, *backward}}
        against = (*((every[other], False) for other in forward), *((every[other], True) for other in backward))
        return cls(model, relation, against, Characteristics.read(relation, said, facts, size))

    def answers(self, anchors: Tensor, side: str) -> Tensor | None:
        """bool [Q, E]; None where nothing excludes the relation."""
        found = [self.model.ruled_out(self.relation, anchors, side), self.by_itself.out(anchors, side)]
        for excluding, turned in self.against:
            found.append(excluding.answers(anchors, "tail" if (side == "tail") != turned else "head"))
        told = [table for table in found if table is not None]
        return reduce(torch.logical_or, told) if told else None
