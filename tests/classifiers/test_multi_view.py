"""Transductive multi-view propagation: identities, and the faults of inductive prototypes that it mends."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch

from kgzsl.classifiers import MultiViewPropagation, NearestPrior
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassPriors

SEEN, UNSEEN = 16, 4
NAMES = tuple(f"c{i}" for i in range(SEEN + UNSEEN))


def world(seed: int, *, shift: float = 0.0, noise: float = 0.3, own: float = 0.0) -> dict:
    """Features linear in two groups of attributes, and ``own`` ones of each class of which the attributes say nothing.

    All unseen samples are moved by ``shift`` towards the first unseen class.
    """
    generator = np.random.default_rng(seed)
    signs = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
    latent = generator.normal(size=(SEEN + UNSEEN, 8))
    latent[SEEN:, :4], latent[SEEN:, 4:] = signs[:, :1] * 1.2, signs[:, 1:] * 1.2
    labels, truth = np.repeat(np.arange(SEEN), 15), np.repeat(np.arange(SEEN, SEEN + UNSEEN), 40)
    mixing = generator.normal(size=(8, 20)) / 3
    x, u = (
        (latent[rows] + noise * generator.normal(size=(len(rows), 8))) @ mixing
        + 0.05 * generator.normal(size=(len(rows), 20))
        for rows in (labels, truth)
    )
    offsets = own * generator.normal(size=(SEEN + UNSEEN, 20))
    x, u = x + offsets[labels], u + offsets[truth]
    direction = latent[SEEN] @ mixing  # towards the first unseen class
    names = np.array(NAMES)
    views = [ClassPriors(NAMES, latent[:, :4], {}), ClassPriors(NAMES, latent[:, 4:], {})]
    return {"x": x, "y": names[labels], "u": u + shift * direction, "truth": names[truth], "views": views}


def fitted(w: dict, views: object = None, **options: object) -> MultiViewPropagation:
    return MultiViewPropagation(**{"normalise": "none", **options}).fit(
        w["x"], w["y"], w["views"] if views is None else views, unlabeled=w["u"]
    )


def right(w: dict, model: MultiViewPropagation) -> float:
    return float((model.answers_ == w["truth"]).mean())


def test_alpha_zero_leaves_the_first_scores() -> None:
    w = world(0)
    model = fitted(w, alpha=0.0)
    assert torch.equal(model.scores_, model.initial_)
    assert not torch.allclose(fitted(w).scores_, fitted(w).initial_, atol=1e-3)


def test_rows_sum_to_one() -> None:
    model = fitted(world(0))
    ones = torch.ones(160, dtype=torch.float64)
    torch.testing.assert_close(model.scores_.sum(1), ones)
    torch.testing.assert_close(model.initial_.sum(1), ones)
    np.testing.assert_allclose(model.predict_proba(world(1)["u"][:7]).sum(1), 1.0)


def test_the_order_of_rows_and_classes_changes_nothing() -> None:
    w = world(0)
    rows, order = np.random.default_rng(1).permutation(160), np.random.default_rng(2).permutation(20)
    other = MultiViewPropagation(normalise="none").fit(
        w["x"],
        w["y"],
        [ClassPriors(tuple(NAMES[i] for i in order), view.matrix[order], {}) for view in w["views"]],
        unlabeled=w["u"][rows],
        candidates=list(NAMES[SEEN:]),
    )
    torch.testing.assert_close(other.scores_, fitted(w).scores_[rows], atol=1e-7, rtol=1e-5)


def test_a_shift_that_defeats_the_nearest_prototype_is_recovered() -> None:
    plain, mended, off = [], [], []
    for seed in range(3):
        w = world(seed, shift=4.0)
        both = w["views"][0] | w["views"][1]
        nearest = NearestPrior(direction="priors", normalise="none").fit(w["x"], w["y"], priors=both)
        plain.append((nearest.predict(w["u"], "unseen") == w["truth"]).mean())
        mended.append(right(w, fitted(w)))
        off.append(right(w, fitted(w, recentre=False)))
    assert np.mean(plain) < 0.6
    assert np.mean(mended) > 0.9
    assert np.mean(off) < np.mean(mended) - 0.2


def test_two_complementary_views_beat_either_one() -> None:
    w = world(0)
    # Each view alone tells two pairs of the four unseen classes apart and no more.
    alone = [right(w, fitted(w, views=[view])) for view in w["views"]]
    assert max(alone) < 0.75
    assert right(w, fitted(w)) > 0.95


def test_neighbours_correct_noisy_first_scores() -> None:
    gains = []
    for seed in range(4):
        w = world(seed, noise=0.8, own=0.3)
        gains.append(right(w, fitted(w)) - right(w, fitted(w, alpha=0.0)))
    assert np.mean(gains) > 0.02


def test_few_labelled_examples_of_an_unseen_class_join_in() -> None:
    w = world(0)
    wrong = [ClassPriors(NAMES, view.matrix[[*range(SEEN), 17, 16, 19, 18]], {}) for view in w["views"]]
    without = fitted(w, views=wrong)
    shots = np.arange(0, 160, 5)
    rest = np.setdiff1d(np.arange(160), shots)
    model = MultiViewPropagation(alpha=0.95, normalise="none").fit(
        np.concatenate([w["x"], w["u"][shots]]),
        np.concatenate([w["y"], w["truth"][shots]]),
        wrong,
        unlabeled=w["u"][rest],
        candidates=list(NAMES[SEEN:]),
    )
    assert (model.answers_ == w["truth"][rest]).mean() > right(w, without) + 0.3


def test_new_rows_are_answered_like_their_neighbours() -> None:
    w = world(0)
    model = fitted(w)
    again = world(0)["u"] + 0.01 * np.random.default_rng(5).normal(size=(160, 20))
    assert (model.predict(again) == model.answers_).mean() > 0.95


def test_an_unlabelled_row_met_again_has_its_own_answer_and_chunks_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    w = world(0)
    model = fitted(w)
    torch.testing.assert_close(model.decision_function(w["u"]), model.scores_)
    order = np.random.default_rng(3).permutation(160)
    torch.testing.assert_close(model.decision_function(w["u"][order]), model.scores_[order])
    mixed = np.concatenate([w["u"][:3], world(1)["u"][:9]])
    whole = model.decision_function(mixed)
    torch.testing.assert_close(whole[:3], model.scores_[:3])
    assert not torch.allclose(model._joined(torch.as_tensor(w["u"], dtype=torch.float32)), model.scores_, atol=1e-3)
    monkeypatch.setattr(MultiViewPropagation, "_budget", 8 * 2 * 160)  # two rows at a time
    torch.testing.assert_close(model.decision_function(mixed), whole)
    named = model.decision_function(mixed, ["c18", "c16"])
    torch.testing.assert_close(named, whole[:, [2, 0]])
    with pytest.raises(InputError, match="no prior"):
        model.decision_function(mixed, ["c0"])


def test_priors_put_side_by_side_are_views_again() -> None:
    w = world(0)
    joined = fitted(w, views=w["views"][0] | w["views"][1])
    torch.testing.assert_close(joined.scores_, fitted(w).scores_)
    flat = ClassPriors(NAMES, (w["views"][0] | w["views"][1]).matrix, {})
    assert not torch.allclose(fitted(w, views=flat).scores_, joined.scores_, atol=1e-3)


def test_unlabelled_data_have_one_door_and_no_labels() -> None:
    assert MultiViewPropagation.setting == "transductive"
    parameters = inspect.signature(MultiViewPropagation.fit).parameters
    assert parameters["unlabeled"].kind is inspect.Parameter.KEYWORD_ONLY
    assert set(parameters) == {"self", "X", "y", "priors", "unlabeled", "candidates"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda w, m: m.fit(w["x"], w["y"], w["views"]), "looks at unlabelled data"),
        (lambda w, m: m.fit(w["x"], w["y"], unlabeled=w["u"]), "needs priors"),
        (lambda w, m: m.fit(w["x"], w["y"], w["views"], unlabeled=w["u"][:, :3]), "3 columns where 20"),
        (lambda w, m: m.set_params(temperature=0).fit(w["x"], w["y"], w["views"], unlabeled=w["u"]), "temperature"),
        (lambda w, m: m.set_params(alpha=1.0).fit(w["x"], w["y"], w["views"], unlabeled=w["u"]), "alpha is 1.0"),
        (
            lambda w, m: m.fit(w["x"], w["y"], [w["views"][0], ClassPriors(("c0",), [[1.0]], {})], unlabeled=w["u"]),
            "no class vector for",
        ),
        (lambda w, m: m.predict(w["u"]), "not fitted"),
    ],
)
def test_bad_input(call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(world(0), MultiViewPropagation())
