"""Probabilities by rankers that were taught without the relations that they judge."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from kgzsl.tasks.kg_completion.evidence.calibration import FEWEST_RELATIONS, Calibration, fit_calibration
from kgzsl.tasks.kg_completion.evidence.episodes import Episodes, some_of_each
from kgzsl.tasks.kg_completion.evidence.judged import Judged
from kgzsl.tasks.kg_completion.evidence.ranker import EvidenceRanker

__all__ = ["cross_fitted", "score_episodes"]

_ASKED = 2000
"""Held-out queries that probabilities are fitted on, at most (but 4 of each relation)."""


@torch.no_grad()
def score_episodes(ranker: EvidenceRanker, episodes: Episodes) -> Tensor:
    """Scores of all answers of the queries: float [Q, 1 + M]."""
    return torch.cat([ranker.eval()(rows) for rows in torch.split(episodes.evidence, 64)])


def cross_fitted(
    episodes: Episodes, silent: Episodes, teach: Callable[[Episodes], EvidenceRanker]
) -> tuple[Calibration | None, Calibration | None]:
    """Two calibrations, for relations of which something is said, and for others.

    Each fold of seen relations is judged by a ranker that was taught on the other folds.

    Args:
        episodes: Queries about all seen relations.
        silent: Queries about the same relations with nothing told of them; perhaps none.
        teach: Episodes to a ranker that learned from them alone.

    Returns:
        None for both where there are fewer than two folds or five relations; for the second without silent queries.
    """
    folds = torch.unique(episodes.fold).tolist()
    if len(folds) < 2 or len(torch.unique(episodes.relation)) < FEWEST_RELATIONS:
        return None, None
    asked = (episodes.where(some_of_each(episodes.relation, _ASKED)), silent)
    parts: tuple[list[Judged], list[Judged]] = ([], [])
    for fold in folds:
        ranker = teach(episodes.where(episodes.fold != fold))
        for found, whole in zip(parts, asked, strict=True):
            mine = whole.where(whole.fold == fold)
            if len(mine):
                found.append(Judged.of_episodes(score_episodes(ranker, mine), mine))
    quiet = fit_calibration(Judged.joined(parts[1]), benefit=0.0) if parts[1] else None
    return fit_calibration(Judged.joined(parts[0])), quiet
