"""Every option of a ``ZeroShotClassifier``, and of its parts: what does not fit is told before anything is trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kgzsl.errors import InputError
from kgzsl.generators import WGAN
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.tasks.image_classification import ZeroShotClassifier
from tests.wrong_values import wrong_values

PRIORS = ClassPriors(("a", "b", "c"), np.random.default_rng(0).normal(size=(3, 2)))
ROWS, LABELS = np.random.default_rng(1).normal(size=(12, 4)), np.repeat(["a", "b"], 6)


def fit(**options: Any) -> ZeroShotClassifier:
    return ZeroShotClassifier(**{"device": "cpu", "precision": "32-true", **options}).fit(ROWS, LABELS, PRIORS)


@pytest.mark.parametrize(
    ("name", "value"),
    # Priors are looked at where they are used; of a name that nothing has, the kind is told.
    [case for case in wrong_values(ZeroShotClassifier, ("classifier", "generator")) if case[0] != "priors"],
)
def test_the_option_is_named(name: str, value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WGAN, "fit", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises(InputError, match=rf"\b{name}\b.*; |name of a (classifier|generator) is|called 'abc'") as caught:
        fit(**{name: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"generator_options": {"hidden": "big"}}, "hidden is 'big'; give a whole number"),
        ({"classifier_options": {"lr": "abc"}}, "lr is 'abc'; give a number above 0"),
        ({"prior_head": "eszsl", "prior_options": {"gamma": None}}, "gamma is None"),
        ({"classifier": "cascade", "classifier_options": {"options": {"lr": -1}}}, "lr is -1"),
        ({"classifier": "sofmax"}, "did you mean softmax"),
        ({"prior_weight": float("inf")}, "prior_weight is inf"),
        ({"samples_per_class": 2.0}, "samples_per_class is 2.0"),
        ({"relevance": {"metric": "hop"}}, "metric of relevance is 'hop'; choose hops, .* did you mean 'hops'"),
        ({"relevance": {"metric": "hop", "graph": ClassGraph.from_triples([("a", "r", "b")])}}, "did you mean 'hops'"),
        ({"relevance": {"metric": "priors", "strength": "much"}}, "strength is 'much'"),
    ],
)
def test_options_of_the_parts_are_told_before_training(
    options: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WGAN, "fit", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises(InputError, match=words):
        fit(**options)


def test_an_infinite_bias_and_numbers_of_numpy_are_fine() -> None:
    first, second = (
        fit(generator="linear", classifier="gda", samples_per_class=n, seed=s, unseen_bias=bias, balanced=flag)
        for n, s, bias, flag in (
            (5, 3, np.inf, True),
            (np.int64(5), np.int64(3), np.float32("inf"), np.bool_(True)),
        )
    )
    np.testing.assert_array_equal(second.decision_function(ROWS), first.decision_function(ROWS))
    assert set(first.predict(ROWS)) == {"c"}
