"""A class that is added answers as if it had been there from the start."""

from __future__ import annotations

import numpy as np
import pytest

from kgzsl import ZeroShotClassifier
from kgzsl.knowledge import ClassPriors

NAMES = tuple(f"c{i}" for i in range(9))
SEEN, DIM = 6, 12


def world() -> tuple[np.ndarray, np.ndarray, ClassPriors, np.ndarray]:
    random = np.random.default_rng(0)
    prior = (random.random((9, 6)) < 0.5).astype(np.float32) + 0.1
    mixing = random.normal(size=(6, DIM))
    labels = np.repeat(np.arange(9), 20)
    x = np.maximum(prior[labels] @ mixing + 0.3 * random.normal(size=(180, DIM)), 0).astype(np.float32)
    names = np.array(NAMES)[labels]
    train = labels < SEEN
    return x[train], names[train], ClassPriors(NAMES, prior), x


def without_last(priors: ClassPriors) -> ClassPriors:
    return ClassPriors(priors.names[:-1], priors.matrix[:-1])


@pytest.mark.parametrize("classifier", ["eszsl", "sae", "nearest-prior"])
def test_an_analytic_head_gives_the_same_scores(classifier: str) -> None:
    x, y, priors, everything = world()
    joint = ZeroShotClassifier(None, classifier).fit(x, y, priors)
    added = ZeroShotClassifier(None, classifier).fit(x, y, without_last(priors))
    added.add_class("c8", prior_row=priors["c8"])
    for candidates in ("all", "unseen"):
        expected, given = (
            joint.decision_function(everything, candidates),
            added.decision_function(everything, candidates),
        )
        np.testing.assert_allclose(given, expected, atol=1e-6)


@pytest.mark.slow
def test_the_generator_path_stays_within_the_spread_of_seeds() -> None:
    """The generator never sees unseen priors, so the class that came later is generated and trained the same way."""
    x, y, priors, everything = world()
    true = np.repeat(np.array(NAMES), 20)
    test = np.isin(true, NAMES[SEEN:])
    options = {"hidden": 16, "epochs": 8, "batch_size": 32, "lr": 0.003}

    def model(seed: int) -> ZeroShotClassifier:
        head = {"epochs": 10, "lr": 0.02}
        return ZeroShotClassifier(
            "wgan",
            samples_per_class=20,
            generator_options=options,
            classifier_options=head,
            seed=seed,
            device="cpu",
            precision="32-true",
        )

    joint = [model(seed).fit(x, y, priors) for seed in range(3)]
    reached = [one.score(everything[test], true[test], "unseen") for one in joint]
    added = model(0).fit(x, y, without_last(priors)).add_class("c8", prior_row=priors["c8"])
    given = added.score(everything[test], true[test], "unseen")
    assert abs(given - reached[0]) <= max(np.ptp(reached), 1e-9)
    # Stronger: the same seed draws the same features, so even the answers are those of the joint model.
    np.testing.assert_allclose(added.synthesise("c8", 5), joint[0].synthesise("c8", 5), atol=1e-5)
