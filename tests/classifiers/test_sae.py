"""SAE: its Sylvester equation, as scipy solves it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import solve_sylvester

from kgzsl.classifiers import SAE
from kgzsl.errors import InputError


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return generator.normal(size=(60, 9)), generator.integers(0, 6, size=60), generator.normal(size=(8, 4))


@pytest.mark.parametrize("lam", [0.01, 1.0, 500.0])
def test_the_map_solves_the_sylvester_equation(data, lam: float) -> None:
    features, labels, priors = data
    model = SAE(lam, normalise="none").fit(features, labels, priors=priors)
    wanted = priors[labels]
    expected = solve_sylvester(wanted.T @ wanted, lam * features.T @ features, (1 + lam) * wanted.T @ features)
    np.testing.assert_allclose(model.coef_.numpy(), expected, rtol=1e-8, atol=1e-10)


def test_it_is_the_minimum_of_the_autoencoders_loss(data) -> None:
    features, labels, priors = data
    lam, wanted = 0.7, priors[labels]
    best = SAE(lam, normalise="none").fit(features, labels, priors=priors).coef_.numpy()

    def loss(coef: np.ndarray) -> float:
        return float(((features - wanted @ coef) ** 2).sum() + lam * ((features @ coef.T - wanted) ** 2).sum())

    generator = np.random.default_rng(1)
    for _ in range(20):
        step = 1e-3 * generator.normal(size=best.shape)
        assert loss(best + step) > loss(best)
        assert loss(best - step) > loss(best)


def test_more_dimensions_than_samples_give_a_finite_map(data) -> None:
    features, labels, priors = data
    model = SAE(normalise="none").fit(features[:3], labels[:3], priors=priors)
    wanted = priors[labels[:3]]
    left = wanted.T @ wanted @ model.coef_.numpy() + model.coef_.numpy() @ features[:3].T @ features[:3]
    np.testing.assert_allclose(left, 2 * wanted.T @ features[:3], atol=1e-8)


def test_the_two_directions_meet_in_their_own_space(data) -> None:
    features, labels, priors = data
    for direction in ("features", "priors"):
        model = SAE(direction=direction, normalise="none").fit(features, labels, priors=priors)
        coef = model.coef_.numpy()
        left, right = (features, priors @ coef) if direction == "features" else (features @ coef.T, priors)
        cosine = (left / np.linalg.norm(left, axis=1, keepdims=True)) @ (
            right / np.linalg.norm(right, axis=1, keepdims=True)
        ).T
        np.testing.assert_allclose(model.decision_function(features).numpy(), cosine, atol=1e-5)


def test_bad_input(data) -> None:
    features, labels, priors = data
    with pytest.raises(InputError, match="direction is 'both'"):
        SAE(direction="both").fit(features, labels, priors=priors)
    with pytest.raises(InputError, match="lam is 0"):
        SAE(lam=0).fit(features, labels, priors=priors)
    with pytest.raises(InputError, match="not fitted"):
        SAE().solve(1.0)
