"""The parts of pair features that vectors of the entities give."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kgzsl.tasks.kg_completion.pair_graph import PairGraph

__all__ = ["ENTITY_BLOCKS", "EntityBlocks"]

ENTITY_BLOCKS = ("head_vector", "tail_vector", "head_neighbours", "tail_neighbours", "together")
"""The blocks, in order: of each end's own vector, of its neighbours', and of the two ends together."""

_MAPS = (*ENTITY_BLOCKS[:4], "together_head", "together_tail")


class EntityBlocks(nn.Module):
    """Blocks of pair features by vectors of entities, which an embedding of the graph has learned.

    After the feature extractor of Qin et al. (AAAI 2020, section 4.1). Its neighbour encoder averages
    ``W (v_r + v_e)``, joined end to end, over the arcs (r, e) that leave an entity: the part of the relations is the
    head (tail) block of :class:`PairEncoder`, that of the entities is here. It is the mean over all arcs, or over those
    that are drawn (:class:`NeighbourDraw`): sums of neighbours' vectors are made once for each kind of arc of each
    entity, so that leaving out the kinds that a training pair must not know of costs no more than looking these up.
    Its entity-pair encoder joins the ends' own vectors; beside them stands their product, entry by entry, behind two
    maps: without it the order of tails would be the same for every head.

    The vectors themselves were trained on all given triples, those of a relation that plays the unseen one among them.

    Args:
        vectors: float [E, V]; rows of zeros have none. They are centred, and brought to length 1.
        num_relations: R, so that there are 2 R kinds of arcs.
        dim: Size of each block.
        generator: Random state of the maps.
    """

    vectors: Tensor

    def __init__(
        self, vectors: Tensor, num_relations: int, dim: int, *, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.num_relations = num_relations
        self.register_buffer("vectors", _even(vectors.float()), persistent=False)
        width = vectors.shape[1]
        # Entries of variance 1 / dim keep lengths and angles of what is projected, on average.
        self.maps = nn.ParameterDict(
            {name: nn.Parameter(torch.randn(width, dim, generator=generator) * dim**-0.5) for name in _MAPS}
        )
        self.gains = nn.Parameter(torch.tensor([1.0, 1.0, 2.0, 2.0, 2.0, 2.0]))
        self._sums: tuple[PairGraph, Tensor] | None = None

    @property
    def dim(self) -> int:
        """Size of each block."""
        return int(self.maps["together_head"].shape[1])

    def forward(self, graph: PairGraph, heads: Tensor, tails: Tensor, hidden: Tensor | None = None) -> list[Tensor]:
        """The blocks of pairs.

        Args:
            graph: The arcs.
            heads: int64 [P].
            tails: int64 [P].
            hidden: int64 [P], the relation whose arcs count for no neighbour.

        Returns:
            Five float [P, dim], each row of length at most 1.
        """
        return [
            self._mapped("head_vector", self.vectors[heads]),
            self._mapped("tail_vector", self.vectors[tails]),
            self._mapped("head_neighbours", self.neighbours(graph, heads, hidden)),
            self._mapped("tail_neighbours", self.neighbours(graph, tails, hidden)),
            self._mapped("together_head", self.vectors[heads]) * self._mapped("together_tail", self.vectors[tails]),
        ]

    def of_entities(self, graph: PairGraph, head: Tensor, tail: Tensor) -> tuple[Tensor, Tensor]:
        """What all entities add to the product of a pair's first four blocks with a prototype, as heads and as tails.

        Args:
            graph: The arcs.
            head: float [2 dim], the prototype's parts of the head, its own vector first.
            tail: The same for the tail.

        Returns:
            Two float [E].
        """
        around = self.neighbours(graph, torch.arange(graph.num_entities, device=self.vectors.device))
        return (
            torch.cat([self._mapped("head_vector", self.vectors), self._mapped("head_neighbours", around)], 1) @ head,
            torch.cat([self._mapped("tail_vector", self.vectors), self._mapped("tail_neighbours", around)], 1) @ tail,
        )

    def of_pairs(self, anchors: Tensor, part: Tensor, side: str) -> Tensor:
        """The product of the last block with a prototype's part [dim], of each anchor with every entity: [Q, E]."""
        given, asked = ("together_head", "together_tail") if side == "tail" else ("together_tail", "together_head")
        return (self._mapped(given, self.vectors[anchors]) * part) @ self._mapped(asked, self.vectors).T

    def neighbours(self, graph: PairGraph, entities: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Mean vector at the other ends of the arcs of each entity: float [P, V], zero where there is no arc.

        Args:
            graph: The arcs.
            entities: int64 [P].
            hidden: int64 [P], the relation whose arcs do not count.
        """
        row, entry, often = graph.profiles.entries(entities, hidden)
        kept = (often > 0).float()
        offsets = torch.searchsorted(row, torch.arange(len(entities), device=row.device))
        sums = F.embedding_bag(entry, self._entry_sums(graph), offsets, mode="sum", per_sample_weights=kept)
        count = torch.zeros(len(entities), device=row.device).index_add_(0, row, often.float())
        return sums / count.clamp(min=1)[:, None]

    def _mapped(self, name: str, vectors: Tensor) -> Tensor:
        moved = self.gains[_MAPS.index(name)] * (vectors @ self.maps[name])
        squashed: Tensor = moved * (1 + moved.square().sum(dim=-1, keepdim=True)).rsqrt()
        return squashed

    def _entry_sums(self, graph: PairGraph) -> Tensor:
        """Sum of the neighbours' vectors for every kind of arc of every entity: [K, V], in the order of the profiles.

        Kept for the last graph.
        """
        if self._sums is None or self._sums[0] is not graph:
            self._sums = (graph, graph.profiles.sums(graph, self.vectors))
        return self._sums[1]


def _even(vectors: Tensor) -> Tensor:
    known = vectors.abs().sum(dim=1) > 0
    centre = vectors[known].mean(dim=0) if bool(known.any()) else vectors.new_zeros(vectors.shape[1])
    return F.normalize((vectors - centre) * known[:, None], dim=1)
