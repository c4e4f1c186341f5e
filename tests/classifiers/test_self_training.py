"""Balanced pseudo-labels, and self-training over them."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from kgzsl.classifiers import SoftmaxClassifier
from kgzsl.classifiers.self_training import SelfTraining, balanced_pseudo_labels
from kgzsl.errors import InputError


def test_every_class_gets_its_share_and_no_row_twice() -> None:
    probabilities = torch.rand(100, 5, generator=torch.Generator().manual_seed(0))
    probabilities[:, 0] += 5  # every row would rather be class 0
    rows, labels = balanced_pseudo_labels(probabilities, 8)
    assert torch.bincount(labels, minlength=5).tolist() == [8] * 5
    assert len(set(rows.tolist())) == 40


def test_without_conflict_it_is_the_top_k_of_each_column() -> None:
    probabilities = torch.block_diag(
        *[torch.rand(10, 1, generator=torch.Generator().manual_seed(i)) + 0.1 for i in range(3)]
    )
    rows, labels = balanced_pseudo_labels(probabilities, 4)
    for label in range(3):
        expected = set(probabilities[:, label].topk(4).indices.tolist())
        assert set(rows[labels == label].tolist()) == expected


def test_the_more_probable_class_wins_a_row() -> None:
    rows, labels = balanced_pseudo_labels([[0.9, 0.8], [0.1, 0.2]], 1)
    assert dict(zip(rows.tolist(), labels.tolist(), strict=True)) == {0: 0, 1: 1}


def test_too_few_rows_are_all_used() -> None:
    rows, _ = balanced_pseudo_labels(torch.rand(7, 3), 5)
    assert sorted(rows.tolist()) == list(range(7))


def world(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Four blobs, and a first expert that is biased towards class 0."""
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(4, 8)) * 1.6
    labels = np.repeat(np.arange(4), 100)
    features = centres[labels] + generator.normal(size=(400, 8))
    distance = ((features[:, None] - (centres + generator.normal(size=(4, 8)))[None]) ** 2).sum(-1)
    logits = -distance / 4
    logits[:, 0] += 4.0
    expert = np.exp(logits - logits.max(1, keepdims=True))
    return features, labels, expert / expert.sum(1, keepdims=True)


def test_it_beats_its_first_expert_and_evens_the_classes() -> None:
    gains, spreads = [], []
    for seed in range(5):
        features, labels, expert = world(seed)
        model = SelfTraining(lambda: LogisticRegression(max_iter=300), rounds=4, per_class=10, growth=10)
        model.fit(unlabeled=features, classes=range(4), initial=expert)
        before, after = expert.argmax(1), model.predict(features)
        gains.append((after == labels).mean() - (before == labels).mean())
        spreads.append([np.std([(found[labels == c] == c).mean() for c in range(4)]) for found in (before, after)])
    assert np.mean(gains) > 0.05
    before_spread, after_spread = np.mean(spreads, axis=0)
    assert after_spread < before_spread
    assert model.history_[-1] == {"round": 3, "per_class": 40, "pseudo_labels": 160}


def test_each_round_labels_by_the_head_of_the_round_before() -> None:
    features, _labels, expert = world(0)
    features = features.astype(np.float32)
    heads: list[LogisticRegression] = []

    def head() -> LogisticRegression:
        heads.append(LogisticRegression(max_iter=300))
        return heads[-1]

    model = SelfTraining(head, rounds=3, per_class=10, growth=10)
    model.fit(unlabeled=features, classes=range(4), initial=expert)
    assert len(heads) == 3
    for asked, taught, count in ((heads[0].predict_proba, heads[1], 20), (heads[1].predict_proba, heads[2], 30)):
        rows, labels = balanced_pseudo_labels(asked(features), count)
        expected = LogisticRegression(max_iter=300).fit(features[rows], labels)
        np.testing.assert_allclose(taught.coef_, expected.coef_, rtol=1e-4, atol=1e-4)
    rows, labels = balanced_pseudo_labels(expert, 30)
    first = LogisticRegression(max_iter=300).fit(features[rows], labels)
    assert np.abs(model.head_.coef_ - first.coef_).max() > 0.1  # the first expert would have taught another head


def test_labelled_rows_join_in() -> None:
    features, _labels, expert = world(0)
    model = SelfTraining(lambda: LogisticRegression(max_iter=300), rounds=1)
    model.fit(features[:5] + 50, [9] * 5, unlabeled=features, classes=range(4), initial=expert)
    assert set(model.head_.classes_) == {0, 1, 2, 3, 9}


def test_unlabelled_data_have_one_door_and_no_labels() -> None:
    assert SelfTraining.setting == "transductive"
    parameters = inspect.signature(SelfTraining.fit).parameters
    assert parameters["unlabeled"].kind is inspect.Parameter.KEYWORD_ONLY
    assert not {"unlabeled_y", "labels", "y_unlabeled"} & set(parameters)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: balanced_pseudo_labels(torch.rand(3, 2), 0), "per_class is 0"),
        (
            lambda: SelfTraining(LogisticRegression, rounds=0).fit(unlabeled=[[1.0]], classes=[0], initial=[[1.0]]),
            "rounds",
        ),
        (lambda: SelfTraining(LogisticRegression).fit(unlabeled=[[1.0]], classes=[0, 1], initial=[[1.0]]), "1 columns"),
        (
            lambda: SelfTraining(LogisticRegression).fit(unlabeled=[[1.0]], classes=[0], initial=[[1.0], [1.0]]),
            "2 rows",
        ),
    ],
)
def test_bad_input(call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_names_of_labelled_classes_are_not_cut_to_the_length_of_the_others() -> None:
    rows = np.eye(4).repeat(8, axis=0) + 0.05 * np.random.default_rng(0).normal(size=(32, 4))
    labels = np.array(["seen-first", "seen-second"]).repeat(8)
    fitted = SelfTraining(SoftmaxClassifier, rounds=1, per_class=4).fit(
        rows[:16], labels, unlabeled=rows[16:], classes=["a", "b"], initial=np.eye(2).repeat(8, axis=0)
    )
    assert np.asarray(fitted.head_.classes_).tolist() == ["a", "b", "seen-first", "seen-second"]
    with pytest.raises(InputError, match="different types"):
        SelfTraining(SoftmaxClassifier, rounds=1, per_class=4).fit(
            rows[:16], labels, unlabeled=rows[16:], classes=[0, 1], initial=np.eye(2).repeat(8, axis=0)
        )
