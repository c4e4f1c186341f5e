"""The triples of the seen relations as arcs: links of a pair, profiles of entities, walks between them."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

__all__ = ["PairGraph", "Profiles"]


class PairGraph:
    """What is known about pairs of entities before any unseen relation is asked for.

    Every distinct triple (h, r, t) becomes two arcs, h to t of kind ``r`` and t to h of kind ``R + r``, in compressed
    sparse rows by source. All look-ups are gathers over whole batches; building takes one sort of the triples.

    Args:
        triples: int64 [T, 3].
        num_entities: E.
        num_relations: R, so that there are 2 R kinds.
    """

    def __init__(self, triples: Tensor, num_entities: int, num_relations: int) -> None:
        triples = torch.unique(triples.reshape(-1, 3), dim=0)
        head, relation, tail = triples.unbind(dim=1)
        source = torch.cat([head, tail])
        target = torch.cat([tail, head])
        kind = torch.cat([relation, relation + num_relations])
        order = torch.argsort(source * num_entities + target, stable=True)
        self._set(num_entities, num_relations, source[order], kind[order], target[order])

    def _set(self, num_entities: int, num_relations: int, source: Tensor, kind: Tensor, target: Tensor) -> None:
        self.num_entities, self.num_relations = num_entities, num_relations
        self.source, self.kind, self.target = source, kind, target
        self.degree = torch.bincount(source, minlength=num_entities)
        self.starts = _starts(self.degree)

    @property
    def device(self) -> torch.device:
        """Where the arcs are."""
        return self.source.device

    def to(self, device: torch.device | str) -> PairGraph:
        """The same graph on ``device``."""
        moved = object.__new__(PairGraph)
        arcs = (part.to(device) for part in (self.source, self.kind, self.target))
        moved._set(self.num_entities, self.num_relations, *arcs)
        return moved

    def without(self, relation: int) -> PairGraph:
        """The graph as it would be had ``relation`` never been seen."""
        kept = (self.kind % self.num_relations) != relation
        smaller = object.__new__(PairGraph)
        # A subsequence of sorted arcs is sorted.
        smaller._set(self.num_entities, self.num_relations, self.source[kept], self.kind[kept], self.target[kept])
        return smaller

    def arcs_of(self, entities: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """All arcs that leave the given entities.

        Args:
            entities: int64 [Q].

        Returns:
            Three int64 [K]: the row of the entity in ``entities`` (in order), the kind, the target.
        """
        rows, arcs = _ranges(self.starts[entities], self.degree[entities])
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
        rows, arcs = _ranges(begin, end - begin)
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
        state = torch.zeros(self.num_entities, len(entities), device=self.device)
        state[entities, queries] = 1
        found = []
        for _ in range(3):
            # N is symmetric, so its rows are its columns and the batch can stay on the right side of the product.
            state = self._normalised @ state
            row = state.T.clone()
            row[queries, entities] = 0
            found.append(row)
        return found

    @cached_property
    def profiles(self) -> Profiles:
        """The kinds of arcs that leave each entity."""
        return Profiles(self)

    @cached_property
    def _keys(self) -> Tensor:
        return self.source * self.num_entities + self.target

    @cached_property
    def _normalised(self) -> Tensor:
        scale = self.degree.clamp(min=1).float().rsqrt()
        keys, arcs = torch.unique_consecutive(self._keys, return_counts=True)
        source, target = keys // self.num_entities, keys % self.num_entities
        starts = _starts(torch.bincount(source, minlength=self.num_entities))
        values = arcs * scale[source] * scale[target]
        size = (self.num_entities, self.num_entities)
        with torch.sparse.check_sparse_tensor_invariants(False):  # type: ignore[no-untyped-call]
            return torch.sparse_csr_tensor(starts, target, values, size=size)

    def __repr__(self) -> str:
        return f"PairGraph({self.num_entities} entities, {self.num_relations} relations, {len(self.source)} arcs)"


class Profiles:
    """How often each kind of arc leaves each entity, in compressed sparse rows.

    Args:
        graph: The arcs.
    """

    def __init__(self, graph: PairGraph) -> None:
        kinds = 2 * graph.num_relations
        keys, self.count = torch.unique(graph.source * kinds + graph.kind, return_counts=True)
        self.kind = keys % kinds
        self.size = torch.bincount(keys // kinds, minlength=graph.num_entities)
        self.starts = _starts(self.size)

    def of(self, entities: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The profile entries of the given entities.

        Args:
            entities: int64 [Q].

        Returns:
            Three int64 [K]: the row of the entity in ``entities`` (in order), the kind, how often.
        """
        rows, entries = _ranges(self.starts[entities], self.size[entities])
        return rows, self.kind[entries], self.count[entries]


def _starts(counts: Tensor) -> Tensor:
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])


def _ranges(begin: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """For each row the numbers ``begin .. begin + count - 1``: the row of each, and the number."""
    rows = torch.repeat_interleave(torch.arange(len(count), device=count.device), count)
    within = torch.arange(len(rows), device=count.device) - (count.cumsum(0) - count)[rows]
    return rows, begin[rows] + within
