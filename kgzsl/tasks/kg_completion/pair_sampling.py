"""Queries of seen relations, each as if its relation were unseen: true pairs, corrupted pairs, walks between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from kgzsl.datasets import KGSplit
from kgzsl.datasets.filter_index import FilterIndex
from kgzsl.tasks.kg_completion._ranks import by_rank, rank_of_names
from kgzsl.tasks.kg_completion.nearness import nearness
from kgzsl.tasks.kg_completion.pair_encoder import amounts, end_amounts
from kgzsl.tasks.kg_completion.pair_graph import PairGraph
from kgzsl.tasks.ranking import model_share, rows_under_budget

__all__ = ["PairSample", "sample_pairs"]


@dataclass(frozen=True)
class PairSample:
    """Queries with their true pair first and corrupted pairs behind it.

    Args:
        relation: int64 [Q].
        heads: int64 [Q, 1 + M].
        tails: int64 [Q, 1 + M].
        amounts: float32 [Q, 1 + M, 7], the ``AMOUNTS`` of each pair in the graph without the query's relation.
        wrong: bool [Q, 1 + M], corrupted pairs that are true after all, or the same as the true one.
        offsets: int64 [R + 1], where the queries of each seen relation begin.
    """

    relation: Tensor
    heads: Tensor
    tails: Tensor
    amounts: Tensor
    wrong: Tensor
    offsets: Tensor

    def __len__(self) -> int:
        return len(self.relation)

    def to(self, device: torch.device | str) -> PairSample:
        """The same sample on ``device``."""
        return PairSample(**{name: value.to(device) for name, value in vars(self).items()})


def sample_pairs(
    graph: PairGraph,
    kg: KGSplit,
    relations: Tensor,
    priors: Tensor,
    *,
    queries: int,
    corrupted: int,
    sides: str,
    hard: float,
    candidates: Mapping[int, Tensor] | None,
    generator: torch.Generator,
    budget: int,
) -> PairSample:
    """Draw queries of each relation and corrupt one end of each.

    Entities are drawn by the order of their names, so that how the data number them leaves no trace.

    Args:
        graph: Arcs whose kinds are positions in ``relations``.
        kg: Its training triples, and nothing else of it, are used.
        relations: int64 [R], ids of the seen relations.
        priors: float [R, P], their priors: how near the others are to the one of the query.
        queries: At most so many of each relation.
        corrupted: M, corrupted pairs of each query.
        sides: ``"tail"`` corrupts tails; ``"both"`` tails of one half and heads of the other.
        hard: Share of the corrupted ends drawn from the candidates of the relation, or where it has none from the
            ends that its own triples have; the others are drawn from all entities.
        candidates: Relation id to entity ids, for tails.
        generator: Random state on the CPU.
        budget: Bytes that walks may take at a time.
    """
    rank = rank_of_names(kg.entities)
    train = by_rank(kg.train.cpu(), rank, torch.arange(kg.num_relations))
    index = FilterIndex(train, kg.num_entities, kg.num_relations)
    chunk = rows_under_budget(kg.num_entities, bytes_each=4 * 12, budget=model_share(budget))
    parts: list[tuple[Tensor, ...]] = []
    counts = []
    arcs = graph.to("cpu")
    by_name = rank.argsort()
    for position, relation in enumerate(relations.tolist()):
        triples = train[train[:, 1] == relation]
        chosen = triples[torch.randperm(len(triples), generator=generator)[:queries]]
        half = len(chosen) if sides == "tail" else (len(chosen) + 1) // 2
        hidden = arcs.without(position)
        near = nearness(priors, priors[position], own=position)
        given = None if candidates is None else candidates.get(relation)
        for rows, end in ((chosen[:half], 2), (chosen[half:], 0)):
            pool = given.cpu() if given is not None and len(given) and end == 2 else torch.unique(triples[:, end])
            pools = (pool[rank[pool].argsort(stable=True)], by_name)
            if len(rows):
                parts.append(
                    _corrupt(rows, end, position, pools, hidden, near, index, corrupted, hard, generator, chunk)
                )
        counts.append(len(chosen))
    of_query, heads, tails, found, wrong = (torch.cat(part) for part in zip(*parts, strict=True))
    return PairSample(of_query, heads, tails, found, wrong, offsets=torch.tensor([0, *counts]).cumsum(0))


def _corrupt(
    rows: Tensor,
    end: int,
    position: int,
    pools: tuple[Tensor, Tensor],
    graph: PairGraph,
    nearness: Tensor,
    index: FilterIndex,
    corrupted: int,
    hard: float,
    generator: torch.Generator,
    chunk: int,
) -> tuple[Tensor, ...]:
    side = "tail" if end == 2 else "head"
    anchor, true = rows[:, 2 - end], rows[:, end : end + 1]
    shape = (len(rows), corrupted)
    near, far = (pool[torch.randint(len(pool), shape, generator=generator)] for pool in pools)
    drawn = torch.where(torch.rand(shape, generator=generator) < hard, near, far)
    ends = torch.cat([true, drawn], dim=1)
    given, relation = anchor.repeat_interleave(corrupted), rows[:, 1].repeat_interleave(corrupted)
    made = torch.stack([given, relation, drawn.reshape(-1)], dim=1)
    wrong = torch.zeros(ends.shape, dtype=torch.bool)
    wrong[:, 1:] = index.contains(made if end == 2 else made.flip(1)).view(shape)
    anchors = anchor[:, None].expand_as(ends)
    heads, tails = (anchors, ends) if end == 2 else (ends, anchors)
    # Drawn at once, so that what is drawn does not hang on how much memory there is; amounts take more, so in chunks.
    between = [
        torch.stack(amounts(graph, given, nearness, side=side, ends=some), dim=-1)
        for given, some in zip(torch.split(anchor, chunk), torch.split(ends, chunk), strict=True)
    ]
    as_head, as_tail = end_amounts(graph, nearness)
    alone = torch.stack([as_head[heads], as_tail[tails]], dim=-1)
    found = torch.cat([torch.cat(between), alone], dim=-1)
    return torch.full((len(rows),), position, dtype=torch.int64), heads, tails, found, wrong
