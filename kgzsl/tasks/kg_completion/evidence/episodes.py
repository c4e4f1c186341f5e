"""Seen relations, each playing the unseen one: queries with their evidence, made from facts that lack the relation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from kgzsl.tasks.kg_completion.contradictions import Contradictions
from kgzsl.tasks.kg_completion.evidence.facts import ENTITY, PAIR, QUERY, FactEvidence

__all__ = ["Episodes", "draw_episodes", "some_of_each"]


@dataclass(frozen=True)
class Episodes:
    """Queries, each with the evidence for its true answer (first) and for others.

    Args:
        evidence: float16 [Q, 1 + M, F]: columns of QUERY, ENTITY and PAIR.
        wrong: bool [Q, 1 + M], drawn answers that are true after all.
        relation: int64 [Q], the rank of the relation that is asked for.
        candidates: int64 [Q], how many candidates the M stand for.
        stands: float [Q, 1 + M], of how many candidates an answer is a sample, by how likely it was to be drawn; 0
            where the true answer was drawn again, and for what is ruled out.
        truths: int64 [Q], how many true answers the query has.
        silent: bool [Q], whether nothing was told of the relation: no prior, no domain, no range.
        fold: int64 [Q], which relations were hidden together.
    """

    evidence: Tensor
    wrong: Tensor
    relation: Tensor
    candidates: Tensor
    stands: Tensor
    truths: Tensor
    silent: Tensor
    fold: Tensor

    def __len__(self) -> int:
        return len(self.relation)

    def where(self, rows: Tensor) -> Episodes:
        """Some of the queries: bool [Q]."""
        return Episodes(**{name: value[rows] for name, value in vars(self).items()})


def draw_episodes(
    triples: Tensor,
    num_entities: int,
    make: Callable[[Tensor, bool], FactEvidence],
    *,
    folds: int,
    queries: int,
    corrupted: int,
    sides: str,
    candidates: Mapping[int, Tensor],
    generator: torch.Generator,
    chunk: int,
    rank: Tensor | None = None,
    relation_rank: Tensor | None = None,
    silent: int = 0,
    apart: Contradictions | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Episodes:
    """Deal the relations into folds; take out the triples of a whole fold at a time, and ask for its relations.

    Args:
        triples: int64 [T, 3], of the seen relations.
        num_entities: E.
        make: Facts and whether they are turned round, to their evidence.
        folds: How many. Relations of one fold are hidden together, as the unseen ones are together at test.
        queries: Of each relation and side, at most.
        corrupted: M, other answers of each query, drawn with repetition.
        sides: ``"tail"``, or ``"both"``: heads are asked for too.
        candidates: Relation id to the tails that other answers are drawn from; relations that are not there, and
            heads, draw from the ends of the relation's own triples half of the time, else from all entities.
        generator: Random state on the CPU.
        chunk: Queries at a time.
        rank: int64 [E], by which entities are drawn; None: by their ids.
        relation_rank: int64 [relations], by which relations are dealt and called; None: by their ids. With ranks by
            name the order of names in the data leaves no trace.
        silent: So many queries of each relation and side are asked once more with nothing told of their relation.
        apart: What relations exclude each other: an answer that the facts rule out stands for nothing.
        progress: Called with (done, all) folds.
    """
    relations = torch.unique(triples[:, 1])
    called = torch.arange(int(relations.max()) + 1) if relation_rank is None else relation_rank
    relations = relations[torch.argsort(called[relations])]
    relations = relations[torch.randperm(len(relations), generator=generator)]
    rank = torch.arange(num_entities) if rank is None else rank
    head, relation, tail = rank[triples[:, 0]], triples[:, 1], rank[triples[:, 2]]
    triples = triples[torch.argsort((relation * num_entities + head) * num_entities + tail)]
    entity_of = torch.argsort(rank)
    folds = min(folds, len(relations))
    parts: list[tuple[Tensor, ...]] = []
    for fold in range(folds):
        hidden = relations[fold::folds]
        facts = triples[~torch.isin(triples[:, 1], hidden)]
        if len(facts):
            ruled = {
                relation: (apart or Contradictions()).codes(relation, facts, num_entities)
                for relation in hidden.tolist()
            }
            for turned in (False, True) if sides == "both" else (False,):
                evidence = make(facts, turned)
                for relation in hidden.tolist():
                    every = triples[triples[:, 1] == relation]
                    mine = every[torch.randperm(len(every), generator=generator)[:queries]]
                    pool = None if turned else candidates.get(relation)
                    pool = None if pool is None else pool[torch.argsort(rank[pool])]
                    ends = torch.unique(every[:, 0 if turned else 2])
                    ends = ends[torch.argsort(rank[ends])]
                    # Drawn at once, so that what is drawn does not hang on how much memory there is.
                    asked = _draw(mine, turned, pool, ends, every, corrupted, generator, entity_of)
                    asked = asked.without(ruled[relation], turned, num_entities)
                    for some, told in ((len(mine), evidence), (silent, evidence.without(relation))):
                        few = _Drawn(*(value[:some] for value in asked))
                        if len(few.anchor):
                            each = (int(called[relation]), told is not evidence, fold)
                            number, quiet, group = (torch.full((len(few.anchor),), value) for value in each)
                            table, counts = _told(told, relation, few, chunk), (few.candidates, few.stands, few.truths)
                            parts.append((table, few.wrong, number, *counts, quiet, group))
        if progress is not None:
            progress(fold + 1, folds)
    return Episodes(*(torch.cat(part) for part in zip(*parts, strict=True)))


class _Drawn(NamedTuple):
    """Queries with their answers, before there is evidence; see :class:`Episodes`."""

    anchor: Tensor
    answers: Tensor
    wrong: Tensor
    candidates: Tensor
    stands: Tensor
    truths: Tensor

    def without(self, codes: Tensor, turned: bool, entities: int) -> _Drawn:
        """Drawn answers that are ruled out, ``head * entities + tail``, stand for nothing."""
        if not len(codes):
            return self
        ends = (self.answers, self.anchor[:, None]) if turned else (self.anchor[:, None], self.answers)
        out = torch.isin(ends[0] * entities + ends[1], codes)
        out[:, 0] = False
        return self._replace(stands=self.stands.masked_fill(out & ~self.wrong, 0))


def _draw(
    triples: Tensor,
    turned: bool,
    pool: Tensor | None,
    ends: Tensor,
    known: Tensor,
    corrupted: int,
    generator: torch.Generator,
    entity_of: Tensor,
) -> _Drawn:
    anchor, truth = (triples[:, 2], triples[:, 0]) if turned else (triples[:, 0], triples[:, 2])
    count, entities = len(triples), len(entity_of)
    shape = (count, corrupted)
    if pool is None or not len(pool):
        near = ends[torch.randint(len(ends), shape, generator=generator)]
        far = entity_of[torch.randint(entities, shape, generator=generator)]
        drawn = torch.where(torch.rand(shape, generator=generator) < 0.5, near, far)
        size = 2 * len(ends)
        chance = 0.5 / entities + 0.5 / len(ends) * torch.isin(drawn, ends)
    else:
        drawn = pool[torch.randint(len(pool), shape, generator=generator)]
        size = len(pool)
        chance = torch.full(shape, 1 / size)
    answers = torch.cat([truth[:, None], drawn], dim=1)
    facts = torch.unique((known[:, 2] * entities + known[:, 0]) if turned else (known[:, 0] * entities + known[:, 2]))
    made = anchor[:, None] * entities + drawn
    wrong = torch.zeros(answers.shape, dtype=torch.bool)
    wrong[:, 1:] = facts[torch.searchsorted(facts, made).clamp(max=len(facts) - 1)] == made
    stands = torch.ones(answers.shape)
    stands[:, 1:] = (1 / (corrupted * chance)) * (drawn != truth[:, None])
    first = torch.searchsorted(facts, anchor * entities)
    truths = torch.searchsorted(facts, (anchor + 1) * entities) - first
    return _Drawn(anchor, answers, wrong, torch.full((count,), size), stands, truths)


def _told(evidence: FactEvidence, relation: int, drawn: _Drawn, chunk: int) -> Tensor:
    anchor, answers = drawn.anchor, drawn.answers
    table = torch.empty(*answers.shape, len(QUERY) + len(ENTITY) + len(PAIR), dtype=torch.float16)
    table[..., : len(QUERY)] = evidence.of_query(relation, anchor)[:, None]
    asked, place_of = torch.unique(answers, return_inverse=True)
    table[..., len(QUERY) : len(QUERY) + len(ENTITY)] = evidence.of_entities(relation, asked)[place_of]
    for rows, given, some in zip(*(torch.split(x, chunk) for x in (table, anchor, answers)), strict=True):
        for place, column in enumerate(evidence.of_pairs(relation, given, some), start=len(QUERY) + len(ENTITY)):
            rows[..., place] = column
    return table


def some_of_each(relation: Tensor, most: int) -> Tensor:
    """Queries of which about so many are kept, as many of each relation and at least 4 of it: bool [Q]."""
    _, place, sizes = torch.unique(relation, return_inverse=True, return_counts=True)
    # Queries of a relation lie together in two runs, tails and heads: every so many of them is of both.
    each = max(4, most // len(sizes))
    order = torch.argsort(place, stable=True)
    start = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)[:-1]])
    number = torch.empty_like(place).index_copy_(0, order, torch.arange(len(place)) - start[place[order]])
    size = sizes[place].clamp(min=each)
    kept: Tensor = (number * each) // size != ((number - 1) * each) // size
    return kept
