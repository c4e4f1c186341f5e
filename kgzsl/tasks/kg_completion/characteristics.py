"""What an ontology says of a property by itself (it is functional, asymmetric ..), held against answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from kgzsl.tasks.kg_completion._axioms import Properties
from kgzsl.tasks.kg_completion.entailed import Entailed

__all__ = ["Characteristics"]


class _Rule(NamedTuple):
    """A property that facts of the relation are facts of, head and tail perhaps exchanged, and what it is."""

    follows: Entailed
    turned: bool
    one_tail: bool
    one_head: bool
    asymmetric: bool
    irreflexive: bool


@dataclass(frozen=True)
class Characteristics:
    """Answers of one relation that owl:FunctionalProperty and the like rule out beside known facts.

    A head of a functional property that has a tail has no other one; of an inverse functional property the same holds
    for heads of a tail. Nothing that is irreflexive (or asymmetric) holds of an entity and itself, and no fact of an
    asymmetric property holds in both directions. Super-, equivalent and inverse properties bind the relation, too.
    Names are taken to be of different things; what is known, or follows, is not ruled out.

    Args:
        rules: The properties of which one of these is said.
    """

    rules: tuple[_Rule, ...] = ()

    @classmethod
    def read(cls, relation: int, said: Properties, facts: Tensor, entities: int) -> Characteristics:
        """What a schema says of the relation with this id, over facts int64 [T, 3]."""
        node = said.nodes[relation]
        rules = []
        for one, turned in [(node, False), *sorted(said.implied.get(node, ()))]:
            one_tail, one_head, asymmetric, irreflexive = (
                one in said.kinds.get(kind, ())
                for kind in ("Functional", "InverseFunctional", "Asymmetric", "Irreflexive")
            )
            if one >= 0 and (one_tail or one_head or asymmetric or irreflexive):
                follows = Entailed.of_node(one, said, facts, entities)
                if turned:
                    one_tail, one_head = one_head, one_tail
                rules.append(_Rule(follows, turned, one_tail, one_head, asymmetric, irreflexive))
        return cls(tuple(rules))

    def out(self, anchors: Tensor, side: str) -> Tensor | None:
        """bool [Q, E], answers of each anchor that are ruled out; None where nothing is said."""
        found = None
        for rule in self.rules:
            own = _held(rule, anchors, side)
            out = torch.zeros_like(own)
            alone, taken = (rule.one_tail, rule.one_head) if side == "tail" else (rule.one_head, rule.one_tail)
            if alone:
                out |= own.any(dim=1, keepdim=True)
            if taken:
                out |= _ends(rule, side)[None]
            if rule.asymmetric:
                out |= _held(rule, anchors, "head" if side == "tail" else "tail")
            if rule.asymmetric or rule.irreflexive:
                out[torch.arange(len(anchors)), anchors] = True
            out &= ~own
            found = out if found is None else found | out
        return found


def _held(rule: _Rule, anchors: Tensor, side: str) -> Tensor:
    """bool [Q, E]: the answers that are known of the property, or follow."""
    return rule.follows.answers(anchors, side if not rule.turned else ("head" if side == "tail" else "tail"))


def _ends(rule: _Rule, side: str) -> Tensor:
    """bool [E]: entities that are at the asked end of what is known of the property, or follows."""
    return rule.follows.tails() if (side == "tail") != rule.turned else rule.follows.heads()
