"""The published protocol of subgraph methods: each answer among a few that are drawn, and triples told true from false.

GraIL, RMPI and their like score triple by triple, so they rank among 49 drawn entities, and report how well triples of
the test are told from corrupted ones (AUC-PR). :class:`DrawnAnswers` are the draws, :class:`DrawnRanks` what comes of
scores. Where entities are many, both are far easier than ranking among all, beside which they stand.
"""

from __future__ import annotations

import torch
from torch import Tensor

from kgzsl.tasks.kg_completion.queries import Piece
from kgzsl.tasks.ranking import ranking_metrics

__all__ = ["DrawnRanks"]


class DrawnRanks:
    """Ranks among drawn entities, and the scores of true and corrupted triples, as they come in.

    Attributes:
        sizes: Drawn entities of each query, piece by piece.
    """

    def __init__(self) -> None:
        none = torch.zeros(0, dtype=torch.float64)
        self.sizes: list[Tensor] = [none]
        self._ranks: list[Tensor] = [none]
        self._pairs: list[Tensor] = [none.view(0, 2)]

    def take(self, scores: Tensor, piece: Piece, drawn: Tensor, instead: Tensor) -> None:
        """Count the answers to a piece of queries; NaN is no score and stands below all others.

        Args:
            scores: Float [D, E], one row for each anchor.
            piece: What was asked.
            drawn: int64 [Q, count], the entities beside each answer; -1 is none.
            instead: int64 [Q], the one in its place; -1 is none.
        """
        rows = piece.rows[:, None]
        there = torch.cat([piece.truth[:, None], instead[:, None], drawn], dim=1).clamp(min=0)
        self.add(scores[rows, there], drawn >= 0, instead >= 0)

    def add(self, scores: Tensor, drawn: Tensor, replaced: Tensor) -> None:
        """Count some queries.

        Args:
            scores: Float [Q, 2 + count]: of the true answer, of the entity in its place, of those beside it.
            drawn: bool [Q, count], which of these there are.
            replaced: bool [Q], whether there is one in its place.
        """
        scores, drawn, replaced = scores.double().cpu(), drawn.cpu(), replaced.cpu()
        own, beside = scores[:, :1], scores[:, 2:]
        scored = ~(own.isnan() | own.isneginf())[:, 0]
        sizes = drawn.sum(dim=1).double()
        higher, equal = (((beside > own) & drawn).sum(dim=1), ((beside == own) & drawn).sum(dim=1))
        self._ranks.append(torch.where(scored, 1 + higher + equal / 2, 1 + sizes / 2))
        self.sizes.append(sizes)
        self._pairs.append(scores[replaced, :2])

    @property
    def ranks(self) -> Tensor:
        """float64 [Q], ties at their mean place."""
        return torch.cat(self._ranks)

    def metrics(self) -> dict[str, float]:
        """``mrr``, ``hits@k`` and ``queries`` of the ranks; ``auc_pr`` (average precision) and ``auc_roc`` of the true
        triples, as many corrupted ones beside them, all scores in one pool; these two only where there are some."""
        found = ranking_metrics(self.ranks)
        scores = torch.cat(self._pairs)
        if len(scores):
            from sklearn.metrics import average_precision_score, roc_auc_score

            # Their order is all that counts; what has no score is below all that have one.
            order = torch.unique(torch.where(scores.isnan(), float("-inf"), scores), return_inverse=True)[1]
            truth = torch.tensor([1, 0]).repeat(len(scores)).numpy()
            level = order.reshape(-1).numpy()
            found["auc_pr"] = float(average_precision_score(truth, level))
            found["auc_roc"] = float(roc_auc_score(truth, level))
        return found

    def chance(self) -> dict[str, float]:
        """What a constant scorer gets, exactly."""
        found = ranking_metrics(1 + torch.cat(self.sizes) / 2)
        return found | ({"auc_pr": 0.5, "auc_roc": 0.5} if any(map(len, self._pairs)) else {})
