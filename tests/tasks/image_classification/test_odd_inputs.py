"""Odd inputs: each works, or is refused in one clear line."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch

from kgzsl.errors import InputError
from kgzsl.knowledge import ClassPriors
from kgzsl.tasks.image_classification import ZeroShotClassifier

pytestmark = pytest.mark.filterwarnings("ignore::kgzsl.generators.health.CollapseWarning")
WGAN: dict[str, Any] = {"hidden": 8, "epochs": 1, "batch_size": 16}
METHODS = [
    ("linear", "gda", {}),
    ("wgan", "softmax", WGAN),
    ("tf-vaegan", "gda", WGAN),
    (None, "eszsl", {}),
]


def data(classes: int = 5, rows: int = 6) -> tuple[np.ndarray, np.ndarray, ClassPriors]:
    random = np.random.default_rng(0)
    names = tuple(f"c{i}" for i in range(classes + 2))
    priors = random.normal(size=(classes + 2, 3)).astype(np.float32)
    labels = np.repeat(np.arange(classes), rows)
    features = priors[labels] @ random.normal(size=(3, 8)) + 0.2 * random.normal(size=(len(labels), 8))
    return features.astype(np.float32), np.array(names)[labels], ClassPriors(names, priors)


def model(method: tuple[Any, str, dict[str, Any]]) -> ZeroShotClassifier:
    generator, classifier, options = method
    return ZeroShotClassifier(
        generator,
        classifier,
        samples_per_class=8,
        generator_options=options,
        classifier_options={"epochs": 3} if classifier == "softmax" else None,
        device="cpu",
        precision="32-true",
    )


def every(test: Any) -> Any:
    return pytest.mark.parametrize("method", METHODS, ids=lambda m: f"{m[0]}-{m[1]}")(test)


@every
def test_seen_classes_only(method: Any) -> None:
    x, y, priors = data()
    fitted = model(method).fit(x, y, priors.align(priors.names[:5]))
    assert set(fitted.predict(x)) <= set(y)
    assert fitted.unseen_ == []
    with pytest.raises(InputError, match="there is no unseen class"):
        fitted.predict(x, "unseen")


@every
def test_one_seen_and_one_unseen_class(method: Any) -> None:
    x, y, priors = data()
    fitted = model(method).fit(x[:6], y[:6], priors.align(["c0", "c6"]))
    assert set(fitted.predict(x)) <= {"c0", "c6"}
    assert set(fitted.predict(x, "unseen")) == {"c6"}
    assert set(fitted.predict(x, ["c0"])) == {"c0"}


@every
def test_one_class_at_all(method: Any) -> None:
    x, y, priors = data()
    fitted = model(method).fit(x[:6], y[:6], priors.align(["c0"]))
    assert set(fitted.predict(x)) == {"c0"}
    np.testing.assert_allclose(fitted.predict_proba(x), 1.0)


@every
def test_one_sample_of_each_class(method: Any) -> None:
    x, y, priors = data(rows=1)
    fitted = model(method).fit(x, y, priors)
    assert fitted.predict(x).shape == (5,)
    assert set(fitted.predict(x, "unseen")) <= {"c5", "c6"}
    assert np.isfinite(fitted.predict_proba(x)).all()


@every
def test_an_unseen_class_with_the_prior_of_another_is_told_and_answered(method: Any) -> None:
    x, y, priors = data()
    matrix = priors.matrix.copy()
    matrix[6] = matrix[2]
    with pytest.warns(UserWarning, match="'c2' and 'c6' have the same prior"):
        fitted = model(method).fit(x, y, ClassPriors(priors.names, matrix))
    assert np.isfinite(fitted.predict_proba(x)).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.filterwarnings("ignore", "lbfgs|.*collapse.*|.*prior is ignored.*")
        model(method).fit(x, y, priors)


@every
def test_the_same_answer_for_every_kind_of_input(method: Any) -> None:
    pandas = pytest.importorskip("pandas")
    x, y, priors = data()
    expected = model(method).fit(x, y, priors).scores(x)
    rows = np.array([priors.names.index(name) for name in y])
    kinds = [
        (torch.from_numpy(x), list(y), priors),
        (pandas.DataFrame(x), pandas.Series(y), priors),
        (pandas.DataFrame(x), pandas.Series(y, dtype="category"), priors),
        (x.tolist(), rows, priors),
        (x.astype(np.float64), torch.from_numpy(rows), priors.matrix),
    ]
    for features, labels, given in kinds:
        found = model(method).fit(features, labels, given)
        if given is priors:  # a class's synthetic features are drawn by its name
            np.testing.assert_allclose(found.scores(features), expected, rtol=1e-3, atol=1e-3)
        else:
            assert found.predict(features).dtype.kind == "i"


def test_priors_with_nan_are_refused_by_class() -> None:
    x, y, priors = data()
    matrix = priors.matrix.copy()
    matrix[6, 1] = np.nan
    for given in (matrix, torch.from_numpy(matrix)):
        rows = np.array([priors.names.index(name) for name in y])
        with pytest.raises(InputError, match="nan; class vectors must be finite") as caught:
            model(METHODS[0]).fit(x, rows, given)
        assert "6" in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="must be finite"):
        ClassPriors(priors.names, matrix)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"samples_per_class": 2.5}, r"samples_per_class is 2\.5"),
        ({"samples_per_class": True}, "samples_per_class is True"),
        ({"real_per_class": 0}, "real_per_class is 0"),
        ({"real_per_class": -2}, "real_per_class is -2"),
        ({"unseen_bias": "x"}, "unseen_bias is 'x'"),
        ({"unseen_bias": float("nan")}, "unseen_bias is nan"),
        ({"prior_weight": float("nan")}, "prior_weight is nan"),
        ({"classifier_options": {"gamma": float("nan")}}, "gamma is nan"),
        ({"classifier_options": {"gamma": "x"}}, "gamma is 'x'"),
    ],
)
def test_options_that_are_no_numbers_are_refused(options: dict[str, Any], words: str) -> None:
    x, y, priors = data()
    with pytest.raises(InputError, match=words):
        ZeroShotClassifier(None, "eszsl", device="cpu", **options).fit(x, y, priors)


def test_priors_as_a_data_frame_or_as_no_table_at_all() -> None:
    pandas = pytest.importorskip("pandas")
    x, y, priors = data()
    expected = model((None, "eszsl", {})).fit(x, y, priors)
    frame = pandas.DataFrame(priors.matrix, index=list(priors.names))
    found = model((None, "eszsl", {})).fit(x, y, frame)
    assert found.unseen_ == expected.unseen_
    assert found.predict(x).tolist() == expected.predict(x).tolist()
    with pytest.raises(InputError, match=r"priors have the shape \[\]"):
        model((None, "eszsl", {})).fit(x, y, dict(zip(priors.names, priors.matrix, strict=True)))


def test_labels_in_an_array_of_objects_and_labels_that_are_missing() -> None:
    x, y, priors = data()
    numbers = np.array([priors.names.index(name) for name in y])
    expected = model((None, "eszsl", {})).fit(x, numbers, priors.matrix).predict(x)
    found = model((None, "eszsl", {})).fit(x, numbers.astype(object), priors.matrix).predict(x)
    assert found.tolist() == expected.tolist()
    torn = y.astype(object)
    torn[4] = None
    with pytest.raises(InputError, match="sample 4 has no label"):
        model((None, "eszsl", {})).fit(x, torn, priors)


def test_complex_features_are_refused() -> None:
    x, y, priors = data()
    for features in (x.astype(np.complex64), torch.from_numpy(x).to(torch.complex64)):
        with pytest.raises(InputError, match="complex numbers"):
            model((None, "eszsl", {})).fit(features, y, priors)
