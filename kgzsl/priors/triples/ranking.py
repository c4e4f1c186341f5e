"""Filtered ranking on both sides, batched under a memory budget, with realistic ranks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kgzsl._comparisons import comparisons
from kgzsl.datasets.filter_index import FilterIndex
from kgzsl.priors.triples.model import TripleModel

__all__ = ["RankingResult", "rank_triples"]


@dataclass(frozen=True)
class RankingResult:
    """Ranks of triples, and what is usually reported of them.

    Args:
        heads: float64 [T], rank of the true head among all nodes.
        tails: float64 [T], rank of the true tail.
    """

    heads: Tensor
    tails: Tensor

    @property
    def ranks(self) -> Tensor:
        """float64 [2 T]: the ranks of both sides."""
        return torch.cat([self.heads, self.tails])

    @property
    def mrr(self) -> float:
        """Mean reciprocal rank over both sides, 0 to 1; 0 when nothing was ranked."""
        return float((1 / self.ranks).mean()) if len(self.ranks) else 0.0

    def hits(self, k: int) -> float:
        """Share of ranks that are at most ``k``."""
        return float((self.ranks <= k).double().mean()) if len(self.ranks) else 0.0

    def metrics(self) -> dict[str, float]:
        """``mrr``, ``hits@1``, ``hits@3``, ``hits@10`` and ``queries`` as a flat dictionary."""
        return {"mrr": self.mrr, **{f"hits@{k}": self.hits(k) for k in (1, 3, 10)}, "queries": float(len(self.ranks))}


@torch.no_grad()
def rank_triples(
    model: TripleModel, triples: Tensor, known: FilterIndex | None = None, *, budget_bytes: int = 256 * 2**20
) -> RankingResult:
    """Rank each triple's head and tail among all nodes.

    Realistic ranks: an answer that ties with k others stands in the middle of them, ``1 + better + k / 2``, so that a
    constant scorer scores chance. Filtered (Bordes et al., NeurIPS 2013): other known true answers do not count.

    Args:
        model: The model.
        triples: int64 [T, 3], (head, relation, tail), on any device.
        known: All true triples; None ranks unfiltered.
        budget_bytes: Memory for the score matrix and what compares it.

    Returns:
        The ranks of both sides.
    """
    device = next(model.parameters()).device
    triples = triples.to(device)
    known = known.to(device) if known is not None else None
    element = next(model.parameters()).element_size()
    # Scores, one boolean matrix of the same shape, and what a distance needs beside them.
    rows = max(1, budget_bytes // (model.num_nodes * (3 * element + 1)))
    heads, tails = [], []
    for part in torch.split(triples, rows):
        head, relation, tail = part.unbind(dim=1)
        others = known.tails(head, relation) if known is not None else None
        tails.append(_ranks(model.score_tails(head, relation), tail, others))
        others = known.heads(relation, tail) if known is not None else None
        heads.append(_ranks(model.score_heads(relation, tail), head, others))
    empty = torch.zeros(0, dtype=torch.float64)
    return RankingResult(torch.cat(heads).cpu() if heads else empty, torch.cat(tails).cpu() if tails else empty)


def _ranks(scores: Tensor, target: Tensor, others: tuple[Tensor, Tensor] | None) -> Tensor:
    """Realistic ranks [B] of ``target`` in ``scores`` [B, N], not counting ``others`` (rows, columns)."""
    own = scores.gather(1, target.unsqueeze(1))
    better, level = (table[0] for table in comparisons(scores, own, [None]))
    if others is not None:
        # Known answers are taken off the counts: cheaper than writing into the score matrix.
        row, column = others
        keep = column != target[row]
        row, column = row[keep], column[keep]
        score, mine = scores[row, column], own[row, 0]
        better = better.index_add(0, row, -(score > mine).to(better.dtype))
        level = level.index_add(0, row, -(score == mine).to(level.dtype))
    ranks = 1 + better + (level - 1) / 2
    # A score that is not a number is equal to nothing, itself included; it stands last.
    return torch.where(own[:, 0].isnan(), float(scores.shape[1]), ranks)
