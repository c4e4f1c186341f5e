"""Entity pairs to features: blocks for head, tail, the links between them, and amounts such as walks between them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kgzsl.tasks.kg_completion.entity_blocks import ENTITY_BLOCKS, EntityBlocks
from kgzsl.tasks.kg_completion.pair_graph import PairGraph

__all__ = ["AMOUNTS", "VECTORS", "PairEncoder", "amounts", "end_amounts", "squash", "walk_strength"]

VECTORS = ("head", "tail", "link")
"""The parts of a pair feature that are vectors, in order."""

AMOUNTS = ("walk1", "walk2", "walk3", "near_link", "near_walk", "near_head", "near_tail")
"""The parts behind them that are one number each: see :func:`amounts`."""

_WALK_SCALE = 1e4


def squash(vectors: Tensor) -> Tensor:
    """``z / sqrt(1 + |z|^2)``: the direction kept, the length brought below 1.

    Args:
        vectors: [..., d].

    Returns:
        [..., d].
    """
    return vectors * (1 + vectors.square().sum(dim=-1, keepdim=True)).rsqrt()


def walk_strength(walks: Tensor) -> Tensor:
    """Walk weights, spread over many orders between 0 and 1, to an even scale: ``log(1 + 10^4 w) / log(1 + 10^4)``."""
    return torch.log1p(walks * _WALK_SCALE) / math.log1p(_WALK_SCALE)


def amounts(
    graph: PairGraph, anchors: Tensor, nearness: Tensor, *, side: str = "tail", ends: Tensor | None = None
) -> list[Tensor]:
    """The amounts between each anchor and every entity that are not those of one end: the first five of ``AMOUNTS``.

    Strengths of walks of one, two and three steps; links by the nearness of their relations to the one asked for (as
    the training-free rule of link overlap has it); walks of two steps by the nearness of one of them.

    Args:
        graph: The arcs.
        anchors: int64 [Q], heads for ``side="tail"``, tails for ``side="head"``.
        nearness: float [R], see :func:`kgzsl.tasks.kg_completion.nearness.nearness`.
        side: Which end is asked for.
        ends: int64 [Q, M], the entities at the other end; every entity where left out.

    Returns:
        Five float32 [Q, E], or [Q, M].
    """

    def told(table: Tensor) -> Tensor:
        return table if ends is None else table.gather(1, ends)

    found = [walk_strength(told(walk)) for walk in graph.walks(anchors)]
    found.append(told(graph.near_links(anchors, nearness, side=side)))
    found.append(walk_strength(told(graph.near_walks(anchors, nearness))))
    return found


def end_amounts(graph: PairGraph, nearness: Tensor) -> tuple[Tensor, Tensor]:
    """The last two of ``AMOUNTS``: how much of a head, and of a tail, of the near relations each entity is.

    Returns:
        Two float32 [E], ``log(1 + count) / 3``, counts weighted by nearness.
    """
    as_head, as_tail = graph.near_ends(nearness)
    return torch.log1p(as_head) / 3, torch.log1p(as_tail) / 3


class PairEncoder(nn.Module):
    """The learnt part of pair features: vectors for kinds of arcs, gains, and weights of the blocks.

    After Qin et al. ("Generative Adversarial Zero-Shot Relational Learning for Knowledge Graphs", AAAI 2020, section
    on the feature encoder), a pair is described by the neighbourhoods of its head and of its tail. Theirs has no part
    that looks at both, so that the order of tails is the same for every head; here the seen relations that link the
    pair, and short walks between its ends, are parts as well. Some parts are relative to the relation asked for: how
    near to it, by their priors, are the relations that link the pair, and those that its ends have with others.

    Every block has a length of at most 1 and the squared block weights sum to 1, so that features lie in the unit
    ball. What is absent (no link, no walk) is zero. Similarity to a prototype is the product with its unit vector: a
    cosine in which every pair counts as having length 1, so that a pair with less behind it is not thereby nearer.

    Args:
        num_relations: R.
        dim: Size of the head block and of the tail block.
        link_dim: Size of the link block; even.
        relation_vectors: float [R, P], what is known of each seen relation (its prior). The link block lives in a
            projection of that space, so that a pair linked by a relation akin to the asked one looks akin. None: a
            random vector for each relation.
        entity_vectors: float [E, V], vectors of all entities, for further blocks: see :class:`EntityBlocks`.
        generator: Random state of the initial values.
    """

    relation_vectors: Tensor

    def __init__(
        self,
        num_relations: int,
        *,
        dim: int = 64,
        link_dim: int = 128,
        relation_vectors: Tensor | None = None,
        entity_vectors: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.num_relations = num_relations
        half = link_dim // 2
        known = torch.eye(num_relations) if relation_vectors is None else F.normalize(relation_vectors.float(), dim=1)

        def random(rows: int, columns: int) -> nn.Parameter:
            # Entries of variance 1 / columns keep lengths and angles of what is projected, on average.
            return nn.Parameter(torch.randn(rows, columns, generator=generator) * columns**-0.5)

        self.register_buffer("relation_vectors", known)
        self.head_kinds = random(2 * num_relations, dim)
        self.tail_kinds = random(2 * num_relations, dim)
        self.link_map = random(known.shape[1], half)
        self.gains = nn.Parameter(torch.tensor([1.0, 1.0, 3.0, 1.5, 3.0, 3.0, 2.0, 3.0, 1.0, 1.0]))
        self.entities: EntityBlocks | None = None
        if entity_vectors is not None:
            self.entities = EntityBlocks(entity_vectors, num_relations, dim, generator=generator)
        self.block_logits = nn.Parameter(torch.zeros(len(self.sizes)))

    @property
    def sizes(self) -> list[int]:
        """Length of each block."""
        plain = [self.head_kinds.shape[1], self.tail_kinds.shape[1], 2 * self.link_map.shape[1], *(1 for _ in AMOUNTS)]
        return plain if self.entities is None else plain + [self.entities.dim] * len(ENTITY_BLOCKS)

    @property
    def dim(self) -> int:
        """D, the length of a pair feature."""
        return sum(self.sizes)

    def weights(self) -> Tensor:
        """Weight of each block, [10], or [15] with vectors of entities; their squares sum to 1."""
        return torch.softmax(self.block_logits, dim=0).sqrt()

    def tables(self) -> list[nn.Parameter]:
        """The parameters that are vectors and maps, which have a learning rate of their own."""
        own = [self.head_kinds, self.tail_kinds, self.link_map]
        return own if self.entities is None else own + list(self.entities.maps.values())

    def scalars(self) -> list[nn.Parameter]:
        """The other parameters: gains and weights of blocks."""
        own = [self.gains, self.block_logits]
        return own if self.entities is None else [*own, self.entities.gains]

    def entity_block(self, side: str, profile: tuple[Tensor, Tensor, Tensor], rows: int) -> Tensor:
        """Head or tail block: kinds of arcs, weighted by ``log(1 + count)``.

        Args:
            side: ``"head"`` or ``"tail"``.
            profile: ``(row, kind, count)``, int64 [K] each, rows in order.
            rows: How many rows.

        Returns:
            [rows, dim].
        """
        row, kind, count = profile
        table, gain = (self.head_kinds, self.gains[0]) if side == "head" else (self.tail_kinds, self.gains[1])
        weight = torch.log1p(count.to(table.dtype))
        return squash(gain * _sums(table, row, kind, rows, weight))

    def link_block(self, links: tuple[Tensor, Tensor], rows: int, hidden: Tensor | None = None) -> Tensor:
        """Link block: the seen relations from head to tail in its first half, from tail to head in its second.

        Args:
            links: ``(row, kind)``, int64 [K] each, rows in order.
            rows: How many rows.
            hidden: int64 [rows], a relation to be ignored in each row.

        Returns:
            [rows, link_dim].
        """
        row, kind = links
        if hidden is not None:
            kept = kind % self.num_relations != hidden[row]
            row, kind = row[kept], kind[kept]
        vectors = self.relation_vectors @ self.link_map
        zeros = torch.zeros_like(vectors)
        table = torch.cat([torch.cat([vectors, zeros], dim=1), torch.cat([zeros, vectors], dim=1)])
        return squash(self.gains[2] * _sums(table, row, kind, rows))

    def amount_block(self, place: int, amount: Tensor) -> Tensor:
        """The block of ``AMOUNTS[place]``: amounts of any shape to values of the same shape."""
        gained = self.gains[len(VECTORS) + place] * amount
        return gained * (1 + gained.square()).rsqrt()

    def join(self, blocks: list[Tensor]) -> Tensor:
        """Blocks [P, ...] to pair features [P, D]."""
        return torch.cat([weight * block for weight, block in zip(self.weights(), blocks, strict=True)], dim=-1)

    def forward(
        self, graph: PairGraph, heads: Tensor, tails: Tensor, amount: Tensor, hidden: Tensor | None = None
    ) -> Tensor:
        """Features of pairs.

        Args:
            graph: The arcs.
            heads: int64 [P].
            tails: int64 [P].
            amount: float [P, 7], the ``AMOUNTS`` of each pair, made without the hidden relation.
            hidden: int64 [P], the relation that each pair's feature must not know of.

        Returns:
            [P, D].
        """
        count = len(heads)
        blocks = [
            self.entity_block("head", graph.profiles.of(heads, hidden), count),
            self.entity_block("tail", graph.profiles.of(tails, hidden), count),
            self.link_block(graph.links(heads, tails), count, hidden),
            *(self.amount_block(place, amount[:, place])[:, None] for place in range(len(AMOUNTS))),
        ]
        if self.entities is not None:
            blocks += self.entities(graph, heads, tails, hidden)
        return self.join(blocks)


def _sums(table: Tensor, row: Tensor, kind: Tensor, rows: int, weight: Tensor | None = None) -> Tensor:
    """Sums of table rows by ``row``, which is in order; rows that do not occur get zero."""
    offsets = torch.searchsorted(row, torch.arange(rows, device=row.device))
    return F.embedding_bag(kind, table, offsets, mode="sum", per_sample_weights=weight)
