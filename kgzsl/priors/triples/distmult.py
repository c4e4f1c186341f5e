"""DistMult: a relation weighs the product of its two ends."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from kgzsl.priors.triples.encoder import TripleEncoder
from kgzsl.priors.triples.scorer import TripleScorer, uniform

__all__ = ["DistMult", "DistMultScorer"]


class DistMultScorer(TripleScorer):
    """``f(h, r, t) = sum_i h_i r_i t_i``; symmetric in head and tail."""

    def start(self, nodes: Tensor, relations: Tensor, generator: torch.Generator | None) -> None:  # noqa: D102
        uniform(nodes, 0.5, generator)
        uniform(relations, 0.5, generator)

    def score(self, heads: Tensor, relations: Tensor, tails: Tensor) -> Tensor:  # noqa: D102
        return (heads * relations * tails).sum(dim=-1)

    def score_tails(self, heads: Tensor, relations: Tensor, candidates: Tensor) -> Tensor:  # noqa: D102
        return (heads * relations) @ candidates.T

    def score_heads(self, relations: Tensor, tails: Tensor, candidates: Tensor) -> Tensor:  # noqa: D102
        return (relations * tails) @ candidates.T


class DistMult(TripleEncoder):
    """Class vectors from DistMult: ``f(h, r, t) = sum_i h_i r_i t_i``.

    Yang et al., "Embedding Entities and Relations for Learning and Inference in Knowledge Bases" (ICLR 2015), section
    3.1 with a diagonal matrix per relation. The options are those of :class:`TripleEncoder`.
    """

    name: ClassVar[str] = "distmult"
    default_loss: ClassVar[Literal["self-adversarial", "softmax"]] = "softmax"
    default_lr: ClassVar[float] = 0.03
    default_n3: ClassVar[float] = 0.02

    def make_scorer(self) -> TripleScorer:  # noqa: D102
        return DistMultScorer(self.dim)
