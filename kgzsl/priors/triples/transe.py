"""TransE: a relation is a step from head to tail."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from kgzsl.errors import InputError
from kgzsl.priors.triples.encoder import TripleEncoder
from kgzsl.priors.triples.scorer import TripleScorer, uniform

__all__ = ["TransE", "TransEScorer", "distances"]

# Numbers of candidates at a time in sums of absolute differences; with fewer candidates than this nothing is gained.
_CACHED = 1 << 18
_FEW = 512


class TransEScorer(TripleScorer):
    """``f(h, r, t) = -||h + r - t||_p``.

    Args:
        dim: Numbers per node and per relation.
        norm: p, 1 or 2.
    """

    is_distance: ClassVar[bool] = True

    def __init__(self, dim: int, norm: int = 1) -> None:
        if norm not in (1, 2):
            raise InputError(f"TransE has no norm {norm!r}", remedy="choose 1 or 2")
        super().__init__(dim)
        self.norm = norm

    def start(self, nodes: Tensor, relations: Tensor, generator: torch.Generator | None) -> None:  # noqa: D102
        bound = 6 / self.dim if self.norm == 1 else 6 / self.dim**0.5
        uniform(nodes, bound, generator)
        uniform(relations, bound, generator)

    def score(self, heads: Tensor, relations: Tensor, tails: Tensor) -> Tensor:  # noqa: D102
        length: Tensor = torch.linalg.vector_norm(heads + relations - tails, ord=self.norm, dim=-1)
        return -length

    def score_tails(self, heads: Tensor, relations: Tensor, candidates: Tensor) -> Tensor:  # noqa: D102
        return -distances(heads + relations, candidates, self.norm)

    def score_heads(self, relations: Tensor, tails: Tensor, candidates: Tensor) -> Tensor:  # noqa: D102
        return -distances(tails - relations, candidates, self.norm)


class TransE(TripleEncoder):
    """Class vectors from TransE: ``f(h, r, t) = -||h + r - t||_p``.

    Bordes et al., "Translating Embeddings for Modeling Multi-relational Data" (NeurIPS 2013), equation 1; a margin
    inside the loss stands in for the unit spheres, as in Sun et al. (ICLR 2019).

    Args:
        norm: p, 1 or 2.
        dim: See :class:`TripleEncoder`, as for the rest.
    """

    name: ClassVar[str] = "transe"
    default_margin: ClassVar[float] = 6.0
    default_lr: ClassVar[float] = 0.005
    default_negatives: ClassVar[int] = 64

    def __init__(
        self,
        dim: int = 100,
        *,
        norm: Literal[1, 2] = 1,
        epochs: int = 50,
        batch_size: int = 256,
        negatives: int | None = None,
        loss: Literal["self-adversarial", "softmax"] | None = None,
        margin: float | None = None,
        temperature: float = 1.0,
        lr: float | None = None,
        n3: float | None = None,
        inverse: bool = False,
        constrained: bool = False,
        patience: int | None = None,
        disjointness: Literal["relation", "drop"] = "relation",
        holdout: float = 0.0,
        seed: int | None = None,
    ) -> None:
        self.norm = norm
        TransEScorer(dim, norm)
        super().__init__(
            dim,
            epochs=epochs,
            batch_size=batch_size,
            negatives=negatives,
            loss=loss,
            margin=margin,
            temperature=temperature,
            lr=lr,
            n3=n3,
            inverse=inverse,
            constrained=constrained,
            patience=patience,
            disjointness=disjointness,
            holdout=holdout,
            seed=seed,
        )

    def make_scorer(self) -> TripleScorer:  # noqa: D102
        return TransEScorer(self.dim, self.norm)


def distances(queries: Tensor, candidates: Tensor, norm: int) -> Tensor:
    """Pairwise p-distances [B, M] of ``queries`` [B, D] and ``candidates`` [M, D].

    The Euclidean form is one matrix product (``|q|^2 + |c|^2 - 2 q.c``); in float32 its rounding error near 0 is about
    ``1e-3 |q|``, far below any distance that a trained model tells apart.
    """
    if norm == 1:
        learns = torch.is_grad_enabled() and (queries.requires_grad or candidates.requires_grad)
        if learns or queries.device.type != "cpu" or len(candidates) < _FEW:
            return torch.cdist(queries, candidates, p=1.0)
        return _absolute_sums(queries, candidates)
    square = queries.square().sum(dim=1, keepdim=True) + candidates.square().sum(dim=1)
    square = torch.addmm(square, queries, candidates.T, alpha=-2.0)
    # The root's gradient has no limit at 0; below the floor it is cut off.
    return square.clamp_min(1e-12).sqrt()


def _absolute_sums(queries: Tensor, candidates: Tensor) -> Tensor:
    """L1 distances [B, M] without gradients: differences of a block that the cache holds, summed by a product with 1.

    PyTorch's own pairwise distance reads all candidates anew for every query, and sums each pair by itself.
    """
    found = queries.new_empty(len(queries), len(candidates))
    ones = queries.new_ones(queries.shape[1])
    step = max(1, _CACHED // max(queries.shape[1], 1))
    held = queries.new_empty(min(step, len(candidates)), queries.shape[1])
    for begin in range(0, len(candidates), step):
        part = candidates[begin : begin + step]
        gaps = held[: len(part)]
        for row, query in enumerate(queries):
            torch.sub(part, query, out=gaps).abs_()
            torch.mv(gaps, ones, out=found[row, begin : begin + step])
    return found
