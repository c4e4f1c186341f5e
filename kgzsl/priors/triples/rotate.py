"""RotatE: a relation is a rotation in the complex plane."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from kgzsl.errors import InputError
from kgzsl.priors.triples.complex import conjugate, multiply
from kgzsl.priors.triples.encoder import TripleEncoder
from kgzsl.priors.triples.scorer import TripleScorer, cubes, uniform
from kgzsl.priors.triples.transe import distances

__all__ = ["RotatE", "RotatEScorer"]


class RotatEScorer(TripleScorer):
    """``f(h, r, t) = -||h * exp(i r) - t||_2`` with ``dim / 2`` complex numbers and as many angles r.

    The length is taken over all real and imaginary parts together, which makes it one matrix product; the paper sums
    the moduli of the complex numbers.
    """

    is_distance: ClassVar[bool] = True

    def __init__(self, dim: int) -> None:
        if dim % 2:
            raise InputError(f"dim={dim} is odd", remedy="RotatE needs an even dim: half real, half imaginary parts")
        super().__init__(dim)

    @property
    def relation_size(self) -> int:
        """Angles, one per complex number."""
        return self.dim // 2

    def start(self, nodes: Tensor, relations: Tensor, generator: torch.Generator | None) -> None:  # noqa: D102
        uniform(nodes, 6 / self.dim**0.5, generator)
        uniform(relations, math.pi, generator)

    def score(self, heads: Tensor, relations: Tensor, tails: Tensor) -> Tensor:  # noqa: D102
        length: Tensor = torch.linalg.vector_norm(multiply(heads, rotation(relations)) - tails, dim=-1)
        return -length

    def score_tails(self, heads: Tensor, relations: Tensor, candidates: Tensor) -> Tensor:  # noqa: D102
        return -distances(multiply(heads, rotation(relations)), candidates, 2)

    def score_heads(self, relations: Tensor, tails: Tensor, candidates: Tensor) -> Tensor:  # noqa: D102
        # A rotation keeps lengths: ||h r - t|| = ||h - conj(r) t||.
        return -distances(multiply(tails, conjugate(rotation(relations))), candidates, 2)

    def penalty(self, heads: Tensor, relations: Tensor, tails: Tensor) -> Tensor:
        """N3 of the nodes; angles have no size."""
        del relations
        return cubes(heads, tails)


class RotatE(TripleEncoder):
    """Class vectors from RotatE: a relation turns each complex number of the head towards the tail's.

    ``f(h, r, t) = -||h * exp(i r) - t||_2``; Sun et al., "RotatE: Knowledge Graph Embedding by Relational Rotation in
    Complex Space" (ICLR 2019), equation 3, with the Euclidean length. The options are those of :class:`TripleEncoder`.
    """

    name: ClassVar[str] = "rotate"
    default_margin: ClassVar[float] = 3.0
    default_lr: ClassVar[float] = 0.03

    def make_scorer(self) -> TripleScorer:  # noqa: D102
        return RotatEScorer(self.dim)


def rotation(angles: Tensor) -> Tensor:
    """Unit complex numbers [..., 2 K] (real, then imaginary parts) at ``angles`` [..., K]."""
    return torch.cat([angles.cos(), angles.sin()], dim=-1)
