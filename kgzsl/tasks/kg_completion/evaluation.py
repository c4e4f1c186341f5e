"""Ranks of true answers under several candidate rules at once, from one pass of scoring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from kgzsl.datasets import KGSplit
from kgzsl.tasks.kg_completion.candidate_rules import CandidateRule
from kgzsl.tasks.ranking import chance_metrics, ranking_metrics, realistic_ranks, rows_under_budget

__all__ = ["Evaluation", "Scorer", "evaluate"]

Scorer = Callable[[int, Tensor, str], Tensor]
"""``(relation id, anchors int64 [Q], "tail" or "head") -> scores float [Q, E]``; NaN where there is none.

A scorer is told one end and the relation. It is never told the other end.
"""


@dataclass(frozen=True)
class Evaluation:
    """Ranks of the true answers of some queries.

    Args:
        relation: int64 [Q].
        anchor: int64 [Q], the end that was given.
        truth: int64 [Q], the end that was asked for.
        tail_asked: bool [Q], whether that is the tail.
        linked: bool [Q], whether a seen relation links the true pair, in either direction.
        ranks: Rule name to float64 [Q].
        counts: Rule name to int64 [Q], the number of candidates.
        scorable: bool [Q].
        outside: Rule name to how many true answers the rule does not allow; they are ranked all the same.
        best: int64 [Q, k], the best candidates under the first rule; -1 fills up.
    """

    relation: Tensor
    anchor: Tensor
    truth: Tensor
    tail_asked: Tensor
    linked: Tensor
    ranks: dict[str, Tensor]
    counts: dict[str, Tensor]
    scorable: Tensor
    outside: dict[str, int] = field(default_factory=dict)
    best: Tensor = field(default_factory=lambda: torch.zeros(0, 0, dtype=torch.int64))

    def metrics(self, names: dict[str, str]) -> dict[str, float]:
        """Flat figures.

        Args:
            names: Rule name to the prefix of its figures: ``{"type": "kgc.", "all": "kgc.all."}``. The rule with the
                shortest prefix also gives ``linked.mrr`` and ``unlinked.mrr``, and both sides apart if both were asked.
        """
        flat: dict[str, float] = {}
        for rule, prefix in names.items():
            found = ranking_metrics(self.ranks[rule], scorable=self.scorable)
            flat.update({prefix + name: value for name, value in found.items()})
        first = min(names, key=lambda rule: len(names[rule]))
        groups = {"linked": self.linked, "unlinked": ~self.linked}
        if bool(self.tail_asked.any()) and not bool(self.tail_asked.all()):
            groups |= {"tail": self.tail_asked, "head": ~self.tail_asked}
        for group, rows in groups.items():
            if bool(rows.any()):
                found = ranking_metrics(self.ranks[first][rows])
                flat[f"{names[first]}{group}.mrr"] = found["mrr"]
                flat[f"{names[first]}{group}.queries"] = found["queries"]
        return flat

    def chance(self, names: dict[str, str]) -> dict[str, float]:
        """What a constant scorer gets on the same queries, exactly; ``names`` as in :meth:`metrics`."""
        flat: dict[str, float] = {}
        for rule, prefix in names.items():
            flat.update({prefix + name: value for name, value in chance_metrics(self.counts[rule]).items()})
        return flat


@torch.no_grad()
def evaluate(
    kg: KGSplit,
    triples: Tensor,
    scorer: Scorer,
    rules: Sequence[CandidateRule],
    *,
    sides: str = "both",
    filtered: bool = True,
    top: int = 0,
    budget: int = 256 * 2**20,
) -> Evaluation:
    """Rank the true answers of ``triples``.

    Args:
        kg: Entities, known triples for filtering and for the question whether a pair is linked.
        triples: int64 [T, 3].
        scorer: Asked once for every distinct (relation, anchor).
        rules: Candidate rules; each gives its own ranks from the same scores.
        sides: ``"tail"``, or ``"both"``: every triple is asked twice.
        filtered: Take other known answers of a query out of its candidates.
        top: How many best candidates to keep of each query, under the first rule.
        budget: Bytes that the scores of a chunk may take, masks included.
    """
    entities = kg.num_entities
    # A chunk holds scores, a rule's mask, comparisons and a sorter's copy: about 16 bytes an entry.
    chunk = rows_under_budget(entities, bytes_each=16, budget=budget)
    parts: list[tuple[Tensor, ...]] = []
    ranks: dict[str, list[Tensor]] = {rule.name: [] for rule in rules}
    counts: dict[str, list[Tensor]] = {rule.name: [] for rule in rules}
    outside = dict.fromkeys(ranks, 0)
    scorable: list[Tensor] = []
    best: list[Tensor] = []
    known = kg.filter.to("cpu")
    for relation in torch.unique(triples[:, 1]).tolist():
        mine = triples[triples[:, 1] == relation].cpu()
        for side in ("tail", "head") if sides == "both" else ("tail",):
            masks = {rule.name: rule.mask(relation, side, entities) for rule in rules}
            given, asked = (0, 2) if side == "tail" else (2, 0)
            for rows in torch.split(mine, chunk):
                anchor, truth = rows[:, given], rows[:, asked]
                distinct, place = torch.unique(anchor, return_inverse=True)
                scores = scorer(relation, distinct, side).cpu()[place]
                others = None
                if filtered:
                    look_up = known.tails(anchor, rows[:, 1]) if side == "tail" else known.heads(rows[:, 1], anchor)
                    others = look_up
                for rule in rules:
                    mask = masks[rule.name]
                    rank, count, had = realistic_ranks(scores, truth, allowed=mask, known=others)
                    ranks[rule.name].append(rank)
                    counts[rule.name].append(count)
                    outside[rule.name] += 0 if mask is None else int((~mask[truth]).sum())
                scorable.append(had)
                asked_tail = torch.full((len(rows),), side == "tail")
                parts.append((rows[:, 1], anchor, truth, asked_tail))
                if top:
                    best.append(_best(scores, truth, masks[rules[0].name], others, top))
    if not parts:
        parts = [tuple(torch.zeros(0, dtype=kind) for kind in (torch.int64,) * 3 + (torch.bool,))]
    relations, anchors, truths, tail_asked = (torch.cat(part) for part in zip(*parts, strict=True))
    heads, tails = torch.where(tail_asked, anchors, truths), torch.where(tail_asked, truths, anchors)

    def joined(chunks: list[Tensor], kind: torch.dtype) -> Tensor:
        return torch.cat(chunks) if chunks else torch.zeros(0, dtype=kind)

    return Evaluation(
        relation=relations,
        anchor=anchors,
        truth=truths,
        tail_asked=tail_asked,
        linked=_linked(kg, heads, tails),
        ranks={name: joined(chunks, torch.float64) for name, chunks in ranks.items()},
        counts={name: joined(chunks, torch.int64) for name, chunks in counts.items()},
        scorable=joined(scorable, torch.bool),
        outside=outside,
        best=torch.cat(best) if best else torch.zeros(len(relations), 0, dtype=torch.int64),
    )


def _best(scores: Tensor, truth: Tensor, mask: Tensor | None, others: tuple[Tensor, Tensor] | None, top: int) -> Tensor:
    kept = scores.nan_to_num(nan=float("-inf")).clone()
    own = kept[torch.arange(len(truth)), truth]
    if mask is not None:
        kept[:, ~mask] = float("-inf")
    if others is not None:
        kept[others[0], others[1]] = float("-inf")
    kept[torch.arange(len(truth)), truth] = own
    values, entities = kept.topk(min(top, kept.shape[1]), dim=1)
    entities = torch.where(torch.isneginf(values), -1, entities)
    return torch.nn.functional.pad(entities, (0, top - entities.shape[1]), value=-1)


def _linked(kg: KGSplit, heads: Tensor, tails: Tensor) -> Tensor:
    train = kg.train.cpu()
    keys = torch.unique(
        torch.cat([train[:, 0] * kg.num_entities + train[:, 2], train[:, 2] * kg.num_entities + train[:, 0]])
    )
    return torch.isin(heads * kg.num_entities + tails, keys)
