"""A whole run on the little world: every control beside the method, honest selection, and what a folder needs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from kgzsl.errors import InputError
from kgzsl.recipe import Recipe
from kgzsl.tasks.kg_completion import run
from kgzsl.tasks.kg_completion.evaluation import Evaluation
from kgzsl.tasks.kg_completion.evidence import evidence_completer
from kgzsl.tasks.kg_completion.pipeline import CompletionRun

PAIRS = {"dim": 16, "link_dim": 16, "steps": 20, "batch_size": 16, "queries": 8, "corrupted": 8, "support": 3}


@pytest.fixture
def prior_file(priors, tmp_path):
    return str(priors.save(tmp_path / "priors.safetensors"))


def recipe(prior_file, **changes):
    content = {
        "task": "kg_completion",
        "dataset": "little world",
        "priors": [{"name": "file", "path": prior_file}],
        "pairs": PAIRS,
        "generator": {"name": "wgan", "hidden": 16, "noise_dim": 4, "epochs": 4, "batch_size": 16},
        "train": {"device": "cpu", "precision": "32-true"},
    }
    return Recipe.build({**content, **changes})


def test_every_control_stands_beside_the_method(kg, prior_file):
    result = run(recipe(prior_file, protocol={"seeds": 2}), data=kg, progress=False)
    for prefix in (
        "", "link_overlap.", "baseline.", "nearest_prior.", "mean_prototype.", "shuffled.", "shuffled_baseline.",
        "chance.",
    ):  # fmt: skip
        name = f"control.{prefix}kgc.mrr" if prefix else "kgc.mrr"
        assert 0 < result.metrics[name] <= 1, name
        assert f"{name}_std" in result.metrics
    assert [row.role for row in result.rows] == [
        "method", "control", "baseline", "baseline", "control", "control", "control", "control",
    ]  # fmt: skip
    assert result.columns[0] == "kgc.mrr"
    assert len(result.verdicts) == 7
    of_same_features = (
        "kgc.mrr",
        *(f"control.{name}.kgc.mrr" for name in ("nearest_prior", "mean_prototype", "baseline")),
    )
    assert len({result.metrics[name] for name in of_same_features}) == 4
    # Chance by hand: all 36 entities but the other known answers; tails of both relations have one answer each.
    tails = 1 / ((36 + 1) / 2)
    assert result.metrics["control.chance.kgc.mrr"] > tails
    assert result.metrics["control.chance.kgc.mrr_std"] == 0
    assert result.metrics["control.shuffled.kgc.mrr"] != result.metrics["kgc.mrr"]
    assert result.seen == sorted(kg.names_of(kg.seen_relations))
    assert result.unseen == ["nationOf", "residesIn"]


def test_drawn_answers_stand_beside_the_others_for_all_methods(kg, prior_file):
    plain = run(recipe(prior_file), data=kg, progress=False)
    result = run(recipe(prior_file, protocol={"negatives": 7}), data=kg, progress=False)
    assert {name: result.metrics[name] for name in plain.metrics} == plain.metrics
    for prefix in ("", "control.link_overlap.", "control.baseline.", "control.chance."):
        for name in ("mrr", "hits@10", "auc_pr", "auc_roc"):
            assert 0 <= result.metrics[f"{prefix}kgc.drawn.{name}"] <= 1
    assert result.metrics["kgc.drawn.queries"] == 2 * len(kg.test)
    assert result.metrics["control.chance.kgc.drawn.mrr"] == pytest.approx(1 / 4.5)
    assert {"kgc.drawn.mrr", "kgc.drawn.auc_pr"} <= set(result.columns)
    assert any("among 7 of 36 entities drawn for each query" in line for line in result.warnings)
    assert not any("drawn" in name for name in [*plain.metrics, *plain.columns])
    with pytest.raises(InputError, match="negatives"):
        recipe(prior_file, protocol={"negatives": 0})


def test_predictions_and_history_hold_every_query(kg, prior_file):
    result = run(recipe(prior_file), data=kg, progress=False)
    columns = result.predictions
    assert {len(column) for column in columns.values()} == {2 * len(kg.test)}
    told = set(zip(columns["head"], columns["relation"], columns["tail"], strict=True))
    assert told == {(kg.entities[h], kg.relations[r], kg.entities[t]) for h, r, t in kg.test.tolist()}
    mrr = sum(1 / rank for rank in columns["rank"]) / len(columns["rank"])
    assert result.metrics["kgc.mrr"] == pytest.approx(mrr)
    stages = {row["stage"] for row in result.history}
    assert {"selection.pairs", "train.pairs", "train.generator", "shuffled.train.generator"} <= stages


def test_selection_is_recorded_and_never_about_unseen_relations(kg, prior_file):
    result = run(recipe(prior_file), data=kg, progress=False)
    assert result.selection["by"] == "held-out-relations"
    assert not set(result.selection["classes"]) & set(result.unseen)
    assert {"steps", "epochs"} <= set(result.selection["chosen"]["generator"])
    assert result.selection["oracle"] is False


def test_test_triples_change_nothing_but_the_score(kg, prior_file):
    """The model is the same whatever the true answers are."""
    other = replace(kg, test=torch.stack([kg.test[:, 0], kg.test[:, 1], kg.test[:, 2].flip(0)], dim=1))
    one = run(recipe(prior_file, controls=[]), data=kg, progress=False)
    two = run(recipe(prior_file, controls=[]), data=other, progress=False)
    assert one.selection == two.selection
    anchors = torch.arange(kg.num_entities)
    assert torch.equal(one.model.scores("residesIn", anchors), two.model.scores("residesIn", anchors))
    assert one.metrics["kgc.mrr"] != two.metrics["kgc.mrr"]


def test_oracle_selection_is_the_first_thing_said(kg, prior_file):
    made = recipe(prior_file, protocol={"validation": "oracle"}, controls=["chance"])
    result = run(made, data=kg, progress=False)
    assert result.verdicts[0].startswith("ORACLE SELECTION")
    assert result.selection["oracle"] is True


def test_an_interrupted_run_goes_on_to_the_same_figures(kg, prior_file, tmp_path):
    whole = run(recipe(prior_file), data=kg, progress=False)
    first = CompletionRun(recipe(prior_file), data=kg, out=tmp_path / "run", progress=False)
    first.scorers(0, first.make_priors(0), "")  # then the lights go out
    resumed = run(recipe(prior_file), data=kg, out=tmp_path / "run", resume=True, progress=False)
    assert resumed.metrics == whole.metrics


def test_without_a_generator_the_closed_form_is_the_method(kg, prior_file):
    result = run(recipe(prior_file, generator=None), data=kg, progress=False)
    assert result.rows[0].name == "ridge"
    assert "control.baseline.kgc.mrr" not in result.metrics


def test_bad_settings_name_file_place_and_remedy(kg, prior_file):
    with pytest.raises(InputError, match=r"'pairs' has no option 'dims'.*did you mean 'dim'"):
        run(recipe(prior_file, pairs={"dims": 3}), data=kg, progress=False)
    with pytest.raises(InputError, match="no candidates of the kind 'type'; choose among all"):
        run(recipe(prior_file, protocol={"candidates": "type"}), data=kg, progress=False)


def test_a_ranker_is_the_method_and_its_control_sees_a_shuffled_ontology(kg, prior_file, tmp_path):
    ranker = {"name": "evidence", "folds": 7, "queries": 8, "corrupted": 8, "steps": 30, "hidden": 8, "dim": 8}
    result = run(recipe(prior_file, ranker=ranker, generator=None), data=kg, progress=False)
    roles = {row.name: row.role for row in result.rows}
    assert roles == {
        "evidence": "method",
        "link overlap": "control",
        "shuffled ontology": "control",
        "chance": "control",
    }
    assert 0 < result.metrics["kgc.mrr"] <= 1
    assert result.metrics["control.shuffled.kgc.mrr"] != result.metrics["kgc.mrr"]
    assert result.selection["chosen"]["ranker"]["steps"] in (15, 30)
    assert {row["stage"] for row in result.history} == {
        "ranker", "ranker-selection", "shuffled.ranker", "shuffled.ranker-selection",
    }  # fmt: skip
    assert result.model.save(tmp_path / "model").is_dir()
    with pytest.raises(InputError, match="hiden"):
        recipe(prior_file, ranker={"name": "evidence", "hiden": 8})


def test_only_the_ranker_that_is_kept_learns_probabilities(kg, prior_file, monkeypatch):
    calibrated, work = [], evidence_completer.cross_fitted

    def spy(*given):
        calibrated.append(work(*given))
        return calibrated[-1]

    monkeypatch.setattr(evidence_completer, "cross_fitted", spy)
    ranker = {"name": "evidence", "folds": 7, "queries": 8, "corrupted": 8, "steps": 30, "hidden": 8, "dim": 8}
    result = run(recipe(prior_file, ranker=ranker, generator=None), data=kg, progress=False)
    # Not the one of selection, and none of the shuffled ontology.
    assert calibrated == [(result.model.calibration_, result.model.silent_calibration_)]
    assert result.model.calibration_ is not None


def test_a_candidate_file_without_the_true_tail_is_told_and_the_query_ranked(kg, prior_file):
    relation = int(kg.unseen_relations[0])
    rows = kg.test[kg.test[:, 1] == relation]
    lacking = torch.unique(rows[:, 2])[1:]
    data = kg.with_candidates({relation: lacking, int(kg.unseen_relations[1]): torch.arange(kg.num_entities)})
    result = run(recipe(prior_file, generator=None, protocol={"sides": "tail"}), data=data, progress=False)
    missing = int((~torch.isin(rows[:, 2], lacking)).sum())
    assert missing
    assert f"{missing} true answers are no candidates by the rule 'given'; they are ranked too" in result.warnings
    assert result.metrics["kgc.queries"] == len(kg.test)
    # So many that the first line says so, with the figure of the other queries beside it.
    assert result.verdicts[0].startswith(f"UNLISTED ANSWERS: {missing} of {len(kg.test)} true answers")
    assert result.metrics["kgc.listed.queries"] == len(kg.test) - missing
    assert "kgc.listed.mrr" in result.columns


def test_an_empty_candidate_list_does_not_make_a_figure(kg, prior_file):
    empty = kg.with_candidates({int(kg.unseen_relations[0]): torch.zeros(0, dtype=torch.int64)})
    result = run(recipe(prior_file, generator=None, protocol={"sides": "tail"}), data=empty, progress=False)
    first = [
        (rank, relation == kg.relations[int(kg.unseen_relations[0])])
        for rank, relation in zip(*(result.predictions[key] for key in ("rank", "relation")), strict=True)
    ]
    assert all(rank == 1 for rank, bare in first if bare)  # among nothing else
    others = [1 / rank for rank, bare in first if not bare]
    assert result.metrics["kgc.listed.mrr"] == pytest.approx(sum(others) / len(others))
    assert result.metrics["kgc.listed.mrr"] < result.metrics["kgc.mrr"]
    assert result.verdicts[0].startswith("UNLISTED ANSWERS")


@pytest.mark.parametrize("missing", [0, 1, 3])
def test_a_few_answers_on_no_list_stay_a_remark(missing):
    many = torch.arange(40)
    found = Evaluation(
        many, many, many, many >= 0, many < 0, {"given": many + 1.0}, {"given": many}, many >= 0, listed=many >= missing
    )
    assert found.many_unlisted == (missing > 2)  # of 40
    assert ("kgc.listed.mrr" in found.metrics({"given": "kgc."})) == found.many_unlisted
