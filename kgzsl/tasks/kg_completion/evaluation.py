"""Ranks of true answers under several candidate rules at once, from one pass of scoring."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from kgzsl.datasets import KGSplit
from kgzsl.tasks.kg_completion.candidate_rules import CandidateRule
from kgzsl.tasks.ranking import chance_metrics, chunk_of_queries, ranking_metrics, ranks_by_rule

__all__ = ["Evaluation", "Scorer", "evaluate", "evaluate_all"]

UNLISTED = 0.05
"""Share of true tails, or heads, that are no candidates above which a run says so first: each is ranked all the
same, and where the list is short or empty its rank is good whatever the method."""

Scorer = Callable[[int, Tensor, str], Tensor]
"""``(relation id, anchors int64 [Q], "tail" or "head") -> scores float [Q, E]``; NaN where there is none.

A scorer is told one end and the relation. It is never told the other end.

One that has a method ``among(relation id, anchors, side, entities int64 [C]) -> float [Q, C]`` is asked for no more
than the candidates, where every rule has a list of them.
"""


@dataclass(frozen=True)
class Evaluation:
    """Ranks of the true answers of some queries.

    Args:
        relation: int64 [Q].
        anchor: int64 [Q], the end that was given.
        truth: int64 [Q], the end that was asked for.
        tail_asked: bool [Q], whether that is the tail.
        linked: bool [Q], whether a known fact links the true pair, in either direction.
        ranks: Rule name to float64 [Q].
        counts: Rule name to int64 [Q], the number of candidates.
        scorable: bool [Q].
        outside: Rule name to how many true answers the rule does not allow; they are ranked all the same.
        best: int64 [Q, k], the best candidates under the first rule; -1 fills up.
        worst: float64 [Q], ranks under the first rule with ties at their worst place; empty where not asked for.
        listed: bool [Q], whether the first rule has the true answer among its candidates.
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
    worst: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.float64))
    listed: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.bool))

    @property
    def many_unlisted(self) -> bool:
        """Whether so many true answers are no candidates under the first rule that its figures may mislead."""
        sides = (self.listed[self.tail_asked], self.listed[~self.tail_asked]) if len(self.listed) else ()
        return any(len(side) and float((~side).float().mean()) > UNLISTED for side in sides)

    def metrics(self, names: dict[str, str]) -> dict[str, float]:
        """Flat figures.

        Args:
            names: Rule name to the prefix of its figures: ``{"type": "kgc.", "all": "kgc.all."}``. The rule with the
                shortest prefix also gives ``linked.mrr`` and ``unlinked.mrr``, and both sides apart if both were asked;
                and ``worst_ties.mrr`` and the like, where such ranks were asked for. Where more than a few true answers
                are no candidates (:attr:`many_unlisted`), ``listed.mrr`` and the like are those of the other queries.
        """
        flat: dict[str, float] = {}
        for rule, prefix in names.items():
            found = ranking_metrics(self.ranks[rule], scorable=self.scorable)
            flat.update({prefix + name: value for name, value in found.items()})
        first = min(names, key=lambda rule: len(names[rule]))
        if len(self.worst):
            worst = ranking_metrics(self.worst)
            flat.update({f"{names[first]}worst_ties.{name}": worst[name] for name in worst if name != "queries"})
        if self.many_unlisted and bool(self.listed.any()):
            found = ranking_metrics(self.ranks[first][self.listed], scorable=self.scorable[self.listed])
            flat.update({f"{names[first]}listed.{name}": found[name] for name in found if name != "coverage"})
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
    """Rank the true answers of ``triples`` by one scorer; see :func:`evaluate_all`."""
    found = evaluate_all(kg, triples, {"it": scorer}, rules, sides=sides, filtered=filtered, top=top, budget=budget)
    return found["it"]


@torch.no_grad()
def evaluate_all(
    kg: KGSplit,
    triples: Tensor,
    scorers: Mapping[str, Scorer],
    rules: Sequence[CandidateRule],
    *,
    sides: str = "both",
    filtered: bool = True,
    facts: Tensor | None = None,
    top: int = 0,
    worst: bool = False,
    budget: int = 256 * 2**20,
    report: Callable[[int, int], None] | None = None,
) -> dict[str, Evaluation]:
    """Rank the true answers of ``triples`` by several scorers.

    Every chunk of queries is put to all scorers before the next, so that scorers which share their features
    can share the work.

    Args:
        kg: Entities, and known triples for filtering.
        triples: int64 [T, 3].
        scorers: Each is asked once for every distinct (relation, anchor) of a chunk.
        rules: Candidate rules; each gives its own ranks from the same scores.
        sides: ``"tail"``, or ``"both"``: every triple is asked twice.
        filtered: Take other known answers of a query out of its candidates.
        facts: int64 [F, 3], what may link a pair; the training triples where left out.
        top: How many best candidates to keep of each query, under the first rule.
        worst: Also rank with ties at their worst place, as the public code of some benchmarks does.
        budget: Bytes that scoring may take at a time: see :func:`kgzsl.tasks.ranking.chunk_of_queries`.
        report: Told after every chunk how many queries of how many are done.
    """
    entities = kg.num_entities
    chunk = chunk_of_queries(entities, budget)
    queries: list[tuple[Tensor, ...]] = []
    notes = {name: _Notes([rule.name for rule in rules]) for name in scorers}
    known = kg.filter.to("cpu")
    done, total = 0, len(triples) * (2 if sides == "both" else 1)
    for relation in torch.unique(triples[:, 1]).tolist():
        mine = triples[triples[:, 1] == relation].cpu()
        for side in ("tail", "head") if sides == "both" else ("tail",):
            masks = [rule.mask(relation, side, entities) for rule in rules]
            given, asked = (0, 2) if side == "tail" else (2, 0)
            few = _Few.of(masks, mine[:, asked])
            for rows in torch.split(mine, chunk):
                anchor, truth = rows[:, given], rows[:, asked]
                distinct, place = torch.unique(anchor, return_inverse=True)
                others = None
                if filtered and side == "tail":
                    others = known.tails(anchor, rows[:, 1])
                elif filtered:
                    others = known.heads(rows[:, 1], anchor)
                queries.append((rows[:, 1], anchor, truth, torch.full((len(rows),), side == "tail")))
                for name, scorer in scorers.items():
                    among = None if few is None else getattr(scorer, "among", None)
                    if few is None or among is None:
                        notes[name].take(
                            scorer(relation, distinct, side).cpu()[place], truth, masks, others, top, worst
                        )
                    else:
                        table = among(relation, distinct, side, few.entities).cpu()[place]
                        notes[name].take(
                            table, few.column[truth], few.masks, few.known(others), top, worst, few.entities
                        )
                done += len(rows)
                if report is not None:
                    report(done, total)
    if not queries:
        queries = [tuple(torch.zeros(0, dtype=kind) for kind in (torch.int64,) * 3 + (torch.bool,))]
    relations, anchors, truths, tail_asked = (torch.cat(part) for part in zip(*queries, strict=True))
    heads, tails = torch.where(tail_asked, anchors, truths), torch.where(tail_asked, truths, anchors)
    linked = _linked(kg.train if facts is None else facts, kg.num_entities, heads, tails)
    return {
        name: Evaluation(
            relation=relations,
            anchor=anchors,
            truth=truths,
            tail_asked=tail_asked,
            linked=linked,
            ranks={rule: _joined(chunks, torch.float64) for rule, chunks in one.ranks.items()},
            counts={rule: _joined(chunks, torch.int64) for rule, chunks in one.counts.items()},
            scorable=_joined(one.scorable, torch.bool),
            outside=one.outside,
            best=torch.cat(one.best) if one.best else torch.zeros(len(relations), 0, dtype=torch.int64),
            worst=_joined(one.worst, torch.float64),
            listed=_joined(one.listed, torch.bool),
        )
        for name, one in notes.items()
    }


@dataclass(frozen=True)
class _Few:
    """The candidates of any rule as columns of a narrower table."""

    entities: Tensor
    column: Tensor
    masks: list[Tensor]

    @classmethod
    def of(cls, masks: Sequence[Tensor | None], truths: Tensor) -> _Few | None:
        """None where a rule has all entities, or a true answer is no candidate: asking for it would give it away."""
        given = [mask for mask in masks if mask is not None]
        if len(given) < len(masks):
            return None
        every = torch.stack(given).any(dim=0)
        if not bool(every[truths].all()):
            return None
        entities = torch.nonzero(every).flatten()
        column = torch.full((len(every),), -1)
        column[entities] = torch.arange(len(entities))
        return cls(entities, column, [mask[entities] for mask in given])

    def known(self, others: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor] | None:
        """Known answers among the candidates, as columns."""
        if others is None:
            return None
        rows, column = others[0], self.column[others[1]]
        return rows[column >= 0], column[column >= 0]


class _Notes:
    """What is kept of each chunk, for one scorer."""

    def __init__(self, rules: Sequence[str]) -> None:
        self.ranks: dict[str, list[Tensor]] = {name: [] for name in rules}
        self.counts: dict[str, list[Tensor]] = {name: [] for name in rules}
        self.outside = dict.fromkeys(rules, 0)
        self.scorable: list[Tensor] = []
        self.listed: list[Tensor] = []
        self.best: list[Tensor] = []
        self.worst: list[Tensor] = []

    def take(
        self,
        scores: Tensor,
        truth: Tensor,
        masks: Sequence[Tensor | None],
        others: tuple[Tensor, Tensor] | None,
        top: int,
        worst: bool,
        entities: Tensor | None = None,
    ) -> None:
        found = ranks_by_rule(scores, truth, masks, known=others)
        for name, mask, (rank, count, _) in zip(self.ranks, masks, found, strict=True):
            self.ranks[name].append(rank)
            self.counts[name].append(count)
            self.outside[name] += 0 if mask is None else int((~mask[truth]).sum())
        self.scorable.append(found[0][2])
        self.listed.append(torch.ones(len(truth), dtype=torch.bool) if masks[0] is None else masks[0][truth].cpu())
        if worst:
            self.worst.append(ranks_by_rule(scores, truth, masks[:1], known=others, worst=True)[0][0])
        if top:
            best = _best(scores, truth, masks[0], others, top)
            self.best.append(best if entities is None else torch.where(best < 0, best, entities[best]))


def _joined(chunks: list[Tensor], kind: torch.dtype) -> Tensor:
    return torch.cat(chunks) if chunks else torch.zeros(0, dtype=kind)


def _best(scores: Tensor, truth: Tensor, mask: Tensor | None, others: tuple[Tensor, Tensor] | None, top: int) -> Tensor:
    """The best candidates; ``scores`` are the caller's own and are changed."""
    kept = scores.nan_to_num_(nan=float("-inf"))
    own = kept[torch.arange(len(truth)), truth]
    if mask is not None:
        kept[:, ~mask] = float("-inf")
    if others is not None:
        kept[others[0], others[1]] = float("-inf")
    kept[torch.arange(len(truth)), truth] = own
    values, entities = kept.topk(min(top, kept.shape[1]), dim=1)
    entities = torch.where(torch.isneginf(values), -1, entities)
    return torch.nn.functional.pad(entities, (0, top - entities.shape[1]), value=-1)


def _linked(facts: Tensor, entities: int, heads: Tensor, tails: Tensor) -> Tensor:
    facts = facts.cpu()
    keys = torch.cat([facts[:, 0] * entities + facts[:, 2], facts[:, 2] * entities + facts[:, 0]])
    return torch.isin(heads * entities + tails, torch.unique(keys))
