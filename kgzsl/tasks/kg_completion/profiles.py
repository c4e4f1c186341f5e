"""What the neighbourhood of an entity is made of: how often each kind of arc leaves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from kgzsl.tasks.kg_completion._ranges import ranges, starts_of

if TYPE_CHECKING:
    from kgzsl.tasks.kg_completion.neighbour_draw import NeighbourDraw
    from kgzsl.tasks.kg_completion.pair_graph import PairGraph

__all__ = ["DrawnProfiles", "Profiles"]


class Profiles:
    """How often each kind of arc leaves each entity, in compressed sparse rows.

    Args:
        graph: The arcs.
    """

    def __init__(self, graph: PairGraph) -> None:
        kinds = 2 * graph.num_relations
        self.num_relations = graph.num_relations
        keys, self.count = torch.unique(graph.source * kinds + graph.kind, return_counts=True)
        self.kind = keys % kinds
        self.size = torch.bincount(keys // kinds, minlength=graph.num_entities)
        self.starts = starts_of(self.size)

    def of(self, entities: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """The profile entries of the given entities.

        Args:
            entities: int64 [Q].
            hidden: int64 [Q], a relation whose arcs do not count for each of them.

        Returns:
            Three int64 [K]: the row of the entity in ``entities`` (in order), the kind, how often: 0 if it is hidden.
        """
        rows, entries, count = self.entries(entities, hidden)
        return rows, self.kind[entries], count

    def entries(self, entities: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """As :meth:`of`, but where the entries are.

        Returns:
            Three int64 [K]: the row of the entity in ``entities`` (in order), the entry, how often.
        """
        rows, entries = ranges(self.starts[entities], self.size[entities])
        count = self.count[entries]
        if hidden is not None:
            count = count * (self.kind[entries] % self.num_relations != hidden[rows])
        return rows, entries, count

    def sums(self, graph: PairGraph, vectors: Tensor) -> Tensor:
        """Sum of the vectors at the other ends of the arcs of each entry: float [entries, V].

        Args:
            graph: The arcs, the same that this was made of.
            vectors: float [E, V].
        """
        table = torch.zeros(len(self.kind), vectors.shape[1], device=vectors.device)
        # A slice of the arcs at a time: their vectors side by side would take more than the sums.
        parts = (torch.split(part, 1 << 16) for part in self._members(graph))
        for entry, target in zip(*parts, strict=True):
            table.index_add_(0, entry, vectors[target])
        return table

    def _members(self, graph: PairGraph) -> tuple[Tensor, Tensor]:
        """Which entry each arc counts for, and its target: two int64 [arcs]."""
        kinds = 2 * graph.num_relations
        source = torch.repeat_interleave(torch.arange(graph.num_entities, device=graph.device), self.size)
        entry = torch.searchsorted(source * kinds + self.kind, graph.source * kinds + graph.kind)
        return entry, graph.target


class DrawnProfiles(Profiles):
    """Profiles of the arcs that were drawn, whichever relation is hidden.

    The entries of an entity are those of its draw, and behind them some that count only while a certain relation is
    hidden, for the arcs that then take the places of its own. Both together are of at most twice as many arcs as are
    drawn, so that looking up an entity is bounded, however many neighbours it has.

    Args:
        graph: The arcs.
        draw: Which of them count.
    """

    def __init__(self, graph: PairGraph, draw: NeighbourDraw) -> None:
        kinds, slots = 2 * graph.num_relations, graph.num_relations + 1
        self.num_relations = graph.num_relations
        drawn, more, hidden = draw.choose(graph)
        arcs = torch.cat([drawn, more])
        # What always counts is as if it stood in for relation -1, so that it comes first.
        slot = torch.cat([torch.zeros_like(drawn), hidden + 1])
        keys = (graph.source[arcs] * slots + slot) * kinds + graph.kind[arcs]
        keys, self._entry, self.count = torch.unique(keys, return_inverse=True, return_counts=True)
        self._target = graph.target[arcs]
        source, self._stands_in = keys // kinds // slots, keys // kinds % slots - 1
        self.kind = keys % kinds
        first = self._stands_in < 0
        self.size = torch.bincount(source[first], minlength=graph.num_entities)
        self._whole = torch.bincount(source, minlength=graph.num_entities)
        self.starts = starts_of(self._whole)
        # A later entry of a kind that is drawn, too, stands for both.
        plain = source * slots * kinds + self.kind
        place = torch.searchsorted(keys, plain).clamp_(max=max(0, len(keys) - 1))
        both = ~first & (keys[place] == plain)
        self._entry_for_both = torch.nonzero(both).squeeze(1)
        self._back = torch.where(both, torch.arange(len(keys), device=keys.device) - place, 0)
        self.count[both] += self.count[place[both]]

    def entries(self, entities: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """See :meth:`Profiles.entries`."""
        if hidden is None:
            return super().entries(entities)
        rows, entries = ranges(self.starts[entities], self._whole[entities])
        of_row, stands_in = hidden[rows], self._stands_in[entries]
        mine = (stands_in < 0) | (stands_in == of_row)
        back = self._back[entries]
        at = torch.nonzero(mine & (back > 0)).squeeze(1)
        # The entries of a row lie side by side, as they do in the table.
        mine[at - back[at]] = False
        count = self.count[entries] * (self.kind[entries] % self.num_relations != of_row)
        return rows[mine], entries[mine], count[mine]

    def sums(self, graph: PairGraph, vectors: Tensor) -> Tensor:
        """See :meth:`Profiles.sums`."""
        table = super().sums(graph, vectors)
        both = self._entry_for_both
        table[both] += table[both - self._back[both]]
        return table

    def _members(self, graph: PairGraph) -> tuple[Tensor, Tensor]:
        del graph
        return self._entry, self._target
