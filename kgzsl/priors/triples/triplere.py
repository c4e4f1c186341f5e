"""TripleRE: a relation scales head and tail, and adds a step."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from kgzsl.priors.triples.encoder import TripleEncoder
from kgzsl.priors.triples.scorer import TripleScorer, cubes, uniform

__all__ = ["TripleRE", "TripleREScorer"]


class TripleREScorer(TripleScorer):
    """``f(h, r, t) = -||h * (r_h + u) - t * (r_t + u) + r_m||_2`` with h and t of length 1.

    A relation's vector holds r_h, r_m and r_t, each as long as a node's. The Euclidean length lets all candidates be
    scored by two matrix products: ``|q - c s|^2 = |q|^2 - 2 (q s).c + s^2.c^2``.

    Args:
        dim: Numbers per node.
        unit: u; with 0 and r_m alone a relation could not be the identity.
    """

    is_distance: ClassVar[bool] = True

    def __init__(self, dim: int, unit: float = 1.0) -> None:
        super().__init__(dim)
        self.unit = unit

    @property
    def relation_size(self) -> int:
        """Three vectors as long as a node's."""
        return 3 * self.dim

    def start(self, nodes: Tensor, relations: Tensor, generator: torch.Generator | None) -> None:  # noqa: D102
        uniform(nodes, 6 / self.dim**0.5, generator)
        uniform(relations, 1 / self.dim**0.5, generator)

    def _parts(self, relations: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        head, step, tail = relations.chunk(3, dim=-1)
        return head + self.unit, step, tail + self.unit

    def score(self, heads: Tensor, relations: Tensor, tails: Tensor) -> Tensor:  # noqa: D102
        by_head, step, by_tail = self._parts(relations)
        gap = functional.normalize(heads, dim=-1) * by_head - functional.normalize(tails, dim=-1) * by_tail + step
        return -gap.square().sum(dim=-1).clamp_min(1e-12).sqrt()

    def score_tails(self, heads: Tensor, relations: Tensor, candidates: Tensor) -> Tensor:  # noqa: D102
        by_head, step, by_tail = self._parts(relations)
        return -_scaled(functional.normalize(heads, dim=-1) * by_head + step, by_tail, candidates)

    def score_heads(self, relations: Tensor, tails: Tensor, candidates: Tensor) -> Tensor:  # noqa: D102
        by_head, step, by_tail = self._parts(relations)
        return -_scaled(functional.normalize(tails, dim=-1) * by_tail - step, by_head, candidates)

    def penalty(self, heads: Tensor, relations: Tensor, tails: Tensor) -> Tensor:
        """N3 of the nodes."""
        del relations
        return cubes(heads, tails)


class TripleRE(TripleEncoder):
    """Class vectors from TripleRE: ``f(h, r, t) = -||h * (r_h + u) - t * (r_t + u) + r_m||``.

    Yu et al., "TripleRE: Knowledge Graph Embeddings via Tripled Relation Vectors" (2022), its second version (u = 1),
    with the Euclidean length. The options are those of :class:`TripleEncoder`.
    """

    name: ClassVar[str] = "triplere"
    default_margin: ClassVar[float] = 3.0
    default_lr: ClassVar[float] = 0.01

    def make_scorer(self) -> TripleScorer:  # noqa: D102
        return TripleREScorer(self.dim)


def _scaled(queries: Tensor, scales: Tensor, candidates: Tensor) -> Tensor:
    """``|q - c s|`` [B, M] for candidates c [M, D], brought to length 1."""
    candidates = functional.normalize(candidates, dim=-1)
    square = queries.square().sum(dim=1, keepdim=True) + scales.square() @ candidates.square().T
    square = torch.addmm(square, queries * scales, candidates.T, alpha=-2.0)
    # The root's gradient has no limit at 0; below the floor it is cut off.
    return square.clamp_min(1e-12).sqrt()
