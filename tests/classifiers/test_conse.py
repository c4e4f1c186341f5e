"""ConSE: the mixture by its formula."""

from __future__ import annotations

import numpy as np
import pytest

from kgzsl.classifiers import ConSE, SoftmaxClassifier
from kgzsl.errors import InputError


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(6), 10)
    return generator.normal(size=(6, 9))[labels] + generator.normal(size=(60, 9)), labels, generator.normal(size=(9, 4))


def cosine(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return (left @ right.T) / np.outer(np.linalg.norm(left, axis=1), np.linalg.norm(right, axis=1))


@pytest.mark.parametrize("top", [1, 3, 6, 50])
def test_scores_are_cosines_of_the_mixture(data, top: int) -> None:
    features, labels, priors = data
    model = ConSE(top, normalise="none").fit(features, labels, priors=priors)
    shares = SoftmaxClassifier(lr=1e-2).fit(features, labels).predict_proba(features)
    for row in shares:
        row[np.argsort(-row)[top:]] = 0.0
    mixture = (shares / shares.sum(1, keepdims=True)) @ priors[:6]
    np.testing.assert_allclose(model.decision_function(features).numpy(), cosine(mixture, priors), atol=1e-4)


def test_one_seen_class_alone_answers_with_its_nearest_candidate(data) -> None:
    features, labels, priors = data
    model = ConSE(1, normalise="none").fit(features, labels, priors=priors)
    nearest = 6 + cosine(priors[:6], priors[6:]).argmax(1)
    seen = SoftmaxClassifier(lr=1e-2).fit(features, labels).predict(features)
    assert model.predict(features, "unseen").tolist() == nearest[seen].tolist()


def test_bad_input(data) -> None:
    features, labels, priors = data
    with pytest.raises(InputError, match="top is 0"):
        ConSE(0).fit(features, labels, priors=priors)
