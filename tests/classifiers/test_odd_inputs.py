"""Odd inputs to classifiers that stand on others: each works, or is refused in one clear line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from kgzsl.classifiers import (
    GDA,
    AnalyticHead,
    Cascade,
    CompositionalClassifier,
    EvidentialGate,
    EvidentialHead,
    GatedExperts,
    LokiClassifier,
    MetricMapping,
    MultiViewPropagation,
    NearestPrior,
    SelfTraining,
    SoftmaxClassifier,
    calibrated_stacking,
    smooth_and_mix,
)
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors

NAMES = ("ash", "beech", "cedar", "elm")
GRAPH = ClassGraph.from_triples([*((name, "subClassOf", "tree") for name in NAMES), ("tree", "subClassOf", "plant")])
FAST = {"epochs": 5, "lr": 0.1}


def rows(classes: int = 3, each: int = 6) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(classes), each)
    return np.eye(4)[labels] + 0.1 * random.normal(size=(len(labels), 4)), np.array(NAMES)[labels]


def loki(x: Any, y: Any) -> Any:
    return LokiClassifier(SoftmaxClassifier(**FAST), GRAPH).fit(x, y).predict(x)


def cascade(x: Any, y: Any) -> Any:
    model = Cascade("softmax", FAST).fit(x, y, unlabeled=x)
    assert len(model.answers_) == len(x)
    return model.predict(x)


def self_training(x: Any, y: Any) -> Any:
    classes = np.unique(np.asarray(y.tolist() if hasattr(y, "tolist") else y))
    start = np.full((len(x), len(classes)), 1 / len(classes))
    return (
        SelfTraining(lambda: SoftmaxClassifier(**FAST), rounds=2, per_class=2)
        .fit(x, y, unlabeled=x, classes=classes, initial=start)
        .predict(x)
    )


STANDING_ON = [loki, cascade, self_training]


def kinds_of_input() -> dict[str, tuple[Any, Any]]:
    pandas = pytest.importorskip("pandas")
    x, y = rows()
    return {
        "lists": (x.tolist(), y.tolist()),
        "torch": (torch.from_numpy(x), y),
        "data frame": (pandas.DataFrame(x), pandas.Series(y)),
        "categories": (pandas.DataFrame(x), pandas.Series(y, dtype="category")),
        "float32": (x.astype(np.float32), y.astype(object)),
    }


@pytest.mark.parametrize("model", STANDING_ON)
@pytest.mark.parametrize("kind", ["lists", "torch", "data frame", "categories", "float32"])
def test_every_kind_of_input_gives_the_same_answers(model: Any, kind: str) -> None:
    expected = model(*rows())
    assert set(expected.tolist()) <= {*NAMES, "tree", "plant"}
    assert model(*kinds_of_input()[kind]).tolist() == expected.tolist()


@pytest.mark.parametrize("model", STANDING_ON)
def test_one_class_and_one_row_of_each(model: Any) -> None:
    assert set(model(*rows(classes=1)).tolist()) == {"ash"}
    assert set(model(*rows(each=1)).tolist()) <= {*NAMES, "tree", "plant"}
    assert set(model(*rows(classes=1, each=1)).tolist()) == {"ash"}


@pytest.mark.parametrize("model", STANDING_ON)
def test_nan_and_labels_that_do_not_fit_are_refused_in_one_line(model: Any) -> None:
    x, y = rows()
    torn = x.copy()
    torn[4, 1] = np.nan
    for bad_x, bad_y, words in ((torn, y, "NaN"), (x, y[:5], "5"), (x[:, 0], y, "shape")):
        with pytest.raises(InputError, match=words) as caught:
            model(bad_x, bad_y)
        assert "\n" not in str(caught.value)


def test_integers_are_labels_too() -> None:
    x, y = rows()
    numbers = torch.tensor([NAMES.index(name) for name in y])
    assert cascade(x, numbers).dtype.kind == "i"
    assert self_training(x, numbers).dtype.kind == "i"
    with pytest.raises(InputError, match="match no single node of the graph"):
        loki(x, numbers)


def test_loki_without_unseen_classes_says_so() -> None:
    x, y = rows(classes=4)
    model = LokiClassifier(SoftmaxClassifier(**FAST), GRAPH, classes=NAMES).fit(x, y)
    assert set(model.predict(x)) <= set(NAMES)
    with pytest.raises(InputError, match="no candidate class"):
        model.predict(x, "unseen")


def test_loki_with_an_unseen_class_that_lies_where_another_does() -> None:
    """Two unseen classes at the same place have the same score; the first of them is answered."""
    x, y = rows()
    twins = ClassGraph.from_triples([*((n, "subClassOf", "tree") for n in NAMES), ("oak", "subClassOf", "tree")])
    with pytest.warns(UserWarning, match="2 hops apart"):
        model = LokiClassifier(SoftmaxClassifier(**FAST), twins, classes=["elm", "oak"]).fit(x, y)
    scores = model.decision_function(x, ["elm", "oak"])
    torch.testing.assert_close(scores[:, 0], scores[:, 1])
    assert set(model.predict(x, "unseen").tolist()) == {"elm"}


def tables() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    truth = np.arange(60) % 6
    mask = np.arange(6) > 3
    seen, novel = (random.normal(size=(60, 6)) for _ in range(2))
    seen[np.arange(60), truth] += np.where(mask[truth], 0.0, 4.0)
    novel[np.arange(60), truth] += np.where(mask[truth], 4.0, 0.0)
    return seen, novel, truth, mask


@pytest.mark.parametrize("gate", ["none", "stacking", "cosmo", "evidential", "auto"])
def test_gates_take_any_kind_of_table(gate: str) -> None:
    pandas = pytest.importorskip("pandas")
    seen, novel, truth, mask = tables()
    expected = GatedExperts(gate).fit(seen, novel, truth, mask).combine(seen, novel, mask)
    others = [
        (torch.from_numpy(seen), torch.from_numpy(novel), torch.from_numpy(truth), torch.from_numpy(mask)),
        (pandas.DataFrame(seen), pandas.DataFrame(novel), pandas.Series(truth), pandas.Series(mask)),
        (seen.tolist(), novel.tolist(), truth.tolist(), mask.tolist()),
    ]
    for s, z, y, m in others:
        found = GatedExperts(gate).fit(s, z, y, m).combine(s, z, m)
        torch.testing.assert_close(found.float(), expected.float(), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("gate", ["none", "stacking", "cosmo", "evidential", "auto"])
def test_gates_with_one_class_of_a_kind_one_row_of_each_and_experts_that_agree(gate: str) -> None:
    seen, novel, truth, mask = tables()
    one = np.isin(truth, (0, 4))
    columns = [0, 4]
    found = GatedExperts(gate).fit(
        seen[one][:, columns], novel[one][:, columns], (truth[one] == 4).astype(int), mask[columns]
    )
    assert torch.isfinite(found.combine(seen[:, columns], novel[:, columns], mask[columns])).all()
    few = GatedExperts(gate).fit(seen[:6], novel[:6], truth[:6], mask)
    assert torch.isfinite(few.combine(seen, novel, mask)).all()
    same = GatedExperts(gate).fit(0 * seen, 0 * novel, truth, mask)  # experts that say nothing
    assert torch.isfinite(same.combine(seen, novel, mask)).all()
    for words, bad in (("seen and unseen classes", mask & False), ("seen and unseen classes", mask | True)):
        with pytest.raises(InputError, match=words):
            found.combine(seen, novel, bad)
    with pytest.raises(InputError, match="column of each row"):
        GatedExperts(gate).fit(seen, novel, np.array(list("abcdef"))[truth], mask)
    torn = seen.copy()
    torn[3, 0] = np.nan
    with pytest.raises(InputError, match=r"row 3: seen_scores holds NaN"):
        GatedExperts(gate).fit(torn, novel, truth, mask)


PRIMITIVES = ClassPriors(("wet", "dry", "old", "dog", "cat"), np.random.default_rng(2).normal(size=(5, 4)))


def pairs(each: int = 5) -> tuple[np.ndarray, list[tuple[str, str]]]:
    known = [("wet", "dog"), ("dry", "cat"), ("old", "dog")]
    random = np.random.default_rng(3)
    labels = np.repeat(np.arange(3), each)
    return np.eye(3, 6)[labels] + 0.1 * random.normal(size=(len(labels), 6)), [known[i] for i in labels]


def composed(x: Any, y: Any, priors: Any = PRIMITIVES, **more: Any) -> CompositionalClassifier:
    return CompositionalClassifier(dim=8, epochs=5).fit(x, y, priors, **more)


def test_pairs_come_in_any_kind_of_input() -> None:
    pandas = pytest.importorskip("pandas")
    x, y = pairs()
    expected = composed(x, y).predict(x).tolist()
    frame = pandas.DataFrame(y, columns=["attribute", "object"])
    for features, labels in (
        (torch.from_numpy(x), np.array(y)),
        (pandas.DataFrame(x), frame),
        (x.tolist(), [list(pair) for pair in y]),
    ):
        assert composed(features, labels).predict(features).tolist() == expected


def test_pairs_one_alone_one_row_each_and_none_unseen() -> None:
    x, y = pairs()
    assert set(map(tuple, composed(x[:5], y[:5]).predict(x[:5]).tolist())) == {("wet", "dog")}
    assert composed(*pairs(each=1)).predict(x).shape == (15, 2)
    with pytest.raises(InputError, match="no candidate pair"):
        composed(x, y).predict(x, "unseen")


def test_a_primitive_with_the_prior_of_another_scores_as_it_does() -> None:
    x, y = pairs()
    matrix = PRIMITIVES.matrix.copy()
    matrix[2] = matrix[0]
    model = composed(x, y, ClassPriors(PRIMITIVES.names, matrix), pairs=[("old", "cat"), ("wet", "cat")])
    scores = model.decision_function(x, [("old", "cat"), ("wet", "cat")])
    torch.testing.assert_close(scores[:, 0], scores[:, 1])


def test_priors_with_nan_and_wrong_pairs_are_refused_in_one_line() -> None:
    x, y = pairs()
    broken = PRIMITIVES.matrix.copy()
    broken[1, 0] = np.nan
    with pytest.raises(InputError, match="finite"):
        composed(x, y, ClassPriors(PRIMITIVES.names, broken))
    with pytest.raises(InputError, match=r"row 1: priors holds NaN"):
        NearestPrior().fit(np.eye(3), [0, 1, 2], priors=np.where(np.eye(3) == 1, 1.0, [[0], [np.nan], [0]]))
    for labels, words in ((y[:4], "4 pairs for 15 rows"), (["wet dog"] * 15, "is no pair"), (None, "no list of pairs")):
        with pytest.raises(InputError, match=words) as caught:
            composed(x, labels)
        assert "\n" not in str(caught.value)


def test_an_evidential_gate_by_itself_takes_data_frames_and_refuses_names() -> None:
    pandas = pytest.importorskip("pandas")
    seen, novel, truth, mask = tables()
    gate = EvidentialGate().fit(seen, novel, mask, truth)
    frames = pandas.DataFrame(seen), pandas.DataFrame(novel)
    again = EvidentialGate().fit(*frames, mask, pandas.Series(truth))
    torch.testing.assert_close(again.mix(*frames, mask), gate.mix(seen, novel, mask))
    with pytest.raises(InputError, match=r"the label 'c0' is no column of the scores"):
        EvidentialGate().fit(seen, novel, mask, [f"c{label}" for label in truth])
    with pytest.raises(InputError, match=r"labels go from 1 to 6 for 6 columns"):
        EvidentialGate().fit(seen, novel, mask, truth + 1)
    with pytest.raises(InputError, match=r"zero_shot_scores has shape \(60, 5\) for 6 classes"):
        gate.mix(seen, novel[:, :5], mask)


HEADS = [GDA, AnalyticHead, SoftmaxClassifier, EvidentialHead]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(
    ("label", "words"),
    [
        (None, "row 3: y has a row without a label"),
        (float("nan"), "without a label|several types"),
        (7, "several types"),
    ],
)
def test_labels_that_are_missing_or_mixed_are_refused(head: Any, label: Any, words: str) -> None:
    x, y = rows()
    torn = y.tolist()
    torn[3] = label
    for labels in (torn, np.array(torn, dtype=object)):
        with pytest.raises(InputError, match=words):
            head().fit(x, labels)


@pytest.mark.parametrize("head", HEADS)
def test_a_head_that_is_not_fitted_says_so(head: Any) -> None:
    with pytest.raises(InputError, match=r"not fitted|not learnt"):
        head().predict(np.zeros((2, 4)))


def test_smoothing_takes_probabilities_only() -> None:
    mask = [False, False, True]
    with pytest.raises(InputError, match="seen holds negative values"):
        smooth_and_mix([[3.0, -5, 0]], [[0, 0, 2.0]], [0.5], mask)
    # The columns that are not the expert's are not looked at.
    mixed = smooth_and_mix([[0.5, 0.5, -9.0]], [[-9.0, 0, 1.0]], [0.5], mask)
    torch.testing.assert_close(mixed.sum(dim=1), torch.ones(1))
    with pytest.raises(InputError, match="bias is nan; give a number"):
        calibrated_stacking([[0.0, 1.0, 2.0]], mask, float("nan"))


def test_a_data_frame_of_priors_names_the_classes() -> None:
    pandas = pytest.importorskip("pandas")
    x, y = rows()
    frame = pandas.DataFrame(np.eye(4), index=list(NAMES))
    named = NearestPrior().fit(x, y, ClassPriors(NAMES, np.eye(4)))
    assert NearestPrior().fit(x, y, frame).predict(x).tolist() == named.predict(x).tolist()
    numbered = NearestPrior().fit(x, [NAMES.index(name) for name in y], pandas.DataFrame(np.eye(4)))
    assert [NAMES[row] for row in numbered.predict(x)] == named.predict(x).tolist()
    with pytest.raises(InputError, match="two rows of 'ash'"):
        NearestPrior().fit(x, y, pandas.DataFrame(np.eye(4), index=["ash", "ash", "elm", "oak"]))


def test_data_frames_as_views_are_brought_into_one_order() -> None:
    pandas = pytest.importorskip("pandas")
    x, y = rows()
    frame = pandas.DataFrame(np.eye(4), index=list(NAMES))
    words = np.random.default_rng(4).normal(size=(4, 3))
    other = pandas.DataFrame(words, index=list(NAMES))
    expected = MultiViewPropagation(neighbours=3).fit(
        x, y, [ClassPriors(NAMES, np.eye(4)), ClassPriors(NAMES, words)], unlabeled=x, candidates="all"
    )
    found = MultiViewPropagation(neighbours=3).fit(x, y, [frame, other.iloc[::-1]], unlabeled=x, candidates="all")
    torch.testing.assert_close(found.scores_, expected.scores_)
    with pytest.raises(InputError, match="candidates is 'unseen'; give that word to fit"):
        found.decision_function(x, "unseen")


@pytest.mark.parametrize(
    ("head", "joins"), [(AnalyticHead, lambda m, name, x: m.add_class(name)), (MetricMapping, MetricMapping.add_class)]
)
def test_a_class_of_another_type_does_not_join(head: Any, joins: Any) -> None:
    x, y = rows()
    numbers = np.array([NAMES.index(name) for name in y])
    for labels, odd in ((numbers, "elm"), (y, 7), (y, None)):
        model = head().fit(x, labels)
        before = model.predict(x).tolist()
        with pytest.raises(InputError, match="is of another type than"):
            joins(model, odd, x[:2])
        assert model.predict(x).tolist() == before


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (AnalyticHead(gamma=float("nan")), "gamma is nan"),
        (AnalyticHead(expansion=0), "expansion is 0"),
        (AnalyticHead(block=0), "block is 0"),
        (GDA(covariance="full"), "covariance is 'full'"),
        (GDA(class_prior="mine"), "class_prior is 'mine'"),
        (GDA(alpha=float("nan")), "alpha is nan"),
        (EvidentialHead(epochs=0), "epochs"),
        (MetricMapping(dim=0), "dim"),
    ],
)
def test_options_out_of_range_are_told_before_and_at_a_fit(made: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        made.check_options()
    with pytest.raises(InputError, match=words):
        made.fit(*rows())


def test_one_row_in_standard_units_is_no_nan() -> None:
    x, y = rows()
    model = SoftmaxClassifier(normalise="standard", **FAST).fit(x[:1], y[:1])
    assert torch.isfinite(model.decision_function(x)).all()


@pytest.mark.parametrize("head", [SoftmaxClassifier, EvidentialHead, MetricMapping])
def test_rows_out_of_a_network_are_taken_and_training_without_gradients_around_it_trains(head: Any) -> None:
    x, y = rows()
    asked = torch.tensor(x, dtype=torch.float32, requires_grad=True)
    plain = head(epochs=5).fit(asked, y).decision_function(asked)
    assert not plain.requires_grad
    with torch.no_grad():
        torch.testing.assert_close(head(epochs=5).fit(x, y).decision_function(x), plain)


@pytest.mark.parametrize("gate", ["cosmo", "evidential"])
def test_gates_and_pairs_are_learnt_without_gradients_around_them(gate: str) -> None:
    seen, novel, truth, mask = tables()
    x, y = pairs()
    with torch.no_grad():
        inside, among = GatedExperts(gate).fit(seen, novel, truth, mask), composed(x, y)
    plain = GatedExperts(gate).fit(seen, novel, truth, mask)
    torch.testing.assert_close(inside.combine(seen, novel, mask), plain.combine(seen, novel, mask))
    assert among.predict(x).tolist() == composed(x, y).predict(x).tolist()
