"""Label propagation over a hypergraph against dense linear algebra."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kgzsl.classifiers import Hypergraph
from kgzsl.errors import InputError


@pytest.fixture
def views() -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.normal(size=(30, 4)), generator.normal(size=(30, 4))]


@pytest.fixture
def initial() -> np.ndarray:
    return np.random.default_rng(1).dirichlet(np.ones(3), size=30)


def dense_walk(graph: Hypergraph) -> np.ndarray:
    """D_v^-1 H W D_e^-1 H' written out (Zhou et al. 2006)."""
    incidence = np.zeros((graph.num_nodes, len(graph.members)))
    for edge, members in enumerate(graph.members.tolist()):
        incidence[members, edge] = 1
    weights = graph.weights.numpy()
    degrees = incidence @ weights
    return (incidence * weights / incidence.sum(0)) @ incidence.T / degrees[:, None]


@pytest.mark.parametrize("alpha", [0.3, 0.9])
def test_the_series_is_the_inverse(views, initial, alpha: float) -> None:
    graph = Hypergraph(views, 4)
    walk = dense_walk(graph)
    np.testing.assert_allclose(walk.sum(1), 1.0)
    np.testing.assert_allclose(graph.step(torch.as_tensor(initial)).numpy(), walk @ initial, atol=1e-12)
    expected = (1 - alpha) * np.linalg.solve(np.eye(30) - alpha * walk, initial)
    np.testing.assert_allclose(graph.propagate(initial, alpha, steps=1000).numpy(), expected, atol=1e-9)


def test_alpha_zero_gives_the_initial_scores_back(views, initial) -> None:
    assert torch.equal(Hypergraph(views, 4).propagate(initial, 0.0), torch.as_tensor(initial))
    assert not torch.allclose(Hypergraph(views, 4).propagate(initial, 0.5), torch.as_tensor(initial), atol=1e-2)


def test_rows_keep_their_sum(views, initial) -> None:
    torch.testing.assert_close(Hypergraph(views, 5).propagate(initial, 0.9).sum(1), torch.ones(30, dtype=torch.float64))


def test_the_order_of_nodes_and_of_classes_changes_nothing(views, initial) -> None:
    order, columns = np.random.default_rng(2).permutation(30), [2, 0, 1]
    whole = Hypergraph(views, 4).propagate(initial, 0.8)
    other = Hypergraph([view[order] for view in views], 4).propagate(initial[order][:, columns], 0.8)
    torch.testing.assert_close(other, whole[order][:, columns])


def test_one_edge_for_each_node_and_pair_of_views(views) -> None:
    graph = Hypergraph(views, 4)
    assert graph.members.shape == (4 * 30, 5)
    unit = [view / np.linalg.norm(view, axis=1, keepdims=True) for view in views]
    similarity = unit[0] @ unit[1].T  # nodes of view 0, neighbours of view 1: the second block
    np.fill_diagonal(similarity, -np.inf)
    best = np.argsort(-similarity, axis=1)[:, :4]
    assert graph.members[30:60].tolist() == np.concatenate([np.arange(30)[:, None], best], axis=1).tolist()
    expected = (1 + np.take_along_axis(similarity, best, 1).mean(1)) / 2
    np.testing.assert_allclose(graph.weights[30:60].numpy(), expected)


def test_chunks_and_many_neighbours(views, initial) -> None:
    one, two = (Hypergraph(views, 4, budget=budget).propagate(initial, 0.8) for budget in (1 << 20, 1))
    torch.testing.assert_close(one, two)
    assert Hypergraph(views, 500).members.shape[1] == 30


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda v, y: Hypergraph([], 3), "at least one view"),
        (lambda v, y: Hypergraph(v, 0), "neighbours is 0"),
        (lambda v, y: Hypergraph([v[0], v[1][:, :2]]), "share no space"),
        (lambda v, y: Hypergraph([v[0][:1]]), "one node alone"),
        (lambda v, y: Hypergraph(v).propagate(y, 1.0), "alpha is 1.0"),
        (lambda v, y: Hypergraph(v).propagate(y[:3], 0.5), "3 rows of initial scores for 30 nodes"),
    ],
)
def test_bad_input(views, initial, call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(views, initial)
