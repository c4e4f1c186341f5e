"""Messages between edges that share an entity, summed through the entities: no list of pairs of edges is made."""

from __future__ import annotations

import torch
from torch import Tensor

from kgzsl.tasks.kg_completion.inductive.rmpi.subgraphs import Subgraphs

__all__ = ["CONNECTIONS", "connected_means"]

CONNECTIONS = ("head-head", "head-tail", "tail-head", "tail-tail", "parallel", "loop")
"""How an edge meets another: its head the other's head, its head the other's tail, and so on; both ends alike; both
ends exchanged. Edges that are parallel or a loop are none of the first four."""


def connected_means(states: Tensor, edges: Subgraphs, wanted: Tensor, weights: Tensor | None = None) -> Tensor:
    """For each wanted edge the weighted mean state of the edges that it meets, by :data:`CONNECTIONS`.

    Sums over all edges at an entity are made once; what must not count (the edge itself, parallel edges, loops) is
    taken off again. So the work grows with the edges, and not with the pairs of edges at an entity.

    Args:
        states: float [E, D].
        edges: Which meet where.
        wanted: int64 [W], edges to give the means of.
        weights: float [E], positive; None weighs all alike.

    Returns:
        float [W, 6, D]; zeros where an edge meets none in that way.
    """
    ones = torch.ones(len(states), 1, dtype=states.dtype, device=states.device)
    weight = ones if weights is None else weights[:, None]
    # Weighted states, weights, and a plain count, which says exactly whether there is any.
    table = torch.cat([states * weight, weight, ones], dim=1)
    heads = _summed(table, edges.head, edges.slots)
    tails = _summed(table, edges.tail, edges.slots)
    pair = edges.head * edges.slots + edges.tail
    pairs, number = torch.unique(pair, return_inverse=True)
    parallel = _summed(table, number, len(pairs))
    head, tail = edges.head[wanted], edges.tail[wanted]
    turned = tail * edges.slots + head
    place = torch.searchsorted(pairs, turned).clamp_(max=len(pairs) - 1)
    there = (pairs[place] == turned)[:, None].to(table.dtype)
    loops = parallel[place] * there
    same, own = parallel[number[wanted]], table[wanted]
    alone = (head == tail)[:, None].to(table.dtype)
    sums = torch.stack(
        [
            heads[head] - same,
            tails[head] - loops,
            heads[tail] - loops,
            tails[tail] - same,
            same - own,
            loops - alone * own,
        ],
        dim=1,
    )
    totals, weighed, counts = sums[..., :-2], sums[..., -2:-1], sums[..., -1:]
    return torch.where(counts > 0.5, totals / weighed.clamp(min=1e-12), torch.zeros_like(totals))


def _summed(table: Tensor, group: Tensor, count: int) -> Tensor:
    return torch.zeros(count, table.shape[1], dtype=table.dtype, device=table.device).index_add(0, group, table)
