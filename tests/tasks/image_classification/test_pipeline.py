"""The pipeline end to end on the tiny world: selection, controls, honesty, resuming."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kgzsl.errors import InputError
from kgzsl.recipe import Recipe
from kgzsl.tasks._knowledge import Source
from kgzsl.tasks.image_classification import ImageProtocol, run
from kgzsl.tasks.image_classification.pipeline import ImageRun
from kgzsl.tasks.image_classification.selection import Searcher


@pytest.fixture(scope="module")
def fast(small_recipe, linear):
    """The small recipe with the fast generator."""

    def build(*overrides: str):
        return small_recipe(f"generator={{name: '{linear}', epochs: 6}}", "protocol.evaluate_every=2", *overrides)

    return build


@pytest.fixture(scope="module")
def result(world, fast):
    return run(fast("protocol.seeds=3", "classifier.unseen_bias=validation"), data=world.data, progress=False)


def comparable(metrics: dict) -> dict:
    return {name: value for name, value in metrics.items() if not name.startswith(("seconds", "peak_memory"))}


def test_the_real_ontology_beats_the_shuffled_one_and_chance(result):
    metrics = result.metrics
    assert metrics["zsl.top1"] > 70.0
    assert metrics["zsl.top1"] - metrics["control.shuffled.zsl.top1"] > 25.0
    assert metrics["control.chance.zsl.top1"] == 25.0
    assert metrics["gzsl.harmonic"] > 2 * metrics["control.shuffled.gzsl.harmonic"]
    for name in ("zsl.overall", "zsl.hit@2", "gzsl.seen", "gzsl.unseen", "gzsl.ausuc", "control.baseline.zsl.top1"):
        assert name in metrics
    assert metrics["zsl.top1_std"] >= 0.0


@pytest.mark.slow
def test_the_wgan_too(wide_world, small_recipe):
    recipe = small_recipe("controls=[chance, shuffled]", "protocol.validation=none")
    found = run(recipe, data=wide_world.data, progress=False)
    assert found.metrics["zsl.top1"] > 60.0
    assert found.metrics["zsl.top1"] - found.metrics["control.shuffled.zsl.top1"] > 30.0
    assert {row["stage"] for row in found.history} == {"train", "shuffled.train"}


def test_the_result_has_what_a_report_draws(result, world):
    assert result.task == "image_classification"
    assert result.dataset == "tiny world"
    assert result.seen == world.data.seen_names
    assert result.unseen == world.data.unseen_names
    assert result.priors.names == world.data.class_names
    assert result.arrays["confusion"].shape == (4, 4)
    assert result.arrays["confusion"].sum() == len(world.data.test_unseen_loc)
    assert result.names["confusion"] == result.unseen
    assert (np.diff(result.arrays["curve.seen"]) <= 0).all()
    count = len(result.arrays["map.class"])
    assert result.arrays["map.xy"].shape == (count, 2)
    assert 0 < result.arrays["map.synthetic"].sum() < count
    lengths = {len(column) for column in result.predictions.values()}
    assert lengths == {3 * (len(world.data.test_unseen_loc) + len(world.data.test_seen_loc))}
    assert result.peak_memory_mb > 0
    assert result.seconds["total"] > 0
    assert result.model.predict(world.data.features[:2]).shape == (2,)
    assert any("validation.zsl.top1" in row for row in result.history)
    names = [row.name for row in result.rows]
    assert names[1:] == ["ESZSL", "ESZSL, calibrated", "shuffled ontology", "ESZSL, shuffled ontology", "chance"]
    assert result.verdicts
    lines = result.table()
    assert len(lines) == 3 + len(names)


def test_predictions_are_of_the_rows_they_name(result, world):
    table = result.predictions
    right = [a == b for a, b, k in zip(table["true"], table["predicted"], table["kind"], strict=True) if k == "unseen"]
    assert 100 * np.mean(right) == pytest.approx(result.metrics["gzsl.unseen"], abs=1e-6)  # equal class sizes here
    for row, name in zip(table["row"], table["true"], strict=True):
        assert world.data.class_names[int(world.data.labels[row])] == name


def test_selection_is_recorded(result):
    told = result.selection
    assert told["by"] == "held-out-classes"
    assert told["oracle"] is False
    assert told["setting"] == "inductive"
    assert set(told["classes"]) <= set(result.seen)
    assert told["chosen"]["generator"]["epochs"] in (2, 4, 6)
    assert set(told["chosen"]["eszsl"]["options"]) == {"gamma", "lam"}


def test_a_generator_in_closed_form_has_no_epochs_to_choose(world, small_recipe):
    recipe = small_recipe("generator=linear", "classifier=gda", "controls=[chance]")
    found = run(recipe, data=world.data, progress=False)
    assert "epochs" not in found.selection["chosen"]["generator"]
    assert found.metrics["zsl.top1"] > 70.0


@pytest.mark.parametrize("best", [2, 4, 6])
def test_selection_takes_the_best_epochs(world, fast, best):
    found = run(fast("controls=[]", f"generator.best_epoch={best}"), data=world.data, progress=False)
    looks = {row["step"]: row for row in found.history if "validation.zsl.top1" in row}
    assert list(looks) == [2, 4, 6]
    assert max(looks, key=lambda step: looks[step]["validation.zsl.top1"]) == best
    assert found.selection["chosen"]["generator"]["epochs"] == best
    assert max(row["step"] for row in found.history if row["stage"] == "train") == best
    assert found.metrics["zsl.top1"] > 60.0


def test_selection_takes_the_better_number_of_samples(world, fast):
    found = run(fast("controls=[]", "classifier.samples_per_class=[1, 60]"), data=world.data, progress=False)
    assert found.selection["chosen"]["generator"]["samples_per_class"] == 60


def test_a_calibrated_bias_lifts_the_harmonic_mean(world, fast):
    # one synthetic row a class: the second classifier hardly ever answers an unseen class by itself
    few = ("controls=[]", "classifier.samples_per_class=1", "protocol.criterion=zsl.top1")
    plain = run(fast(*few), data=world.data, progress=False).metrics
    calibrated = run(fast(*few, "classifier.unseen_bias=validation"), data=world.data, progress=False).metrics
    assert calibrated["gzsl.harmonic"] > plain["gzsl.harmonic"] + 5
    assert calibrated["zsl.top1"] == plain["zsl.top1"]


def test_nothing_before_the_final_score_depends_on_test_labels(world, fast, monkeypatch):
    data = world.data
    wrong = data.labels.clone()
    random = torch.Generator().manual_seed(0)
    for loc in (data.test_unseen_loc, data.test_seen_loc):
        wrong[loc] = wrong[loc][torch.randperm(len(loc), generator=random)]
    seen: list = []
    original = ImageProtocol.final_score
    monkeypatch.setattr(
        ImageProtocol, "final_score", lambda self, scores, *more: seen.append(scores) or original(self, scores, *more)
    )
    recipe = fast("classifier.unseen_bias=validation", "classifier.samples_per_class=[20, 40]")
    real = run(recipe, data=data, progress=False)
    blind = run(recipe, data=replace(data, labels=wrong), progress=False)
    first, second = seen
    assert first.keys() == second.keys()
    for name, scores in first.items():
        assert scores.unseen_bias == second[name].unseen_bias
        for part in ("zsl", "gzsl_unseen", "gzsl_seen"):
            assert (getattr(scores, part) == getattr(second[name], part)).all(), (name, part)
    assert real.selection == blind.selection
    assert real.metrics["zsl.top1"] != blind.metrics["zsl.top1"]  # the labels did change


def test_the_oracle_does_depend_on_them_and_says_so(world, fast):
    found = run(fast("protocol.validation=oracle", "controls=[chance]"), data=world.data, progress=False)
    assert found.selection["oracle"] is True
    assert found.verdicts[0].startswith("ORACLE SELECTION")
    assert "ORACLE" in found.rows[0].note


def test_without_validation_nothing_is_chosen(world, fast):
    found = run(fast("protocol.validation=none", "controls=[chance]"), data=world.data, progress=False)
    assert found.selection["by"] == "none"
    assert "epochs" not in found.selection["chosen"]["generator"]
    with pytest.raises(InputError, match="there are choices to make"):
        run(fast("protocol.validation=none", "classifier.unseen_bias=validation"), data=world.data, progress=False)


def test_the_answer_is_the_better_one_on_validation_classes(world, fast):
    # a generator after no more than one epoch knows half of the means: ESZSL is better, and validation tells
    poor = run(fast("answer=best", "generator.noise=30"), data=world.data, progress=False)
    assert poor.selection["chosen"]["answer"]["zsl"] == "eszsl"
    assert poor.metrics["zsl.top1"] == poor.metrics["control.baseline.zsl.top1"]
    assert poor.metrics["generator.zsl.top1"] < poor.metrics["zsl.top1"]
    assert [row.name for row in poor.rows][:3] == ["best on validation", f"{fast().generator.name} + softmax", "ESZSL"]
    assert any("DOES NOT BEAT ESZSL" in line for line in poor.verdicts)
    chosen = poor.selection["chosen"]
    best = max(("generator", "eszsl"), key=lambda name: chosen[name]["figures"]["zsl.top1"])
    assert best == "eszsl"


def test_eszsl_answers_with_the_bias_that_its_validation_figure_had(world, fast):
    """Without that bias it is another method than the one that did better on validation classes."""
    found = run(fast("answer=best", "generator.noise=30", "controls=[chance]"), data=world.data, progress=False)
    metrics = found.metrics
    assert found.selection["chosen"]["answer"]["gzsl"] == "eszsl_calibrated"
    assert metrics["gzsl.harmonic"] == metrics["control.baseline_calibrated.gzsl.harmonic"]
    assert metrics["gzsl.harmonic"] != metrics["control.baseline.gzsl.harmonic"]
    assert "ESZSL, calibrated" in [row.name for row in found.rows]
    assert any(
        "the model that is kept for kgzsl predict and explain is linear" in line.lower() for line in found.warnings
    )


def test_eszsl_alone_is_a_method(world, small_recipe):
    recipe = small_recipe("generator=null", "classifier=eszsl", "controls=[chance, shuffled]")
    found = run(recipe, data=world.data, progress=False)
    assert found.rows[0].name == "ESZSL"
    assert found.metrics["zsl.top1"] > found.metrics["control.shuffled.zsl.top1"] + 20


def test_priors_from_the_graph_are_as_good(world, fast):
    data = replace(world.data, priors={})
    recipe = fast("priors=[{name: attributes}, {name: transe, dim: 8, epochs: 2}]", "controls=[chance, shuffled]")
    steps = ImageRun(recipe, data=data, progress=False)
    steps.sources = [Source(world.graph, data.class_names)] * 2
    found = steps.go()
    assert found.metrics["zsl.top1"] > found.metrics["control.shuffled.zsl.top1"] + 15
    assert found.priors.dim == 8 + 8
    # each block has length 1, so that none drowns the other
    assert np.linalg.norm(found.priors.matrix[:, :8], axis=1) == pytest.approx(np.ones(16), abs=1e-5)
    assert np.linalg.norm(found.priors.matrix[:, 8:], axis=1) == pytest.approx(np.ones(16), abs=1e-5)


def test_priors_may_have_graphs_of_their_own(world, fast, tmp_path: Path):
    has, of = "http://example.org/has", "http://example.org/"
    for part, columns in (("one", range(5)), ("two", range(5, 8))):
        lines = [
            f"<{of}{name}> <{has}> <{of}attribute{column}> ."
            for name, row in zip(world.data.class_names, world.attributes, strict=True)
            for column in columns
            if row[column] or column == columns[0]  # every class occurs in both graphs
        ]
        (tmp_path / f"{part}.nt").write_text("\n".join(lines) + "\n")
    one, two = tmp_path / "one.nt", tmp_path / "two.nt"
    both = f"priors=[{{name: attributes}}, {{name: attributes, graph: {two}}}]"
    steps = ImageRun(fast(f"graph={one}", both), data=world.data, progress=False)
    priors, wrong = steps.make_priors(0), steps.make_priors(0, shuffle=1)
    assert priors.dim == 8
    assert (priors.matrix[:, :5] != wrong.matrix[:, :5]).any()
    assert (priors.matrix[:, 5:] != wrong.matrix[:, 5:]).any()
    with pytest.raises(InputError, match=r"'three\.nt' does not exist"):
        ImageRun(fast("priors=[{name: attributes, graph: three.nt}]"), data=world.data, progress=False)


def test_an_interrupted_run_goes_on_to_the_same_figures(world, fast, tmp_path: Path, monkeypatch):
    recipe = fast("protocol.seeds=2", "classifier.unseen_bias=validation")
    whole = run(recipe, data=world.data, out=tmp_path / "whole", progress=False)
    done: list[str] = []

    class Stop(Exception):
        pass

    def stop(line: str) -> None:
        done.append(line)
        if len(done) == 6:
            raise Stop

    with pytest.raises(Stop):
        run(recipe, data=world.data, out=tmp_path / "cut", progress=False, log=stop)
    lines: list[str] = []
    resumed = run(recipe, data=world.data, out=tmp_path / "cut", resume=True, progress=False, log=lines.append)
    assert sum("done before" in line for line in lines) == 5
    assert comparable(resumed.to_metrics()) == comparable(whole.to_metrics())
    assert resumed.predictions == whole.predictions
    features = world.data.features[:20]
    assert (resumed.model.scores(features) == whole.model.scores(features)).all()


def test_an_interrupted_wgan_goes_on_to_the_same_figures(world, small_recipe, tmp_path: Path, monkeypatch):
    recipe = small_recipe("controls=[]", "generator.epochs=12", "protocol.evaluate_every=3", "train.checkpoint_every=7")
    original, looks = Searcher.figures, []
    stop_at: list[int] = []

    def first_look_is_best(self, model):
        looks.append(len(looks))
        if len(looks) in stop_at:
            raise RuntimeError("power cut")
        return {**original(self, model), "zsl.top1": 99.0 if len(looks) == 1 else 1.0}

    monkeypatch.setattr(Searcher, "figures", first_look_is_best)
    whole = run(recipe, data=world.data, progress=False)
    looks.clear()
    stop_at.append(3)
    with pytest.raises(RuntimeError, match="power cut"):
        run(recipe, data=world.data, out=tmp_path, progress=False)
    resumed = run(recipe, data=world.data, out=tmp_path, resume=True, progress=False)
    assert resumed.selection["chosen"]["generator"]["epochs"] == 3
    assert comparable(resumed.to_metrics()) == comparable(whole.to_metrics())
    assert resumed.selection == whole.selection
    assert resumed.history == whole.history


def test_a_wgan_interrupted_in_a_later_stage_finds_its_own_checkpoint(world, small_recipe, tmp_path: Path, monkeypatch):
    recipe = small_recipe("controls=[]", "generator.epochs=4", "protocol.evaluate_every=4")
    whole = run(recipe, data=world.data, progress=False)

    def stop(self, model):
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(ImageRun, "_keep_model", stop)
        with pytest.raises(RuntimeError, match="power cut"):
            run(recipe, data=world.data, out=tmp_path, progress=False)
    folder = tmp_path / "checkpoint" / "train.seed0"
    before = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    resumed = run(recipe, data=world.data, out=tmp_path, resume=True, progress=False)
    assert comparable(resumed.to_metrics()) == comparable(whole.to_metrics())
    assert resumed.history == whole.history
    assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == before  # nothing was trained again


def test_settings_may_be_chosen_for_each_seed(world, fast):
    found = run(fast("protocol.seeds=2", "protocol.selection=per-seed", "controls=[]"), data=world.data, progress=False)
    assert {row["seed"] for row in found.history if row["stage"] == "selection"} == {0, 1}


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("priors=[{name: atr}]", "no prior is called 'atr'; did you mean .*att"),
        ("priors=[{name: attributes}]", "neither the recipe nor the data set has one"),
        ("graph.source=nowhere.ttl", "'nowhere.ttl' does not exist"),
        ("priors=[{name: file, path: nowhere.npz}]", "'nowhere.npz' does not exist"),
    ],
)
def test_bad_knowledge_is_refused_in_one_line(world, fast, override, words):
    with pytest.raises(InputError, match=words) as caught:
        run(fast(override), data=world.data, progress=False)
    assert "\n" not in str(caught.value)


def test_a_class_missing_from_the_priors_is_named(world, fast, tmp_path: Path):
    some = world.priors.align(world.data.class_names[:-1])
    path = some.save(tmp_path / "some.safetensors")
    with pytest.raises(InputError, match="class15"):
        run(fast(f"priors=[{{name: file, path: {path}}}]"), data=world.data, progress=False)


def test_a_knowledge_graph_is_no_image_data_set(monkeypatch, fast):
    from kgzsl import datasets

    monkeypatch.setattr(datasets, "load", lambda *args, **options: object())
    with pytest.raises(InputError, match="is a knowledge graph, not an image data set"):
        run(fast())


def test_a_recipe_runs_from_its_resolved_text(world, fast):
    recipe = fast("controls=[]")
    again = Recipe.parse(recipe.to_yaml())
    first, second = (run(one, data=world.data, progress=False).metrics for one in (recipe, again))
    assert first == second
