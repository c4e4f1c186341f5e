"""The triples of the seen relations as arcs: links of a pair, profiles of entities, walks between them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor

from kgzsl.tasks.kg_completion._ranges import ranges, starts_of
from kgzsl.tasks.kg_completion.neighbour_draw import NeighbourDraw
from kgzsl.tasks.kg_completion.profiles import DrawnProfiles, Profiles

__all__ = ["PairGraph", "relation_arcs"]

T = TypeVar("T")


class PairGraph:
    """What is known about pairs of entities before any unseen relation is asked for.

    Every distinct triple (h, r, t) becomes two arcs, h to t of kind ``r`` and t to h of kind ``R + r``, in compressed
    sparse rows by source. All look-ups are gathers over whole batches; building takes one sort of the triples.

    Args:
        triples: int64 [T, 3].
        num_entities: E.
        num_relations: R, so that there are 2 R kinds.
        neighbours: Which arcs make up the profiles; None: all. Links, walks and whatever else there is go by all.
    """

    def __init__(
        self, triples: Tensor, num_entities: int, num_relations: int, *, neighbours: NeighbourDraw | None = None
    ) -> None:
        head, relation, tail = triples.reshape(-1, 3).unbind(dim=1)
        # As one number each they are sorted much sooner than as rows of three.
        keys = torch.unique((head * num_relations + relation) * num_entities + tail)
        tail, keys = keys % max(1, num_entities), keys // max(1, num_entities)
        relation, head = keys % max(1, num_relations), keys // max(1, num_relations)
        source = torch.cat([head, tail])
        target = torch.cat([tail, head])
        kind = torch.cat([relation, relation + num_relations])
        order = torch.argsort(source * num_entities + target, stable=True)
        self._set(num_entities, num_relations, source[order], kind[order], target[order], neighbours)

    def _set(
        self,
        num_entities: int,
        num_relations: int,
        source: Tensor,
        kind: Tensor,
        target: Tensor,
        neighbours: NeighbourDraw | None = None,
    ) -> None:
        self.num_entities, self.num_relations, self.neighbours = num_entities, num_relations, neighbours
        self.source, self.kind, self.target = source, kind, target
        self.degree = torch.bincount(source, minlength=num_entities)
        self.starts = starts_of(self.degree)
        self._kept: dict[str, tuple[Tensor, Any]] = {}

    def keep(self, what: str, nearness: Tensor, make: Callable[[], T]) -> T:
        """What ``make`` makes of the whole graph for ``nearness``; the last of each kind is kept, since pairs are asked
        for in parts."""
        last = self._kept.get(what)
        if last is None or not torch.equal(last[0], nearness):
            self._kept[what] = last = (nearness.clone(), make())
        found: T = last[1]
        return found

    @property
    def device(self) -> torch.device:
        """Where the arcs are."""
        return self.source.device

    def to(self, device: torch.device | str) -> PairGraph:
        """The same graph on ``device``."""
        moved = object.__new__(PairGraph)
        source, kind, target = (part.to(device) for part in (self.source, self.kind, self.target))
        neighbours = None if self.neighbours is None else self.neighbours.to(device)
        moved._set(self.num_entities, self.num_relations, source, kind, target, neighbours)
        return moved

    def drawing(self, neighbours: NeighbourDraw) -> PairGraph:
        """The same arcs, of which the drawn ones make up the profiles."""
        other = object.__new__(PairGraph)
        other._set(self.num_entities, self.num_relations, self.source, self.kind, self.target, neighbours)
        return other

    def without(self, relation: int) -> PairGraph:
        """The graph as it would be had ``relation`` never been seen."""
        kept = (self.kind % self.num_relations) != relation
        smaller = object.__new__(PairGraph)
        # A subsequence of sorted arcs is sorted.
        arcs = (self.source[kept], self.kind[kept], self.target[kept])
        smaller._set(self.num_entities, self.num_relations, *arcs, self.neighbours)
        return smaller

    def arcs_of(self, entities: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """All arcs that leave the given entities.

        Args:
            entities: int64 [Q].

        Returns:
            Three int64 [K]: the row of the entity in ``entities`` (in order), the kind, the target.
        """
        rows, arcs = ranges(self.starts[entities], self.degree[entities])
        return rows, self.kind[arcs], self.target[arcs]

    def links(self, heads: Tensor, tails: Tensor) -> tuple[Tensor, Tensor]:
        """The kinds of the arcs from each head to its tail.

        Args:
            heads: int64 [P].
            tails: int64 [P].

        Returns:
            Two int64 [K]: the row of the pair (in order), and the kind.
        """
        wanted = heads * self.num_entities + tails
        begin = torch.searchsorted(self._keys, wanted)
        end = torch.searchsorted(self._keys, wanted, right=True)
        rows, arcs = ranges(begin, end - begin)
        return rows, self.kind[arcs]

    def walks(self, entities: Tensor) -> list[Tensor]:
        """How strongly one, two and three steps lead from the given entities to all others.

        With N = D^(-1/2) A D^(-1/2), A the number of arcs between two entities and D their degrees, these are rows of
        N, N^2 and N^3: between 0 and 1, and small where the way leads through entities that are linked to everything.
        Walks that return to where they began count as none: there is always one, so it says nothing about a loop.

        Args:
            entities: int64 [Q].

        Returns:
            Three float32 [Q, E].
        """
        queries = torch.arange(len(entities), device=self.device)
        state = self._one_step(self.normalised, entities)
        found = []
        for step in range(3):
            # N is symmetric, so its rows are its columns and the batch can stay on the right side of the product.
            state = self.normalised @ state if step else state
            row = state.T.clone()
            row[queries, entities] = 0
            found.append(row)
        return found

    def near_links(self, entities: Tensor, nearness: Tensor, *, side: str = "tail", backward: float = 0.9) -> Tensor:
        """The seen relations that link the given entities with all others, each by its nearness to the one asked for.

        Args:
            entities: int64 [Q], heads for ``side="tail"``, tails for ``side="head"``.
            nearness: float [R].
            side: Which end is asked for.
            backward: Weight of links from tail to head: most relations do not hold both ways.

        Returns:
            float32 [Q, E].
        """
        weights = torch.cat([nearness, backward * nearness]).to(self.device, torch.float32)
        rows, kinds, targets = self.arcs_of(entities)
        if side == "head":
            # An arc from the anchor, which is the tail, is the same link seen from its other end.
            kinds = (kinds + self.num_relations) % (2 * self.num_relations)
        found = torch.zeros(len(entities), self.num_entities, device=self.device)
        found.view(-1).index_add_(0, rows * self.num_entities + targets, weights[kinds])
        return found

    def near_walks(self, entities: Tensor, nearness: Tensor) -> Tensor:
        """Walks of two steps as in :meth:`walks`, one of whose steps (the mean of either) counts by its nearness.

        Args:
            entities: int64 [Q].
            nearness: float [R].

        Returns:
            float32 [Q, E].
        """
        queries = torch.arange(len(entities), device=self.device)
        weighted = self._matrix(nearness.to(self.device, torch.float32)[self.kind % self.num_relations])
        first, second = (self._one_step(matrix, entities) for matrix in (weighted, self.normalised))
        found = (self.normalised @ first + weighted @ second).T / 2
        found[queries, entities] = 0
        return found

    def steps(self, nearness: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The rows of N (see :meth:`walks`), and of the same matrix with arcs that count by their nearness.

        Args:
            nearness: float [R].

        Returns:
            Where each entity's row begins, int64 [E + 1]; the columns, int64 [K], in order within a row; and the values
            of the two, float32 [K] each.
        """
        arc, starts, target, scale = self.linked_pairs
        weights = nearness.to(self.device, torch.float32)[self.kind % self.num_relations]
        plain, weighted = (
            torch.zeros(len(target), device=self.device).index_add_(0, arc, each) * scale
            for each in (torch.ones_like(weights), weights)
        )
        return starts, target, plain, weighted

    def near_ends(self, nearness: Tensor) -> tuple[Tensor, Tensor]:
        """How often each entity is a head, and a tail, of the relations that are near: two float32 [E]."""
        return self.keep("ends", nearness, lambda: self._near_ends(nearness))

    def _near_ends(self, nearness: Tensor) -> tuple[Tensor, Tensor]:
        weights = nearness.to(self.device, torch.float32)[self.kind % self.num_relations]
        is_head = self.kind < self.num_relations
        zeros = torch.zeros(self.num_entities, device=self.device)
        return (
            zeros.index_add(0, self.source, weights * is_head),
            zeros.index_add(0, self.source, weights * ~is_head),
        )

    @cached_property
    def profiles(self) -> Profiles:
        """The kinds of arcs that leave each entity."""
        return Profiles(self) if self.neighbours is None else DrawnProfiles(self, self.neighbours)

    @cached_property
    def _keys(self) -> Tensor:
        return self.source * self.num_entities + self.target

    @cached_property
    def normalised(self) -> Tensor:
        """``D^(-1/2) A D^(-1/2)`` in compressed sparse rows: float32 [E, E]."""
        return self._matrix(torch.ones(len(self.source), device=self.device))

    @cached_property
    def linked_pairs(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Linked pairs: where their arcs are, row starts, targets, and the factor of the two degrees."""
        keys, arc = torch.unique_consecutive(self._keys, return_inverse=True)
        source, target = keys // self.num_entities, keys % self.num_entities
        starts = starts_of(torch.bincount(source, minlength=self.num_entities))
        return arc, starts, target, self.scale[source] * self.scale[target]

    @cached_property
    def scale(self) -> Tensor:
        """What an arc counts at each of its ends: float32 [E], ``D^(-1/2)``."""
        return self.degree.clamp(min=1).float().rsqrt()

    @cached_property
    def row_sums(self) -> Tensor:
        """Sums over the rows (and columns) of the normalised matrix: float64 [E]."""
        arc, starts, _, scale = self.linked_pairs
        values = torch.zeros(len(scale), device=self.device).index_add_(0, arc, torch.ones_like(arc, dtype=scale.dtype))
        rows = torch.repeat_interleave(torch.arange(self.num_entities, device=self.device), starts.diff())
        sums = torch.zeros(self.num_entities, dtype=torch.float64, device=self.device)
        return sums.index_add_(0, rows, (values * scale).double())

    def _one_step(self, matrix: Tensor, entities: Tensor) -> Tensor:
        """The columns of one of the matrices that belong to the given entities, looked up: float32 [E, Q]."""
        _, starts, target, _ = self.linked_pairs
        query, place = ranges(starts[entities], starts[entities + 1] - starts[entities])
        found = torch.zeros(self.num_entities, len(entities), device=self.device)
        # A row's values may differ from the column's by the order in which they were summed.
        found[target[place], query] = matrix.values()[self._mirrored[place]]
        return found

    @cached_property
    def _mirrored(self) -> Tensor:
        """For each linked pair (source, target) the place of (target, source): int64 [K]."""
        _, starts, target, _ = self.linked_pairs
        source = torch.repeat_interleave(torch.arange(self.num_entities, device=self.device), starts.diff())
        return torch.searchsorted(source * self.num_entities + target, target * self.num_entities + source)

    def _matrix(self, weights: Tensor) -> Tensor:
        """``D^(-1/2) A D^(-1/2)`` with arcs of the given weights, in compressed sparse rows."""
        arc, starts, target, scale = self.linked_pairs
        values = torch.zeros(len(target), device=self.device).index_add_(0, arc, weights) * scale
        size = (self.num_entities, self.num_entities)
        with warnings.catch_warnings():
            # Says once that compressed sparse rows are in beta; only their product with a dense matrix is used here.
            warnings.simplefilter("ignore", UserWarning)
            return torch.sparse_csr_tensor(starts, target, values, size=size, check_invariants=False)

    def __repr__(self) -> str:
        return f"PairGraph({self.num_entities} entities, {self.num_relations} relations, {len(self.source)} arcs)"


def relation_arcs(triples: Tensor, num_entities: int, num_relations: int) -> tuple[PairGraph, Tensor]:
    """Triples as arcs whose kinds count only the relations that occur.

    Args:
        triples: int64 [T, 3].
        num_entities: E.
        num_relations: Of the whole data set.

    Returns:
        The graph, on the CPU, and int64 [R], the sorted ids of the relations that occur: kind r is ``relations[r]``.
    """
    triples = triples.cpu()
    relations = torch.unique(triples[:, 1])
    position = torch.full((num_relations,), -1, dtype=torch.int64)
    position[relations] = torch.arange(len(relations))
    renamed = torch.stack([triples[:, 0], position[triples[:, 1]], triples[:, 2]], dim=1)
    return PairGraph(renamed, num_entities, len(relations)), relations
