"""PyKEEN's BoxE as a scorer of ours: its boxes and points go through tanh, which bounds them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from kgzsl.priors.triples.scorer import TripleScorer

__all__ = ["PeerBoxEScorer", "boxes"]

# Numbers per block: what is computed stays in the cache.
_BLOCK = 1 << 16


class PeerBoxEScorer(TripleScorer):
    """The score of PyKEEN's BoxE with its default ``tanh_map``, for ranking alone.

    A node holds its place [D/2] and its bump [D/2]; a relation what :func:`boxes` gives.
    """

    @property
    def relation_size(self) -> int:
        """Centre and width of two boxes."""
        return 2 * self.dim

    def start(self, nodes: Tensor, relations: Tensor, generator: torch.Generator | None) -> None:  # noqa: D102
        del generator
        with torch.no_grad():
            nodes.zero_()
            relations.zero_()

    def score(self, heads: Tensor, relations: Tensor, tails: Tensor) -> Tensor:  # noqa: D102
        rows = [self.score_tails(h[None], r[None], t[None]) for h, r, t in zip(heads, relations, tails, strict=True)]
        return torch.cat(rows).reshape(-1)

    def score_tails(self, heads: Tensor, relations: Tensor, candidates: Tensor) -> Tensor:  # noqa: D102
        (place, bump), (places, bumps) = heads.chunk(2, dim=-1), candidates.chunk(2, dim=-1)
        return -(_lengths(place, relations, bumps, 0) + _lengths(bump, relations, places, 1))

    def score_heads(self, relations: Tensor, tails: Tensor, candidates: Tensor) -> Tensor:  # noqa: D102
        (place, bump), (places, bumps) = tails.chunk(2, dim=-1), candidates.chunk(2, dim=-1)
        return -(_lengths(bump, relations, places, 0) + _lengths(place, relations, bumps, 1))


def boxes(relations: Sequence[Tensor]) -> list[Tensor]:
    """Centre and width [R, d] of the head boxes, then of the tail boxes.

    Args:
        relations: PyKEEN's six tables: base and shape [R, d] and size [R, 1] of the head boxes, then of the tail boxes.
    """
    found = []
    for base, shape, size in (relations[:3], relations[3:]):
        # A shape counts by its ratios alone: its numbers have the geometric mean 1.
        tiny = torch.finfo(shape.dtype).eps
        level = shape.abs().clamp_min(tiny).log().mean(dim=1, keepdim=True).exp().clamp_min(tiny)
        half = 0.5 * ((F.elu(size) + 1) * shape / level).abs()
        low, high = (base - half).tanh(), (base + half).tanh()
        found += [0.5 * (low + high), high - low]
    return found


def _lengths(points: Tensor, relations: Tensor, others: Tensor, which: int) -> Tensor:
    """Euclidean lengths [B, M] of the distances of ``tanh(points[b] + others[m])`` from a box of ``relations[b]``."""
    centre, width = relations.chunk(4, dim=-1)[2 * which : 2 * which + 2]
    wide = width + 1
    offset = width / 2 * (wide - 1 / wide)
    found = points.new_empty(len(points), len(others))
    step = max(1, _BLOCK // max(1, others.shape[1]))
    for begin in range(0, len(others), step):
        part = others[begin : begin + step].contiguous()
        for row in range(len(points)):
            away = (part + points[row]).tanh_().sub_(centre[row]).abs_()
            inside = away / wide[row]
            away = torch.maximum(away.mul_(wide[row]).sub_(offset[row]), inside)
            found[row, begin : begin + step] = torch.linalg.vector_norm(away, dim=1)
    return found
