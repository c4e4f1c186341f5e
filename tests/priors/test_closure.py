import numpy as np

from kgzsl.priors._closure import general_edges, reach


def test_hops_are_the_fewest_and_each_node_is_reached_once():
    # 0 -> 1 -> 2 -> 3 -> 0 is a cycle, 0 -> 3 a short cut, 4 -> 0 an entry, 5 alone.
    edges = np.array([[0, 1, 2, 3, 0, 4], [1, 2, 3, 0, 3, 0]])
    query, node, hops = reach(np.array([4, 5, 0]), edges, 6)
    found = sorted(zip(query.tolist(), node.tolist(), hops.tolist(), strict=True))
    assert found == [
        (0, 0, 1),
        (0, 1, 2),
        (0, 2, 3),
        (0, 3, 2),
        (0, 4, 0),
        (1, 5, 0),
        (2, 0, 0),
        (2, 1, 1),
        (2, 2, 2),
        (2, 3, 1),
    ]
    _, near, _ = reach(np.array([4]), edges, 6, max_hops=1)
    assert sorted(near.tolist()) == [0, 4]


def test_reach_is_the_transitive_closure():
    random = np.random.default_rng(0)
    adjacency = random.random((15, 15)) < 0.1
    closure = np.linalg.matrix_power(np.eye(15) + adjacency, 15) > 0
    query, node, _ = reach(np.arange(15), np.argwhere(adjacency).T, 15)
    found = np.zeros((15, 15), dtype=bool)
    found[query, node] = True
    assert np.array_equal(found, closure)


def test_an_equivalence_leads_both_ways():
    edges = general_edges(
        np.array([[0, 1, 2], [1, 2, 3]]),
        np.array([0, 1, 2]),
        np.array([True, False, False]),
        np.array([False, True, False]),
    )
    assert sorted(map(tuple, edges.T.tolist())) == [(0, 1), (1, 2), (2, 1)]
