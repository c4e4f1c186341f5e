"""Filtered ranking of an inductive model on an inference graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from kgzsl._memory import given_back
from kgzsl.datasets.filter_index import FilterIndex
from kgzsl.errors import InputError
from kgzsl.tasks.kg_completion.inductive.fact_graph import FactGraph
from kgzsl.tasks.ranking import chunk_of_queries, model_share, ranking_metrics, ranks_by_rule, realistic_ranks

__all__ = ["InductiveModel", "InductiveResult", "evaluate_inductive"]


class InductiveModel(Protocol):
    """Scores every entity as the tail of (head, directed relation)."""

    def score(self, graph: FactGraph, heads: Tensor, relations: Tensor, *, budget: int) -> Tensor:
        """float [Q, N]; relation r + R asks for the heads of r."""
        ...


@dataclass(frozen=True)
class InductiveResult:
    """Ranks of one evaluation.

    Args:
        metrics: ``mrr``, ``hits@k``, ``queries``, ``coverage`` over both sides.
        ranks: float64 [2T]: tail queries first, then head queries.
        ties: Which rule ranked ties.
        counts: int64 [2T], candidates of each query, the true one included.
        worst: float64 [2T], the ranks with ties at their worst place.
    """

    metrics: dict[str, float]
    ranks: Tensor
    ties: str
    counts: Tensor
    worst: Tensor


def evaluate_inductive(
    model: InductiveModel,
    graph: FactGraph,
    queries: Tensor,
    *,
    known: Tensor,
    ties: str = "realistic",
    block: int = 256,
    budget: int = 6 << 20,
    memory_budget: int = 1 << 30,
    progress: Callable[[int, int], None] | None = None,
) -> InductiveResult:
    """Rank the tail and the head of each query triple among all entities, other known answers left out.

    Args:
        model: The scorer.
        graph: The facts that the model may read: the inference graph, without the queries.
        queries: int64 [T, 3].
        known: int64 [K, 3], all triples whose answers are filtered (facts, validation and test).
        ties: ``"realistic"`` (mean of best and worst place) or ``"pessimistic"`` (worst place: the public code's rule).
        block: Queries ranked at a time.
        budget: Bytes of the model's states at a time, the fewer the better they fit a processor's cache.
        memory_budget: Bytes that all of it may take at a time: smaller blocks, and smaller ``budget`` where needed.
        progress: Called with (done, all) queries.

    Raises:
        InputError: An unknown tie rule, or no queries.
    """
    if ties not in ("realistic", "pessimistic"):
        raise InputError(f"ties is {ties!r}", remedy="choose realistic or pessimistic")
    if not len(queries):
        raise InputError("no query triples to rank")
    index = FilterIndex(known, graph.num_entities, graph.num_relations)
    heads, relations, tails = queries.unbind(dim=1)
    subject = torch.cat([heads, tails])
    relation = torch.cat([relations, relations + graph.num_relations])
    truth = torch.cat([tails, heads])
    # Equal queries side by side are answered once, and what depends on the relation alone is worked out once a block.
    order = (relation * graph.num_entities + subject).argsort(stable=True)
    block = min(block, chunk_of_queries(graph.num_entities, memory_budget))
    # A model keeps states of relations beside those of a chunk of queries (Ultra.score).
    budget = min(budget, max(1, model_share(memory_budget) // 33))
    ranks, worst = torch.empty(len(truth), dtype=torch.float64), torch.empty(len(truth), dtype=torch.float64)
    counts = torch.empty(len(truth), dtype=torch.int64)
    scorable = torch.empty(len(truth), dtype=torch.bool)
    for start in given_back(range(0, len(order), block), memory_budget):
        rows = order[start : start + block]
        scores = model.score(graph, subject[rows], relation[rows], budget=budget)
        forward = rows < len(queries)
        found: list[tuple[Tensor, Tensor]] = []
        for mask, ask in ((forward, "tails"), (~forward, "heads")):
            places = mask.nonzero().squeeze(1)
            first, second = subject[rows[places]], relation[rows[places]] % graph.num_relations
            row, entity = index.tails(first, second) if ask == "tails" else index.heads(second, first)
            found.append((places[row], entity))
        filtered = (torch.cat([row for row, _ in found]), torch.cat([entity for _, entity in found]))
        block_ranks, block_counts, block_scorable = realistic_ranks(scores, truth[rows], known=filtered)
        ranks[rows], counts[rows], scorable[rows] = block_ranks.cpu(), block_counts.cpu(), block_scorable.cpu()
        worst[rows] = ranks_by_rule(scores, truth[rows], [None], known=filtered, worst=True)[0][0].cpu()
        if progress is not None:
            progress(min(start + block, len(order)), len(order))
    chosen = worst if ties == "pessimistic" else ranks
    return InductiveResult(ranking_metrics(chosen, scorable=scorable), chosen, ties, counts, worst)
