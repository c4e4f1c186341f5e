"""ZeroShotClassifier: it learns what it never saw, takes any input, grows, explains itself, and is kept."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.priors import Attributes
from kgzsl.tasks.image_classification import ZeroShotClassifier


def rows_of(world, loc):
    features, labels = world.data.rows(loc)
    return features, labels.numpy()


def new(linear, **options) -> ZeroShotClassifier:
    quick = {"lr": 0.03, "epochs": 15, "batch_size": 64}
    defaults = {"samples_per_class": 40, "device": "cpu", "classifier_options": quick}
    return ZeroShotClassifier(linear, "softmax", **{**defaults, **options})


@pytest.fixture(scope="module")
def model(world, linear):
    return new(linear).fit(*world.data.train, priors=world.priors)


def test_unseen_classes_are_recognised_far_above_chance(world, model):
    features, labels = rows_of(world, world.data.test_unseen_loc)
    assert model.unseen_ == world.data.unseen_names
    assert model.score(features, labels, candidates="unseen") > 0.8  # chance is 1/4
    predicted = model.predict(features)
    assert predicted.dtype.kind == "U"
    assert (predicted == np.asarray(model.names_)[labels]).mean() > 0.5  # chance is 1/16


def test_a_shuffled_prior_is_at_chance(world, linear):
    features, labels = rows_of(world, world.data.test_unseen_loc)
    scores = [
        new(linear).fit(*world.data.train, priors=world.priors.shuffled(seed)).score(features, labels, "unseen")
        for seed in range(5)
    ]
    assert np.mean(scores) < 0.5


def test_the_wgan_recognises_unseen_classes(wide_world, tmp_path):
    world = wide_world
    options = {"hidden": 64, "epochs": 40, "batch_size": 32, "lr": 1e-3}
    model = new("wgan", generator_options=options, precision="32-true").fit(*world.data.train, priors=world.priors)
    features, labels = rows_of(world, world.data.test_unseen_loc)
    assert model.score(features, labels, candidates="unseen") > 0.6  # chance is 1/8
    loaded = ZeroShotClassifier.load(model.save(tmp_path / "model"), device="cpu")
    assert (loaded.scores(features) == model.scores(features)).all()
    assert (loaded.synthesise("class3", 5) == model.synthesise("class3", 5)).all()


def test_probabilities_and_scores_agree_with_predictions(world, model):
    features, _ = rows_of(world, world.data.test_seen_loc)
    for candidates in ("all", "seen", "unseen", ["class3", "class14"]):
        shares = model.predict_proba(features, candidates)
        names = model.candidates(candidates)
        assert shares.shape == (len(features), len(names))
        assert shares.sum(axis=1) == pytest.approx(np.ones(len(features)), abs=1e-5)
        assert (names[shares.argmax(axis=1)] == model.predict(features, candidates)).all()
    assert set(model.predict(features, ["class3", "class14"])) <= {"class3", "class14"}


def test_scores_of_a_list_are_the_columns_of_all(world, model):
    features, _ = rows_of(world, world.data.test_seen_loc)
    everything = model.scores(features, "all")
    assert model.scores(features, ["class5", "class15"]) == pytest.approx(everything[:, [5, 15]])


def test_the_order_of_samples_does_not_matter_to_predictions(world, model):
    features, _ = rows_of(world, world.data.test_seen_loc)
    order = torch.randperm(len(features), generator=torch.Generator().manual_seed(0))
    assert (model.predict(features)[order.numpy()] == model.predict(features[order])).all()


def test_labels_may_be_numbers_and_inputs_of_any_kind(world, linear, model):
    features, labels = rows_of(world, world.data.trainval_loc)
    test = rows_of(world, world.data.test_unseen_loc)[0]
    by_number = new(linear).fit(features.numpy(), labels, world.priors)
    predicted = by_number.predict(pd.DataFrame(test.numpy()))
    assert predicted.dtype.kind == "i"
    assert new(linear).fit(features, labels, world.priors.matrix).predict(test, ["13", 14]).dtype.kind == "i"
    assert [f"class{i}" for i in predicted] == model.predict(test).tolist()
    by_series = new(linear).fit(pd.DataFrame(features.numpy()), pd.Series([f"class{i}" for i in labels]), world.priors)
    assert (by_series.predict(test) == model.predict(test)).all()


def test_the_bias_moves_answers_to_unseen_classes(world, model):
    features, _ = rows_of(world, world.data.test_seen_loc)
    unseen = set(model.unseen_)
    shares = []
    for bias in (-1e6, 0.0, 1e6):
        model.set_params(unseen_bias=bias)
        shares.append(np.mean([name in unseen for name in model.predict(features)]))
    only_unseen = model.predict(features, "unseen")
    model.set_params(unseen_bias=0.0)
    assert shares[0] == 0.0
    assert shares[2] == 1.0
    assert shares[0] <= shares[1] <= shares[2]
    assert (only_unseen == model.predict(features, "unseen")).all()  # among equals a bias changes nothing


@pytest.mark.parametrize(("bias", "kind"), [(np.inf, "unseen"), (-np.inf, "seen")])
def test_an_infinite_bias_leaves_the_classes_of_one_kind(world, model, bias: float, kind: str):
    features, _ = rows_of(world, world.data.test_seen_loc)
    own = np.isin(model.names_, getattr(model, f"{kind}_"))
    alone, shares = model.set_params(unseen_bias=0.0).scores(features)[:, own], model.predict_proba(features)[:, own]
    try:
        model.set_params(unseen_bias=bias)
        table, found = model.predict_proba(features), model.predict(features)
        assert np.isfinite(table).all()
        assert not table[:, ~own].any()
        np.testing.assert_allclose(table[:, own], shares / shares.sum(axis=1, keepdims=True), rtol=1e-4, atol=1e-6)
        assert found.tolist() == np.array(model.names_)[own][alone.argmax(axis=1)].tolist()
        assert len(set(found)) > 1
        assert np.isfinite(model.predict_proba(features, kind)).all()
    finally:
        model.set_params(unseen_bias=0.0)


def test_a_class_added_later_is_the_class_that_was_there(world, linear, model):
    *others, last = world.data.unseen_names
    names = [*world.data.seen_names, *others]
    grown = new(linear).fit(*world.data.train, priors=world.priors.align(names))
    trained = grown.generator_
    assert last not in grown.names_
    grown.add_class(last, prior_row=world.priors[last], retrain_heads=True)
    assert grown.generator_ is trained  # nothing was trained again but the heads
    assert grown.unseen_ == [*others, last]
    features, _ = rows_of(world, world.data.test_unseen_loc)
    assert (grown.predict(features) == model.predict(features)).all()
    assert grown.scores(features) == pytest.approx(model.scores(features), abs=1e-4)


def test_synthetic_features_of_a_class_do_not_depend_on_the_other_classes(world, linear, model):
    first, *others = world.data.unseen_names
    fewer = new(linear).fit(*world.data.train, priors=world.priors.align([*world.data.seen_names, *others]))
    for name in others:
        assert (fewer._synthetic[name] == model._synthetic[name]).all()
    fewer.add_class(first, prior_row=world.priors[first])
    assert (fewer._synthetic[first] == model._synthetic[first]).all()


def test_a_class_can_be_added_from_a_graph(world, linear):
    *others, last = world.data.unseen_names
    names = [*world.data.seen_names, *others]
    encoder = Attributes().fit(world.graph)
    priors = encoder.priors(names).normalised("l2")
    grown = new(linear).fit(*world.data.train, priors=priors).add_class(last, graph=world.graph)
    whole = dict(zip(encoder.priors([last]).columns, encoder.priors([last]).matrix[0], strict=True))
    expected = np.array([whole.get(column, 0.0) for column in priors.columns])
    assert grown.priors_[last] == pytest.approx(expected / np.linalg.norm(expected))
    features, labels = rows_of(world, world.data.test_unseen_loc)
    own = features[labels == world.data.num_classes - 1]
    assert (grown.predict(own, "unseen") == last).mean() > 0.5


def test_classes_that_cannot_be_added_are_refused(world, linear):
    fitted = new(linear).fit(*world.data.train, priors=world.priors)
    with pytest.raises(InputError, match="there already"):
        fitted.add_class("class3", prior_row=world.priors["class3"])
    with pytest.raises(InputError, match="has 2 values"):
        fitted.add_class("new", prior_row=[1.0, 2.0])
    with pytest.raises(InputError, match="finite: False"):
        fitted.add_class("new", prior_row=[np.nan] * 8)
    with pytest.raises(InputError, match="give prior_row="):
        fitted.add_class("new")
    with pytest.raises(InputError, match="nothing says which encoder"):
        fitted.add_class("new", graph=world.graph)
    from_graph = new(linear).fit(*world.data.train, priors=Attributes().fit(world.graph).priors(world.data.class_names))
    stranger = ClassGraph.from_triples([("http://x.org/new", "http://x.org/has", "http://x.org/nothing")])
    with pytest.raises(InputError, match="says nothing about 'new'"):
        from_graph.add_class("new", graph=stranger)


def test_explanations_name_near_seen_classes_attributes_and_paths(world, linear):
    priors = Attributes().fit(world.graph).priors(world.data.class_names)
    fitted = new(linear).fit(*world.data.train, priors=priors)
    features, _ = rows_of(world, world.data.test_unseen_loc)
    explanations = fitted.explain(features[:5], "unseen", graph=world.graph)
    assert [one.predicted for one in explanations] == fitted.predict(features[:5], "unseen").tolist()
    for one in explanations:
        assert not one.is_seen
        assert {name for name, _ in one.nearest_seen} <= set(fitted.seen_)
        likeness = [value for _, value in one.nearest_seen]
        assert likeness == sorted(likeness, reverse=True)
        best = one.nearest_seen[0][0]
        row, other = priors[one.predicted], priors[best]
        assert len(one.shared[best]) == int(((row > 0) & (other > 0)).sum())
        assert one.paths[best][0][0] == one.predicted
        json.dumps(one.to_dict())


def test_a_saved_model_answers_the_same_and_can_still_grow(world, linear, model, tmp_path):
    features, _ = rows_of(world, world.data.test_unseen_loc)
    folder = model.save(tmp_path / "model")
    loaded = ZeroShotClassifier.load(folder, device="cpu")
    assert loaded.get_params() == model.get_params()
    for candidates in ("all", "unseen"):
        assert (loaded.scores(features, candidates) == model.scores(features, candidates)).all()
    assert loaded.add_class("new", prior_row=np.ones(8)).names_[-1] == "new"
    assert not [file for file in folder.rglob("*") if file.suffix in {".pkl", ".pt", ".pth"}]


def test_a_saved_eszsl_answers_the_same(world, tmp_path):
    fitted = ZeroShotClassifier(None, "eszsl", device="cpu").fit(*world.data.train, priors=world.priors)
    features, labels = rows_of(world, world.data.test_unseen_loc)
    assert fitted.score(features, labels, "unseen") > 0.4  # chance is 1/4
    loaded = ZeroShotClassifier.load(fitted.save(tmp_path / "model"), device="cpu")
    assert (loaded.scores(features) == fitted.scores(features)).all()


def test_broken_models_are_refused(model, tmp_path):
    with pytest.raises(InputError, match="no model here"):
        ZeroShotClassifier.load(tmp_path)
    folder = model.save(tmp_path / "model")
    (folder / "model.json").write_text("{}")
    with pytest.raises(InputError, match="no model of this version"):
        ZeroShotClassifier.load(folder)
    (folder / "model.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        ZeroShotClassifier.load(folder)
    folder = model.save(tmp_path / "model")
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"model\.safetensors"):
        ZeroShotClassifier.load(folder)


def test_the_same_seed_gives_the_same_model_and_touches_no_global_state(world, linear, model):
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    again = new(linear).fit(*world.data.train, priors=world.priors)
    assert (torch.random.get_rng_state() == before).all()
    features, _ = rows_of(world, world.data.test_unseen_loc)
    assert (again.scores(features) == model.scores(features)).all()
    other = new(linear, seed=1).fit(*world.data.train, priors=world.priors)
    assert (other.scores(features) != model.scores(features)).any()


def test_the_unit_of_the_features_does_not_matter(world, linear, model):
    features, names = world.data.train
    test, _ = rows_of(world, world.data.test_unseen_loc)
    tiny = new(linear).fit(features * 2**-12, names, world.priors)
    assert (tiny.predict(test * 2**-12) == model.predict(test)).mean() > 0.98


def test_few_rows_still_get_a_trained_classifier(world, linear):
    features, names = world.data.train
    fitted = new(linear, classifier_options=None).fit(features, names, world.priors)
    for head, rows in ((fitted._zsl_head, 160), (fitted._gzsl_head, 288 + 160)):
        steps = -(-rows // head.classifier.batch_size)
        assert (head.classifier.epochs - 1) * steps < 1000 <= head.classifier.epochs * steps
    test, labels = rows_of(world, world.data.test_unseen_loc)
    assert fitted.score(test, labels, "unseen") > 0.8
    chosen = new(linear, classifier_options={"epochs": 2}).fit(features, names, world.priors)
    assert chosen._zsl_head.classifier.epochs == 2


def test_balanced_heads_see_as_many_real_as_synthetic_rows(world, linear):
    _, labels = rows_of(world, world.data.trainval_loc)
    counts = np.bincount(labels, minlength=16)
    for options, expected in (
        ({}, counts[:12]),
        ({"real_per_class": 5}, np.full(12, 5)),
        ({"balanced": True}, np.full(12, 40)),
        ({"balanced": True, "samples_per_class": 7}, np.full(12, 7)),
    ):
        fitted = new(linear, **options).fit(*world.data.train, priors=world.priors)
        rows = fitted._real_rows()
        assert np.bincount(fitted._labels[rows], minlength=12).tolist() == expected.tolist()


def test_more_synthetic_rows_mean_more_unseen_answers(world, linear):
    features, _ = rows_of(world, world.data.test_seen_loc)
    shares = []
    for count in (2, 400):
        fitted = new(linear, samples_per_class=count).fit(*world.data.train, priors=world.priors)
        shares.append(fitted.predict_proba(features)[:, 12:].sum(axis=1).mean())
    assert shares[0] < shares[1]


def test_parameters_follow_scikit_learn():
    from sklearn.base import clone, is_classifier

    assert is_classifier(ZeroShotClassifier())
    assert not hasattr(ZeroShotClassifier(), "n_features_in_")
    model = ZeroShotClassifier("wgan", samples_per_class=7, generator_options={"hidden": 8})
    assert clone(model).get_params() == model.get_params()
    assert model.set_params(samples_per_class=9) is model
    assert model.samples_per_class == 9
    assert repr(model) == "ZeroShotClassifier(samples_per_class=9, generator_options={'hidden': 8})"
    with pytest.raises(InputError, match="no option 'samples'"):
        model.set_params(samples=3)


def test_bad_requests_are_refused_in_one_line(world, linear, model):
    train, names = world.data.train
    bad = train.clone()
    bad[3, 2] = float("nan")
    cases = [
        (lambda: ZeroShotClassifier().predict(train), "not fitted"),
        (lambda: new(linear).fit(bad, names, world.priors), "sample 3 have NaN"),
        (lambda: new(linear).fit(train, names, world.priors.align(["class0", "class1"])), "have no prior"),
        (lambda: new(linear).fit(train, [99] * len(train), world.priors), "outside the class list"),
        (lambda: new(linear, samples_per_class=0).fit(train, names, world.priors), "samples_per_class is 0"),
        (lambda: ZeroShotClassifier(None, "softmax").fit(train, names, world.priors), "needs training rows"),
        (lambda: ZeroShotClassifier("wgn").fit(train, names, world.priors), "did you mean wgan"),
        (lambda: new(linear).fit(train[:0], [], world.priors), "no training rows"),
        (lambda: model.predict(train[:, :3]), "3 dimensions"),
        (lambda: model.predict(train, "unsen"), "'unsen' is not known"),
        (
            lambda: ZeroShotClassifier(None, "eszsl").fit(train, names, world.priors).synthesise("class1", 2),
            "no generator",
        ),
    ]
    for case, words in cases:
        with pytest.raises(InputError, match=words) as caught:
            case()
        assert "\n" not in str(caught.value)


def test_no_unseen_class_is_an_ordinary_classifier(world, linear):
    fitted = new(linear).fit(*world.data.train, priors=world.priors.align(world.data.seen_names))
    features, labels = rows_of(world, world.data.test_seen_loc)
    assert fitted.score(features, labels) > 0.8
    with pytest.raises(InputError, match="no unseen class"):
        fitted.predict(features, "unseen")


def test_one_sample_per_class_and_a_duplicate_prior_work(world, linear):
    features, labels = rows_of(world, world.data.trainval_loc)
    first = [int(np.flatnonzero(labels == c)[0]) for c in range(12)]
    matrix = world.priors.matrix.copy()
    matrix[13] = matrix[12]
    priors = ClassPriors(world.priors.names, matrix)
    fitted = new(linear).fit(features[first], [f"class{c}" for c in range(12)], priors)
    assert fitted.predict(features[:4]).shape == (4,)
