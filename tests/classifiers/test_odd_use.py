"""Arguments of gates, decision rules and measures that do not fit: each is refused in one clear line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kgzsl.classifiers import (
    CosmoGate,
    EvidentialGate,
    GatedExperts,
    Loki,
    MultiViewPropagation,
    SelfTraining,
    balanced_pseudo_labels,
    calibrate,
    calibrated_stacking,
    k_means,
    recall_at_k,
    relevance,
    smooth_and_mix,
)
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassPriors

LINE = np.abs(np.subtract.outer(np.arange(3.0), np.arange(3.0)))
LOKI = Loki(LINE, ["a", "b", "c"], ["a", "c"])
TABLE, MASK = np.random.default_rng(0).normal(size=(6, 3)), [False, False, True]
X = np.random.default_rng(1).normal(size=(6, 4))
Y = ["a", "b"] * 3
PRIORS = ClassPriors(("a", "b", "c", "d"), np.random.default_rng(2).normal(size=(4, 3)))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Loki(np.zeros((4, 4)), ["a", "b", "c", "a"], ["a"]), "classes has 'a' twice; name each class once"),
        (lambda: Loki(LINE, ["a", "b", "c"], ["a", "a"]), "observed has 'a' twice"),
        (lambda: Loki(LINE, ["a", "b", "c"], []), "observed is empty"),
        (lambda: Loki([["x"]], ["a"], ["a"]), "distances are not numeric"),
        (lambda: Loki.from_rows([["x"]], ["a"], ["a"]), "distances are not numeric"),
        (lambda: LOKI.predict([[10, 20]]), "row 0: probabilities holds no probabilities.*apply a softmax"),
        (lambda: LOKI.predict([[0.5, 0.5], [0, 0]]), "row 1: probabilities holds no probabilities"),
        (lambda: LOKI.scores([[-0.5, 1.5]]), "holds no probabilities"),
        (lambda: LOKI.next_class(["a"]), "the class 'a' is observed already; give classes that are not"),
        (lambda: LOKI.next_class("b"), "candidates is 'b'; give a list of names"),
        (lambda: CosmoGate().predict_unseen(TABLE, TABLE, MASK), "this CosmoGate is not fitted; call fit"),
        (lambda: CosmoGate().mix(TABLE, TABLE, MASK), "this CosmoGate is not fitted; call fit"),
        (lambda: CosmoGate(temperatures=()), r"temperatures is \(\); give a list of numbers above 0"),
        (lambda: CosmoGate(temperatures=(1.0, 0.0)), r"one of temperatures is 0\.0; give a number above 0"),
        (lambda: CosmoGate(top=0), "top is 0; give a whole number, 1 or more"),
        (lambda: GatedExperts("stacking", smoothing="foo"), "smoothing is 'foo'; choose adaptive, constant or none"),
        (lambda: GatedExperts("cosmo", temperatures=(0.0,)), "one of temperatures"),
        (lambda: calibrated_stacking(TABLE, MASK, "a"), "bias is 'a'; give a number"),
        (lambda: calibrated_stacking(TABLE, MASK, None), "bias is None; give a number"),
        (lambda: smooth_and_mix(TABLE, TABLE, [0.5], "abc"), "unseen_mask is not numeric.*True or False"),
        (lambda: smooth_and_mix(TABLE, TABLE, "abc", MASK, smoothing="foo"), "smoothing is 'foo'"),
        (lambda: smooth_and_mix(abs(TABLE), abs(TABLE), "abc", MASK), "gate is not numeric"),
        (lambda: calibrated_stacking(TABLE, [0, 2], 1.0), "unseen_mask holds other numbers than 0 and 1"),
        (lambda: EvidentialGate().fit(TABLE, TABLE, [2], [0]), "unseen_mask holds other numbers than 0 and 1"),
        (lambda: GatedExperts().fit(TABLE, TABLE, [0], [[True]]), r"unseen_mask has shape \(1, 1\)"),
        (lambda: calibrate(TABLE, [0], "abc"), "unseen_mask is not numeric"),
        (lambda: recall_at_k(X, Y, 1), r"ks is 1; give a list of whole numbers"),
        (lambda: recall_at_k(X, Y, [1.5]), r"one of ks is 1\.5"),
        (lambda: k_means(X, 2.5), r"count is 2\.5"),
        (lambda: k_means(X, 2, seed="a"), "seed is 'a'"),
        (lambda: relevance([["a"]]), "distances are not numeric.*give distances"),
        (lambda: relevance([[1.0]], bandwidth="wide"), "bandwidth is 'wide'; give a number above 0, or None"),
        (lambda: relevance([[1.0]], strength=float("nan")), "strength is nan"),
        (lambda: relevance([[1.0]], kernel=3), "kernel is 3; choose exponential or gaussian"),
        (lambda: balanced_pseudo_labels(np.eye(3), 1.5), r"per_class is 1\.5; give a whole number"),
        (
            lambda: SelfTraining().fit(unlabeled=X, classes=["a", "b"], initial=X[:, :2]),
            "initial holds no probabilities",
        ),
        (lambda: SelfTraining().fit(unlabeled=X, classes="ab", initial=X[:, :2]), "classes is 'ab'; give a list"),
        (
            lambda: MultiViewPropagation().fit(X, Y, PRIORS, unlabeled=X[:1]),
            "unlabeled has one row, which has no neighbour to hear of; give two rows or more",
        ),
    ],
)
def test_it_is_told_in_one_line(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)
