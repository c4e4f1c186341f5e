"""Classifiers of scikit-learn's own by their import path, as the how-to on components promises."""

from __future__ import annotations

import numpy as np
import pytest

from kgzsl import ZeroShotClassifier
from kgzsl.errors import InputError

SPACE = {
    "sklearn.linear_model:LogisticRegression": {},  # scores, and one number for two classes
    "sklearn.naive_bayes:GaussianNB": {},  # probabilities alone
    "sklearn.ensemble:RandomForestClassifier": {"n_estimators": 5},  # probabilities, and chance
}


def rows(unseen: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    y = np.repeat(np.arange(7), 12)
    priors = random.normal(size=(7, 5)).astype(np.float32)
    x = (priors[y] @ random.normal(size=(5, 8)) + 0.2 * random.normal(size=(len(y), 8))).astype(np.float32)
    return x, y, y < 7 - unseen, priors


@pytest.mark.parametrize("name", SPACE)
@pytest.mark.parametrize("unseen", [1, 3])
def test_it_answers_is_seeded_and_comes_back_from_disk(name: str, unseen: int, tmp_path) -> None:
    x, y, train, priors = rows(unseen)

    def fitted() -> ZeroShotClassifier:
        model = ZeroShotClassifier("linear", name, classifier_options=SPACE[name], samples_per_class=20, device="cpu")
        return model.fit(x[train], y[train], priors)

    model = fitted()
    assert np.isfinite(model.scores(x)).all()
    assert model.score(x[train], y[train]) > 0.8
    if unseen == 1:  # nothing to tell it from
        assert (model.predict(x, candidates="unseen") == 6).all()
    np.testing.assert_array_equal(fitted().scores(x), model.scores(x))
    model.save(tmp_path / "model")
    back = ZeroShotClassifier.load(tmp_path / "model", device="cpu")
    np.testing.assert_array_equal(back.scores(x), model.scores(x))
    np.testing.assert_array_equal(back.scores(x, "unseen"), model.scores(x, "unseen"))
    assert not [file for file in (tmp_path / "model").iterdir() if file.suffix not in (".json", ".safetensors")]


def test_one_that_tells_no_scores_is_refused() -> None:
    x, y, train, priors = rows(3)
    with pytest.raises(InputError, match="no decision_function and no predict_proba"):
        ZeroShotClassifier("linear", f"{__name__}:Dumb", device="cpu").fit(x[train], y[train], priors).predict(x)


class Dumb:
    """Says which class, and never how sure it is."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.repeat(self.classes_[:1], len(X))
