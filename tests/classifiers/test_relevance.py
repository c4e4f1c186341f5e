"""Relevance weights of seen classes: the identity, the limits, and what they are for."""

from __future__ import annotations

import numpy as np
import pytest

from kgzsl.classifiers import (
    ESZSL,
    NearestPrior,
    SoftmaxClassifier,
    class_distances,
    class_relevance,
    relevance,
    row_relevance,
)
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph


@pytest.mark.parametrize("kernel", ["exponential", "gaussian"])
@pytest.mark.parametrize("gather", ["mean", "nearest"])
def test_uniform_distances_give_weights_of_one(kernel: str, gather: str) -> None:
    assert relevance(np.full((7, 3), 4.0), kernel=kernel, gather=gather).tolist() == [1.0] * 7
    assert relevance(np.full((7, 3), np.inf), kernel=kernel, gather=gather).tolist() == [1.0] * 7
    assert relevance(np.zeros((7, 3)), kernel=kernel, gather=gather).tolist() == [1.0] * 7


@pytest.mark.parametrize("fit", [SoftmaxClassifier, ESZSL, NearestPrior])
def test_uniform_distances_change_no_classifier(fit: type) -> None:
    generator = np.random.default_rng(0)
    features, labels, priors = generator.normal(size=(40, 5)), generator.integers(0, 4, size=40), np.eye(4)
    weights = row_relevance(labels, dict(enumerate(relevance(np.full((4, 2), 3.0)))))
    options = {} if fit is SoftmaxClassifier else {"priors": priors}
    weighed, plain = (
        fit().fit(features, labels, sample_weight=w, **options).decision_function(features).numpy()
        for w in (weights, None)
    )
    np.testing.assert_allclose(weighed, plain, atol=1e-6)


def test_the_formula() -> None:
    found = relevance([[1.0, 2.0], [3.0, np.inf]], bandwidth=2.0)
    near = np.array([(np.exp(-0.5) + np.exp(-1)) / 2, np.exp(-1.5) / 2])
    np.testing.assert_allclose(found, near / near.mean())
    np.testing.assert_allclose(relevance([[1.0, 2.0], [3.0, np.inf]]), found)  # 2 is the median
    found = relevance([[1.0, 2.0], [3.0, np.inf]], bandwidth=2.0, kernel="gaussian", gather="nearest")
    near = np.array([np.exp(-0.25), np.exp(-2.25)])
    np.testing.assert_allclose(found, near / near.mean())


def test_classes_of_a_graph_in_any_order() -> None:
    graph = ClassGraph.from_triples(
        (child, "subClassOf", parent)
        for child, parent in [
            ("cat", "pet"),
            ("dog", "pet"),
            ("pet", "animal"),
            ("shark", "fish"),
            ("fish", "animal"),
            ("island", "place"),
        ]
    )
    found = class_relevance(graph, ["shark", "cat", "island"], ["dog"])
    near = {"shark": np.exp(-4 / 3), "cat": np.exp(-2 / 3), "island": 0.0}  # hops 4, 2, none; median 3
    mean = np.mean(list(near.values()))
    assert found == pytest.approx({name: value / mean for name, value in near.items()})
    again = class_relevance(graph, ["island", "shark", "cat"], ["dog"])
    assert again == pytest.approx(found)
    with pytest.raises(InputError, match="catt"):
        class_relevance(graph, ["catt"], ["dog"])


def test_weighting_helps_where_unseen_classes_are_like_a_part_of_the_seen_ones() -> None:
    """Two families of classes, each with its own way from priors to features; all unseen ones are of the first."""
    gains = []
    for seed in range(4):
        generator = np.random.default_rng(seed)
        priors = generator.normal(size=(46, 6))
        ways = generator.normal(size=(2, 6, 15))
        family = np.array([0] * 10 + [1] * 30 + [0] * 6)
        labels, truth = np.repeat(np.arange(40), 8), np.repeat(np.arange(40, 46), 30)
        features, test = (
            np.einsum("np,npd->nd", priors[rows], ways[family[rows]]) + 0.8 * generator.normal(size=(len(rows), 15))
            for rows in (labels, truth)
        )
        kinship = np.where(family[:40, None] == family[None, 40:], 2.0, 8.0)
        weights = row_relevance(labels, dict(enumerate(relevance(kinship))))
        right = [
            np.mean(
                NearestPrior().fit(features, labels, priors=priors, sample_weight=w).predict(test, "unseen") == truth
            )
            for w in (weights, None)
        ]
        gains.append(right[0] - right[1])
    assert np.mean(gains) > 0.05


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: relevance([[1.0, -1.0]]), "negative or NaN"),
        (lambda: relevance([1.0]), "shape"),
        (lambda: relevance([[1.0]], kernel="box"), "kernel is 'box'"),
        (lambda: relevance([[1.0]], gather="sum"), "gather is 'sum'"),
        (lambda: relevance([[1.0]], bandwidth=0), "bandwidth is 0"),
        (lambda: row_relevance(["a", "b"], {"a": 1.0}), "'b' has no weight"),
    ],
)
def test_bad_input(call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_strength_is_a_power_and_none_of_it_weighs_all_alike() -> None:
    distances = np.random.default_rng(0).uniform(1, 5, size=(6, 3))
    whole = relevance(distances)
    half = relevance(distances, strength=0.5)
    np.testing.assert_allclose(half, whole**0.5 / (whole**0.5).mean())
    assert relevance(distances, strength=0.0).tolist() == [1.0] * 6
    assert np.ptp(relevance(distances, strength=2.0)) > np.ptp(whole) > np.ptp(half)
    assert relevance(np.full((5, 2), 3.0), strength=3.0).tolist() == [1.0] * 5
    with pytest.raises(InputError, match="strength is -1"):
        relevance(distances, strength=-1)


def test_distances_by_any_metric_of_the_graph() -> None:
    graph = ClassGraph.from_triples([("a", "r", "b"), ("b", "r", "c"), ("a", "s", "c")], weights=[1.0, 1.0, 4.0])
    assert class_distances(graph, ["a"], ["b", "c"]).tolist() == [[1.0, 1.0]]
    assert class_distances(graph, ["a"], ["b", "c"], metric="weighted").tolist() == [[1.0, 0.25]]
    # From a to b: one way of 1, beside one of 1 + 1/4; from a to c: 1/4 beside 2.
    np.testing.assert_allclose(
        class_distances(graph, ["a"], ["b", "c"], metric="resistance"), [[1 / (1 + 1 / 1.25), 1 / (4 + 1 / 2)]]
    )
    assert class_relevance(graph, ["a", "b"], ["c"], metric="weighted")["a"] > 1
    with pytest.raises(InputError, match="no distance is called"):
        class_distances(graph, ["a"], ["b"], metric="resist")
