"""Probabilities for a scorer that was trained without some relations or facts: what its scores of them are worth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from kgzsl._memory import given_back
from kgzsl.datasets.filter_index import FilterIndex
from kgzsl.tasks.kg_completion._answers import answers_in
from kgzsl.tasks.kg_completion._ranks import by_rank, rank_of_names
from kgzsl.tasks.kg_completion.evaluation import Scorer
from kgzsl.tasks.kg_completion.evidence.calibration import FEWEST_QUERIES, Calibration, fit_calibration
from kgzsl.tasks.kg_completion.evidence.episodes import some_of_each
from kgzsl.tasks.kg_completion.evidence.judged import Judged
from kgzsl.tasks.ranking import chunk_of_queries

__all__ = ["calibration_of_facts", "held_out_calibration"]

_TRUE, _SUREST, _DRAWN = 8, 64, 192
_FACTS = 1000
"""Held-out facts that are asked for, at most (but 4 of each relation)."""


def held_out_calibration(
    judges: Iterable[tuple[Scorer, Tensor]],
    facts: Tensor,
    entities: Sequence[str],
    relations: Sequence[str],
    *,
    sides: str = "both",
    seed: int = 0,
    budget: int = 256 * 2**20,
) -> Calibration | None:
    """Fit probabilities on relations that scorers were trained without.

    Each end of a query is asked for once, and all answers to it stand for something: some true ones for all of them,
    the surest wrong ones for themselves, some drawn ones for all others. What is drawn hangs on names, not on numbers.

    Args:
        judges: Scorers, each with queries int64 [N, 3], triples of relations that it was trained without; taken one
            at a time.
        facts: int64 [T, 3], all true triples of these relations.
        entities: Names, by id.
        relations: Names, by id.
        sides: ``"tail"``, or ``"both"`` ends.
        seed: Decides which answers are drawn.
        budget: Bytes that scoring may take at a time.

    Returns:
        None where there are fewer than 5 relations, or fewer than 12 queries.
    """
    random, other = (torch.Generator().manual_seed(number) for number in (seed, seed + 1))
    size, rank, kind = len(entities), rank_of_names(entities), rank_of_names(relations)
    by_name = torch.argsort(rank)
    parts = []
    # What comes next may have to be trained first: gradients are off while scores are asked for, and no longer.
    for scorer, queries in judges:
        held_out = torch.unique(queries[:, 1]).cpu()
        true = facts[torch.isin(facts[:, 1].cpu(), held_out)].cpu()
        for relation in held_out[torch.argsort(kind[held_out])].tolist():
            mine = queries[queries[:, 1] == relation].cpu()
            for side, column in (("tail", 0), ("head", 2))[: 1 if sides == "tail" else 2]:
                ends = by_name[torch.unique(rank[mine[:, column]])]
                for anchors in given_back(torch.split(ends, chunk_of_queries(size, budget)), budget):
                    with torch.no_grad():
                        scores = scorer(relation, anchors, side).cpu().float()[:, by_name]
                    truth = answers_in(true, relation, anchors, side, size)[:, by_name]
                    parts.append(_judged(scores, truth, int(kind[relation]), (random, other)))
    return fit_calibration(Judged.joined(parts)) if parts else None


@torch.no_grad()
def calibration_of_facts(
    scorer: Scorer,
    held_out: Tensor,
    known: Tensor,
    entities: Sequence[str],
    relations: Sequence[str],
    *,
    sides: str = "both",
    seed: int = 0,
    budget: int = 256 * 2**20,
) -> Calibration | None:
    """Fit probabilities on facts that a scorer was trained without, though it knows others of their relations.

    Each end of some of these facts is asked for, about as many of each relation. Known facts are no answers. Of a given
    end with several held-out answers all are true, whichever of them it was drawn for, and it counts once in all.
    What is drawn hangs on names, not on numbers.

    Args:
        scorer: Trained without the facts ``held_out``.
        held_out: int64 [N, 3]; those that are known and those of relations without a known fact are left out.
        known: int64 [T, 3], the facts that it knows, and what is certain beside them.
        entities: Names, by id.
        relations: Names, by id.
        sides: ``"tail"``, or ``"both"`` ends.
        seed: Decides which facts are asked for, and which answers are drawn.
        budget: Bytes that scoring may take at a time.

    Returns:
        None where there are fewer than 6 facts or 12 queries, or where a score is no number.
    """
    random, other = (torch.Generator().manual_seed(number) for number in (seed, seed + 1))
    size, known = len(entities), known.cpu()
    rank, kind = rank_of_names(entities), rank_of_names(relations)
    by_name = torch.argsort(rank)
    facts = torch.unique(held_out.cpu(), dim=0)
    new = ~FilterIndex(known, size, len(relations)).contains(facts) & torch.isin(facts[:, 1], known[:, 1])
    facts = by_rank(facts[new], rank, kind)
    if not len(facts):
        return None
    asked = facts[torch.randperm(len(facts), generator=random)]
    asked = asked[some_of_each(kind[asked[:, 1]], _FACTS)]
    # Both queries of a fact are left out together.
    group = torch.arange(len(asked))
    parts = []
    for relation in torch.argsort(kind)[torch.unique(kind[asked[:, 1]])].tolist():
        mine = torch.nonzero(asked[:, 1] == relation).flatten()
        for side, column in (("tail", 0), ("head", 2))[: 1 if sides == "tail" else 2]:
            for rows in given_back(torch.split(mine, chunk_of_queries(size, budget)), budget):
                anchors = asked[rows, column]
                scores = scorer(relation, anchors, side).cpu().float()[:, by_name]
                truth, told = (answers_in(some, relation, anchors, side, size)[:, by_name] for some in (facts, known))
                found = _judged(scores, truth, relation, (random, other), told)
                parts.append(replace(found, group=group[rows], weight=1 / truth.sum(dim=1)))
    judged = Judged.joined(parts)
    if not bool(torch.isfinite(judged.scores).all()):
        return None
    return fit_calibration(judged, fewest_groups=FEWEST_QUERIES // 2, held_out="facts", alike=False)


def _judged(
    scores: Tensor,
    truth: Tensor,
    group: int,
    random: tuple[torch.Generator, torch.Generator],
    known: Tensor | None = None,
) -> Judged:
    """Some answers of each row.

    Args:
        scores: float [Q, E].
        truth: bool [Q, E], those that are true.
        group: What the rows are left out with.
        random: For true answers and for others; as they are two, rows may be asked in any parts.
        known: bool [Q, E], none of them true: they are left out.
    """
    count, entities = scores.shape
    wrong = ~truth if known is None else ~(truth | known)
    first, second = random
    true_places = torch.rand(scores.shape, generator=first).masked_fill(~truth, -1).topk(min(_TRUE, entities)).indices
    surest = scores.masked_fill(~wrong, float("-inf")).topk(min(_SUREST, entities)).indices
    others = wrong.scatter(1, surest, False)
    drawn = torch.rand(scores.shape, generator=second).masked_fill(~others, -1).topk(min(_DRAWN, entities)).indices
    places, stands = [], []
    for some, of, alone in ((true_places, truth, False), (surest, wrong, True), (drawn, others, False)):
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
    return Judged(found, true, worth, torch.full((count,), group), torch.ones(count))
