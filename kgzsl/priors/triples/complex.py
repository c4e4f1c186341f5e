"""ComplEx: DistMult in complex numbers, which tells head from tail."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from kgzsl.errors import InputError
from kgzsl.priors.triples.encoder import TripleEncoder
from kgzsl.priors.triples.scorer import TripleScorer, uniform

__all__ = ["ComplEx", "ComplExScorer"]


class ComplExScorer(TripleScorer):
    """``f(h, r, t) = Re(sum_i h_i r_i conj(t_i))`` over ``dim / 2`` complex numbers.

    A vector holds the real parts, then the imaginary parts. With all imaginary parts 0 this is DistMult.
    """

    def __init__(self, dim: int) -> None:
        if dim % 2:
            raise InputError(f"dim={dim} is odd", remedy="ComplEx needs an even dim: half real, half imaginary parts")
        super().__init__(dim)

    def start(self, nodes: Tensor, relations: Tensor, generator: torch.Generator | None) -> None:  # noqa: D102
        uniform(nodes, 0.5, generator)
        uniform(relations, 0.5, generator)

    def score(self, heads: Tensor, relations: Tensor, tails: Tensor) -> Tensor:  # noqa: D102
        return (multiply(heads, relations) * tails).sum(dim=-1)

    def score_tails(self, heads: Tensor, relations: Tensor, candidates: Tensor) -> Tensor:  # noqa: D102
        return multiply(heads, relations) @ candidates.T

    def score_heads(self, relations: Tensor, tails: Tensor, candidates: Tensor) -> Tensor:  # noqa: D102
        # Re(h r conj(t)) = Re(h conj(conj(r) t)).
        return multiply(tails, conjugate(relations)) @ candidates.T

    def penalty(self, heads: Tensor, relations: Tensor, tails: Tensor) -> Tensor:
        """N3 with complex moduli (Lacroix et al., ICML 2018, equation 6)."""
        total = heads.new_zeros(())
        for part in (heads, relations, tails):
            real, imaginary = part.chunk(2, dim=-1)
            # The root of 0 has no gradient; the cube of the modulus has, once the floor is added.
            total = total + (real.square() + imaginary.square() + 1e-20).pow(1.5).sum(dim=-1).mean()
        return total


class ComplEx(TripleEncoder):
    """Class vectors from ComplEx: ``f(h, r, t) = Re(sum_i h_i r_i conj(t_i))``.

    Trouillon et al., "Complex Embeddings for Simple Link Prediction" (ICML 2016), equation 11. A class's vector is
    ``dim / 2`` real parts, then as many imaginary parts. The options are those of :class:`TripleEncoder`.
    """

    name: ClassVar[str] = "complex"
    default_loss: ClassVar[Literal["self-adversarial", "softmax"]] = "softmax"
    default_lr: ClassVar[float] = 0.03
    default_n3: ClassVar[float] = 0.02

    def make_scorer(self) -> TripleScorer:  # noqa: D102
        return ComplExScorer(self.dim)


def multiply(left: Tensor, right: Tensor) -> Tensor:
    """The elementwise complex product of vectors [..., D] that hold real, then imaginary parts."""
    (a, b), (c, d) = left.chunk(2, dim=-1), right.chunk(2, dim=-1)
    return torch.cat([a * c - b * d, a * d + b * c], dim=-1)


def conjugate(vectors: Tensor) -> Tensor:
    """The complex conjugate of vectors [..., D] that hold real, then imaginary parts."""
    real, imaginary = vectors.chunk(2, dim=-1)
    return torch.cat([real, -imaginary], dim=-1)
