"""Softmax regression: scikit-learn's optimum in the convex limit, and the contract."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from kgzsl.classifiers import SoftmaxClassifier, make
from kgzsl.engine import load_tree, save_tree
from kgzsl.errors import InputError


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    labels = np.array(["oak", "ash", "elm"])[generator.integers(0, 3, size=150)]
    centres = {"oak": [2, 0, 0, 0], "ash": [0, 2, 0, 0], "elm": [0, 0, 2, 0]}
    return np.array([centres[name] for name in labels]) + generator.normal(size=(150, 4)), labels


@pytest.mark.parametrize("decay", [0.01, 1.0])
def test_lbfgs_is_scikit_learns_optimum(data, decay: float) -> None:
    features, labels = data
    ours = SoftmaxClassifier(solver="lbfgs", weight_decay=decay, epochs=100).fit(features, labels)
    # Their objective is C * sum of losses + ||W||^2 / 2, ours the mean of losses + decay ||W||^2 / 2.
    theirs = LogisticRegression(C=1 / (decay * len(labels)), tol=1e-8, max_iter=1000).fit(features, labels)
    assert ours.classes_.tolist() == theirs.classes_.tolist()
    np.testing.assert_allclose(ours.predict_proba(features), theirs.predict_proba(features), atol=1e-3)


def test_adam_comes_close_to_the_optimum(data) -> None:
    features, labels = data
    adam = SoftmaxClassifier(lr=0.05, epochs=200, weight_decay=0.1).fit(features, labels)
    exact = SoftmaxClassifier(solver="lbfgs", weight_decay=0.1).fit(features, labels)
    np.testing.assert_allclose(adam.predict_proba(features), exact.predict_proba(features), atol=0.03)


def test_sample_weights_count_as_repetitions(data) -> None:
    features, labels = data
    weights = np.random.default_rng(1).integers(1, 4, size=150)
    weighted = SoftmaxClassifier(solver="lbfgs", weight_decay=0.05).fit(features, labels, sample_weight=weights)
    repeated = SoftmaxClassifier(solver="lbfgs", weight_decay=0.05)
    repeated.fit(features.repeat(weights, axis=0), labels.repeat(weights))
    np.testing.assert_allclose(weighted.predict_proba(features), repeated.predict_proba(features), atol=2e-3)
    plain = SoftmaxClassifier(solver="lbfgs", weight_decay=0.05).fit(features, labels)
    assert np.abs(plain.predict_proba(features) - weighted.predict_proba(features)).max() > 0.01


def test_the_scale_of_rows_or_columns_is_taken_out(data) -> None:
    features, labels = data
    rows = np.random.default_rng(2).uniform(0.1, 10, size=(150, 1))
    first, second = (
        SoftmaxClassifier(normalise="l2").fit(x, labels).predict_proba(x) for x in (features, features * rows)
    )
    np.testing.assert_allclose(first, second, atol=1e-5)
    columns = features * np.array([1, 100, 0.01, 5]) + 3
    first, second = (
        SoftmaxClassifier(normalise="standard").fit(x, labels).predict_proba(x) for x in (features, columns)
    )
    np.testing.assert_allclose(first, second, atol=1e-4)


def test_the_seed_fixes_the_result_and_nothing_global_is_drawn(data) -> None:
    features, labels = data
    before = torch.get_rng_state()
    first, same, other = (SoftmaxClassifier(seed=seed, epochs=2).fit(features, labels).coef_ for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert torch.equal(before, torch.get_rng_state())


def test_it_stops_when_nothing_is_gained(data) -> None:
    model = SoftmaxClassifier(lr=0.1, epochs=500, weight_decay=1.0, tolerance=1e-3).fit(*data)
    assert model.n_iter_ < 100


def test_state_goes_through_a_file(data, tmp_path) -> None:
    features, labels = data
    model = SoftmaxClassifier(normalise="standard").fit(features, labels)
    save_tree(tmp_path / "head.safetensors", model.state_dict())
    back = SoftmaxClassifier(normalise="standard").load_state_dict(load_tree(tmp_path / "head.safetensors"))
    assert back.predict(features).tolist() == model.predict(features).tolist()


def test_pipelines_and_searches_of_scikit_learn_take_it(data) -> None:
    def pipeline(decay: float) -> Pipeline:
        return make_pipeline(StandardScaler(), SoftmaxClassifier("lbfgs", weight_decay=decay))

    search = GridSearchCV(pipeline(1.0), {"softmaxclassifier__weight_decay": [1e6, 1e-2]}, cv=3).fit(*data)
    # The larger one leaves nothing but the intercept, and that answers every row alike.
    assert search.best_params_ == {"softmaxclassifier__weight_decay": 1e-2}
    assert search.score(*data) == pipeline(1e-2).fit(*data).score(*data)


def test_parameters_are_read_set_and_shown() -> None:
    model = make("softmax", lr=0.1)
    assert model.get_params()["lr"] == 0.1
    assert model.set_params(epochs=3).epochs == 3
    assert repr(model) == "SoftmaxClassifier(lr=0.1, epochs=3)"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, y: SoftmaxClassifier("sgd").fit(x, y), "solver is 'sgd'"),
        (lambda x, y: SoftmaxClassifier(normalise="l1").fit(x, y), "normalise is 'l1'"),
        (lambda x, y: SoftmaxClassifier().fit(np.full_like(x, np.nan), y), "NaN"),
        (lambda x, y: SoftmaxClassifier().fit(x, y[:3]), "for 150 rows"),
        (lambda x, y: SoftmaxClassifier().fit(x, y, sample_weight=np.zeros(150)), "sample_weight"),
        (lambda x, y: SoftmaxClassifier().predict(x), "not fitted"),
        (lambda x, y: SoftmaxClassifier().fit(x, y).predict(x[:, :2]), "2 columns where 4"),
        (lambda x, y: SoftmaxClassifier().set_params(learning_rate=1), "no parameter 'learning_rate'"),
        (lambda x, y: SoftmaxClassifier().fit([["a"]], [0]), "not numeric"),
    ],
)
def test_bad_input(data, call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(*data)
