"""The analytic head equals the joint ridge solution, whatever the batches (G-ACIL's weight invariance)."""

from __future__ import annotations

import numpy as np
import pytest

from kgzsl.classifiers.analytic import AnalyticHead
from kgzsl.errors import InputError


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 6, size=200)
    return generator.normal(size=(200, 12)) + generator.normal(size=(6, 12))[labels], labels


def joint(features: np.ndarray, labels: np.ndarray, order: list[int], gamma: float) -> np.ndarray:
    targets = (labels[:, None] == np.array(order)).astype(float)
    return np.linalg.solve(features.T @ features + gamma * np.eye(features.shape[1]), features.T @ targets)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("gamma", [0.1, 10.0])
def test_any_partition_equals_the_joint_solution(data, seed: int, gamma: float) -> None:
    features, labels = data
    generator = np.random.default_rng(seed)
    order = generator.permutation(200)
    cuts = np.sort(generator.choice(np.arange(1, 200), size=7, replace=False))
    head = AnalyticHead(gamma=gamma, block=int(generator.integers(1, 50)))
    for part in np.split(order, cuts):
        head.partial_fit(features[part], labels[part])
    expected = joint(features, labels, [int(name) for name in head.classes_], gamma)
    assert np.abs(head.coef_.numpy() - expected).max() < 1e-8


def test_classes_one_after_the_other_equal_all_at_once(data) -> None:
    features, labels = data
    head = AnalyticHead()
    for label in (4, 2, 0, 5, 1, 3):
        head.partial_fit(features[labels == label], labels[labels == label])
    assert list(head.classes_) == [4, 2, 0, 5, 1, 3]
    whole = AnalyticHead().fit(features, labels)
    columns = [head.classes_[name] for name in whole.classes_]
    assert np.abs(head.coef_.numpy()[:, columns] - whole.coef_.numpy()).max() < 1e-8
    assert head.predict(features).tolist() == whole.predict(features).tolist()


def test_a_random_layer_keeps_the_equality(data) -> None:
    features, labels = data
    whole = AnalyticHead(expansion=40, seed=3).fit(features, labels)
    parts = AnalyticHead(expansion=40, seed=3).fit(features[:90], labels[:90]).partial_fit(features[90:], labels[90:])
    columns = [parts.classes_[name] for name in whole.classes_]
    assert np.abs(parts.coef_.numpy()[:, columns] - whole.coef_.numpy()).max() < 1e-8
    assert (
        np.abs(AnalyticHead(expansion=40, seed=4).fit(features, labels).coef_.numpy() - whole.coef_.numpy()).max()
        > 1e-3
    )


def test_an_announced_class_starts_at_zero_and_ends_joint(data) -> None:
    features, labels = data
    early = labels < 5
    head = AnalyticHead().fit(features[early], labels[early]).add_class(5)
    assert not head.coef_[:, head.classes_[5]].any()
    head.partial_fit(features[~early], labels[~early])
    expected = joint(features, labels, [int(name) for name in head.classes_], 1.0)
    assert np.abs(head.coef_.numpy() - expected).max() < 1e-8


def test_rounding_does_not_add_up_over_many_updates() -> None:
    """Rows one by one with a small ridge: an inverse that loses its symmetry would be off by 1e-6 here."""
    for seed in range(3):
        generator = np.random.default_rng(seed)
        labels = generator.integers(0, 6, size=1000)
        features = generator.normal(size=(1000, 12)) + generator.normal(size=(6, 12))[labels]
        head = AnalyticHead(gamma=1e-8, block=1).fit(features, labels)
        expected = joint(features, labels, [int(name) for name in head.classes_], 1e-8)
        assert np.abs(head.coef_.numpy() - expected).max() < 1e-7 * np.abs(expected).max()


def test_memory_does_not_grow_with_samples(data) -> None:
    features, labels = data
    head = AnalyticHead().fit(features, labels)
    before = {name: getattr(value, "shape", None) for name, value in vars(head).items()}
    for _ in range(3):
        head.partial_fit(features, labels)
    assert {name: getattr(value, "shape", None) for name, value in vars(head).items()} == before


def test_fit_forgets(data) -> None:
    features, labels = data
    head = AnalyticHead().fit(features[:, :5], labels).fit(features, labels + 10)
    assert set(head.classes_) == {10, 11, 12, 13, 14, 15}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, y: AnalyticHead(gamma=0.0).fit(x, y), "gamma is 0.0"),
        (lambda x, y: AnalyticHead().fit(x, y).partial_fit(x[:, :3], y), "3 columns where 12"),
        (lambda x, y: AnalyticHead().predict(x), "not learnt anything"),
        (lambda x, y: AnalyticHead().fit(x, y).add_class(0), "known already"),
        (lambda x, y: AnalyticHead().fit(x, y).add_class(9, weights=[1.0]), "length 1 where 12"),
    ],
)
def test_bad_input(data, call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(*data)


def test_a_batch_that_is_refused_teaches_nothing(data) -> None:
    features, labels = data
    head = AnalyticHead()
    with pytest.raises(InputError, match="give one label a row"):
        head.partial_fit(features[:, :5], labels[:3])
    with pytest.raises(InputError, match="has not learnt anything yet"):
        head.predict(features)
    with pytest.raises(InputError, match="the label 'elm' is of another type"):
        head.partial_fit(features, labels, classes=[7, "elm"])
    with pytest.raises(InputError, match="classes is 'elm'; give a list of names"):
        head.partial_fit(features, labels, classes="elm")
    head.partial_fit(features, labels)
    with pytest.raises(InputError, match="is of another type"):
        head.partial_fit(features[:2], ["ash", "elm"], classes=[7])
    assert list(head.classes_) == list(range(6))
    with pytest.raises(InputError, match="weights of 9 hold NaN"):
        head.add_class(9, weights=np.full(12, np.nan))
    assert np.array_equal(head.coef_, AnalyticHead().fit(features, labels).coef_)


def test_names_may_be_bytes(data) -> None:
    features, labels = data
    names = np.char.add("kind ", labels.astype(str)).astype("S")
    assert np.mean(AnalyticHead().fit(features, names).predict(features) == names) > 0.5
    with pytest.raises(InputError, match="'kind 9' is of another type than b'kind 0'"):
        AnalyticHead().fit(features, names).add_class("kind 9")
