"""Held-out answers of which it is known whether they are true: what probabilities are fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kgzsl.tasks.kg_completion.evidence.episodes import Episodes

__all__ = ["Judged"]


@dataclass(frozen=True)
class Judged:
    """Answers of queries about what was held out, with the scores of a ranker that did not see it.

    Args:
        scores: float [Q, A].
        truth: bool [Q, A].
        stands: float [Q, A], of how many candidates the answer is a sample; 0 leaves it out.
        group: int64 [Q], what is left out together, as a relation.
        weight: float [Q], of the query within its group.
    """

    scores: Tensor
    truth: Tensor
    stands: Tensor
    group: Tensor
    weight: Tensor

    @classmethod
    def joined(cls, parts: Sequence[Judged]) -> Judged:
        """All of them, in order; they have as many answers a query."""
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__))

    @classmethod
    def of_episodes(cls, scores: Tensor, episodes: Episodes) -> Judged:
        """Queries of held-out relations, each anchor weighing alike, however many true answers it was drawn for."""
        stands = episodes.stands
        truth = episodes.wrong & (stands > 0)
        truth[:, 0] = True
        return cls(scores, truth, stands, episodes.relation, 1 / episodes.truths.clamp(min=1))

    @classmethod
    def of_drawn(cls, scores: Tensor, wrong: Tensor, truths: Tensor, candidates: Tensor, group: Tensor) -> Judged:
        """Queries whose first answer is true and whose others were drawn evenly.

        Each query with T true answers is there once for each of them, or for some: the one stands for all, and the
        query weighs 1 / T.

        Args:
            scores: float [Q, 1 + M].
            wrong: bool [Q, 1 + M], answers to be left out (drawn, but true).
            truths: int64 [Q], T.
            candidates: int64 [Q], how many answers that are not true the M stand for.
            group: int64 [Q].
        """
        drawn = (~wrong[:, 1:]).sum(dim=1).clamp(min=1)
        stands = torch.ones(scores.shape)
        stands[:, 0] = truths
        stands[:, 1:] = (candidates / drawn).clamp(min=1)[:, None]
        truth = torch.zeros(scores.shape, dtype=torch.bool)
        truth[:, 0] = True
        return cls(scores, truth, stands.masked_fill(wrong, 0), group, 1 / truths)
