"""Retrieval and clustering of a run's unseen test rows: the figures, the option, and what choices look at."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kgzsl.classifiers import MetricMapping, metric_mapping, recall_at_k
from kgzsl.errors import InputError
from kgzsl.tasks.image_classification import ImageProtocol, run
from kgzsl.tasks.image_classification import retrieval as figures_module
from kgzsl.tasks.image_classification.pipeline import ImageRun
from kgzsl.tasks.image_classification.retrieval import RETRIEVAL, Space, retrieval_figures, score_spaces

METRIC = ("generator=linear", "classifier={name: metric, samples_per_class: 40, dim: 8, epochs: 3}")
ASKED = (*METRIC, "protocol.retrieval=true", "controls=[chance]")


def test_classes_that_lie_apart_score_all_and_one_point_chance() -> None:
    labels = np.repeat(np.arange(5), 4)
    apart = retrieval_figures(np.eye(5)[labels] + 1e-3 * np.random.default_rng(0).normal(size=(20, 5)), labels)
    assert set(apart) == set(RETRIEVAL)
    assert apart == pytest.approx(dict.fromkeys(RETRIEVAL, 100.0))
    one = retrieval_figures(np.ones((20, 3)), labels)
    # 3 of the 19 other rows are of one's own class.
    assert one["retrieval.recall@1"] == pytest.approx(100 * 3 / 19)
    assert one["retrieval.recall@2"] == pytest.approx(100 * (1 - (16 * 15) / (19 * 18)))
    assert one["retrieval.nmi"] == 0.0


def test_spaces_that_share_their_rows_are_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    points, labels, calls = random.normal(size=(30, 2)), random.integers(0, 3, size=30), []
    plain = figures_module.recall_at_k
    monkeypatch.setattr(figures_module, "recall_at_k", lambda *given: calls.append(1) or plain(*given))
    found = score_spaces({"a": Space(points, 0), "b": Space(points, 1), "c": Space(points.copy(), 1)}, labels)
    assert len(calls) == 2
    for seed, name in enumerate("abc"):
        assert found[name] == retrieval_figures(points, labels, seed=min(seed, 1))


def test_a_run_tells_its_space_and_the_features_beside_it(world, small_recipe) -> None:
    recipe = small_recipe(*ASKED, "protocol.seeds=2")
    found = run(recipe, data=world.data, progress=False)
    data = world.data
    rows, labels = data.rows(data.test_unseen_loc)
    own = retrieval_figures(found.model.embed(rows), labels)
    raw = [retrieval_figures(rows, labels, seed=seed) for seed in (0, 1)]
    assert found.model.embed(rows).shape == (len(rows), 8)
    for name in RETRIEVAL:
        assert found.per_seed[0][name] == pytest.approx(own[name])
        assert found.metrics[f"control.features.{name}"] == pytest.approx(np.mean([one[name] for one in raw]))
        assert f"{name}_std" in found.metrics
    share = (len(rows) // 4 - 1) / (len(rows) - 1)  # four classes of as many rows
    assert found.metrics["control.chance.retrieval.recall@1"] == pytest.approx(100 * share)
    assert found.metrics["control.chance.retrieval.nmi"] == 0.0
    assert found.columns[-2:] == ["retrieval.recall@1", "retrieval.nmi"]
    table = "\n".join(found.table())
    assert "R@1" in table
    assert "features as they are" in table
    assert any("the features as they are: R@1" in line for line in found.verdicts)
    assert not any("learns no space" in line for line in found.warnings)


def test_without_the_option_there_is_none_and_nothing_else_differs(world, small_recipe) -> None:
    without = run(small_recipe(*METRIC, "controls=[chance]"), data=world.data, progress=False)
    beside = run(small_recipe(*ASKED), data=world.data, progress=False)
    assert not any("retrieval" in name for name in without.metrics)
    assert not any("retrieval" in name for name in without.columns)
    same = {name: value for name, value in beside.metrics.items() if "retrieval" not in name}
    assert same == without.metrics


def test_a_classifier_without_a_space_is_judged_by_its_scores(world, small_recipe) -> None:
    recipe = small_recipe("generator=null", "classifier=sae", "protocol.retrieval=true", "controls=[chance, eszsl]")
    found = run(recipe, data=world.data, progress=False)
    rows, labels = world.data.rows(world.data.test_unseen_loc)
    expected = retrieval_figures(found.model.scores(rows), labels)
    assert {name: found.metrics[name] for name in RETRIEVAL} == pytest.approx(expected)
    assert "control.baseline.retrieval.recall@1" in found.metrics
    assert "retrieval is by the scores of all classes: sae learns no space of its own" in found.warnings


def test_scores_that_are_not_finite_are_as_low_as_the_lowest(world, small_recipe, monkeypatch) -> None:
    found = run(small_recipe("generator=null", "classifier=sae", "controls=[]"), data=world.data, progress=False)
    table = np.array([[1.0, -np.inf], [0.5, 2.0]], dtype=np.float32)
    monkeypatch.setattr(type(found.model), "scores", lambda *_: table)
    assert found.model.embed(world.data.features[:2]).tolist() == [[1.0, 0.5], [0.5, 2.0]]


def test_the_weight_of_energy_confusion_reaches_the_training(world, small_recipe, monkeypatch) -> None:
    met: list[float] = []
    fit, plain = MetricMapping.fit, metric_mapping.energy_confusion
    monkeypatch.setattr(MetricMapping, "fit", lambda self, *given: met.append(self.confusion) or fit(self, *given))
    calls: list[int] = []
    monkeypatch.setattr(metric_mapping, "energy_confusion", lambda *given: calls.append(1) or plain(*given))
    without = run(small_recipe(*ASKED), data=world.data, progress=False)
    assert set(met) == {0.0}
    assert not calls
    confused = run(small_recipe(*ASKED, "classifier.confusion=0.7"), data=world.data, progress=False)
    assert set(met) == {0.0, 0.7}
    assert calls
    rows = world.data.features[world.data.test_unseen_loc]
    assert not np.allclose(confused.model.embed(rows), without.model.embed(rows))


def test_options_are_chosen_by_recall_of_the_held_out_classes(world, small_recipe) -> None:
    tried = [0.0, 0.5, 8.0]
    choose = ("protocol.criterion=retrieval.recall@1", f"protocol.search={{classifier.confusion: {tried}}}")
    recipe = small_recipe(*ASKED, *choose, "protocol.retrieval=false", "classifier.dim=2")
    found = run(recipe, data=world.data, progress=False)
    trial = ImageProtocol(world.data).selection_data()
    assert trial is not None
    asked, labels = trial.rows(trial.test_unseen_loc)
    recalls = []
    for weight in tried:
        of_one = ImageRun(small_recipe(*METRIC, f"classifier.confusion={weight}", "classifier.dim=2"), data=world.data)
        model = of_one.models.method(0)
        features, names = trial.train
        model.fit(features, np.asarray(names), found.priors.align(trial.class_names))
        recalls.append(100 * recall_at_k(model.embed(asked), labels, [1])[0])
    chosen = found.selection["chosen"]["generator"]
    assert chosen["figures"]["retrieval.recall@1"] == pytest.approx(max(recalls))
    assert chosen["options"]["confusion"] == tried[int(np.argmax(recalls))]
    assert not any(name.startswith("retrieval.") for name in found.metrics)


def test_labels_of_test_rows_change_nothing_but_the_figures(world, small_recipe, monkeypatch) -> None:
    data, met = world.data, []
    wrong = data.labels.clone()
    loc = data.test_unseen_loc
    wrong[loc] = wrong[loc][torch.randperm(len(loc), generator=torch.Generator().manual_seed(0))]
    original = ImageProtocol.final_score
    monkeypatch.setattr(
        ImageProtocol, "final_score", lambda self, *given: met.append(given[1]) or original(self, *given)
    )
    recipe = small_recipe(*ASKED, "protocol.criterion=retrieval.recall@1", "classifier.unseen_bias=validation")
    real = run(recipe, data=data, progress=False)
    blind = run(recipe, data=replace(data, labels=wrong), progress=False)
    assert met[0].keys() == met[1].keys()
    assert all(np.array_equal(met[0][name].points, met[1][name].points) for name in met[0])
    assert real.selection == blind.selection
    assert blind.metrics["retrieval.recall@1"] < real.metrics["retrieval.recall@1"] - 20


def test_spaces_outlive_an_interruption(world, small_recipe, tmp_path: Path, monkeypatch) -> None:
    recipe = small_recipe(*ASKED)
    first = run(recipe, data=world.data, out=tmp_path, progress=False)
    monkeypatch.setattr(MetricMapping, "fit", lambda *_: pytest.fail("it was trained before"))
    again = run(recipe, data=world.data, out=tmp_path, resume=True, progress=False)
    assert {name: again.metrics[name] for name in RETRIEVAL} == {name: first.metrics[name] for name in RETRIEVAL}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("protocol.retrieval=perhaps", "retrieval"),
        ("protocol.retrieval=1", "retrieval"),
        ("protocol.retrieval=[1, 2]", "retrieval"),
        ("protocol.retrival=true", "did you mean 'retrieval'"),
        ("protocol.criterion=retrieval.nmi", "criterion"),
        ("classifier.confusion=-1", "confusion is -1"),
    ],
)
def test_wrong_values_are_refused_in_a_line(small_recipe, setting: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as told:
        small_recipe(*METRIC, setting)
    assert "\n" not in str(told.value)


def test_one_unseen_test_row_has_nothing_to_be_found_among(world, small_recipe) -> None:
    data = replace(world.data, test_unseen_loc=world.data.test_unseen_loc[:1])
    with pytest.raises(InputError, match="there is one row"):
        run(small_recipe(*ASKED), data=data, progress=False)


def test_the_command_prints_and_keeps_the_figures(world, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from kgzsl.cli.app import run as command

    world.data.save(tmp_path / "data")
    (tmp_path / "r.yaml").write_text(
        f"task: image_classification\ndataset: {tmp_path / 'data'}\npriors: [{{name: att}}]\ngenerator: linear\n"
        "classifier: {name: metric, dim: 8, epochs: 2}\ncontrols: []\nprotocol: {retrieval: true}\n"
    )
    assert command(["run", str(tmp_path / "r.yaml"), "--out", str(tmp_path / "run"), "--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    assert "R@1" in printed
    assert "NMI" in printed
    kept = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert set(RETRIEVAL) <= set(kept)
    assert kept["control.features.retrieval.recall@8"] > 50
    assert "R@1" in (tmp_path / "run" / "report.html").read_text()
    assert command(["run", str(tmp_path / "r.yaml"), "--set", "protocol.retrieval=maybe", "--out", "x"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "retrieval" in told
