"""Entities drawn beside each answer, and in its place, by the published protocol of subgraph methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kgzsl._options import check_count
from kgzsl.datasets.filter_index import FilterIndex
from kgzsl.errors import InputError
from kgzsl.tasks.kg_completion._ids import checked_facts
from kgzsl.tasks.kg_completion._ranks import rank_of_names

__all__ = ["DrawnAnswers"]

_ROWS = 1 << 16  # Fixed, so that what is drawn does not hang on how much memory there is.


@dataclass(frozen=True)
class DrawnAnswers:
    """Entities drawn to stand beside the ends of some triples, and in place of one of them.

    The rule is that of the public code of RMPI (Geng et al., "Relational Message Passing for Fully Inductive Knowledge
    Graph Completion", ICDE 2023): every end is ranked among ``count`` entities, drawn evenly and one by one (so that
    one may come twice) from those that are not the other end and do not make the triple a fact of the graph. Answers of
    other test triples are not left out, nor is the true one, which in a small graph is often its own rival (and then
    stands at rank 1.5). For AUC-PR one end of each triple is replaced by such an entity; an end for which more entities
    are allowed is chosen so much more often, as if draws for either were repeated until one is allowed.

    Args:
        tails: int64 [T, count], beside the tail of each triple; -1 where no entity is allowed.
        heads: int64 [T, count]; empty where tails alone are asked for.
        instead: int64 [T], the entity in place of one end; -1 where no entity is allowed.
        of_tail: bool [T], whether that end is the tail.
    """

    tails: Tensor
    heads: Tensor
    instead: Tensor
    of_tail: Tensor

    @classmethod
    def draw(
        cls,
        triples: Tensor,
        facts: Tensor,
        num_entities: int,
        num_relations: int,
        *,
        count: int = 49,
        sides: str = "both",
        seed: int = 0,
        names: tuple[Sequence[str], Sequence[str]] | None = None,
    ) -> DrawnAnswers:
        """Draw for some triples; the draws take 8 bytes each.

        Args:
            triples: int64 [T, 3], what is asked for.
            facts: int64 [F, 3], which are not drawn.
            num_entities: E.
            num_relations: R.
            count: Entities beside each end.
            sides: ``"tail"`` replaces tails alone.
            seed: Decides what is drawn.
            names: Of entities and relations: draws go by them, so that how the data number them leaves no trace.
                Left out, by number.

        Raises:
            InputError: ``count`` is no whole number or below 1, unknown sides, triples that are no ids, or names of
                other numbers.
        """
        check_count(count, "the number of drawn entities")
        if sides not in ("tail", "both"):
            raise InputError(f"sides is {sides!r}", remedy="choose tail or both")
        triples, facts = (checked_facts(part, num_entities, num_relations) for part in (triples, facts))
        if names is not None and tuple(map(len, names)) != (num_entities, num_relations):
            raise InputError(
                f"there are names of {len(names[0])} entities and {len(names[1])} relations, "
                f"but {num_entities} and {num_relations} of these"
            )
        place, kind = (
            (torch.arange(num_entities), torch.arange(num_relations))
            if names is None
            else (rank_of_names(names[0]), rank_of_names(names[1]))
        )
        triples, facts = (
            torch.stack([place[part[:, 0]], kind[part[:, 1]], place[part[:, 2]]], dim=1) for part in (triples, facts)
        )
        index, by_name = FilterIndex(facts, num_entities, num_relations), place.argsort()
        head, relation, tail = triples.unbind(dim=1)
        order = ((relation * num_entities + head) * num_entities + tail).argsort(stable=True)
        both = sides == "both"
        tails = torch.empty(len(triples), count, dtype=torch.int64)
        heads = torch.empty(len(triples) if both else 0, count, dtype=torch.int64)
        instead, of_tail = torch.empty(len(triples), dtype=torch.int64), torch.ones(len(triples), dtype=torch.bool)
        random = torch.Generator().manual_seed(seed)

        def lots(*shape: int) -> Tensor:
            return torch.rand(shape, dtype=torch.float64, generator=random)

        for rows in torch.split(order, _ROWS):
            free = _Allowed(index, relation[rows], head[rows], "tail")
            tails[rows] = free.pick(lots(len(rows), count), by_name)
            chosen = free.pick(lots(len(rows), 1), by_name)[:, 0]
            if both:
                turned = _Allowed(index, relation[rows], tail[rows], "head")
                heads[rows] = turned.pick(lots(len(rows), count), by_name)
                share = free.sizes / (free.sizes + turned.sizes).clamp(min=1)
                of_tail[rows] = lots(len(rows)) < share
                chosen = torch.where(of_tail[rows], chosen, turned.pick(lots(len(rows), 1), by_name)[:, 0])
            instead[rows] = chosen
        return cls(tails, heads, instead, of_tail)

    @staticmethod
    def check(count: int | None, triples: int, budget: int) -> None:
        """Refuse a number of draws that no budget of so many bytes can hold, before anything is trained.

        Raises:
            InputError: It does not, or is no whole number of 1 or more.
        """
        if count is None:
            return
        check_count(count, "protocol.negatives")
        size = 16 * count * triples
        if size > budget:
            raise InputError(
                f"{count:,} drawn entities for either end of {triples:,} test triples take {size:,} bytes",
                place="protocol.negatives",
                remedy=f"draw fewer, or raise protocol.memory_budget, which is {budget:,}",
            )

    def of_queries(self, order: Tensor) -> tuple[Tensor, Tensor]:
        """The draws query by query.

        Args:
            order: int64 [Q], which triple each query asks about: below T for its tail, T more for its head.

        Returns:
            int64 [Q, count], the entities beside the answer; int64 [Q], the one in its place, -1 where the triple was
            corrupted at the other end.
        """
        none = torch.full_like(self.instead, -1)
        ends = [torch.where(self.of_tail, self.instead, none), torch.where(self.of_tail, none, self.instead)]
        return torch.cat([self.tails, self.heads])[order], torch.cat(ends)[order]


class _Allowed:
    """The entities that each question may draw: all but the known answers and the end that it gives.

    Questions that are alike share what is known of them: many ask for what a large part of the facts answer.

    Args:
        index: The known facts.
        relations: int64 [Q].
        given: int64 [Q], the ends that are given.
        side: Which end is drawn, ``"tail"`` or ``"head"``.
    """

    def __init__(self, index: FilterIndex, relations: Tensor, given: Tensor, side: str) -> None:
        entities = index.num_entities
        alike, self._question = torch.unique(relations * entities + given, return_inverse=True)
        relation, own = torch.div(alike, entities, rounding_mode="floor"), alike % entities
        row, known = index.tails(own, relation) if side == "tail" else index.heads(relation, own)
        keys = torch.unique(torch.cat([row, torch.arange(len(own))]) * entities + torch.cat([known, own]))
        row, entity = torch.div(keys, entities, rounding_mode="floor"), keys % entities
        gone = torch.bincount(row, minlength=len(own))
        self._begins = gone.cumsum(0) - gone
        # The nth entity that is left has as many that are gone before it as have a "rest" of at most n.
        rest = entity - (torch.arange(len(keys)) - self._begins[row])
        self._span, self._keys = entities + 1, row * (entities + 1) + rest
        self.sizes = (entities - gone)[self._question]

    def pick(self, lots: Tensor, names: Tensor) -> Tensor:
        """``names`` [E] of the entities that lots in [0, 1), float64 [Q, K], fall on; -1 where none is allowed."""
        nth = torch.minimum((lots * self.sizes[:, None]).long(), (self.sizes - 1).clamp(min=0)[:, None])
        wanted = (self._question * self._span)[:, None] + nth
        before = torch.searchsorted(self._keys, wanted, right=True) - self._begins[self._question][:, None]
        found = (nth + before).clamp(max=len(names) - 1)
        return torch.where(self.sizes[:, None] > 0, names[found], -1)
