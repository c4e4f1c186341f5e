"""How a run chooses: by the mean over parts of the seen relations, and what a stopped one finds again."""

from __future__ import annotations

import pytest

from kgzsl.engine import Engine
from kgzsl.errors import InputError
from kgzsl.recipe import Recipe
from kgzsl.tasks.kg_completion import generator_fit
from kgzsl.tasks.kg_completion.best_state import BestState
from kgzsl.tasks.kg_completion.pipeline import CompletionRun, run


@pytest.fixture
def content(priors, tmp_path):
    priors.save(tmp_path / "priors.safetensors")
    return {
        "task": "kg_completion",
        "dataset": "world",
        "priors": [{"name": "file", "path": str(tmp_path / "priors.safetensors")}],
        "generator": {"name": "wgan", "hidden": 16, "noise_dim": 4, "epochs": 6, "batch_size": 16},
        "pairs": {"dim": 8, "link_dim": 8, "steps": 8, "batch_size": 16, "queries": 12, "corrupted": 16, "support": 4},
        "protocol": {"seeds": 1, "splits": 3},
        "controls": ["chance"],
        "train": {"device": "cpu"},
    }


def test_the_highest_mean_is_taken_not_the_highest_value():
    looks = [
        {"steps": {4: 0.9, 8: 0.5}, "epochs": {1: 0.5, 2: 0.75}},
        {"steps": {4: 0.1, 8: 0.6}, "epochs": {1: 0.5, 2: 0.25}},
    ]
    chosen = generator_fit._best(looks)
    assert chosen["steps"] == 8
    assert chosen["pairs.validation.mrr"] == pytest.approx(0.55)
    assert chosen["epochs"] == 1  # of equals the first
    assert generator_fit._best([{}, {}]) == {}


def test_the_ridge_penalty_goes_by_the_mean_too():
    history: list[dict] = []
    fit = generator_fit.GeneratorFit(None, None, None, {}, engine=None, log=None, history=history, warnings=[])
    assert fit._penalty(0, [{0.1: 0.9, 1.0: 0.5}, {0.1: 0.1, 1.0: 0.6}]) == 1.0
    assert history[0]["validation.mrr"] == pytest.approx(0.55)
    assert fit._penalty(0, []) == fit._penalty(0, [{}]) == 0.1


def test_choices_go_by_the_mean_over_all_parts(kg, content):
    told: list[str] = []
    result = run(Recipe.build(content), data=kg, progress=False, log=told.append)
    assert sum("selection on held-out relations, part" in line for line in told) == 3
    assert result.selection["classes"] == sorted(kg.names_of(kg.seen_relations))
    chosen = result.selection["chosen"]["generator"]
    for what, option, every in (("pairs", "steps", 2), ("generator", "epochs", 1)):
        curves = [
            [row["validation.mrr"] for row in result.history
             if row["stage"] == f"selection{part}.{what}" and "validation.mrr" in row]
            for part in (1, 2, 3)
        ]  # fmt: skip
        means = [sum(values) / 3 for values in zip(*curves, strict=True)]
        assert len({tuple(curve) for curve in curves}) == 3
        assert chosen[f"{what}.validation.mrr"] == pytest.approx(max(means))
        assert chosen[option] == every * (1 + means.index(max(means)))
    (ridge,) = (row for row in result.history if row["stage"] == "ridge")
    assert result.selection["chosen"]["ridge"] == {"penalty": ridge["penalty"]}
    assert result.model.features_.steps == chosen["steps"]
    assert result.model.generator_.epochs == chosen["epochs"]


def test_confidences_are_fitted_on_all_seen_relations(kg, content):
    content["protocol"]["calibration_folds"] = 2
    result = run(Recipe.build(content), data=kg, progress=False)
    assert result.model.calibration_.groups == len(kg.seen_relations)
    assert any("calibration_folds counts for nothing here: the trainings of splits" in line for line in result.warnings)
    assert not any("calibration" in row["stage"] for row in result.history)


def test_a_stopped_run_knows_what_it_saw_before(kg, content, tmp_path):
    whole = CompletionRun(Recipe.build(content), data=kg, out=tmp_path / "a", progress=False).go()
    again = CompletionRun(Recipe.build(content), data=kg, out=tmp_path / "a", resume=True, progress=False).go()
    assert again.metrics == whole.metrics
    assert again.selection == whole.selection


def test_looks_survive_a_stop(tmp_path):
    values = iter([0.2, 0.5, 0.3])
    engine = Engine(device="cpu", checkpoint=tmp_path, progress=False)
    first = BestState(lambda _: next(values), engine, "pairs")
    for done in (1, 2, 3):
        first.look(done, None, lambda: {"w": 1.0})
    again = BestState(lambda _: 0.0, Engine(device="cpu", checkpoint=tmp_path, resume=True, progress=False), "pairs")
    assert again.looks == {1: 0.2, 2: 0.5, 3: 0.3}
    assert (again.value, again.at) == (0.5, 2)


@pytest.mark.parametrize(
    "changes",
    [{"ranker": "evidence"}, {"protocol": {"splits": 3, "validation": "none"}}, {"protocol": {"splits": 0}}],
)
def test_splits_are_refused_where_nothing_is_cut(content, changes):
    with pytest.raises(InputError, match="splits"):
        Recipe.build({**content, **changes})
