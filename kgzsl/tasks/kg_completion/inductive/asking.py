"""Facts put aside and asked for: what weights and probabilities of inductive completion are fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import minimum_spanning_tree
from torch import Tensor

from kgzsl.datasets.filter_index import FilterIndex
from kgzsl.tasks.kg_completion._ranks import by_rank, rank_of_names
from kgzsl.tasks.kg_completion.inductive.fact_graph import FactGraph

__all__ = ["RELATIONS_ASIDE", "Asked", "put_aside", "put_relations_aside", "share_for_calibration"]

RELATIONS_ASIDE = 0.25
"""The share of the facts that relations which are put aside whole may have for probabilities."""


@dataclass(frozen=True)
class Asked:
    """Queries about facts that a graph lacks, each with its true answer and others that were drawn.

    Args:
        graph: The facts that are left.
        subject: int64 [Q].
        relation: int64 [Q], directed: r + R asks for the heads of r.
        answers: int64 [Q, 1 + M], the true one first.
        wrong: bool [Q, 1 + M], drawn answers that are to be left out, being true.
        truths: int64 [Q], how many answers are true and not among the facts that are left.
        known: int64 [Q], how many are among them.
    """

    graph: FactGraph
    subject: Tensor
    relation: Tensor
    answers: Tensor
    wrong: Tensor
    truths: Tensor
    known: Tensor

    def __len__(self) -> int:
        return len(self.subject)

    def triples(self) -> Tensor:
        """int64 [Q (1 + M), 3]: the queries with their answers, as they would be facts."""
        width, count = self.answers.shape[1], self.graph.num_relations
        given, directed = (x.repeat_interleave(width) for x in (self.subject, self.relation))
        answer, turned = self.answers.reshape(-1), directed >= count
        ends = torch.where(turned, answer, given), torch.where(turned, given, answer)
        return torch.stack([ends[0], directed % count, ends[1]], dim=1)


def share_for_calibration(facts: int) -> float:
    """The share of so many facts to put aside for probabilities: a tenth, or of few facts up to a quarter."""
    return min(0.25, max(0.1, 20 / max(1, facts)))


def put_aside(
    triples: Tensor,
    entities: Sequence[str],
    relations: Sequence[str],
    *,
    share: float,
    queries: int,
    others: int,
    seed: int,
    skip: int = 0,
    spare_only: bool = False,
) -> Asked:
    """Take a share of the facts out of a graph, and ask for some of them from both ends.

    All is drawn by names: another numbering of entities or relations, or another order of the facts, draws the same.

    Args:
        triples: int64 [T, 3].
        entities: Names, by id.
        relations: Names, by id.
        share: Of the facts that are taken out, at least one.
        queries: At most so many of them are asked for.
        others: M, answers drawn beside the true one.
        seed: Decides both.
        skip: Leave the first so many out, which are asked for elsewhere.
        spare_only: Take only facts without which entities hang together as before: in a sparse graph most others are
            the only tie of an entity, of which nothing could be told then. There may be none.
    """
    random = torch.Generator().manual_seed(seed)
    rank = rank_of_names(entities)
    triples = by_rank(triples, rank, rank_of_names(relations))
    order = torch.randperm(len(triples), generator=random)
    out = (order[_spare(triples[order], len(entities))] if spare_only else order)[: max(1, int(share * len(triples)))]
    kept = torch.ones(len(triples), dtype=torch.bool)
    kept[out] = False
    graph = FactGraph(triples[kept], len(entities), len(relations))
    return _asked(graph, triples[out[skip : skip + queries]], triples, rank, others, random)


def put_relations_aside(
    triples: Tensor,
    entities: Sequence[str],
    relations: Sequence[str],
    *,
    share: float,
    queries: int,
    others: int,
    seed: int,
    each: int = 10,
) -> Asked:
    """Take all facts of some relations out of a graph, as if these were new, and ask for some of them from both ends.

    Relations are taken in an order drawn by names while no more than the share of the facts is gone; none, where each
    has more facts than that.

    Args:
        triples: int64 [T, 3].
        entities: Names, by id.
        relations: Names, by id.
        share: Of the facts that may be taken out.
        queries: At most so many of them are asked for.
        others: M, answers drawn beside the true one.
        seed: Decides all that is drawn.
        each: At most so many queries of one relation.
    """
    random = torch.Generator().manual_seed(seed)
    rank, kind = rank_of_names(entities), rank_of_names(relations)
    triples = by_rank(triples, rank, kind)
    triples = triples[torch.randperm(len(triples), generator=random)]
    size = torch.bincount(triples[:, 1], minlength=len(relations)).tolist()
    left, out = int(share * len(triples)), []
    for relation in torch.argsort(kind)[torch.randperm(len(relations), generator=random)].tolist():
        if 0 < size[relation] <= left:
            left -= size[relation]
            out.append(relation)
    gone = torch.isin(triples[:, 1], torch.tensor(out, dtype=torch.int64))
    graph = FactGraph(triples[~gone], len(entities), len(relations))
    firsts = [torch.nonzero(triples[:, 1] == relation).flatten()[:each] for relation in out]
    # One of each relation, then a second one of each ...
    turn = torch.cat([torch.arange(len(rows)) for rows in firsts] or [torch.arange(0)])
    rows = torch.cat([*firsts, torch.arange(0)])[torch.argsort(turn, stable=True)][:queries]
    return _asked(graph, triples[rows], triples, rank, others, random)


def _asked(graph: FactGraph, asked: Tensor, known: Tensor, rank: Tensor, others: int, random: torch.Generator) -> Asked:
    """Queries for both ends of triples [Q, 3], with other answers drawn by rank."""
    count = graph.num_relations
    subject = torch.cat([asked[:, 0], asked[:, 2]])
    directed = torch.cat([asked[:, 1], asked[:, 1] + count])
    truth = torch.cat([asked[:, 2], asked[:, 0]])
    drawn = torch.randint(graph.num_entities, (len(subject), others), generator=random)
    answers = torch.cat([truth[:, None], torch.argsort(rank)[drawn]], dim=1)
    every, left = (FilterIndex(some, graph.num_entities, count) for some in (known, graph.triples))
    true, told = (_answers(index, subject, directed, count) for index in (every, left))
    found = Asked(graph, subject, directed, answers, torch.zeros_like(answers, dtype=torch.bool), true - told, told)
    wrong = every.contains(found.triples()).view(answers.shape)
    wrong[:, 0] = False
    return replace(found, wrong=wrong)


def _answers(index: FilterIndex, subject: Tensor, directed: Tensor, count: int) -> Tensor:
    """int64 [Q]: how many answers the index has to each query."""
    found = torch.zeros_like(subject)
    for turned in (False, True):
        mine = (directed >= count) == turned
        given, relation = subject[mine], directed[mine] % count
        rows, _ = index.heads(relation, given) if turned else index.tails(given, relation)
        found[mine] = torch.bincount(rows, minlength=len(given))
    return found


def _spare(triples: Tensor, num_entities: int) -> Tensor:
    """bool [T]: facts without which all entities hang together as before: those off the forest of the first that do."""
    ends = triples[:, [0, 2]].sort(dim=1).values
    ties, place = torch.unique(ends[:, 0] * num_entities + ends[:, 1], return_inverse=True)
    first = torch.full((len(ties),), len(triples)).scatter_reduce_(0, place, torch.arange(len(triples)), "amin")
    weights = (first + 1).double().numpy(), ((ties // num_entities).numpy(), (ties % num_entities).numpy())
    forest = minimum_spanning_tree(csr_array(weights, shape=(num_entities, num_entities)))
    spare = torch.ones(len(triples), dtype=torch.bool)
    spare[torch.from_numpy(forest.data).long() - 1] = False
    return spare
