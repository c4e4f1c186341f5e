"""Which neighbours tell what an entity is like, where it has more than are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kgzsl.tasks.kg_completion._ranges import ranges, starts_of
from kgzsl.tasks.kg_completion._ranks import rank_of_names

if TYPE_CHECKING:
    from kgzsl.tasks.kg_completion.pair_graph import PairGraph

__all__ = ["NeighbourDraw"]

_LARGEST = 2**62


@dataclass(frozen=True)
class NeighbourDraw:
    """At most so many arcs of each entity, drawn evenly and without replacement.

    Every entity and every relation has a random number. Those of an arc's source, kind and target, mixed, are its
    place in the list of its source, and the first ``most`` arcs of a list are drawn. So the draw hangs on no numbering,
    and a new fact changes the lists of its own two ends alone, by the arc that it adds. (The numbers of entities that
    come later hang on which come together.) Without a relation the draw is that of a graph that never had it: arcs
    further down take the places of those that are hidden. Were these places left empty, an entity's other neighbours
    would tell how many hidden ones it has.

    Args:
        most: Arcs of each entity, at most.
        entities: int64 [E], the number of each.
        relations: int64 [R].
        seed: Of the numbers of entities that come later.
    """

    most: int
    entities: Tensor
    relations: Tensor
    seed: int

    @classmethod
    def make(
        cls, most: int, entities: Sequence[str], relations: Sequence[str], generator: torch.Generator
    ) -> NeighbourDraw:
        """Numbers for all of them, given out by the order of their names.

        Args:
            most: Arcs of each entity, at most.
            entities: Names.
            relations: Names, of the kinds of arcs.
            generator: Random state on the CPU.
        """
        seed = int(torch.randint(_LARGEST, (), generator=generator))
        return cls(most, _numbers(entities, generator), _numbers(relations, generator), seed)

    def grown(self, entities: Sequence[str]) -> NeighbourDraw:
        """The same with numbers for entities behind those that have one.

        Args:
            entities: Names of all.
        """
        known = len(self.entities)
        random = torch.Generator().manual_seed(self.seed + known)
        more = _numbers(entities[known:], random).to(self.entities.device)
        return replace(self, entities=torch.cat([self.entities, more]))

    def to(self, device: torch.device | str) -> NeighbourDraw:
        """The same on ``device``."""
        return replace(self, entities=self.entities.to(device), relations=self.relations.to(device))

    def state(self) -> dict[str, Any]:
        """The arguments, as tensors and numbers."""
        return dict(vars(self))

    def choose(self, graph: PairGraph) -> tuple[Tensor, Tensor, Tensor]:
        """The arcs that are drawn, and those that take their places while a relation is hidden.

        Args:
            graph: All arcs, on the same device.

        Returns:
            Places of arcs that are drawn, int64 [K]; places of others, int64 [L], and the relation in whose absence
            each of them is drawn as well, int64 [L]. Of each entity there are at most ``most`` in either.
        """
        long = graph.degree > self.most
        arcs = torch.nonzero(long[graph.source]).squeeze(1)
        arcs = arcs[self._places(graph, arcs).argsort(stable=True)]
        arcs = arcs[graph.source[arcs].argsort(stable=True)]
        length = torch.where(long, graph.degree, 0)
        starts = starts_of(length)
        place = torch.arange(len(arcs), device=arcs.device) - starts[graph.source[arcs]]
        first = place < self.most
        drawn = torch.cat([torch.nonzero(~long[graph.source]).squeeze(1), arcs[first]])
        hidden = graph.source * graph.num_relations + graph.kind % graph.num_relations
        group, lost = torch.unique(hidden[arcs[first]], return_counts=True)
        row, wanted = ranges(torch.zeros_like(group), lost)
        entity = group[row] // graph.num_relations
        place = self.most + _among_others(arcs[~first], place[~first] - self.most, hidden, group, row, wanted)
        there = place < length[entity]
        return drawn, arcs[(starts[entity] + place)[there]], (group[row] % graph.num_relations)[there]

    def _places(self, graph: PairGraph, arcs: Tensor) -> Tensor:
        kinds = torch.cat([self.relations, _mixed(self.relations)])
        mixed = _mixed(self.entities)[graph.source[arcs]]
        mixed = _mixed(mixed ^ kinds[graph.kind[arcs]])
        return _mixed(mixed ^ self.entities[graph.target[arcs]])


def _numbers(names: Sequence[str], generator: torch.Generator) -> Tensor:
    return torch.randint(_LARGEST, (len(names),), generator=generator)[rank_of_names(names)]


def _mixed(numbers: Tensor) -> Tensor:
    """Each number's bits stirred, so that near ones are far apart.

    The last steps of SplitMix64 (Steele et al., "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014).
    """
    for shift, factor in ((30, -0x40A7B892E31B1A47), (27, -0x6B2FB644ECCEEE15)):
        # Shifting copies the sign; the mask takes the copies away.
        numbers = (numbers ^ ((numbers >> shift) & ((1 << (64 - shift)) - 1))) * factor
    return numbers ^ ((numbers >> 31) & ((1 << 33) - 1))


def _among_others(arcs: Tensor, place: Tensor, hidden: Tensor, group: Tensor, row: Tensor, wanted: Tensor) -> Tensor:
    """Where the ``wanted``-th arc of another relation stands among those of an entity that were not drawn.

    Args:
        arcs: int64 [N], those that were not drawn, by entity and then by place.
        place: int64 [N], how many stand before each of them.
        hidden: int64 [all arcs], a number for entity and relation.
        group: int64 [G], such numbers, sorted.
        row: int64 [K], rows of ``group``, in order.
        wanted: int64 [K], from 0 on.

    Returns:
        int64 [K]; behind the end where there are not so many.
    """
    own = torch.searchsorted(group, hidden[arcs]).clamp_(max=max(0, len(group) - 1))
    mine = torch.nonzero(group[own] == hidden[arcs]).squeeze(1) if len(group) else arcs[:0]
    order = own[mine].argsort(stable=True)
    own, place = own[mine][order], place[mine][order]
    starts = starts_of(torch.bincount(own, minlength=len(group)))
    # How many of others stand before each arc of the group's relation: it never falls within a group.
    others = place - (torch.arange(len(own), device=own.device) - starts[own])
    width = int(torch.cat([others, wanted, wanted.new_zeros(1)]).max()) + 1
    passed = torch.searchsorted(own * width + others, row * width + wanted, right=True) - starts[row]
    return wanted + passed
