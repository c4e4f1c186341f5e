"""Loki: identities of the Frechet-mean decision (Roberts et al. 2023)."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest
import torch

from kgzsl.classifiers.loki import Loki
from kgzsl.errors import InputError


def metric_of(graph: nx.Graph) -> tuple[np.ndarray, list[str]]:
    nodes = list(graph)
    lengths = dict(nx.all_pairs_shortest_path_length(graph))
    return np.array([[lengths[a][b] for b in nodes] for a in nodes], dtype=float), [str(node) for node in nodes]


def test_discrete_metric_is_the_argmax() -> None:
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.ones(7), size=200)
    names = [f"c{i}" for i in range(7)]
    loki = Loki(1.0 - np.eye(7), names, names)
    assert loki.predict(probabilities).tolist() == [names[i] for i in probabilities.argmax(axis=1)]


def test_an_unobserved_class_between_two_observed_ones_is_answered() -> None:
    distances, names = metric_of(nx.path_graph(["a", "b", "c"]))
    loki = Loki(distances, names, ["a", "c"])
    assert loki.predict([[0.5, 0.5], [0.95, 0.05], [0.05, 0.95]]).tolist() == ["b", "a", "c"]


def test_on_a_tree_every_inner_node_is_reached_by_the_path_fraction() -> None:
    tree = nx.balanced_tree(2, 3)
    distances, names = metric_of(tree)
    leaves = [node for node in tree if tree.degree(node) == 1]
    loki = Loki(distances, names, [str(leaf) for leaf in leaves])
    reached = set()
    for first, second in itertools.combinations(range(len(leaves)), 2):
        path = nx.shortest_path(tree, leaves[first], leaves[second])
        for step, node in enumerate(path):
            weights = np.zeros((1, len(leaves)))
            weights[0, second] = step / (len(path) - 1)  # the Frechet mean on a path sits at the mean position
            weights[0, first] = 1 - weights[0, second]
            assert loki.predict(weights)[0] == str(node)
            reached.add(node)
    assert reached == set(tree)
    assert loki.locus().all()


def test_the_scale_of_the_metric_does_not_matter() -> None:
    generator = np.random.default_rng(1)
    distances, names = metric_of(nx.random_labeled_tree(30, seed=3))
    probabilities = generator.dirichlet(np.ones(10), size=50)
    one, ten = (Loki(scale * distances, names, names[:10]).predict(probabilities) for scale in (1.0, 10.0))
    assert one.tolist() == ten.tolist()


def test_scores_are_the_expected_squared_distances() -> None:
    distances, names = metric_of(nx.cycle_graph(6))
    probabilities = np.random.default_rng(2).dirichlet(np.ones(3), size=4)
    expected = np.array(
        [[-sum(p * distances[k, y] ** 2 for k, p in enumerate(row)) for y in range(6)] for row in probabilities]
    )
    found = Loki(distances, names, names[:3]).scores(probabilities).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_chunks_change_nothing() -> None:
    distances, names = metric_of(nx.random_labeled_tree(40, seed=0))
    probabilities = torch.rand(33, 12, generator=torch.Generator().manual_seed(0))
    probabilities /= probabilities.sum(dim=1, keepdim=True)
    whole = Loki(distances, names, names[:12]).predict(probabilities)
    parts = Loki(distances, names, names[:12], budget=1).predict(probabilities)
    assert whole.tolist() == parts.tolist()


def test_separate_components_are_never_preferred() -> None:
    graph = nx.Graph([("a", "b"), ("x", "y")])
    lengths = np.full((4, 4), np.inf)
    names = list(graph)
    for row, source in enumerate(names):
        for target, length in nx.single_source_shortest_path_length(graph, source).items():
            lengths[row, names.index(target)] = length
    loki = Loki(lengths, names, ["a"])
    assert loki.unreachable == 2
    assert loki.predict([[1.0]]).tolist() == ["a"]


def test_what_cannot_be_reached_is_farther_than_all_that_can_whatever_the_probabilities() -> None:
    """Three observed classes at distance 1: evenly probable, each is at a risk of 2/3."""
    names = ["a", "b", "c", "far"]
    lengths = np.where(np.eye(4, dtype=bool), 0.0, 1.0)
    lengths[3, :3] = lengths[:3, 3] = np.inf
    loki = Loki(lengths, names, names[:3])
    assert loki.unreachable == 1
    probabilities = np.concatenate([np.full((1, 3), 1 / 3), np.eye(3)])
    assert "far" not in loki.predict(probabilities)
    scores = loki.scores(probabilities)
    assert torch.isfinite(scores).all()
    assert (scores[:, 3] < scores[:, :3].min(dim=1).values).all()


def brute_force_locus(distances: np.ndarray, rows: list[int]) -> np.ndarray:
    """Every class that minimises the risk for some weights of a fine grid on each pair."""
    found = np.zeros(len(distances), dtype=bool)
    found[rows] = True
    for first, second in itertools.combinations(rows, 2):
        for weight in np.linspace(0, 1, 841):  # 840 = lcm(1..8): every path fraction of these trees is on the grid
            risk = (1 - weight) * distances[first] ** 2 + weight * distances[second] ** 2
            found |= risk <= risk.min() + 1e-9
    return found


@pytest.mark.parametrize("seed", range(4))
def test_the_greedy_gain_equals_brute_force_on_small_trees(seed: int) -> None:
    distances, names = metric_of(nx.random_labeled_tree(9, seed=seed))
    loki = Loki(distances, names, names[:2])
    before = brute_force_locus(distances, [0, 1])
    assert loki.locus().tolist() == before.tolist()
    for name, gain in loki.next_class():
        after = brute_force_locus(distances, [0, 1, names.index(name)])
        assert gain == after.sum() - before.sum()


@pytest.mark.parametrize(
    ("distances", "observed", "message"),
    [
        ([[0, 1], [2, 0]], ["a"], "not symmetric between 'a' and 'b'"),
        ([[0, 1], [1, 0]], ["aa"], "'aa' has no distances"),
        ([[0, 1, 5], [1, 0, 1], [5, 1, 0]], ["a"], "triangle inequality fails"),
        ([[0, -1], [-1, 0]], ["a"], "negative"),
        ([[0, 1, 1]], ["a"], r"shape \(1, 3\)"),
    ],
)
def test_what_is_no_metric_is_refused(distances: list, observed: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Loki(distances, list("abc")[: max(2, len(distances))] if len(distances) > 1 else ["a", "b"], observed)


def test_bad_probabilities_are_refused() -> None:
    loki = Loki([[0, 1], [1, 0]], ["a", "b"], ["a"])
    with pytest.raises(InputError, match="negative"):
        loki.predict([[-1.0]])
    with pytest.raises(InputError, match="2 columns where 1"):
        loki.predict([[0.5, 0.5]])


def test_the_observed_rows_are_enough() -> None:
    distances, names = metric_of(nx.random_labeled_tree(25, seed=4))
    probabilities = np.random.default_rng(3).dirichlet(np.ones(6), size=40)
    whole = Loki(distances, names, names[5:11])
    blocks = iter([distances[5:8], distances[8], distances[9:11]])
    rows = Loki.from_rows(blocks, names, names[5:11], row_of=lambda name: distances[names.index(name)])
    assert rows.predict(probabilities).tolist() == whole.predict(probabilities).tolist()
    torch.testing.assert_close(rows.scores(probabilities), whole.scores(probabilities))
    assert rows.locus().tolist() == whole.locus().tolist()
    assert rows.next_class() == whole.next_class()
    alone = Loki.from_rows(distances[5:11], names, names[5:11])
    assert alone.locus().tolist() == whole.locus().tolist()
    with pytest.raises(InputError, match="distances of '0' are not known"):
        alone.next_class(["0"])


def test_answers_among_some_classes_only() -> None:
    distances, names = metric_of(nx.random_labeled_tree(25, seed=4))
    probabilities = np.random.default_rng(3).dirichlet(np.ones(6), size=40)
    loki = Loki(distances, names, names[:6])
    among = [20, 3, 11]
    scores = loki.scores(probabilities)
    torch.testing.assert_close(loki.scores(probabilities, among), scores[:, among])
    best = scores[:, among].max(dim=1).values
    answers = [names.index(name) for name in loki.predict(probabilities, among)]
    assert set(answers) <= set(among)
    torch.testing.assert_close(scores[torch.arange(40), answers], best)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[0, 1, 2]], "1 rows of distances for 2 observed"),
        ([[0, 1, 2], [1, 0, 1], [2, 1, 0]], "rows of shape"),
        ([[0, 1], [1, 0]], "rows of shape"),
        ([[0, 1, 2], [3, 0, 1]], "not symmetric"),
        ([[1, 1, 2], [1, 0, 1]], "zero on the diagonal"),
        ([[0, -1, 2], [-1, 0, 1]], "negative"),
    ],
)
def test_rows_that_no_metric_has_are_refused(rows: list, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Loki.from_rows(rows, ["a", "b", "c"], ["a", "b"])


def test_a_name_that_is_no_class_is_refused() -> None:
    with pytest.raises(InputError, match="no class is called 'bb'"):
        Loki([[0, 1], [1, 0]], ["a", "b"], ["a"]).next_class(["bb"])


def test_of_two_observed_classes_at_the_same_risk_the_more_probable_one_is_answered() -> None:
    # Risks: y 0.5 * 1 + 0.2 * 3, x 0.3 * 1 + 0.2 * 4, both 1.1.
    squared = np.array([[0.0, 1.0, 3.0], [1.0, 0.0, 4.0], [3.0, 4.0, 0.0]])
    names = ["y", "x", "z"]
    assert Loki(np.sqrt(squared), names, names).predict([[0.3, 0.5, 0.2]]).tolist() == ["x"]
