"""ESZSL: its closed form against plain numpy, its invariances, and its use."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kgzsl.classifiers import ESZSL
from kgzsl.engine import load_tree, save_tree
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassPriors

NAMES = tuple(f"class {i}" for i in range(8))


@pytest.fixture
def world() -> tuple[np.ndarray, np.ndarray, ClassPriors]:
    """Features that are a linear function of the priors plus noise; classes 6 and 7 have no samples."""
    generator = np.random.default_rng(0)
    matrix = generator.normal(size=(8, 5)).astype(np.float32)
    labels = np.repeat(np.arange(6), 30)
    features = matrix[labels] @ generator.normal(size=(5, 12)) + 0.3 * generator.normal(size=(180, 12))
    return features, np.array(NAMES)[labels], ClassPriors(NAMES, matrix, {"encoder": "drawn"})


def oracle(features: np.ndarray, labels: np.ndarray, priors: np.ndarray, gamma: float, lam: float) -> np.ndarray:
    seen = np.unique(labels)
    targets = np.where(labels[:, None] == seen[None], 1.0, -1.0)
    left = np.linalg.inv(features.T @ features + gamma * np.eye(features.shape[1]))
    right = np.linalg.inv(priors[seen].T @ priors[seen] + lam * np.eye(priors.shape[1]))
    return left @ features.T @ targets @ priors[seen] @ right


@pytest.mark.parametrize(("gamma", "lam"), [(0.1, 1.0), (100.0, 0.01)])
def test_the_closed_form(world, gamma: float, lam: float) -> None:
    features, names, priors = world
    labels = np.array([NAMES.index(name) for name in names])
    model = ESZSL(gamma, lam, normalise="none").fit(features, names, priors=priors)
    expected = oracle(features, labels, priors.matrix.astype(float), gamma, lam)
    np.testing.assert_allclose(model.coef_.numpy(), expected, rtol=1e-7, atol=1e-10)


def test_solving_again_equals_fitting_again(world) -> None:
    features, names, priors = world
    again = ESZSL().fit(features, names, priors=priors).solve(30.0, 0.2)
    torch.testing.assert_close(again.coef_, ESZSL(30.0, 0.2).fit(features, names, priors=priors).coef_)


def test_it_recognises_classes_without_samples(world) -> None:
    features, names, priors = world
    model = ESZSL(0.1, 0.1).fit(features, names, priors=priors)
    generator = np.random.default_rng(0)
    generator.normal(size=(8, 5))
    mixing = generator.normal(size=(5, 12))
    unseen = np.repeat([6, 7], 40)
    test = priors.matrix[unseen] @ mixing + 0.3 * np.random.default_rng(9).normal(size=(80, 12))
    assert (model.predict(test, candidates="unseen") == np.array(NAMES)[unseen]).mean() > 0.95
    assert model.seen_.tolist() == [True] * 6 + [False] * 2
    swapped = ClassPriors(NAMES, priors.matrix[[0, 1, 2, 3, 4, 5, 7, 6]], {})
    wrong = ESZSL(0.1, 0.1).fit(features, names, priors=swapped)
    assert (wrong.predict(test, candidates="unseen") == np.array(NAMES)[unseen]).mean() < 0.05


def test_candidates_in_the_order_asked_for(world) -> None:
    features, names, priors = world
    model = ESZSL().fit(features, names, priors=priors)
    whole = model.decision_function(features)
    torch.testing.assert_close(model.decision_function(features, ["class 7", "class 2"]), whole[:, [7, 2]])
    assert set(model.predict(features, "seen")) <= set(NAMES[:6])
    torch.testing.assert_close(model.decision_function(features, "unseen"), whole[:, 6:])


def test_the_order_of_classes_and_rows_changes_nothing(world) -> None:
    features, names, priors = world
    order, rows = np.random.default_rng(1).permutation(8), np.random.default_rng(2).permutation(180)
    other = ClassPriors(tuple(NAMES[i] for i in order), priors.matrix[order], {})
    first = ESZSL().fit(features, names, priors=priors).predict(features)
    second = ESZSL().fit(features[rows], names[rows], priors=other).predict(features)
    assert first.tolist() == second.tolist()


def test_a_class_added_later_equals_one_that_was_there(world) -> None:
    features, names, priors = world
    fewer = ClassPriors(NAMES[:7], priors.matrix[:7], {})
    late = ESZSL().fit(features, names, priors=fewer).add_class("class 7", priors.matrix[7])
    early = ESZSL().fit(features, names, priors=priors)
    torch.testing.assert_close(late.decision_function(features), early.decision_function(features))


def test_integer_labels_and_a_bare_matrix(world) -> None:
    features, names, priors = world
    labels = torch.tensor([NAMES.index(name) for name in names])
    found = ESZSL().fit(torch.as_tensor(features), labels, priors=priors.matrix).predict(features)
    expected = ESZSL().fit(features, names, priors=priors).predict(features)
    assert [NAMES[i] for i in found] == expected.tolist()


def test_state_goes_through_a_file(world, tmp_path) -> None:
    features, names, priors = world
    model = ESZSL().fit(features, names, priors=priors)
    save_tree(tmp_path / "eszsl.safetensors", model.state_dict())
    back = ESZSL().load_state_dict(load_tree(tmp_path / "eszsl.safetensors"))
    torch.testing.assert_close(back.decision_function(features, "unseen"), model.decision_function(features, "unseen"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, y, p: ESZSL().fit(x, y), "needs priors"),
        (lambda x, y, p: ESZSL(gamma=0).fit(x, y, priors=p), "gamma is 0"),
        (lambda x, y, p: ESZSL(normalise="max").fit(x, y, priors=p), "normalise is 'max'"),
        (lambda x, y, p: ESZSL().fit(x, np.where(y == "class 3", "class 33", y), priors=p), "did you mean 'class 3'"),
        (lambda x, y, p: ESZSL().fit(x, y[:5], priors=p), "5 labels for 180 rows"),
        (lambda x, y, p: ESZSL().fit(x, y, priors=p).predict(x, candidates="new"), "candidates is 'new'"),
        (lambda x, y, p: ESZSL().fit(x, y, priors=p).predict(x, candidates=[]), "no candidate class"),
        (lambda x, y, p: ESZSL().fit(x, y, priors=p).add_class("class 1", p.matrix[0]), "there already"),
        (lambda x, y, p: ESZSL().solve(1.0, 1.0), "not fitted"),
    ],
)
def test_bad_input(world, call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(*world)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("weights", [(0.1, 1.0), (100.0, 0.01)])
def test_any_batches_equal_the_joint_solution(world, seed: int, weights: tuple[float, float]) -> None:
    features, names, priors = world
    generator = np.random.default_rng(seed)
    cuts = np.sort(generator.choice(np.arange(1, 180), size=6, replace=False))
    model = ESZSL(*weights, normalise="none")
    for part in np.split(generator.permutation(180), cuts):
        model.partial_fit(features[part], names[part], priors=priors)
    labels = np.array([NAMES.index(name) for name in names])
    expected = oracle(features, labels, priors.matrix.astype(float), *weights)
    assert np.abs(model.coef_.numpy() - expected).max() < 1e-8 * max(1.0, np.abs(expected).max())


def test_classes_that_come_one_by_one_equal_all_at_once(world) -> None:
    features, names, priors = world
    order = ["class 4", "class 2", "class 0", "class 5", "class 1", "class 3"]
    model = ESZSL(normalise="none")
    for place, name in enumerate(order):
        rows = names == name
        row = priors.matrix[NAMES.index(name)]
        if place == 1:
            model.add_class(name, row)
        alone = ClassPriors((name,), row[None], {})
        model.partial_fit(features[rows], names[rows], priors=alone)
        _ = model.coef_  # solving between batches does no harm
    model.add_class("class 6", priors.matrix[6]).add_class("class 7", priors.matrix[7])
    joint = ESZSL(normalise="none").fit(features, names, priors=priors)
    assert (model.coef_ - joint.coef_).abs().max() < 1e-8
    assert model.classes_.tolist() == [*order, "class 6", "class 7"]
    torch.testing.assert_close(model.decision_function(features, NAMES), joint.decision_function(features))


def test_an_unseen_class_becomes_seen_by_its_samples(world) -> None:
    features, names, priors = world
    model = ESZSL().fit(features, names, priors=priors)
    before = model.coef_.clone()
    model.partial_fit(features[:5], np.repeat("class 7", 5))
    assert model.seen_.tolist() == [True] * 6 + [False, True]
    assert not torch.allclose(model.coef_, before)


def test_memory_does_not_grow_with_samples(world) -> None:
    features, names, priors = world
    model = ESZSL().fit(features, names, priors=priors)
    before = {name: getattr(value, "shape", None) for name, value in vars(model).items()}
    for _ in range(3):
        model.partial_fit(features, names).solve(1.0, 1.0)
    assert {name: getattr(value, "shape", None) for name, value in vars(model).items()} == before


def test_learning_on_needs_what_it_learnt_from(world) -> None:
    features, names, priors = world
    loaded = ESZSL().load_state_dict(ESZSL().fit(features, names, priors=priors).state_dict())
    with pytest.raises(InputError, match="cannot go on learning"):
        loaded.partial_fit(features, names)
    with pytest.raises(InputError, match="have no prior: new"):
        ESZSL().fit(features, names, priors=priors).partial_fit(features[:1], ["new"])
