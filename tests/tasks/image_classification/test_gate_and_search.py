"""Gates between experts, a prior's own head, methods without a generator, and search over options: from recipes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from kgzsl.errors import InputError
from kgzsl.tasks._knowledge import Source, build_priors
from kgzsl.tasks.image_classification import ZeroShotClassifier, run
from kgzsl.tasks.image_classification.search import require_sampler, search
from kgzsl.tasks.image_classification.selection import Choice, Searcher, labelled_names, seen_margin

FAST = ("generator={name: linear, ridge: 0.1}", "classifier={name: gda, samples_per_class: 20}", "controls=[chance]")


@pytest.fixture(scope="module")
def fast(small_recipe):
    def build(*overrides: str):
        return small_recipe(*FAST, *overrides)

    return build


@pytest.mark.parametrize("rule", ["cosmo", "stacking"])
def test_a_gate_lifts_the_harmonic_mean_and_is_kept(world, fast, tmp_path: Path, rule: str):
    # one synthetic row a class: the second classifier hardly ever answers an unseen class by itself
    few = ("classifier={name: softmax, samples_per_class: 1, lr: 0.03, epochs: 15, batch_size: 64}",)
    plain = run(fast(*few), data=world.data, progress=False)
    gated = run(fast(*few, f"classifier.gate={rule}"), data=world.data, out=tmp_path, progress=False)
    assert gated.metrics["gzsl.harmonic"] > plain.metrics["gzsl.harmonic"] + 5
    assert gated.metrics["zsl.top1"] == plain.metrics["zsl.top1"]
    chosen = gated.selection["chosen"]["generator"]
    assert chosen["gate"]["gate"] == rule
    assert chosen["unseen_bias"] == 0.0
    json.dumps(gated.selection)
    model, features = gated.model, world.data.features[::7]
    model.save(tmp_path / "model")
    again = ZeroShotClassifier.load(tmp_path / "model", device="cpu")
    assert json.loads((tmp_path / "model" / "model.json").read_text())["gate"]["gate"] == rule
    np.testing.assert_allclose(again.scores(features), model.scores(features), rtol=1e-5)
    assert (again.predict(features) == model.predict(features)).all()
    resumed = run(fast(*few, f"classifier.gate={rule}"), data=world.data, out=tmp_path, resume=True, progress=False)
    assert resumed.metrics["gzsl.harmonic"] == gated.metrics["gzsl.harmonic"]
    assert (resumed.model.predict(features) == model.predict(features)).all()


@pytest.mark.parametrize(
    ("settings", "rival"),
    [
        ("classifier.gate=cosmo", "calibrated ESZSL"),
        ("classifier.gate=auto", "calibrated ESZSL"),
        ("classifier.unseen_bias=validation", "calibrated ESZSL"),
        ("classifier.unseen_bias=0.5", "calibrated ESZSL"),
        ("classifier.gate=none", "ESZSL"),
        ("classifier.unseen_bias=0", "ESZSL"),
    ],
)
def test_what_is_helped_to_unseen_classes_is_judged_against_eszsl_that_is_too(world, fast, settings: str, rival: str):
    found = run(fast("controls=[eszsl]", settings), data=world.data, progress=False)
    judged = {line.split(": ")[1].split(" ")[0]: line for line in found.verdicts}
    prefix = "control.baseline_calibrated." if rival == "calibrated ESZSL" else "control.baseline."
    assert f" {rival}: " in judged["H"]
    assert judged["H"].endswith(f"against {found.metrics[prefix + 'gzsl.harmonic']:.1f}")
    assert " ESZSL: " in judged["T1"]  # among unseen classes alone a bias changes nothing
    assert "calibrated" not in judged["T1"]
    assert len(found.verdicts) == 2
    names = [row.name for row in found.rows]
    assert names[1:] == ["ESZSL", "ESZSL, calibrated"][: 1 + (rival != "ESZSL")]


def test_without_validation_there_is_no_calibrated_eszsl(world, fast):
    found = run(
        fast("controls=[eszsl]", "protocol.validation=none", "classifier.unseen_bias=0.5"),
        data=world.data,
        progress=False,
    )
    assert [row.name for row in found.rows][1:] == ["ESZSL"]
    assert not any("calibrated" in line for line in found.verdicts)


def test_the_gate_of_a_model_answers_for_any_candidates(world):
    data, features = world.data, world.data.features[::5]
    model = ZeroShotClassifier("linear", "gda", samples_per_class=20, device="cpu").fit(
        *data.train, priors=world.priors
    )
    before = model.scores(features)
    split = data.test_unseen_loc.tolist() + data.test_seen_loc.tolist()
    model.fit_gate(data.features[split], data.name_of(data.labels[split]), "stacking")
    table = model.scores(features)
    assert not np.allclose(table, before)
    assert (model.scores(features, "unseen") == model.scores(features)[:, 12:] - model.gate_.bias_).all() or (
        model.gate_.share_
    )
    some = [data.class_names[i] for i in (13, 2, 15)]
    assert model.scores(features, some).shape == (len(features), 3)
    assert set(model.predict(features, some)) <= set(some)
    with pytest.raises(InputError, match="gate is 'x'"):
        model.fit_gate(data.features[split], data.name_of(data.labels[split]), "x")


def test_the_priors_own_head_takes_part_with_a_weight_that_is_chosen(world, fast, tmp_path: Path):
    """Scores are the classifier's plus weight times ESZSL's over its deviation; weight 0 is the classifier alone."""
    recipe = fast("classifier.prior_head=eszsl", "classifier.prior_weight=[0.0, 2.0]", "generator.noise=40.0")
    found = run(recipe, data=world.data, out=tmp_path, progress=False)
    alone = run(fast("generator.noise=40.0"), data=world.data, progress=False)
    assert found.rows[0].name == "linear + gda + eszsl"
    assert found.selection["chosen"]["generator"]["prior_weight"] == 2.0  # with such noise ESZSL knows better
    assert found.metrics["zsl.top1"] > alone.metrics["zsl.top1"] + 5
    model, features = found.model, world.data.features[::9]
    both = model.scores(features)
    assert model.prior_options == found.selection["chosen"]["eszsl"]["options"]
    expected = model._prior_head.scores(features, np.arange(16))
    model.set_params(prior_weight=0.0)
    np.testing.assert_allclose(both - model.scores(features), 2.0 * expected, rtol=1e-3, atol=1e-3)
    seen = model._prior_head.head.scores(model._features, np.arange(16))
    assert model._prior_head.unit == pytest.approx(seen.std(axis=1).mean(), rel=1e-5)
    model.set_params(prior_weight=2.0).save(tmp_path / "model")
    np.testing.assert_allclose(ZeroShotClassifier.load(tmp_path / "model").scores(features), both, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["sae", "nearest-prior", "prototypes"])
def test_a_method_without_generator(world, small_recipe, name: str, tmp_path: Path):
    recipe = small_recipe("generator=null", f"classifier={{name: {name}, unseen_bias: validation}}")
    found = run(recipe, data=world.data, out=tmp_path, progress=False)
    assert [row.name for row in found.rows][:2] == [name, "ESZSL"]
    assert found.metrics["zsl.top1"] > 40.0  # chance is 25
    assert found.metrics["control.baseline.zsl.top1"] > 60.0
    assert found.model.predict(world.data.features[:3]).shape == (3,)
    assert "generator" in found.selection["chosen"]


def test_searched_options_are_those_best_on_validation_classes(world, fast):
    recipe = fast("protocol.search={generator.noise: [60.0, 1.0], classifier.covariance: [ks, oas]}")
    found = run(recipe, data=world.data, progress=False)
    chosen = found.selection["chosen"]["generator"]
    assert chosen["generator_options"] == {"noise": 1.0}
    assert found.model.generator_.noise == 1.0
    assert found.model.classifier_options["covariance"] == chosen["options"]["covariance"]


def test_several_splits_hold_each_seen_class_out_once_and_count_by_their_mean(world, small_recipe):
    settings = ("generator=null", "classifier={name: prototypes, unseen_bias: validation}", "controls=[chance]")
    search = "protocol.search={classifier.ridge: [1000.0, 0.01]}"
    found = run(small_recipe(*settings, search, "protocol.splits=3"), data=world.data, progress=False)
    assert sorted(found.selection["classes"]) == sorted(world.data.seen_names)
    chosen = found.selection["chosen"]["generator"]
    assert chosen["options"] == {"ridge": 0.01}
    assert found.model.classifier_options["ridge"] == 0.01
    figures = []
    for place in range(3):
        part = world.data.validation_split(0, 0.2, part=(place, 3))
        searcher = Searcher(part, found.priors, calibrate=True)
        model = ZeroShotClassifier(None, "prototypes", classifier_options={"ridge": 0.01}, device="cpu")
        figures.append(searcher.figures(model.fit(*labelled_names(part), searcher.priors)))
    for name in ("zsl.top1", "gzsl.harmonic", "unseen_bias"):
        assert chosen["figures"][name] == pytest.approx(np.mean([one[name] for one in figures]), rel=1e-4)
    assert len({one["unseen_bias"] for one in figures}) == 3
    assert chosen["unseen_bias"] == pytest.approx(chosen["figures"]["unseen_bias"])


def test_a_bias_in_proportion_to_the_margin_follows_the_units_of_the_scores(world, small_recipe):
    """Chosen on a part of the seen classes, a bias is to fit the scores of a model of all of them."""
    settings = ("generator=null", "controls=[chance]", "protocol.splits=3")
    plain, scaled = (
        run(small_recipe(*settings, f"classifier={{name: prototypes, unseen_bias: {rule}}}"), data=world.data)
        for rule in ("validation", "margin")
    )
    chosen = scaled.selection["chosen"]["generator"]
    assert chosen["unseen_bias"] == plain.selection["chosen"]["generator"]["unseen_bias"] == plain.model.unseen_bias
    data = world.data
    margin = seen_margin(scaled.model, data.train[0], data.class_names, np.asarray(data.seen), np.asarray(data.unseen))
    table = ZeroShotClassifier.scores(plain.model.set_params(unseen_bias=0.0), data.train[0], list(data.class_names))
    seen, unseen = np.asarray(data.seen), np.asarray(data.unseen)
    assert margin == pytest.approx(float((table[:, seen].max(1) - table[:, unseen].max(1)).mean()), rel=1e-4)
    expected = chosen["unseen_bias"] * margin / chosen["figures"]["margin"]
    assert scaled.model.unseen_bias == pytest.approx(expected)
    assert scaled.model.unseen_bias != pytest.approx(chosen["unseen_bias"], rel=1e-3)
    assert scaled.metrics["zsl.top1"] == plain.metrics["zsl.top1"]
    # What a margin of nought or less would do is left alone.
    assert Choice(unseen_bias=2.0, figures={"margin": 0.5}).bias_for(1.0) == 4.0
    assert Choice(unseen_bias=2.0, figures={"margin": 0.5}).bias_for(-1.0) == 2.0
    assert Choice(unseen_bias=2.0).bias_for(1.0) == 2.0


def test_a_weight_multiplies_the_normalised_prior(world, small_recipe):
    recipe = small_recipe("priors=[{name: att}, {name: att, weight: 0.25, normalise: standard}]")
    made = build_priors(recipe, world.data.class_names, {"att": world.priors}, [Source(None, ())] * 2).matrix
    np.testing.assert_allclose(made[:, :8], world.priors.normalised("l2").matrix, rtol=1e-6)
    np.testing.assert_allclose(made[:, 8:], 0.25 * world.priors.normalised("standard").matrix, rtol=1e-6, atol=1e-7)
    with pytest.raises(InputError, match="weight"):
        small_recipe("priors=[{name: att, weight: 0}]")


@pytest.mark.parametrize(
    "other",
    [
        "generator={name: wgan}",
        "classifier={name: gda, gate: cosmo}",
        "classifier={name: gda, samples_per_class: [5, 9]}",
        "protocol.validation=oracle",
    ],
)
def test_several_splits_do_not_go_with_what_is_chosen_otherwise(fast, other: str):
    with pytest.raises(InputError, match="which does not go with"):
        fast("protocol.splits=3", other)


def test_every_combination_or_as_many_as_trials():
    asked: list[dict] = []

    def attempt(options, number):
        asked.append(options)
        assert number == len(asked) - 1
        return Choice(figures={"x": -abs(options["a"] - 3) - abs(options["b"] - 20)}), []

    space = {"a": [1, 2, 3, 4], "b": [10, 20, 30]}
    best, _ = search(attempt, space, None, lambda figures: figures["x"])
    assert best.figures == {"x": 0}
    assert len(asked) == 12
    assert len({tuple(one.items()) for one in asked}) == 12
    pytest.importorskip("optuna")
    asked.clear()
    few, _ = search(attempt, space, 5, lambda figures: figures["x"], seed=1)
    assert len(asked) == 5
    assert few.figures["x"] == max(-abs(one["a"] - 3) - abs(one["b"] - 20) for one in asked)
    first = list(asked)
    asked.clear()
    search(attempt, space, 5, lambda figures: figures["x"], seed=1)
    assert asked == first


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("protocol.search={generator.nose: [1.0]}", "has no option 'nose'"),
        ("protocol.search={generator.noise: [-1.0]}", "noise is -1.0; give 0 or a number above it"),
        ("protocol.search={noise: [1.0]}", "cannot search 'noise'"),
        ("protocol.search={classifier.samples_per_class: [20, 40]}", "list in its place, .*samples_per_class: "),
        ("protocol.search={classifier.gate: [cosmo]}", "cannot search 'classifier.gate'"),
        ("classifier.prior_head=softmax", "the prior head must answer from priors"),
        ("classifier={name: gda, gate: cosmo, unseen_bias: validation}", "do the same"),
        ("generator=null", "without a generator the classifier must answer from priors, and 'gda' does not"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(fast, override: str, words: str):
    with pytest.raises(InputError, match=words):
        fast(override)


def test_a_search_without_its_package_is_refused_before_anything_runs(world, fast, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    told: list[str] = []
    space = "protocol.search={generator.noise: [0.5, 1.0]}"
    with pytest.raises(InputError, match="needs the package optuna"):
        run(fast(space, "protocol.trials=1"), data=world.data, progress=False, log=told.append)
    assert not told
    # As many trials as combinations: all are tried, and nothing draws.
    require_sampler({"a": [1, 2], "b": [3]}, 2)


def test_choices_need_validation(world, fast):
    with pytest.raises(InputError, match="there are choices to make"):
        run(fast("protocol.validation=none", "classifier.gate=cosmo"), data=world.data, progress=False)
