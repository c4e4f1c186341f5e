"""The subgraph that encloses each of many triples, all extracted at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from kgzsl.errors import InputError
from kgzsl.tasks.kg_completion._ranges import ranges, starts_of

__all__ = ["Subgraphs", "Surrounds"]

_MOST_PAIRS = 100_000_000


@dataclass(frozen=True)
class Subgraphs:
    """The edges around B targets, one after the other; the last B edges are the targets themselves.

    Args:
        head: int64 [E], the slot of each edge's head: a place of its own for every (target, entity).
        tail: int64 [E], the slot of its tail.
        relation: int64 [E].
        target: int64 [E], which target the edge is around.
        distance: int64 [E], steps from edge to edge up to the target's; 0 for the target.
        slots: How many slots there are.
        count: B.
    """

    head: Tensor
    tail: Tensor
    relation: Tensor
    target: Tensor
    distance: Tensor
    slots: int
    count: int

    @property
    def empty(self) -> Tensor:
        """bool [B]: targets with no edge around them."""
        context = self.target[: len(self.target) - self.count]
        return torch.bincount(context, minlength=self.count) == 0

    def within(self, distance: int) -> Tensor:
        """int64: the edges that far from their target, or nearer, in order."""
        return torch.nonzero(self.distance <= distance).flatten()


class Surrounds:
    """A graph prepared for extraction: who is near whom, and the facts of each entity.

    The subgraph that encloses (h, r, t) holds h, t, the entities at most ``hops`` steps from both, and all facts among
    them but the target itself (Teru et al., "Inductive Relation Prediction by Subgraph Reasoning", ICML 2020).

    Args:
        triples: int64 [T, 3]; duplicates count once.
        num_entities: N.
        num_relations: R.
        hops: Steps from each end.

    Raises:
        InputError: More pairs of near entities than fit.
    """

    def __init__(self, triples: Tensor, num_entities: int, num_relations: int, *, hops: int = 2) -> None:
        self.num_entities, self.num_relations, self.hops = num_entities, num_relations, hops
        facts = torch.unique(triples, dim=0) if len(triples) else triples.reshape(0, 3)
        self.facts = facts
        head, relation, tail = facts.unbind(dim=1)
        self._starts = _starts(head, num_entities)
        ends = torch.cat([torch.stack([head, tail], dim=1), torch.stack([tail, head], dim=1)])
        ends = torch.unique(ends, dim=0)
        neighbours, begins = ends[:, 1], _starts(ends[:, 0], num_entities)
        everyone = torch.arange(num_entities, device=facts.device)
        keys = everyone * num_entities + everyone
        for _ in range(hops):
            who, at = torch.div(keys, num_entities, rounding_mode="floor"), keys % num_entities
            rows, place = _expand(begins, at)
            if len(rows) > _MOST_PAIRS:
                raise InputError(
                    f"more than {_MOST_PAIRS:,} pairs of entities are within {hops} steps", remedy="give fewer hops"
                )
            keys = torch.unique(torch.cat([keys, who[rows] * num_entities + neighbours[place]]))
        self._near = keys % num_entities
        self._near_starts = _starts(torch.div(keys, num_entities, rounding_mode="floor"), num_entities)
        self.near_count = self._near_starts.diff()
        # How many facts begin at the entities that are near each: the most that a subgraph around it can hold.
        facts_of = self._starts.diff()
        sums = starts_of(facts_of[self._near])
        self.near_facts = sums[self._near_starts].diff()
        # How often each entity is the head, and the tail, of each relation: the one-hop surroundings of both.
        shape = (num_entities, num_relations)
        self.out_counts = torch.zeros(shape, device=facts.device).index_put_(
            (head, relation), torch.ones(len(facts), device=facts.device), accumulate=True
        )
        self.in_counts = torch.zeros(shape, device=facts.device).index_put_(
            (tail, relation), torch.ones(len(facts), device=facts.device), accumulate=True
        )
        self._fact_keys = self._key(head, relation, tail).sort().values

    def _key(self, head: Tensor, relation: Tensor, tail: Tensor) -> Tensor:
        return (head * self.num_relations + relation) * self.num_entities + tail

    def is_fact(self, triples: Tensor) -> Tensor:
        """bool [B]: whether each triple is in the graph."""
        if not len(self._fact_keys):
            return torch.zeros(len(triples), dtype=torch.bool, device=triples.device)
        keys = self._key(*triples.unbind(dim=1))
        place = torch.searchsorted(self._fact_keys, keys).clamp_(max=len(self._fact_keys) - 1)
        return self._fact_keys[place] == keys

    def enclosing(self, triples: Tensor, *, layers: int) -> Subgraphs:
        """The subgraphs around ``triples`` int64 [B, 3], without edges farther than ``layers`` from their target."""
        count, size = len(triples), self.num_entities
        head, _, tail = triples.unbind(dim=1)
        rows = torch.arange(count, device=triples.device)
        found = []
        for end in (head, tail):
            row, place = _expand(self._near_starts, end)
            found.append(row * size + self._near[place])
        near, often = torch.unique(torch.cat(found), return_counts=True)
        own = torch.cat([rows * size + head, rows * size + tail])
        # A target that is a fact brings entities near that are not without it: there all are looked at again.
        fact = self.is_fact(triples)
        slots = torch.unique(torch.cat([near[(often > 1) | fact[torch.div(near, size, rounding_mode="floor")]], own]))
        owner, entity = torch.div(slots, size, rounding_mode="floor"), slots % size
        start, place = _expand(self._starts, entity)
        other = owner[start] * size + self.facts[place, 2]
        slot = torch.searchsorted(slots, other).clamp_(max=len(slots) - 1)
        inside = slots[slot] == other
        inside &= ~(self.facts[place] == triples[owner[start]]).all(dim=1)
        start, place, slot = start[inside], place[inside], slot[inside]
        heads, tails = torch.searchsorted(slots, rows * size + head), torch.searchsorted(slots, rows * size + tail)
        if bool(fact.any()):
            mine = fact[owner[start]]
            kept = ~fact[owner]
            kept |= _near_both(len(slots), start[mine], slot[mine], heads, tails, self.hops)
            kept[heads], kept[tails] = True, True
            inside = kept[start] & kept[slot]
            start, place, slot = start[inside], place[inside], slot[inside]
        far = _steps(len(slots), start, slot, torch.cat([heads, tails]), layers - 1)
        distance = 1 + torch.minimum(far[start], far[slot])
        keep = distance <= layers
        start, place, slot, distance = start[keep], place[keep], slot[keep], distance[keep]
        return Subgraphs(
            torch.cat([start, heads]),
            torch.cat([slot, tails]),
            torch.cat([self.facts[place, 1], triples[:, 1]]),
            torch.cat([owner[start], rows]),
            torch.cat([distance, torch.zeros_like(rows)]),
            len(slots),
            count,
        )

    def chunks(self, triples: Tensor, entries: int) -> Iterator[Tensor]:
        """Row ranges of ``triples`` whose near entities and facts are about ``entries`` in all, at least one row each.

        An entity counts for a fourth of a fact, having no state. A fact near both ends is in the subgraph; where the
        triple is a fact itself, all that is near either end is looked at.
        """
        head, tail = triples[:, 0], triples[:, 2]
        facts = torch.minimum(self.near_facts[head], self.near_facts[tail])
        facts = torch.where(self.is_fact(triples), self.near_facts[head] + self.near_facts[tail], facts)
        near = torch.div(self.near_count[head] + self.near_count[tail], 4, rounding_mode="floor")
        work = (near + facts + 8).cumsum(0)
        part = torch.div(work, max(1, entries), rounding_mode="floor")
        _, sizes = torch.unique_consecutive(part, return_counts=True)
        start = 0
        for length in sizes.tolist():
            yield torch.arange(start, start + length, device=triples.device)
            start += length


def _steps(count: int, one: Tensor, other: Tensor, sources: Tensor, most: int) -> Tensor:
    """int64 [count]: steps to each slot from the sources, along edges in either direction; more than ``most``: +1."""
    far = torch.full((count,), most + 1, device=one.device)
    far[sources] = 0
    for _ in range(most):
        nearer = far.scatter_reduce(0, other, far[one] + 1, "amin")
        far = nearer.scatter_reduce(0, one, far[other] + 1, "amin")
    return far


def _near_both(count: int, one: Tensor, other: Tensor, heads: Tensor, tails: Tensor, hops: int) -> Tensor:
    return (_steps(count, one, other, heads, hops) <= hops) & (_steps(count, one, other, tails, hops) <= hops)


def _starts(owners: Tensor, count: int) -> Tensor:
    """Where the entries of each owner begin in a list sorted by owner: int64 [count + 1]."""
    return starts_of(torch.bincount(owners, minlength=count))


def _expand(starts: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
    """Row of ``keys`` and place in the list, for every entry of every key."""
    return ranges(starts[keys], starts[keys + 1] - starts[keys])
