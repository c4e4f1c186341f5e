"""BoxE: a relation is a box for its heads and one for its tails; each end bumps the other."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from kgzsl.errors import InputError
from kgzsl.priors.triples.box_lengths import box_lengths
from kgzsl.priors.triples.encoder import TripleEncoder
from kgzsl.priors.triples.scorer import TripleScorer, cubes, uniform

__all__ = ["BoxE", "BoxEScorer"]


class BoxEScorer(TripleScorer):
    """``f(h, r, t) = -||dist(h + b_t, box_r1)|| - ||dist(t + b_h, box_r2)||``.

    A node holds its place [D/2], then the bump [D/2] that it gives the other end. A relation holds the centre and the
    (softplus of the) width of its head box, then of its tail box, D/2 each. With ``u = |x - c|`` and ``w = width + 1``
    the distance is ``u / w`` inside the box and ``u w - (width / 2)(w - 1 / w)`` outside (Abboud et al., equation 2).
    """

    is_distance: ClassVar[bool] = True

    def __init__(self, dim: int) -> None:
        if dim % 2:
            raise InputError(f"dim={dim} is odd", remedy="BoxE needs an even dim: half places, half bumps")
        super().__init__(dim)

    @property
    def relation_size(self) -> int:
        """Centre and width of two boxes."""
        return 2 * self.dim

    def start(self, nodes: Tensor, relations: Tensor, generator: torch.Generator | None) -> None:  # noqa: D102
        bound = 1 / (self.dim / 2) ** 0.5
        uniform(nodes, bound, generator)
        uniform(relations, bound, generator)

    def score(self, heads: Tensor, relations: Tensor, tails: Tensor) -> Tensor:  # noqa: D102
        (place_h, bump_h), (place_t, bump_t) = heads.chunk(2, dim=-1), tails.chunk(2, dim=-1)
        return -(_outside(place_h + bump_t, relations, 0) + _outside(place_t + bump_h, relations, 1))

    def score_tails(self, heads: Tensor, relations: Tensor, candidates: Tensor) -> Tensor:  # noqa: D102
        (place, bump), (places, bumps) = heads.chunk(2, dim=-1), candidates.chunk(2, dim=-1)
        return -(_outside_all(place, relations, bumps, 0) + _outside_all(bump, relations, places, 1))

    def score_heads(self, relations: Tensor, tails: Tensor, candidates: Tensor) -> Tensor:  # noqa: D102
        (place, bump), (places, bumps) = tails.chunk(2, dim=-1), candidates.chunk(2, dim=-1)
        return -(_outside_all(bump, relations, places, 0) + _outside_all(place, relations, bumps, 1))

    def penalty(self, heads: Tensor, relations: Tensor, tails: Tensor) -> Tensor:
        """N3 of the nodes; boxes may be of any size."""
        del relations
        return cubes(heads, tails)


class BoxE(TripleEncoder):
    """Class vectors from BoxE: a triple holds when each end, bumped by the other, lies in its box.

    ``f(h, r, t) = -||dist(h + b_t, box_r1)|| - ||dist(t + b_h, box_r2)||``; Abboud et al., "BoxE: A Box Embedding Model
    for Knowledge Base Completion" (NeurIPS 2020), equations 1 to 3, with the distance of :class:`BoxEScorer`. A
    class's vector is its place, then its bump. The options are those of :class:`TripleEncoder`.
    """

    name: ClassVar[str] = "boxe"
    default_margin: ClassVar[float] = 6.0
    default_negatives: ClassVar[int] = 64

    def make_scorer(self) -> TripleScorer:  # noqa: D102
        return BoxEScorer(self.dim)


def _box(relations: Tensor, which: int) -> tuple[Tensor, Tensor, Tensor]:
    """Centre, ``w`` and ``(width / 2)(w - 1 / w)`` of the head box (0) or the tail box (1)."""
    centre, width = relations.chunk(4, dim=-1)[2 * which : 2 * which + 2]
    width = F.softplus(width)
    wide = width + 1
    return centre, wide, width / 2 * (wide - 1 / wide)


def _outside(points: Tensor, relations: Tensor, which: int) -> Tensor:
    """The Euclidean length of the distances of ``points`` from head box (0) or tail box (1).

    ``u / w`` is the larger of the two branches inside the box and the smaller outside, so that the distance is their
    maximum.
    """
    centre, wide, offset = _box(relations, which)
    away = (points - centre).abs()
    length = torch.maximum(away / wide, away * wide - offset)
    # The root of 0 has no gradient.
    return length.square().sum(dim=-1).clamp_min(1e-12).sqrt()


def _outside_all(points: Tensor, relations: Tensor, others: Tensor, which: int) -> Tensor:
    """:func:`_outside` [B, M] of ``points[b] + others[m]`` from the box of ``relations[b]``."""
    centre, wide, offset = _box(relations, which)
    return box_lengths(points - centre, wide, offset, others)
