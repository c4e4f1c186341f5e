"""Features of pairs as a plain loop makes them, pair by pair and neighbour by neighbour; and the check of ours."""

from __future__ import annotations

import math
from collections import defaultdict

import torch
from torch import Tensor

from kgzsl.tasks.kg_completion.pair_encoder import PairEncoder, walk_strength
from kgzsl.tasks.kg_completion.pair_features import PairFeatures
from kgzsl.tasks.kg_completion.pair_graph import PairGraph
from kgzsl.tasks.kg_completion.pretraining import RelationAttention

__all__ = ["Neighbours", "check_features", "features_in_a_loop", "made_up", "neighbours_of", "untrained"]

Neighbours = dict[int, list[tuple[int, int]]]
"""Entity to its (kind, other entity), distinct."""


def neighbours_of(facts: Tensor, relations: int) -> Neighbours:
    """The lists that a loop goes through.

    Args:
        facts: int64 [T, 3].
        relations: R; a fact is of kind r at its head, of kind R + r at its tail.
    """
    found: Neighbours = defaultdict(list)
    for head, kind, tail in torch.unique(facts, dim=0).tolist():
        found[head].append((kind, tail))
        found[tail].append((kind + relations, head))
    return found


def features_in_a_loop(
    encoder: PairEncoder, neighbours: Neighbours, heads: Tensor, tails: Tensor, nearness: Tensor
) -> Tensor:
    """What :meth:`PairFeatures.pairs` gives, all ten blocks of it.

    Args:
        encoder: The weights.
        neighbours: See :func:`neighbours_of`.
        heads: int64 [P].
        tails: int64 [P].
        nearness: float [R], of the relation that is asked for.

    Returns:
        float32 [P, D].
    """
    vectors = encoder.relation_vectors @ encoder.link_map
    weights = encoder.weights()
    near = nearness.tolist()
    found = []
    for head, tail in zip(heads.tolist(), tails.tolist(), strict=True):
        blocks = _vectors(encoder, vectors, neighbours, head, tail)
        amount = torch.tensor(_amounts(neighbours, encoder.num_relations, near, head, tail))
        blocks += [encoder.amount_block(place, value)[None] for place, value in enumerate(amount)]
        found.append(torch.cat([weight * block for weight, block in zip(weights, blocks, strict=True)]))
    return torch.stack(found)


def _vectors(encoder: PairEncoder, vectors: Tensor, neighbours: Neighbours, head: int, tail: int) -> list[Tensor]:
    """The blocks of the head, of the tail, and of the links between them."""
    count, half = encoder.num_relations, vectors.shape[1]
    blocks = []
    ends = ((head, encoder.head_kinds, encoder.gains[0]), (tail, encoder.tail_kinds, encoder.gains[1]))
    for entity, table, gain in ends:
        times: dict[int, int] = defaultdict(int)
        for kind, _ in neighbours.get(entity, ()):
            times[kind] += 1
        total = torch.zeros(table.shape[1])
        for kind, often in times.items():
            total = total + math.log1p(often) * table[kind]
        blocks.append(_squashed(gain * total))
    link = torch.zeros(2 * half)
    for kind, other in neighbours.get(head, ()):
        if other == tail:
            part = slice(0, half) if kind < count else slice(half, 2 * half)
            link[part] = link[part] + vectors[kind % count]
    blocks.append(_squashed(encoder.gains[2] * link))
    return blocks


def _amounts(neighbours: Neighbours, count: int, near: list[float], head: int, tail: int) -> list[float]:
    """Walks of one, two and three steps, links and walks by nearness, and how much of each end there is."""
    mine, others = neighbours.get(head, ()), neighbours.get(tail, ())

    def steps(entity: int) -> dict[int, tuple[float, float]]:
        """Neighbour to the strength of a step there, plain and by nearness."""
        found: dict[int, tuple[float, float]] = {}
        arcs = neighbours.get(entity, ())
        for kind, other in arcs:
            scale = 1 / math.sqrt(len(arcs) * len(neighbours[other]))
            plain, weighted = found.get(other, (0.0, 0.0))
            found[other] = plain + scale, weighted + scale * near[kind % count]
        return found

    begun, ended = steps(head), steps(tail)
    walk1 = walk2 = walk3 = near_walk = 0.0
    if head != tail:
        walk1 = begun.get(tail, (0.0, 0.0))[0]
        for middle, (plain, weighted) in begun.items():
            if middle in ended:
                walk2 += plain * ended[middle][0]
                near_walk += (weighted * ended[middle][0] + plain * ended[middle][1]) / 2
            degree = len(neighbours[middle])
            for _, last in neighbours[middle]:
                if last in ended:
                    walk3 += plain * ended[last][0] / math.sqrt(degree * len(neighbours[last]))
    strengths = [float(walk_strength(torch.tensor(walk))) for walk in (walk1, walk2, walk3, near_walk)]
    link = sum(near[kind] if kind < count else 0.9 * near[kind - count] for kind, other in mine if other == tail)
    as_head = math.log1p(sum(near[kind] for kind, _ in mine if kind < count)) / 3
    as_tail = math.log1p(sum(near[kind - count] for kind, _ in others if kind >= count)) / 3
    return [*strengths[:3], link, strengths[3], as_head, as_tail]


def _squashed(vector: Tensor) -> Tensor:
    return vector / (1 + vector.square().sum()).sqrt()


def check_features() -> str:
    """The batched features and those of the loop, on a small graph with hubs.

    Raises:
        AssertionError: They differ.
    """
    facts = made_up(400, 60, 5, skew=3.0)
    features, prior = untrained(facts, 60, 5)
    random = torch.Generator().manual_seed(2)
    heads, tails = torch.randint(60, (2, 50), generator=random)
    heads[:25], tails[:25] = facts[:25, 0], facts[:25, 2]
    with torch.no_grad():
        ours = features.pairs(heads, tails, prior)
        loop = features_in_a_loop(features.encoder, neighbours_of(facts, 5), heads, tails, features.nearness(prior))
    gap = float((ours - loop).abs().max())
    if not gap < 1e-4:
        raise AssertionError(f"features differ from those of the loop by {gap}")
    return f"features equal those of the loop, gap {gap:.1e}"


def untrained(facts: Tensor, entities: int, relations: int) -> tuple[PairFeatures, Tensor]:
    """Pair features with their first weights on a graph, and the prior [P] of a relation to ask for."""
    random = torch.Generator().manual_seed(1)
    priors = torch.randn(relations + 1, 16, generator=random)
    features = PairFeatures()
    features.graph = PairGraph(facts, entities, relations)
    features.encoder = PairEncoder(relations, relation_vectors=priors[:-1], generator=random)
    features.attention = RelationAttention(priors[:-1])
    return features, priors[-1]


def made_up(count: int, entities: int, relations: int, *, skew: float = 1.0) -> Tensor:
    """Facts, int64 [count, 3].

    Args:
        count: How many.
        entities: E.
        relations: R.
        skew: 1 draws ends evenly; with 3 a few entities are at the end of very many facts, as in NELL (where of 65,567
            entities one is at the end of 9,758).
    """
    random = torch.Generator().manual_seed(0)
    ends = (torch.rand(count, 2, generator=random).pow(skew) * entities).long().clamp_(max=entities - 1)
    kind = torch.randint(relations, (count,), generator=random)
    return torch.stack([ends[:, 0], kind, ends[:, 1]], dim=1)
