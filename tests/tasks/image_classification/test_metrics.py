"""Metrics: closed forms, oracles, invariances."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgzsl.errors import InputError
from kgzsl.tasks.image_classification.metrics import (
    ausuc,
    confusion,
    harmonic_mean,
    hit_at_k,
    overall_accuracy,
    per_class_accuracy,
    seen_unseen_curve,
)


def accuracy_by_loop(true, predicted, classes):
    shares = []
    for label in classes:
        rows = [i for i in range(len(true)) if true[i] == label]
        if rows:
            shares.append(sum(predicted[i] == label for i in rows) / len(rows))
    return 100.0 * sum(shares) / len(shares)


def world(seed=0, n=60, classes=7, ties=False):
    random = np.random.default_rng(seed)
    scores = random.normal(size=(n, classes))
    if ties:
        scores = np.round(scores * 4) / 4  # exact in binary: equal differences are equal
    true = np.concatenate([np.arange(classes), random.integers(classes, size=n - classes)])
    return scores, true, np.array([0, 2, 3, 6])


def test_per_class_accuracy_by_hand():
    # class 0: 3 of 4 right, class 1: 0 of 1, class 2 has no sample: mean (75 + 0) / 2
    result = per_class_accuracy([0, 0, 0, 0, 1], [0, 0, 0, 1, 0], num_classes=3)
    assert result.mean == 37.5
    assert result.absent == (2,)
    assert math.isnan(result.accuracies[2])
    assert result.counts.tolist() == [4, 1, 0]
    assert overall_accuracy([0, 0, 0, 0, 1], [0, 0, 0, 1, 0]) == 60.0


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(-1, 4)), min_size=1, max_size=50), st.randoms())
def test_per_class_accuracy_is_the_loop_and_ignores_order(pairs, random):
    true, predicted = [a for a, _ in pairs], [b for _, b in pairs]
    expected = accuracy_by_loop(true, predicted, range(5))
    assert per_class_accuracy(true, predicted, num_classes=5).mean == pytest.approx(expected)
    random.shuffle(pairs)
    shuffled = per_class_accuracy([a for a, _ in pairs], [b for _, b in pairs], num_classes=5)
    assert shuffled.mean == pytest.approx(expected)


def test_classes_choose_what_is_averaged():
    result = per_class_accuracy([0, 1, 2], [0, 0, 2], num_classes=3, classes=[1, 2])
    assert result.mean == 50.0
    assert math.isnan(result.accuracies[0])


def test_labels_outside_the_class_list_are_refused():
    with pytest.raises(InputError, match="label 5 of sample 1 is outside"):
        per_class_accuracy([0, 5], [0, 0], num_classes=3)
    with pytest.raises(InputError, match="shape"):
        per_class_accuracy([0, 1], [0], num_classes=3)


def test_harmonic_mean():
    assert harmonic_mean(60.0, 30.0) == pytest.approx(40.0)  # 2 * 1800 / 90
    assert harmonic_mean(0.0, 0.0) == 0.0
    assert harmonic_mean(50.0, 0.0) == 0.0


def test_hit_at_k_settles_ties_by_chance():
    assert hit_at_k(np.zeros((8, 4)), np.arange(8) % 4, 1) == pytest.approx(25.0)
    assert hit_at_k(np.zeros((8, 4)), np.arange(8) % 4, 3) == pytest.approx(75.0)
    # two tied for places 1 and 2: the true one is first in half of the draws
    assert hit_at_k(np.array([[1.0, 1.0, 0.0]]), [0], 1) == pytest.approx(50.0)


def test_hit_at_1_without_ties_is_per_class_accuracy():
    scores, true, _ = world()
    assert hit_at_k(scores, true, 1) == pytest.approx(
        per_class_accuracy(true, scores.argmax(axis=1), num_classes=7).mean
    )
    assert hit_at_k(scores, true, 7) == 100.0


def test_hit_needs_a_positive_k():
    with pytest.raises(InputError, match="k of at least 1"):
        hit_at_k(np.zeros((1, 2)), [0], 0)


def test_a_class_that_is_no_candidate_is_no_hit():
    assert hit_at_k(np.array([[-np.inf, 0.0]]), [0], 2) == 0.0


def test_confusion_by_hand_and_its_diagonal():
    table = confusion([3, 3, 5, 5, 1], [3, 5, 5, -1, 1], [5, 3])
    assert table.tolist() == [[1, 0], [1, 1]]  # rows 5, 3; the -1 and the class 1 are left out


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_curve_is_the_brute_force_sweep(seed, ties):
    scores, true, seen = world(seed, ties=ties)
    unseen = np.setdiff1d(np.arange(7), seen)
    curve = seen_unseen_curve(scores, true, seen)
    of_seen = np.isin(true, seen)
    for bias, s, u in zip(curve.bias, curve.seen, curve.unseen, strict=True):
        moved = scores.copy()
        moved[:, unseen] += bias
        predicted = moved.argmax(axis=1)
        assert 100 * s == pytest.approx(accuracy_by_loop(true[of_seen], predicted[of_seen], seen))
        assert 100 * u == pytest.approx(accuracy_by_loop(true[~of_seen], predicted[~of_seen], unseen))
    # no change point is missed: a fine grid shows no pair of accuracies that the curve lacks
    known = {(round(s, 9), round(u, 9)) for s, u in zip(curve.seen, curve.unseen, strict=True)}
    for bias in np.random.default_rng(seed).uniform(curve.bias[0], curve.bias[-1], size=200):
        moved = scores.copy()
        moved[:, unseen] += bias
        predicted = moved.argmax(axis=1)
        point = (
            round(accuracy_by_loop(true[of_seen], predicted[of_seen], seen) / 100, 9),
            round(accuracy_by_loop(true[~of_seen], predicted[~of_seen], unseen) / 100, 9),
        )
        assert point in known


def test_curve_limits_and_monotony():
    scores, true, seen = world(3)
    curve = seen_unseen_curve(scores, true, seen)
    assert curve.seen[-1] == 0.0
    assert curve.unseen[0] == 0.0
    assert (np.diff(curve.seen) <= 0).all()
    assert (np.diff(curve.unseen) >= 0).all()
    only_seen = seen[scores[:, seen].argmax(axis=1)]
    of_seen = np.isin(true, seen)
    expected = per_class_accuracy(true[of_seen], only_seen[of_seen], num_classes=7).mean
    assert 100 * curve.seen[0] == pytest.approx(expected)
    assert 0.0 <= curve.area <= 1.0


def test_ausuc_of_a_perfect_scorer_is_one_and_of_a_wrong_one_zero():
    true = np.arange(6)
    assert ausuc(np.eye(6), true, [0, 1, 2]) == pytest.approx(1.0)
    # always another class of the same kind: no bias ever makes a sample right
    assert ausuc(np.roll(np.eye(6), 1, axis=1), true, [0, 2, 4]) == 0.0
    assert ausuc(np.eye(6)[[1, 2, 0, 4, 5, 3]], true, [0, 1, 2]) == 0.0


def test_ausuc_where_everything_flips_at_once_is_the_triangle():
    # seen and unseen samples are right within their kind, and all flip at bias 0: a straight line from (0, 1) to (1, 0)
    within = np.eye(4) + np.array([[1, 1, 1, 1]]) * 0.0
    scores = within.copy()
    for row in range(4):
        other = [2, 3] if row < 2 else [0, 1]
        scores[row, other[0]] = 1.0
    assert ausuc(scores, np.arange(4), [0, 1]) == pytest.approx(0.5)


def test_curve_does_not_depend_on_the_order_of_samples_and_classes():
    scores, true, seen = world(1)
    random = np.random.default_rng(9)
    rows, columns = random.permutation(len(scores)), random.permutation(7)
    inverse = np.argsort(columns)
    assert ausuc(scores[rows][:, columns], inverse[true[rows]], inverse[seen]) == pytest.approx(
        ausuc(scores, true, seen)
    )


def test_adding_a_constant_bias_moves_the_curve_only_along_the_bias():
    scores, true, seen = world(2)
    moved = scores.copy()
    moved[:, np.setdiff1d(np.arange(7), seen)] += 3.0
    a, b = seen_unseen_curve(scores, true, seen), seen_unseen_curve(moved, true, seen)
    assert a.area == pytest.approx(b.area)
    assert a.bias[1:-1] - 3.0 == pytest.approx(b.bias[1:-1])


def test_best_bias_reaches_the_best_harmonic_mean_of_the_sweep():
    scores, true, seen = world(4)
    unseen = np.setdiff1d(np.arange(7), seen)
    bias, value = seen_unseen_curve(scores, true, seen).best_bias()
    moved = scores.copy()
    moved[:, unseen] += bias
    predicted = moved.argmax(axis=1)
    of_seen = np.isin(true, seen)
    reached = harmonic_mean(
        accuracy_by_loop(true[of_seen], predicted[of_seen], seen),
        accuracy_by_loop(true[~of_seen], predicted[~of_seen], unseen),
    )
    assert reached == pytest.approx(100 * value)
    assert value == pytest.approx(seen_unseen_curve(scores, true, seen).harmonic.max())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s, t, c: (s, t, np.arange(7)), "needs seen and unseen classes"),
        (lambda s, t, c: (s[:4], np.array([0, 2, 3, 6]), c), "samples of seen and of unseen"),
        (lambda s, t, c: (np.where(s > 0, -np.inf, s), t, c), "finite"),
        (lambda s, t, c: (s[:3], t, c), "shape"),
        (lambda s, t, c: (s, np.where(t == t[0], -1, t), c), "the label -1 of sample 0 is outside 0"),
        (lambda s, t, c: (s, t + 7, c), "is outside 0"),
    ],
)
def test_a_curve_of_one_kind_only_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        seen_unseen_curve(*change(*world()))


def test_a_word_for_the_average_that_nobody_knows_is_refused() -> None:
    with pytest.raises(InputError, match="average is 'row'; choose classes or rows"):
        seen_unseen_curve(*world(), average="row")  # type: ignore[arg-type]


def test_hits_of_labels_that_are_no_columns_are_refused() -> None:
    for true, words in (([0, -1], "the label -1 of sample 1"), ([0, 3], "the label 3 of sample 1"), ([0], "shape")):
        with pytest.raises(InputError, match=words):
            hit_at_k(np.eye(2, 3), true, 1)


def test_a_curve_may_count_every_row_alike() -> None:
    # Class 0 has three rows, class 1 one; class 2 is unseen, and a bias finds its row.
    scores = np.array([[2.0, 0, 0], [2, 0, 0], [2, 0, 0], [1, 0, 0], [1, 0, 0]])
    true = np.array([0, 0, 0, 1, 2])
    by_class = seen_unseen_curve(scores, true, [0, 1])
    by_row = seen_unseen_curve(scores, true, [0, 1], average="rows")
    assert by_class.seen[0] == pytest.approx(1 / 2)
    assert by_row.seen[0] == pytest.approx(3 / 4)
    assert by_class.unseen[-1] == by_row.unseen[-1] == pytest.approx(1)
