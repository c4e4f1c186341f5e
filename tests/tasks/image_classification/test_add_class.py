"""A class that is added answers as if it had been there from the start."""

from __future__ import annotations

import numpy as np
import pytest

from kgzsl import ZeroShotClassifier
from kgzsl.knowledge import ClassPriors

NAMES = tuple(f"c{i}" for i in range(9))
SEEN, DIM = 6, 12


def world() -> tuple[np.ndarray, np.ndarray, ClassPriors, np.ndarray]:
    random = np.random.default_rng(3)
    prior = (random.random((9, 6)) < 0.5).astype(np.float32) + 0.1
    mixing = random.normal(size=(6, DIM))
    labels = np.repeat(np.arange(9), 20)
    x = np.maximum(prior[labels] @ mixing + 0.3 * random.normal(size=(180, DIM)), 0).astype(np.float32)
    names = np.array(NAMES)[labels]
    train = labels < SEEN
    return x[train], names[train], ClassPriors(NAMES, prior), x


def without_last(priors: ClassPriors) -> ClassPriors:
    return ClassPriors(priors.names[:-1], priors.matrix[:-1])


def known_world() -> tuple[np.ndarray, np.ndarray, ClassPriors, np.ndarray]:
    """One in which 20 seen classes say enough of the 4 others for a closed-form generator to make them well."""
    random = np.random.default_rng(3)
    prior = random.normal(size=(24, 4)).astype(np.float32)
    labels = np.repeat(np.arange(24), 20)
    x = (prior[labels] @ random.normal(size=(4, DIM)) + 0.2 * random.normal(size=(480, DIM))).astype(np.float32)
    names = np.array([f"c{i}" for i in range(24)])
    train = labels < 20
    return x[train], names[labels][train], ClassPriors(tuple(names), prior), x


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Call ``setattr`` of it once models are fitted: from then on no head may be trained."""
    return monkeypatch


def forbid_training(patch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a head was trained again")

    patch.setattr("kgzsl.tasks.image_classification._heads.Head.fit", refuse)


@pytest.mark.parametrize("classifier", ["eszsl", "sae", "nearest-prior", "ale", "conse"])
def test_an_analytic_head_gives_the_same_scores(classifier: str, untrained: pytest.MonkeyPatch) -> None:
    x, y, priors, everything = world()
    joint = ZeroShotClassifier(None, classifier).fit(x, y, priors)
    added = ZeroShotClassifier(None, classifier).fit(x, y, without_last(priors))
    forbid_training(untrained)
    added.add_class("c8", prior_row=priors["c8"])
    for candidates in ("all", "unseen"):
        expected, given = (
            joint.decision_function(everything, candidates),
            added.decision_function(everything, candidates),
        )
        np.testing.assert_allclose(given, expected, atol=1e-6)


def test_a_recursive_head_gives_the_same_scores_on_generated_features(untrained: pytest.MonkeyPatch) -> None:
    x, y, priors, everything = world()
    options = {"samples_per_class": 20, "device": "cpu", "precision": "32-true"}
    joint = ZeroShotClassifier("linear", "analytic", **options).fit(x, y, priors)
    added = ZeroShotClassifier("linear", "analytic", **options).fit(x, y, without_last(priors))
    forbid_training(untrained)
    added.add_class("c8", prior_row=priors["c8"])
    for candidates in ("all", "unseen"):
        expected = joint.decision_function(everything, candidates)
        np.testing.assert_allclose(added.decision_function(everything, candidates), expected, atol=1e-6)


@pytest.mark.parametrize("classifier", ["softmax", "gda"])
def test_other_heads_learn_it_beside_what_they_know(classifier: str, untrained: pytest.MonkeyPatch) -> None:
    x, y, priors, everything = known_world()
    true = np.repeat(np.array(priors.names), 20)
    head = {"softmax": {"epochs": 20, "lr": 0.02}, "gda": {}}[classifier]

    def model(seed: int) -> ZeroShotClassifier:
        options = {"samples_per_class": 60, "classifier_options": head, "seed": seed}
        return ZeroShotClassifier("linear", classifier, device="cpu", precision="32-true", **options)

    joint = [model(seed).fit(x, y, priors) for seed in range(3)]
    added = model(0).fit(x, y, without_last(priors))
    forbid_training(untrained)
    before = added.decision_function(everything)
    added.add_class("c23", prior_row=priors["c23"])
    after = added.decision_function(everything)
    # The others keep what they knew (Gaussian scores move together, by the share of one class more).
    np.testing.assert_allclose(np.diff(after[:, :-1]), np.diff(before), atol=1e-4)
    for candidates, rows in (("unseen", np.isin(true, priors.names[20:])), ("all", np.full(len(true), True))):
        reached = [one.score(everything[rows], true[rows], candidates) for one in joint]
        given = added.score(everything[rows], true[rows], candidates)
        # A closed-form generator leaves little to the seed: five rows are allowed beside its spread.
        assert abs(given - reached[0]) <= max(np.ptp(reached), 5 / rows.sum())
        new = true == "c23"
        assert (added.predict(everything[new], candidates) == "c23").mean() >= 0.9
        assert min((one.predict(everything[new], candidates) == "c23").mean() for one in joint) >= 0.9


def test_a_saved_model_takes_a_class_as_well_as_the_one_in_memory(tmp_path) -> None:
    x, y, priors, everything = world()
    for generator, classifier in ((None, "eszsl"), ("linear", "gda"), ("linear", "softmax"), ("linear", "analytic")):
        options = {"samples_per_class": 20, "device": "cpu", "precision": "32-true"}
        fitted = ZeroShotClassifier(generator, classifier, **options).fit(x, y, without_last(priors))
        fitted.save(tmp_path / classifier)
        read = ZeroShotClassifier.load(tmp_path / classifier, device="cpu")
        both = [one.add_class("c8", prior_row=priors["c8"]).decision_function(everything) for one in (fitted, read)]
        np.testing.assert_allclose(*both, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_the_generator_path_stays_within_the_spread_of_seeds() -> None:
    """The generator never sees unseen priors, so the class that came later is generated and trained the same way."""
    x, y, priors, everything = world()
    true = np.repeat(np.array(NAMES), 20)
    test = np.isin(true, NAMES[SEEN:])
    options = {"hidden": 32, "epochs": 40, "batch_size": 32, "lr": 0.003}

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
    added = [model(seed).fit(x, y, without_last(priors)).add_class("c8", prior_row=priors["c8"]) for seed in range(3)]
    given = [one.score(everything[test], true[test], "unseen") for one in added]
    assert np.ptp(reached) > 0
    assert np.abs(np.subtract(given, reached)).max() <= np.std(reached)
    # Stronger: the same seed draws the same features, so even the answers are those of the joint model.
    np.testing.assert_allclose(added[0].synthesise("c8", 5), joint[0].synthesise("c8", 5), atol=1e-5)
