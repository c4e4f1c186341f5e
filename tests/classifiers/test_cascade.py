"""LisGAN's cascade: its identities, and what it is for."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from kgzsl.classifiers import Cascade, SoftmaxClassifier
from kgzsl.classifiers.cascade import confident_rows
from kgzsl.errors import InputError


def world(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Three classes with four training rows each, and 450 rows whose labels nobody knows."""
    generator = np.random.default_rng(seed)
    centres = 0.9 * generator.normal(size=(3, 10))
    labels, truth = np.repeat(np.arange(3), 4), np.repeat(np.arange(3), 150)
    features, rest = (centres[rows] + generator.normal(size=(len(rows), 10)) for rows in (labels, truth))
    return features, labels, rest, truth


def test_ratio_zero_is_the_first_stage() -> None:
    features, labels, rest, _ = world(0)
    model = Cascade(ratio=0.0).fit(features, labels, unlabeled=rest)
    first = SoftmaxClassifier().fit(features, labels)
    assert model.head_ is model.first_
    assert not model.easy_.any()
    assert model.predict(rest).tolist() == model.answers_.tolist() == first.predict(rest).tolist()
    np.testing.assert_array_equal(model.predict_proba(rest), first.predict_proba(rest))


def test_the_second_stage_is_the_head_trained_with_the_easy_rows() -> None:
    features, labels, rest, _ = world(0)
    model = Cascade(options={"solver": "lbfgs", "weight_decay": 0.01}, ratio=0.3).fit(features, labels, unlabeled=rest)
    first = SoftmaxClassifier(solver="lbfgs", weight_decay=0.01).fit(features, labels)
    shares = first.predict_proba(rest).astype(float)
    easy = np.argsort((-shares * np.log(shares)).sum(1))[:135]
    assert set(np.flatnonzero(model.easy_)) == set(easy)
    second = SoftmaxClassifier(solver="lbfgs", weight_decay=0.01).fit(
        np.concatenate([features, rest[np.sort(easy)]]),
        np.concatenate([labels, first.predict(rest[np.sort(easy)])]),
    )
    expected = np.where(model.easy_, first.predict(rest), second.predict(rest))
    assert model.answers_.tolist() == expected.tolist()
    assert model.predict(rest[:9]).tolist() == second.predict(rest[:9]).tolist()


def test_what_counted_as_easy_keeps_the_first_stages_answer() -> None:
    features, labels, rest, _ = world(0)
    for ratio in (0.9, 1.0):
        model = Cascade(lambda: LogisticRegression(), ratio=ratio).fit(features, labels, unlabeled=rest)
        first, second = (np.asarray(head.predict(rest)) for head in (model.first_, model.head_))
        changed = first != second
        assert (changed & model.easy_).any()  # the second stage thinks otherwise of some of them
        assert model.answers_.tolist() == np.where(model.easy_, first, second).tolist()


def test_it_gains_where_training_rows_are_few() -> None:
    gains = []
    for seed in range(8):
        features, labels, rest, truth = world(seed)
        off, on = (
            Cascade(lambda: LogisticRegression(), ratio=ratio).fit(features, labels, unlabeled=rest).answers_
            for ratio in (0.0, 0.5)
        )
        gains.append((on == truth).mean() - (off == truth).mean())
    assert np.mean(gains) > 0.01


def test_confidence_comes_from_probabilities() -> None:
    shares = torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.25, 0.25], [0.9, 0.05, 0.05]])
    # Entropies ln 2, 1.5 ln 2 and 0.39: by the largest probability the first two are equal, and the earlier is taken.
    assert confident_rows(shares, 2 / 3).tolist() == [True, False, True]
    assert confident_rows(shares.flip(0), 2 / 3).tolist() == [True, False, True]
    assert confident_rows(shares.flip(0), 2 / 3, "largest").tolist() == [True, True, False]
    with pytest.raises(InputError, match=r"row 0: probabilities holds no probabilities: .*; apply a softmax"):
        confident_rows(shares.log().clamp_min(-20), 0.5)


def test_strings_and_all_rows_easy() -> None:
    features, labels, rest, _ = world(1)
    names = np.array(["a", "bb", "ccc"])[labels]
    model = Cascade(ratio=1.0).fit(features, names, unlabeled=torch.as_tensor(rest))
    assert model.easy_.all()
    assert set(model.answers_) <= {"a", "bb", "ccc"}
    assert model.classes_.tolist() == ["a", "bb", "ccc"]


def test_unlabelled_data_have_one_door_and_no_labels() -> None:
    assert Cascade.setting == "transductive"
    parameters = inspect.signature(Cascade.fit).parameters
    assert parameters["unlabeled"].kind is inspect.Parameter.KEYWORD_ONLY
    assert set(parameters) == {"self", "X", "y", "unlabeled"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, y, u: Cascade().fit(x, y), "looks at unlabelled data"),
        (lambda x, y, u: Cascade(ratio=1.5).fit(x, y, unlabeled=u), "ratio is 1.5"),
        (lambda x, y, u: Cascade(confidence="log").fit(x, y, unlabeled=u), "confidence is 'log'"),
        (lambda x, y, u: Cascade().fit(x, y, unlabeled=u[:, :2]), "2 columns where 10"),
        (lambda x, y, u: Cascade("sofmax").fit(x, y, unlabeled=u), "no classifier is called 'sofmax'"),
        (lambda x, y, u: Cascade().predict(x), "not fitted"),
    ],
)
def test_bad_input(call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(*world(0)[:3])


def test_a_head_without_probabilities_is_refused() -> None:
    rows = np.eye(2).repeat(5, axis=0)
    with pytest.raises(InputError, match="'analytic' gives no probabilities"):
        Cascade("analytic").fit(rows, np.arange(2).repeat(5), unlabeled=rows)
