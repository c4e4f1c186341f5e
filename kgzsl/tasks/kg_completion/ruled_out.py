"""What known facts, and all that follows from them, hold against answers, whichever ranker is asked."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion._answers import answers_in
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
        against: Relations that exclude this one: id, what follows for it, whether heads and tails are exchanged.
        by_itself: What is said of the relation by itself.
    """

    model: ProposingCompleter
    relation: int
    against: tuple[tuple[int, Entailed, bool], ...] = ()
    by_itself: Characteristics = field(default_factory=Characteristics)

    @classmethod
    def read(
        cls, model: ProposingCompleter, relation: int, schema: ClassGraph | None, *, read: Properties | None = None
    ) -> RuledOut:
        """What a schema says of the relation, beside what the model knows; ``read`` is what it says of all of them."""
        names, facts, size = model.relations_, model._known, len(model.entities_)
        properties = read or Properties.read(schema, names)
        said = Contradictions.read(names, schema)
        forward, backward = said.forward.get(relation, ()), said.backward.get(relation, ())
        follows = {
            other: Entailed.read(other, names, schema, facts, size, said=properties) for other in {*forward, *backward}
        }
        straight, turned = (
            tuple((other, follows[other], way) for other in table)
            for table, way in ((forward, False), (backward, True))
        )
        return cls(model, relation, (*straight, *turned), Characteristics.read(relation, properties, facts, size))

    def answers(self, anchors: Tensor, side: str) -> Tensor | None:
        """bool [Q, E]; None where nothing excludes the relation."""
        found = self.model.ruled_out(self.relation, anchors, side)
        mine = self.by_itself.out(anchors, side)
        found = mine if found is None else found if mine is None else found | mine
        for other, entailed, turned in self.against:
            asked = "tail" if (side == "tail") != turned else "head"
            others = entailed.answers(anchors, asked)
            others |= answers_in(entailed.facts, other, anchors, asked, entailed.entities)
            found = others if found is None else found | others
        return found
