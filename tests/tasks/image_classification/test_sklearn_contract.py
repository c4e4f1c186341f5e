"""The estimator in scikit-learn's hands: its checks where the contract applies, pipelines, cross-validation, clones."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from kgzsl import ZeroShotClassifier
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassPriors

_PRIORS = "labels are those of the priors: others, real or complex or as a column, are refused, in words of our own"
_WORDS = "it is refused, in words of our own"
# Every check of scikit-learn that does not apply, and why. All others must pass.
EXPECTED = {
    "check_classifiers_classes": _PRIORS,
    "check_classifiers_regression_target": _PRIORS,
    "check_classifiers_train": "a wrong number of columns is told in words of our own",
    "check_complex_data": _PRIORS,
    "check_dtype_object": _PRIORS,
    "check_estimator_sparse_array": "sparse features are taken, and made dense",
    "check_estimator_sparse_matrix": "sparse features are taken, and made dense",
    "check_estimator_sparse_tag": "sparse features are taken, and made dense",
    "check_estimators_empty_data_messages": _WORDS,
    "check_estimators_nan_inf": _PRIORS,
    "check_estimators_unfitted": "what is not fitted raises InputError, a ValueError, with the remedy",
    "check_fit2d_predict1d": _WORDS,
    "check_n_features_in_after_fitting": _WORDS,
    "check_requires_y_none": _WORDS,
    "check_supervised_y_2d": _PRIORS,
}


def world() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    y = np.repeat(np.arange(5), 20)
    priors = random.normal(size=(7, 4)).astype(np.float32)
    return priors[y] @ random.normal(size=(4, 10)) + 0.2 * random.normal(size=(100, 10)), y, priors


@pytest.mark.slow
def test_scikit_learns_own_checks() -> None:
    options = {"normalise": "none"}
    estimator = ZeroShotClassifier(None, "eszsl", priors=np.eye(3, dtype=np.float32), classifier_options=options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(estimator, expected_failed_checks=EXPECTED, on_fail=None)
    wrong = {one["check_name"]: one["exception"] for one in results if one["status"] == "failed"}
    assert not wrong
    assert sum(one["status"] == "passed" for one in results) >= 35


def test_a_pipeline_cross_validates() -> None:
    x, y, priors = world()
    model = make_pipeline(StandardScaler(), ZeroShotClassifier(None, "eszsl", priors=priors))
    assert cross_val_score(model, x, y, cv=3).min() > 0.5  # 1 in 7 by chance


def test_a_search_changes_options_and_keeps_names() -> None:
    x, y, priors = world()
    names = np.array([f"c{i}" for i in range(7)])
    model = ZeroShotClassifier(None, "eszsl", priors=ClassPriors(tuple(names), priors))
    grid = {"classifier": ["eszsl", "sae"], "classifier_options": [{}]}
    search = GridSearchCV(model, grid, cv=3).fit(x, names[y])
    assert len(search.cv_results_["params"]) == 2
    assert search.best_score_ > 0.5
    assert set(search.predict(x)) <= set(names)


def test_a_clone_has_the_options_and_nothing_learnt() -> None:
    x, y, priors = world()
    model = ZeroShotClassifier(None, "eszsl", priors=priors, seed=3).fit(x, y)
    again = clone(model)
    assert is_classifier(again)
    assert again.seed == 3
    np.testing.assert_array_equal(again.priors, priors)
    with pytest.raises(InputError, match="not fitted"):
        again.predict(x)
    assert "priors" not in repr(model)


def test_without_any_priors_it_says_so() -> None:
    x, y, _ = world()
    with pytest.raises(InputError, match="no priors"):
        ZeroShotClassifier(None, "eszsl").fit(x, y)


def test_priors_of_the_constructor_do_not_hinder_saving(tmp_path) -> None:
    x, y, priors = world()
    model = ZeroShotClassifier(None, "eszsl", priors=priors).fit(x, y)
    model.save(tmp_path / "model")
    read = ZeroShotClassifier.load(tmp_path / "model", device="cpu")
    np.testing.assert_array_equal(read.predict(x), model.predict(x))
