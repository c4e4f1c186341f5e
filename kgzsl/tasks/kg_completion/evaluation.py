"""Ranks of true answers under several candidate rules at once, from one pass of scoring."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from kgzsl._memory import given_back
from kgzsl.datasets import KGSplit
from kgzsl.tasks.kg_completion.candidate_rules import CandidateRule
from kgzsl.tasks.kg_completion.drawn_answers import DrawnAnswers
from kgzsl.tasks.kg_completion.drawn_ranks import DrawnRanks
from kgzsl.tasks.kg_completion.queries import Queries
from kgzsl.tasks.kg_completion.rank_notes import FewAnswers, RankNotes
from kgzsl.tasks.ranking import chance_metrics, chunk_of_queries, ranking_metrics

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
        drawn: Ranks among drawn entities, where such were asked for.
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
    drawn: DrawnRanks | None = None

    @property
    def many_unlisted(self) -> bool:
        """Whether so many true answers are no candidates under the first rule that its figures may mislead."""
        sides = (self.listed[self.tail_asked], self.listed[~self.tail_asked]) if len(self.listed) else ()
        return any(len(side) and float((~side).double().mean()) > UNLISTED for side in sides)

    def metrics(self, names: dict[str, str]) -> dict[str, float]:
        """Flat figures.

        Args:
            names: Rule name to the prefix of its figures: ``{"type": "kgc.", "all": "kgc.all."}``. The rule with the
                shortest prefix also gives ``linked.mrr`` and ``unlinked.mrr``, and both sides apart if both were asked;
                and ``worst_ties.mrr`` and the like, where such ranks were asked for. Where more than a few true answers
                are no candidates (:attr:`many_unlisted`), ``listed.mrr`` and the like are those of the other queries;
                where entities were drawn, ``drawn.mrr``, ``drawn.auc_pr`` and the like are those of
                :meth:`DrawnRanks.metrics`.
        """
        flat: dict[str, float] = {}
        for rule, prefix in names.items():
            found = ranking_metrics(self.ranks[rule], scorable=self.scorable)
            flat.update({prefix + name: value for name, value in found.items()})
        first = _first(names)
        if len(self.worst):
            worst = ranking_metrics(self.worst)
            flat.update({f"{names[first]}worst_ties.{name}": worst[name] for name in worst if name != "queries"})
        if self.drawn is not None:
            flat.update({f"{names[first]}drawn.{name}": value for name, value in self.drawn.metrics().items()})
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
        if self.drawn is not None:
            flat.update({f"{names[_first(names)]}drawn.{name}": value for name, value in self.drawn.chance().items()})
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
    negatives: int | None = None,
    seed: int = 0,
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
        negatives: Also rank among so many entities drawn for each query, none of which makes it a fact, and tell true
            triples from corrupted ones: see :class:`DrawnAnswers`.
        seed: Of what is drawn.
        budget: Bytes that scoring may take at a time: see :func:`kgzsl.tasks.ranking.chunk_of_queries`.
        report: Told after every chunk how many queries of how many are done.
    """
    entities = kg.num_entities
    queries = Queries(triples, sides, entities, chunk_of_queries(entities, budget))
    notes = {name: RankNotes([rule.name for rule in rules], top) for name in scorers}
    facts = kg.train if facts is None else facts
    drawn: dict[str, DrawnRanks] = {}
    if negatives is not None:
        draws = DrawnAnswers.draw(
            triples, facts, entities, kg.num_relations, count=negatives, sides=sides, seed=seed,
            names=(kg.entities, kg.relations),
        )  # fmt: skip
        beside, instead = draws.of_queries(queries.order)
        drawn = {name: DrawnRanks() for name in scorers}
    done, last = 0, None
    masks: list[Tensor | None] = []
    few: FewAnswers | None = None
    for piece in given_back(queries.pieces(kg.filter.to("cpu") if filtered else None), budget):
        relation, side = piece.relation, piece.side
        if last != (relation, side):
            masks = [rule.mask(relation, side, entities) for rule in rules]
            # Any entity may be drawn, so that all are scored.
            few, last = None if drawn else FewAnswers.of(masks, piece.truths), (relation, side)
        narrow = None if few is None else few.columns_of(piece)
        for name, scorer in scorers.items():
            among = None if few is None else getattr(scorer, "among", None)
            if few is None or among is None or narrow is None:
                scores = scorer(relation, piece.anchors, side).cpu()
                notes[name].take(scores, piece, masks)
                if drawn:
                    mine = slice(done, done + len(piece.truth))
                    drawn[name].take(scores, piece, beside[mine], instead[mine])
            else:
                scores = among(relation, piece.anchors, side, few.entities).cpu()
                notes[name].take(scores, narrow, few.masks, few.entities)
        done += len(piece.truth)
        if report is not None:
            report(done, len(queries))
    tail_asked = queries.tail_asked
    heads = torch.where(tail_asked, queries.anchor, queries.truth)
    tails = torch.where(tail_asked, queries.truth, queries.anchor)
    linked = _linked(facts, entities, heads, tails)
    found = {}
    for name, one in notes.items():
        ranks, counts, scorable, lowest = one.ranks()
        found[name] = Evaluation(
            relation=queries.relation,
            anchor=queries.anchor,
            truth=queries.truth,
            tail_asked=tail_asked,
            linked=linked,
            ranks=ranks,
            counts=counts,
            scorable=scorable,
            outside=one.outside,
            best=one.best(),
            worst=lowest if worst else lowest[:0],
            listed=one.listed(),
            drawn=drawn.get(name),
        )
    return found


def _first(names: dict[str, str]) -> str:
    """The rule with the shortest prefix, whose figures are the headline."""
    return min(names, key=lambda rule: len(names[rule]))


def _linked(facts: Tensor, entities: int, heads: Tensor, tails: Tensor) -> Tensor:
    """bool [Q]: whether a fact holds both ends, in either direction."""
    known, asked = (
        torch.minimum(one, other) * entities + torch.maximum(one, other)
        for one, other in ((facts[:, 0].cpu(), facts[:, 2].cpu()), (heads, tails))
    )
    if not len(known):
        return torch.zeros(len(heads), dtype=torch.bool)
    known = known.sort().values
    return known[torch.searchsorted(known, asked).clamp_(max=len(known) - 1)] == asked
