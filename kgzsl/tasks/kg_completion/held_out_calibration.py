"""Probabilities for a scorer that was trained without some relations: what its scores of their triples are worth."""

from __future__ import annotations

import torch
from torch import Tensor

from kgzsl.tasks.kg_completion._answers import answers_in
from kgzsl.tasks.kg_completion.evaluation import Scorer
from kgzsl.tasks.kg_completion.evidence.calibration import Calibration, fit_calibration
from kgzsl.tasks.kg_completion.evidence.judged import Judged
from kgzsl.tasks.ranking import chunk_of_queries

__all__ = ["held_out_calibration"]

_TRUE, _SUREST, _DRAWN = 8, 64, 192


@torch.no_grad()
def held_out_calibration(
    scorer: Scorer,
    queries: Tensor,
    facts: Tensor,
    entities: int,
    *,
    sides: str = "both",
    seed: int = 0,
    budget: int = 256 * 2**20,
) -> Calibration | None:
    """Fit probabilities on relations that a scorer was trained without.

    Each end of a query is asked for once, and all answers to it stand for something: some true ones for all of them,
    the surest wrong ones for themselves, some drawn ones for all others.

    Args:
        scorer: Trained without the relations of ``queries``.
        queries: int64 [N, 3], triples of these relations.
        facts: int64 [T, 3], all their true triples.
        entities: E.
        sides: ``"tail"``, or ``"both"`` ends.
        seed: Decides which answers are drawn.
        budget: Bytes that scoring may take at a time.

    Returns:
        None where there are fewer than 5 relations, or fewer than 12 queries.
    """
    random = torch.Generator().manual_seed(seed)
    parts = []
    for relation in torch.unique(queries[:, 1]).tolist():
        mine = queries[queries[:, 1] == relation].cpu()
        for side, column in (("tail", 0), ("head", 2))[: 1 if sides == "tail" else 2]:
            for anchors in torch.split(torch.unique(mine[:, column]), chunk_of_queries(entities, budget)):
                scores = scorer(relation, anchors, side).cpu().float()
                truth = answers_in(facts.cpu(), relation, anchors, side, entities)
                parts.append(_judged(scores, truth, relation, random))
    return fit_calibration(Judged.joined(parts)) if parts else None


def _judged(scores: Tensor, truth: Tensor, relation: int, random: torch.Generator) -> Judged:
    """Some answers of each row of scores [Q, E], with those that are true, bool [Q, E]."""
    count, entities = scores.shape
    true_places = torch.rand(scores.shape, generator=random).masked_fill(~truth, -1).topk(min(_TRUE, entities)).indices
    surest = scores.masked_fill(truth, float("-inf")).topk(min(_SUREST, entities)).indices
    others = ~truth.scatter(1, surest, True)
    drawn = torch.rand(scores.shape, generator=random).masked_fill(~others, -1).topk(min(_DRAWN, entities)).indices
    places, stands = [], []
    for some, of, alone in ((true_places, truth, False), (surest, ~truth, True), (drawn, others, False)):
        held = of.gather(1, some)
        each = held.new_ones(count, dtype=torch.float32) if alone else of.sum(dim=1) / held.sum(dim=1).clamp(min=1)
        places.append(some)
        stands.append(held * each[:, None])
    at = torch.cat(places, dim=1)
    # Of few entities there are fewer answers: rows are filled up with what stands for nothing.
    pad = (0, _TRUE + _SUREST + _DRAWN - at.shape[1])
    found, true, worth = (
        torch.nn.functional.pad(table, pad)
        for table in (scores.gather(1, at), truth.gather(1, at), torch.cat(stands, 1))
    )
    return Judged(found, true, worth, torch.full((count,), relation), torch.ones(count))
