"""An inductive model under the published protocol of subgraph methods: 49 drawn entities, and AUC-PR."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from kgzsl._memory import given_back
from kgzsl.errors import InputError
from kgzsl.tasks.kg_completion._ids import checked_facts
from kgzsl.tasks.kg_completion.drawn_answers import DrawnAnswers
from kgzsl.tasks.kg_completion.drawn_ranks import DrawnRanks
from kgzsl.tasks.kg_completion.inductive.evaluation import InductiveModel
from kgzsl.tasks.kg_completion.inductive.fact_graph import FactGraph
from kgzsl.tasks.ranking import chunk_of_queries, model_share, rows_under_budget

__all__ = ["evaluate_drawn"]


@torch.no_grad()
def evaluate_drawn(
    model: InductiveModel,
    graph: FactGraph,
    queries: Tensor,
    *,
    count: int = 49,
    seed: int = 0,
    names: tuple[Sequence[str], Sequence[str]] | None = None,
    block: int = 256,
    budget: int = 6 << 20,
    memory_budget: int = 1 << 30,
    progress: Callable[[int, int], None] | None = None,
) -> DrawnRanks:
    """Rank the tail and the head of each query triple among drawn entities, and tell true triples from corrupted ones.

    A model that scores triples one by one (``score_triples``) is asked for those alone, any other for the scores of all
    entities. Of a triple that is corrupted at its tail both scores are those of the question for its tail.

    Args:
        model: The scorer.
        graph: The facts that the model may read; none of them is drawn.
        queries: int64 [T, 3].
        count: Entities drawn for each end; see :class:`DrawnAnswers` for how.
        seed: Of what is drawn.
        names: Of entities and relations, see :meth:`DrawnAnswers.draw`.
        block: Queries at a time.
        budget: Bytes of the states at a time of a model that scores all entities.
        memory_budget: Bytes that all of it may take at a time, beside the draws.
        progress: Called with (done, all) queries.

    Raises:
        InputError: No queries, or see :meth:`DrawnAnswers.draw`.
    """
    if not len(queries):
        raise InputError("no query triples to rank")
    queries = checked_facts(queries, graph.num_entities, graph.num_relations)
    draws = DrawnAnswers.draw(
        queries, graph.triples, graph.num_entities, graph.num_relations, count=count, seed=seed, names=names
    )
    head, relation, tail = queries.unbind(dim=1)
    subject, truth = torch.cat([head, tail]), torch.cat([tail, head])
    directed = torch.cat([relation, relation + graph.num_relations])
    # Equal queries stand side by side: what depends on the relation alone is worked out once a block.
    order = (directed * graph.num_entities + subject).argsort(stable=True)
    drawn, replaced = draws.of_queries(order)
    by_triple = getattr(model, "score_triples", None)
    some = (
        chunk_of_queries(graph.num_entities, memory_budget)
        if by_triple is None
        else rows_under_budget(count + 2, bytes_each=100, budget=memory_budget)
    )
    block = min(block, some)
    # Subgraphs of triples take more than a cache's worth; states of a chunk of queries less.
    share = model_share(memory_budget)
    budget = min(budget, max(1, share // 33)) if by_triple is None else share
    found = DrawnRanks()
    device = graph.triples.device
    for start in given_back(range(0, len(order), block), memory_budget):
        rows, stop = order[start : start + block], min(start + block, len(order))
        entities = torch.cat([truth[rows, None], replaced[start:stop, None], drawn[start:stop]], dim=1)
        asked = entities.clamp(min=0).to(device)
        given, kind = subject[rows].to(device), directed[rows].to(device)
        if by_triple is None:
            scores = model.score(graph, given, kind, budget=budget).gather(1, asked)
        else:
            turned = (kind >= graph.num_relations)[:, None]
            anchors = given[:, None].expand_as(asked)
            first, last = torch.where(turned, asked, anchors), torch.where(turned, anchors, asked)
            kinds = (kind % graph.num_relations)[:, None].expand_as(asked)
            triples = torch.stack([first, kinds, last], dim=-1).view(-1, 3)
            scores = by_triple(graph, triples, budget=budget).view(asked.shape)
        found.add(scores, drawn[start:stop] >= 0, replaced[start:stop] >= 0)
        if progress is not None:
            progress(stop, len(order))
    return found
