"""Distances are metrics, agree with closed forms and with a second way of working them out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from kgzsl import ClassGraph
from kgzsl.errors import InputError
from kgzsl.knowledge.distances import DISTANCES, distance_blocks


def random_graph(seed: int, nodes: int = 12, count: int = 20) -> ClassGraph:
    rng = np.random.default_rng(seed)
    pairs = rng.integers(0, nodes, (count, 2)).tolist()
    triples = [(f"n{a}", f"r{a % 3}", f"n{b}") for a, b in pairs]
    triples += [(f"n{n}", "r9", f"n{n}") for n in range(nodes)]  # every node is there
    weights = rng.uniform(0.2, 3, len(triples)).tolist()
    return ClassGraph.from_triples(triples, weights=weights)


@pytest.mark.parametrize("kind", DISTANCES)
@pytest.mark.parametrize("seed", range(5))
def test_each_kind_is_a_metric(kind: str, seed: int) -> None:
    graph = random_graph(seed)
    found = graph.distances(kind=kind)
    np.testing.assert_array_equal(found, found.T)
    assert (np.diagonal(found) == 0).all()
    assert (found[~np.eye(len(found), dtype=bool)] > 0).all()
    for middle in range(len(found)):
        through = found[:, middle, None] + found[None, middle]
        assert (found <= through + 1e-9).all()


@pytest.mark.parametrize("kind", DISTANCES)
def test_blocks_make_the_whole_and_rows_can_be_chosen(kind: str) -> None:
    graph = random_graph(7)
    whole = graph.distances(kind=kind)
    blocks = [block for _, block in distance_blocks(graph, kind=kind, max_bytes=8 * graph.num_nodes * 5)]
    assert [len(block) for block in blocks] == [5, 5, 2]
    np.testing.assert_allclose(np.concatenate(blocks), whole, atol=1e-9)
    chosen = [3, 0, 3, 11]
    np.testing.assert_allclose(graph.distances(chosen, kind=kind), whole[np.ix_(chosen, chosen)], atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_resistance_agrees_with_the_pseudo_inverse(seed: int) -> None:
    graph = random_graph(seed, count=40)
    n = graph.num_nodes
    conductance = np.zeros((n, n))
    assert graph.edge_weight is not None
    for (a, b), weight in zip(graph.edge_index.T.tolist(), graph.edge_weight.tolist(), strict=True):
        if a != b:
            conductance[a, b] = conductance[b, a] = max(conductance[a, b], weight)
    inverse = np.linalg.pinv(np.diag(conductance.sum(axis=1)) - conductance)
    own = np.diagonal(inverse)
    expected = own[:, None] + own[None] - 2 * inverse
    found = graph.distances(kind="resistance")
    linked = np.isfinite(found)
    np.testing.assert_allclose(found[linked], expected[linked], atol=1e-9)


def test_resistance_in_closed_form() -> None:
    # A path adds up; a cycle of n puts k edges in parallel with n - k; a complete graph K_n has 2/n everywhere.
    path = ClassGraph.from_triples([(f"p{i}", "r", f"p{i + 1}") for i in range(4)])
    np.testing.assert_allclose(path.distances(kind="resistance"), path.distances(kind="hops"), atol=1e-12)
    cycle = ClassGraph.from_triples([(f"c{i}", "r", f"c{(i + 1) % 5}") for i in range(5)])
    found = cycle.distances([0, 1, 2], kind="resistance")
    np.testing.assert_allclose([found[0, 1], found[0, 2]], [4 / 5, 6 / 5], atol=1e-12)
    complete = ClassGraph.from_triples([(str(a), "r", str(b)) for a, b in itertools.combinations(range(6), 2)])
    np.testing.assert_allclose(complete.distances(kind="resistance"), (1 - np.eye(6)) * 2 / 6, atol=1e-12)


def test_weights_shorten_the_way() -> None:
    graph = ClassGraph.from_triples(
        [("a", "r", "b"), ("b", "r", "c"), ("a", "s", "c"), ("a", "t", "c")], weights=[4, 2, 0.5, 1]
    )
    found = graph.distances(kind="weighted")
    # By b: 1/4 + 1/2; straight: 1/1, the stronger of two edges.
    assert found[graph.node("a"), graph.node("c")] == pytest.approx(0.75)
    assert graph.distances(kind="hops")[graph.node("a"), graph.node("c")] == 1


@pytest.mark.parametrize("kind", DISTANCES)
def test_disjointness_and_nothing_are_no_links(kind: str) -> None:
    graph = ClassGraph.from_triples(
        [("a", "r", "b"), ("a", "disjointWith", "c"), ("c", "r", "d"), ("b", "has", "d")], weights=[1, 1, 1, 0]
    )
    found = graph.distances(kind=kind)
    a, b, c, d = (graph.node(name) for name in "abcd")
    assert np.isinf([found[a, c], found[b, d], found[a, d]]).all()
    assert found[a, b] == found[c, d] == 1


def test_many_edges_between_two_nodes_are_one_link() -> None:
    graph = ClassGraph.from_triples([("a", f"r{i}", "b") for i in range(300)])
    for kind in DISTANCES:
        assert graph.distances(kind=kind).tolist() == [[0, 1], [1, 0]]


def test_bad_input() -> None:
    graph = random_graph(0)
    with pytest.raises(InputError, match="did you mean 'resistance'"):
        graph.distances(kind="resistence")
    with pytest.raises(InputError, match="outside"):
        graph.distances([99])
    assert graph.distances([]).shape == (0, 0)
