"""Arcs, links, profiles and walks against dense algebra."""

from __future__ import annotations

import pytest
import torch

from kgzsl.tasks.kg_completion.pair_graph import PairGraph

#        0 -0-> 1 -0-> 2, 0 -1-> 1 as well, 2 -1-> 0, the first given twice; entity 3 stands alone.
TRIPLES = torch.tensor([[0, 0, 1], [0, 0, 1], [1, 0, 2], [0, 1, 1], [2, 1, 0]])


@pytest.fixture
def graph():
    return PairGraph(TRIPLES, 4, 2)


def dense(triples, entities=4):
    adjacency = torch.zeros(entities, entities, dtype=torch.float64)
    for h, _, t in torch.unique(triples, dim=0).tolist():
        adjacency[h, t] += 1
        adjacency[t, h] += 1
    scale = adjacency.sum(1).clamp(min=1).rsqrt()
    return scale[:, None] * adjacency * scale[None]


def test_links_go_both_ways_and_duplicates_count_once(graph):
    heads, tails = torch.tensor([0, 1, 2, 0, 3]), torch.tensor([1, 0, 0, 3, 3])
    rows, kinds = graph.links(heads, tails)
    found = {row: sorted(kinds[rows == row].tolist()) for row in range(5)}
    # Kind r is forward, 2 + r backward.
    assert found == {0: [0, 1], 1: [2, 3], 2: [1], 3: [], 4: []}


def test_arcs_and_profiles(graph):
    rows, kinds, targets = graph.arcs_of(torch.tensor([1, 3, 2]))
    assert sorted(zip(rows.tolist(), kinds.tolist(), targets.tolist(), strict=True)) == [
        (0, 0, 2), (0, 2, 0), (0, 3, 0), (2, 1, 0), (2, 2, 1),
    ]  # fmt: skip
    rows, kinds, counts = graph.profiles.of(torch.tensor([0]))
    assert dict(zip(kinds.tolist(), counts.tolist(), strict=True)) == {0: 1, 1: 1, 3: 1}
    assert rows.tolist() == [0, 0, 0]


def test_walks_are_powers_of_the_normalised_adjacency_without_returning(graph):
    matrix = dense(TRIPLES)
    power = torch.eye(4, dtype=torch.float64)
    for steps, found in enumerate(graph.walks(torch.arange(4)), start=1):
        power = matrix @ power
        expected = power - torch.diag(power.diagonal())
        torch.testing.assert_close(found.double(), expected, atol=1e-6, rtol=1e-6, msg=f"{steps} steps")
        assert found.max() <= 1 + 1e-6


def test_first_steps_that_are_looked_up_are_those_of_the_product_to_the_bit():
    """Also where several relations link two entities both ways, which are summed in another order from either end."""
    random = torch.Generator().manual_seed(0)
    triples = torch.randint(12, (400, 3), generator=random) % torch.tensor([12, 9, 12])
    graph, entities = PairGraph(triples, 12, 9), torch.tensor([3, 0, 7, 11])
    near = torch.rand(9, generator=random)
    one = torch.zeros(12, 4)
    one[entities, torch.arange(4)] = 1
    weighted = graph._matrix(near[graph.kind % 9])
    assert not torch.equal(weighted.to_dense(), weighted.to_dense().T)
    returned = one.T == 1
    walks = graph.walks(entities)
    for found, made in zip(
        walks, (one, graph.normalised @ one, graph.normalised @ (graph.normalised @ one)), strict=True
    ):
        assert torch.equal(found, (graph.normalised @ made).T.masked_fill(returned, 0))
    both = graph.normalised @ (weighted @ one) + weighted @ (graph.normalised @ one)
    assert torch.equal(graph.near_walks(entities, near), (both.T / 2).masked_fill(returned, 0))


def test_without_a_relation_equals_a_graph_built_without_it(graph):
    smaller, built = graph.without(0), PairGraph(TRIPLES[TRIPLES[:, 1] != 0], 4, 2)
    for name in ("source", "kind", "target", "degree", "starts"):
        assert torch.equal(getattr(smaller, name), getattr(built, name)), name
    for one, other in zip(smaller.walks(torch.arange(4)), built.walks(torch.arange(4)), strict=True):
        assert torch.equal(one, other)


def test_renaming_entities_changes_nothing(graph):
    order = torch.tensor([2, 0, 3, 1])
    renamed = PairGraph(torch.stack([order[TRIPLES[:, 0]], TRIPLES[:, 1], order[TRIPLES[:, 2]]], 1), 4, 2)
    for one, other in zip(graph.walks(torch.arange(4)), renamed.walks(order), strict=True):
        torch.testing.assert_close(one, other[:, order])
