"""The nearest prior after ridge regression, as scikit-learn does it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from kgzsl.classifiers import NearestPrior
from kgzsl.errors import InputError


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return generator.normal(size=(60, 9)) + 2, generator.integers(0, 6, size=60), generator.normal(size=(8, 4)) + 1


@pytest.mark.parametrize("direction", ["features", "priors"])
@pytest.mark.parametrize("centre", [True, False])
def test_euclidean_scores_are_distances_after_scikit_learns_ridge(data, direction: str, centre: bool) -> None:
    features, labels, priors = data
    weights = np.random.default_rng(1).uniform(0.2, 2, size=60)
    weights /= weights.mean()
    model = NearestPrior(3.0, direction, "euclidean", centre, normalise="none")
    model.fit(features, labels, priors=priors, sample_weight=weights)
    ridge = Ridge(alpha=3.0, fit_intercept=centre)
    if direction == "priors":
        ridge.fit(features, priors[labels], sample_weight=weights)
        left, right = ridge.predict(features), priors
    else:
        ridge.fit(priors[labels], features, sample_weight=weights)
        left, right = features, ridge.predict(priors)
    expected = -np.linalg.norm(left[:, None] - right[None], axis=2)
    np.testing.assert_allclose(model.decision_function(features).numpy(), expected, atol=1e-4)


def test_cosine_is_taken_about_the_means(data) -> None:
    features, labels, priors = data
    model = NearestPrior(direction="priors", normalise="none").fit(features, labels, priors=priors)
    left = Ridge(alpha=1.0).fit(features, priors[labels]).predict(features) - priors[labels].mean(0)
    right = priors - priors[labels].mean(0)
    cosine = (left @ right.T) / np.outer(np.linalg.norm(left, axis=1), np.linalg.norm(right, axis=1))
    np.testing.assert_allclose(model.decision_function(features).numpy(), cosine, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"direction": "up"}, "direction is 'up'"), ({"metric": "l1"}, "metric is 'l1'"), ({"lam": -1}, "lam is -1")],
)
def test_bad_input(data, options: dict, message: str) -> None:
    features, labels, priors = data
    with pytest.raises(InputError, match=message):
        NearestPrior(**options).fit(features, labels, priors=priors)


@pytest.mark.parametrize("weights", [np.zeros(60), np.full(60, -1.0), np.ones(3), np.full(60, np.nan)])
def test_bad_weights(data, weights: np.ndarray) -> None:
    features, labels, priors = data
    with pytest.raises(InputError, match="sample_weight"):
        NearestPrior().fit(features, labels, priors=priors, sample_weight=weights)
