"""What an ontology's statements about properties entail and forbid, beside known facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from kgzsl.datasets.filter_index import FilterIndex
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion._axioms import Properties

__all__ = ["SchemaRules"]

_KINDS = ("Symmetric", "Asymmetric", "Irreflexive", "Functional", "InverseFunctional")


@dataclass(frozen=True)
class SchemaRules:
    """Rules about R relations.

    Entailed are facts by ``rdfs:subPropertyOf``, ``owl:equivalentProperty``, ``owl:inverseOf`` and
    ``owl:SymmetricProperty``, over and over, also through properties that are none of the relations.
    Forbidden are a loop of an irreflexive (or asymmetric) property, the reverse of a fact of an asymmetric one, a
    second value of a functional one, and a second subject of an inverse functional one.

    Args:
        kinds: ``"Symmetric"``, ``"Asymmetric"``, ``"Irreflexive"``, ``"Functional"``, ``"InverseFunctional"`` to the
            relation ids that are so.
        implied: int64 [P, 3]: (relation, what it implies, 1 where head and tail are exchanged).
        num_relations: R.
    """

    kinds: Mapping[str, frozenset[int]]
    implied: Tensor
    num_relations: int
    _facts: dict[str, FilterIndex] = field(default_factory=dict, repr=False, compare=False)
    _ends: dict[tuple[int, str], Tensor] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, schema: ClassGraph | None, relations: Sequence[str]) -> SchemaRules:
        """The rules that a schema has about ``relations``; none where there is no schema."""
        said = Properties.read(schema, relations)
        ids: dict[int, list[int]] = {}
        for number, node in enumerate(said.nodes):
            ids.setdefault(node, []).append(number)
        ids.pop(-1, None)
        implied = {
            (one, other, int(turned))
            for node, found in said.implied.items()
            for target, turned in found
            for one in ids.get(node, ())
            for other in ids.get(target, ())
        }
        kinds = {
            kind: frozenset(one for node in said.kinds.get(kind, ()) for one in ids.get(node, ())) for kind in _KINDS
        }
        table = torch.tensor(sorted(implied), dtype=torch.int64).reshape(-1, 3)
        return cls(kinds, table, len(relations))

    @property
    def empty(self) -> bool:
        """Whether the schema says nothing of this kind."""
        return not len(self.implied) and not any(self.kinds.values())

    def entail(self, facts: Tensor) -> Tensor:
        """The facts int64 [T, 3] and all that they entail, each once, sorted."""
        found: Tensor = torch.unique(facts.cpu(), dim=0)
        fresh = found
        while len(fresh):
            made = [found]
            for relation, other, turned in self.implied.tolist():
                mine = fresh[fresh[:, 1] == relation]
                ends = mine[:, [2, 0]] if turned else mine[:, [0, 2]]
                made.append(torch.stack([ends[:, 0], torch.full((len(mine),), other), ends[:, 1]], dim=1))
            whole, place = torch.unique(torch.cat(made), dim=0, return_inverse=True)
            new = torch.ones(len(whole), dtype=torch.bool)
            new[place[: len(found)]] = False
            found, fresh = whole, whole[new]
        return found

    def about(self, facts: Tensor, num_entities: int) -> SchemaRules:
        """The same rules beside these facts int64 [T, 3]; what they entail is worked out once."""
        closed = self.entail(facts)
        return SchemaRules(
            self.kinds, self.implied, self.num_relations, {"it": FilterIndex(closed, num_entities, self.num_relations)}
        )

    def entailed(self, relation: int, anchors: Tensor, side: str) -> tuple[Tensor, Tensor]:
        """Answers that facts and rules entail: rows of ``anchors`` and entities, known facts among them."""
        index, same = self._facts["it"], torch.full_like(anchors, relation)
        return index.tails(anchors, same) if side == "tail" else index.heads(same, anchors)

    def adjust(self, scores: Tensor, relation: int, anchors: Tensor, side: str) -> Tensor:
        """Scores [Q, E] with what is entailed above all else and what is forbidden below, each group in its order.

        Only the answers that a rule is about are touched, in a copy, without a mask over all; scores that no rule is
        about come back as given. What is entailed is not forbidden, and an answer that two rules forbid moves once.
        """
        if self.empty or not len(anchors):
            return scores
        anchors, scores = anchors.cpu(), scores.cpu()
        up = self.entailed(relation, anchors, side)
        down = self._impossible(relation, anchors, side)
        # A functional property gives each head one tail: heads that have one cannot be the head of another tail.
        taken, other = ("Functional", "InverseFunctional") if side == "head" else ("InverseFunctional", "Functional")
        busy = self._busy(relation, side) if relation in self.kinds[taken] else up[0][:0]
        settled = torch.unique(up[0]) if relation in self.kinds[other] else up[0][:0]
        if not any(map(len, (up[0], down[0], busy))):
            return scores
        low, high = torch.aminmax(scores, dim=1)
        gap = high - low + 1
        moved = scores.clone()
        moved[down] = scores[down] - gap[down[0]]
        moved[:, busy] = scores[:, busy] - gap[:, None]
        moved[settled] = scores[settled] - gap[settled, None]
        moved[up] = scores[up] + gap[up[0]]
        return moved

    def _impossible(self, relation: int, anchors: Tensor, side: str) -> tuple[Tensor, Tensor]:
        """Loops, and the reverses of facts: rows of ``anchors`` and entities, some of them twice."""
        none = anchors[:0]
        asymmetric = relation in self.kinds["Asymmetric"]
        loops = asymmetric or relation in self.kinds["Irreflexive"]
        row, entity = self.entailed(relation, anchors, "head" if side == "tail" else "tail")
        if not asymmetric:
            row, entity = none, none
        if loops:
            row = torch.cat([row, torch.arange(len(anchors))])
            entity = torch.cat([entity, anchors])
        return row, entity

    def _busy(self, relation: int, side: str) -> Tensor:
        """The entities that are at the asked end of a fact of the relation already."""
        if (relation, side) not in self._ends:
            every = torch.arange(self._facts["it"].num_entities)
            rows, _ = self.entailed(relation, every, "tail" if side == "head" else "head")
            self._ends[relation, side] = torch.unique(rows)
        return self._ends[relation, side]
