"""GDA: equal to linear discriminant analysis with the same covariance, and its other identities."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator
from sklearn.covariance import OAS, LedoitWolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from kgzsl.classifiers import SoftmaxClassifier
from kgzsl.classifiers.gda import GDA, shrunk_precision
from kgzsl.errors import InputError


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 4, size=120)
    mixing = generator.normal(size=(6, 6))
    return (generator.normal(size=(120, 6)) @ mixing + 2.0 * generator.normal(size=(4, 6))[labels]), labels


@pytest.mark.parametrize(("covariance", "estimator"), [("ledoit_wolf", LedoitWolf), ("oas", OAS)])
def test_shrinkage_agrees_with_scikit_learn(data, covariance: str, estimator) -> None:
    centred = data[0] - np.array([data[0][data[1] == c].mean(axis=0) for c in range(4)])[data[1]]
    expected = np.linalg.inv(estimator(assume_centered=True).fit(centred).covariance_)
    np.testing.assert_allclose(shrunk_precision(torch.as_tensor(centred), covariance), expected, rtol=2e-4, atol=1e-6)


def test_ks_is_the_formula_of_the_paper(data) -> None:
    centred = torch.as_tensor(data[0] - data[0].mean(axis=0))
    spread = np.cov(centred.numpy(), rowvar=False)
    expected = 6 * np.linalg.inv(119 * spread + np.trace(spread) * np.eye(6))
    np.testing.assert_allclose(shrunk_precision(centred, "ks"), expected, rtol=1e-5)


def test_agrees_with_linear_discriminant_analysis(data) -> None:
    features, labels = data
    ours = GDA(covariance="empirical", class_prior="empirical").fit(features, labels)
    theirs = LinearDiscriminantAnalysis(solver="lsqr").fit(features, labels)
    np.testing.assert_allclose(ours.predict_proba(features), theirs.predict_proba(features), atol=2e-4)


@pytest.mark.parametrize("covariance", ["ks", "oas", "ledoit_wolf"])
def test_agrees_with_linear_discriminant_analysis_of_the_same_covariance(data, covariance: str) -> None:
    features, labels = data
    centred = features - np.array([features[labels == c].mean(axis=0) for c in range(4)])[labels]
    shared = np.linalg.inv(shrunk_precision(torch.as_tensor(centred), covariance).numpy())

    class Given(BaseEstimator):
        def fit(self, X):
            self.covariance_ = shared
            return self

    ours = GDA(covariance, class_prior="empirical").fit(features, labels)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", covariance_estimator=Given()).fit(features, labels)
    np.testing.assert_allclose(ours.predict_proba(features), theirs.predict_proba(features), atol=2e-4)
    plain = LinearDiscriminantAnalysis(solver="lsqr").fit(features, labels)
    assert not np.allclose(ours.predict_proba(features), plain.predict_proba(features), atol=2e-4)


def test_alpha_zero_leaves_the_zero_shot_head(data) -> None:
    features, labels = data
    expert = np.random.default_rng(1).normal(size=(120, 4))
    model = GDA(alpha=0.0).fit(features, labels)
    assert model.predict(features, zero_shot=expert).tolist() == expert.argmax(axis=1).tolist()
    assert (
        GDA(alpha=1.0).fit(features, labels).predict(features, zero_shot=expert).tolist() != expert.argmax(1).tolist()
    )


@pytest.mark.parametrize("covariance", ["ks", "ledoit_wolf", "oas", "empirical"])
def test_a_rotation_of_the_features_changes_nothing(data, covariance: str) -> None:
    features, labels = data
    rotation = np.linalg.qr(np.random.default_rng(2).normal(size=(6, 6)))[0]
    plain = GDA(covariance).fit(features, labels).predict_proba(features)
    turned = GDA(covariance).fit(features @ rotation, labels).predict_proba(features @ rotation)
    np.testing.assert_allclose(plain, turned, atol=2e-4)


def test_labels_may_be_strings(data) -> None:
    features, labels = data
    names = np.array(["oak", "ash", "elm", "fir"])[labels]
    model = GDA().fit(features, names)
    assert set(model.predict(features)) <= set(names)
    assert (model.predict(features) == names).mean() > 0.9


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GDA("lw").fit([[0.0, 1.0], [1.0, 0.0]], [0, 1]), "covariance is 'lw'"),
        (lambda: GDA().fit([[0.0], [1.0]], [0]), "for 2 rows"),
        (lambda: GDA().fit([[0.0], [float("nan")]], [0, 1]), "row 1"),
        (lambda: GDA().fit([[1.0], [1.0]], [0, 0]), "no covariance"),
        (lambda: GDA(class_prior="flat").fit([[1.0], [2.0]], [0, 0]), "class_prior is 'flat'"),
        (lambda: GDA().set_params(beta=1), "no parameter 'beta'"),
    ],
)
def test_bad_input(make, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize("kind", [GDA, SoftmaxClassifier])
def test_a_class_with_a_longer_name_keeps_it(kind) -> None:
    rows = np.eye(3, 4).repeat(6, axis=0) + 0.1 * np.random.default_rng(0).normal(size=(18, 4))
    names = np.array(["ash", "elm"]).repeat(6)
    model = kind().fit(rows[:12], names)
    if kind is GDA:
        model.add_class("chestnut", rows[12:])
    else:
        model.add_class("chestnut", rows[12:], rows[:12])
    assert model.classes_.tolist() == ["ash", "chestnut", "elm"]
    assert (model.predict(rows[12:]) == "chestnut").mean() > 0.8
    with pytest.raises(InputError, match="another type"):
        kind().fit(rows[:12], names).add_class(7, *([rows[12:]] if kind is GDA else [rows[12:], rows[:12]]))


def test_shares_of_classes_stay_uniform_when_one_joins() -> None:
    random = np.random.default_rng(5)
    x, y = random.normal(size=(40, 4)), np.repeat([0, 1], 20)
    model = GDA().fit(x, y).add_class(2, random.normal(size=(9, 4)) + 2.0)
    quadratic = -0.5 * (model.coef_ * model.means_).sum(dim=1)
    torch.testing.assert_close(model.intercept_ - quadratic, torch.full((3,), -float(np.log(3.0))))
