"""The interface of triple scorers: three forms of one score, each as the best matrix product."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

__all__ = ["TripleScorer", "cubes", "uniform"]


class TripleScorer(ABC):
    """Scores triples from the vectors of their parts; a higher score is a more plausible triple.

    It holds no vectors itself, so that they may come from a table, from text or from a network. ``score`` is the form
    "spo" for single triples, ``score_tails`` the form "sp_" and ``score_heads`` "_po" against many candidates at once;
    all three agree.

    Args:
        dim: D, numbers per node.

    Raises:
        InputError: A ``dim`` that the model cannot have.
    """

    is_distance: ClassVar[bool] = False
    """Whether scores are distances times -1, which need a margin in the loss."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    @property
    def relation_size(self) -> int:
        """K, numbers per relation."""
        return self.dim

    @abstractmethod
    def start(self, nodes: Tensor, relations: Tensor, generator: torch.Generator | None) -> None:
        """Fill the tables [N, D] and [R, K] with fresh values from ``generator``, in place."""

    @abstractmethod
    def score(self, heads: Tensor, relations: Tensor, tails: Tensor) -> Tensor:
        """Scores [B] of triples given as vectors [B, D], [B, K] and [B, D]."""

    @abstractmethod
    def score_tails(self, heads: Tensor, relations: Tensor, candidates: Tensor) -> Tensor:
        """Scores [B, M] of every candidate [M, D] as the tail of each (head [B, D], relation [B, K])."""

    @abstractmethod
    def score_heads(self, relations: Tensor, tails: Tensor, candidates: Tensor) -> Tensor:
        """Scores [B, M] of every candidate [M, D] as the head of each (relation [B, K], tail [B, D])."""

    def penalty(self, heads: Tensor, relations: Tensor, tails: Tensor) -> Tensor:
        """The N3 penalty of a batch (a scalar): the cubes of the moduli, summed per triple, the mean over triples.

        Lacroix, Usunier and Obozinski, "Canonical Tensor Decomposition for Knowledge Base Completion" (ICML 2018),
        equation 6: a vector counts as often as it is in the batch.
        """
        return cubes(heads, relations, tails)


def uniform(table: Tensor, bound: float, generator: torch.Generator | None) -> None:
    """Fill ``table`` uniformly in [-bound, bound] from ``generator``."""
    with torch.no_grad():
        table.uniform_(-bound, bound, generator=generator)


def cubes(*parts: Tensor) -> Tensor:
    """Mean over rows of the summed cubes of the absolute values of each part [B, ...]."""
    total = parts[0].new_zeros(())
    for part in parts:
        total = total + part.abs().pow(3).sum(dim=-1).mean()
    return total
