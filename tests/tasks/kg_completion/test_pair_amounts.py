"""Amounts of given pairs are those that the tables of all pairs have, however little memory there is."""

from __future__ import annotations

import pytest
import torch

from kgzsl.tasks.kg_completion.pair_amounts import amounts_of_pairs
from kgzsl.tasks.kg_completion.pair_encoder import amounts
from kgzsl.tasks.kg_completion.pair_graph import PairGraph


@pytest.fixture(params=[0, 1, 2])
def world(request):
    """A graph with a hub, loops, several links between two, and entities without any; pairs of all kinds; nearness."""
    random = torch.Generator().manual_seed(request.param)
    ends = torch.randint(30, (120, 2), generator=random)
    ends[:40, 0] = 3
    ends[:5, 1] = 3
    kinds = torch.randint(4, (120, 1), generator=random)
    triples = torch.cat([ends[:, :1], kinds, ends[:, 1:]], dim=1)
    graph = PairGraph(torch.cat([triples, triples[:20]]), 34, 4)
    heads, tails = torch.cartesian_prod(torch.arange(34), torch.arange(34)).unbind(dim=1)
    return graph, heads, tails, torch.rand(4, generator=random)


def test_they_are_those_of_the_whole_tables(world):
    graph, heads, tails, nearness = world
    whole = torch.stack([table[heads, tails] for table in amounts(graph, torch.arange(34), nearness)], dim=1)
    found = amounts_of_pairs(graph, heads, tails, nearness)
    torch.testing.assert_close(found, whole, atol=1e-5, rtol=1e-4)
    assert bool((whole[:, 2] > 0).any())
    # Walks that return count as none; a loop is a link all the same.
    assert bool((found[heads == tails][:, [0, 1, 2, 4]] == 0).all())
    assert float(found[(heads == 3) & (tails == 3), 3]) > 0


@pytest.mark.parametrize("budget", [1, 2000, 100_000])
def test_a_memory_budget_changes_nothing(world, budget):
    graph, heads, tails, nearness = world
    torch.testing.assert_close(
        amounts_of_pairs(graph, heads, tails, nearness, budget=budget), amounts_of_pairs(graph, heads, tails, nearness)
    )


def test_no_pairs_and_no_arcs():
    empty = torch.zeros(0, dtype=torch.int64)
    graph = PairGraph(torch.zeros(0, 3, dtype=torch.int64), 3, 2)
    assert amounts_of_pairs(graph, empty, empty, torch.ones(2)).shape == (0, 5)
    found = amounts_of_pairs(graph, torch.tensor([0, 1]), torch.tensor([0, 2]), torch.ones(2))
    assert bool((found == 0).all())


def test_what_is_made_of_the_whole_graph_is_made_once_for_a_relation(world, monkeypatch):
    """Pairs that are asked for in parts cost as much as all at once; another nearness is another relation."""
    import kgzsl.tasks.kg_completion.pair_amounts as module

    graph, heads, tails, nearness = world
    expected = [amounts_of_pairs(graph.without(-1), heads, tails, near) for near in (nearness, 1 - nearness)]
    made: list[int] = []
    first = module._Steps

    class Counted(first):
        def __init__(self, *given):
            made.append(1)
            super().__init__(*given)

    monkeypatch.setattr(module, "_Steps", Counted)
    for near, whole in zip((nearness, 1 - nearness), expected, strict=True):
        parts = [amounts_of_pairs(graph, *part, near) for part in zip(heads.split(300), tails.split(300), strict=True)]
        torch.testing.assert_close(torch.cat(parts), whole)
    assert len(made) == 2
