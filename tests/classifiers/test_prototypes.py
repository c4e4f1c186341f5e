"""Gaussian prototypes: the ridge map, the errors of left-out classes, metric and scores, each against a formula."""

from __future__ import annotations

import numpy as np
import pytest

from kgzsl.classifiers import GaussianPrototypes
from kgzsl.errors import InputError

CLASSES, SEEN, ROWS = 11, 8, 12


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    priors, labels = random.normal(size=(CLASSES, 4)) + 1, np.repeat(np.arange(SEEN), ROWS)
    features = priors[labels] @ random.normal(size=(4, 6)) + 0.5 * random.normal(size=(len(labels), 6)) + 2
    return features, labels, priors


def means_of(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.stack([features[labels == c].mean(0) for c in np.unique(labels)])


def ridge_map(known: np.ndarray, deviations: np.ndarray, penalty: float) -> np.ndarray:
    return np.linalg.solve(known.T @ known + penalty * np.eye(known.shape[1]), known.T @ deviations)


def parts(data, ridge: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Deviations of all prototypes, centre, covariance within, covariance of left-out errors, mean variance."""
    features, labels, priors = data
    means = means_of(features, labels)
    centre, known = means.mean(0), priors[:SEEN] - priors[:SEEN].mean(0)
    penalty = ridge * (known**2).sum(1).mean()
    predicted = (priors[SEEN:] - priors[:SEEN].mean(0)) @ ridge_map(known, means - centre, penalty)
    missed = np.zeros_like(means)
    for left in range(SEEN):
        rest = np.arange(SEEN) != left
        missed[left] = means[left] - centre - known[left] @ ridge_map(known[rest], (means - centre)[rest], penalty)
    within = features - means[labels]
    spread = within.T @ within / len(within)
    return np.vstack([means - centre, predicted]), centre, spread, missed.T @ missed / SEEN, np.trace(spread) / 6


def test_prototypes_and_metric_are_those_of_the_normal_equations(data) -> None:
    features, labels, priors = data
    model = GaussianPrototypes(ridge=0.2, mean_error=0.7, shrinkage=0.4, normalise="none")
    model.fit(features, labels, priors=priors)
    deviations, centre, spread, wrong, unit = parts(data, 0.2)
    np.testing.assert_allclose(model.prototypes().numpy(), deviations + centre, atol=1e-9)
    expected = np.linalg.inv(spread + 0.7 * wrong + 0.4 * unit * np.eye(6))
    np.testing.assert_allclose(model.precision_.numpy(), expected, rtol=1e-8)


def test_scores_are_cosines_about_the_centre_and_those_of_seen_classes_have_a_discriminant(data) -> None:
    features, labels, priors = data
    model = GaussianPrototypes(ridge=0.2, seen_weight=0.3, normalise="none").fit(features, labels, priors=priors)
    deviations, centre, spread, wrong, unit = parts(data, 0.2)
    metric = np.linalg.inv(spread + wrong + unit * np.eye(6))
    length = np.sqrt(np.einsum("cd,de,ce->c", deviations, metric, deviations))
    cosines = (features - centre) @ metric @ (deviations / length[:, None]).T
    sharp = np.linalg.inv(spread + 0.1 * unit * np.eye(6))
    own = deviations[:SEEN]
    density = (features - centre) @ sharp @ own.T - 0.5 * np.einsum("cd,de,ce->c", own, sharp, own)
    scale = cosines[:, :SEEN].std(1, ddof=1).mean() / density.std(1, ddof=1).mean()
    found = model.decision_function(features).numpy()
    np.testing.assert_allclose(found[:, SEEN:], cosines[:, SEEN:], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[:, :SEEN], cosines[:, :SEEN] + 0.3 * scale * density, rtol=1e-4, atol=1e-4)
    names = [9, 2, 10]
    np.testing.assert_array_equal(model.decision_function(features, names).numpy(), found[:, names])


def test_gaussian_scores_order_classes_as_the_densities_do(data) -> None:
    features, labels, priors = data
    model = GaussianPrototypes(ridge=0.2, metric="gaussian", seen_weight=0.0, normalise="none")
    model.fit(features, labels, priors=priors)
    away = features[:, None] - model.prototypes().numpy()[None]
    density = -0.5 * np.einsum("ncd,de,nce->nc", away, model.precision_.numpy(), away)
    found = model.decision_function(features).numpy()
    np.testing.assert_allclose(found - found[:, :1], density - density[:, :1], rtol=1e-4, atol=1e-4)


def test_directions_that_the_priors_tell_nothing_of_count_less() -> None:
    """Two thirds of the features follow the priors; the rest move with the class as well, by chance."""
    random = np.random.default_rng(1)
    priors, labels = random.normal(size=(40, 5)), np.repeat(np.arange(40), 20)
    told, chance = priors @ random.normal(size=(5, 10)), 6 * random.normal(size=(40, 5))
    features = np.hstack([told, chance])[labels] + random.normal(size=(800, 15))
    seen = labels < 30

    def accuracy(mean_error: float) -> float:
        model = GaussianPrototypes(ridge=0.1, mean_error=mean_error, normalise="none")
        model.fit(features[seen], labels[seen], priors=priors)
        return float((model.predict(features[~seen], "unseen") == labels[~seen]).mean())

    assert accuracy(1.0) > accuracy(0.0) + 0.1


def test_a_power_is_a_transform_of_the_features(data) -> None:
    features, labels, priors = data
    rooted = np.sign(features) * np.sqrt(np.abs(features))
    with_power = GaussianPrototypes(power=0.5).fit(features, labels, priors=priors)
    by_hand = GaussianPrototypes().fit(rooted, labels, priors=priors)
    np.testing.assert_allclose(
        with_power.decision_function(features).numpy(), by_hand.decision_function(rooted).numpy(), rtol=1e-4, atol=1e-5
    )
    plain = GaussianPrototypes().fit(features, labels, priors=priors)
    assert not np.allclose(plain.decision_function(features).numpy(), by_hand.decision_function(rooted).numpy())


def test_the_ridge_is_the_one_that_misses_left_out_classes_least(data) -> None:
    features, labels, priors = data
    chosen = GaussianPrototypes(ridge="auto", normalise="none").fit(features, labels, priors=priors)
    tried = [GaussianPrototypes(ridge=r, normalise="none").fit(features, labels, priors=priors) for r in (1e-4, 1, 100)]
    assert chosen.left_out_ < min(model.left_out_ for model in tried)
    assert chosen.left_out_ < 0.5


def test_a_class_can_be_added(data) -> None:
    features, labels, priors = data
    whole = GaussianPrototypes().fit(features, labels, priors=priors)
    part = GaussianPrototypes().fit(features, labels, priors=priors[:-1]).add_class(CLASSES - 1, priors[-1])
    np.testing.assert_allclose(
        part.decision_function(features).numpy(), whole.decision_function(features).numpy(), rtol=1e-4, atol=1e-6
    )


def test_one_class_and_priors_that_are_all_alike_are_answered(data) -> None:
    features, labels, priors = data
    one = GaussianPrototypes().fit(features[:ROWS], labels[:ROWS], priors=priors)
    assert np.isfinite(one.decision_function(features).numpy()).all()
    alike = GaussianPrototypes().fit(features, labels, priors=np.ones((CLASSES, 2)))
    assert alike.left_out_ == 1.0
    assert (alike.predict(features, "seen") == labels).mean() > 0.8
    same = GaussianPrototypes().fit(np.ones((4, 3)), [0, 0, 1, 1], priors=np.eye(3))
    assert np.isfinite(same.decision_function(np.ones((2, 3))).numpy()).all()


BAD = {"power": 0, "ridge": "much", "mean_error": -1, "shrinkage": 0, "metric": "l1", "seen_weight": -0.1}


@pytest.mark.parametrize("options", [*({name: value} for name, value in BAD.items()), {"ridge": 0}])
def test_bad_options(data, options: dict) -> None:
    features, labels, priors = data
    with pytest.raises(InputError, match=next(iter(options))):
        GaussianPrototypes(**options).fit(features, labels, priors=priors)
