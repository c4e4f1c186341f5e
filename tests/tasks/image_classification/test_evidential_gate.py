"""An evidential gate in a model, a recipe and the commands, and CREST's claim on the synthetic world."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from kgzsl.cli.answers import write_answers
from kgzsl.cli.commands.predict import classify
from kgzsl.errors import InputError
from kgzsl.tasks.image_classification import ZeroShotClassifier, run
from tests.tasks.image_classification.conftest import World, make_world


def gated(world: World, seed: int, rule: str = "evidential") -> ZeroShotClassifier:
    """A model of all seen classes, with a gate that a validation split has taught."""

    def fitted(data: Any) -> ZeroShotClassifier:
        features, names = data.train
        model = ZeroShotClassifier(
            "linear", "softmax", samples_per_class=40, seed=seed, device="cpu", precision="32-true"
        )
        return model.fit(features, np.asarray(names), world.priors.align(data.class_names))

    trial = world.data.validation_split(seed, 0.2)
    rows = torch.cat([trial.test_unseen_loc, trial.test_seen_loc])
    taught = fitted(trial).fit_gate(trial.features[rows], trial.name_of(trial.labels[rows]), rule)
    model = fitted(world.data)
    model.gate_ = taught.gate_
    return model


def test_unseen_rows_are_told_by_the_gate_and_not_by_the_largest_probability() -> None:
    """CREST's claim, as far as it holds: the fused opinion tells the kind of a row better than either softmax.

    Its uncertainty alone does better than the largest probability of the model without the gate, but not than that of
    the expert for seen classes: a zero-shot expert that is sure of an unseen class takes the uncertainty away.
    """
    found = []
    for seed in range(3):
        world = make_world(seed, classes=60, unseen=12, rows=20)
        data, model = world.data, gated(world, seed)
        rows = data.features[torch.cat([data.test_unseen_loc, data.test_seen_loc])]
        kind = np.repeat([1, 0], [len(data.test_unseen_loc), len(data.test_seen_loc)])
        experts = model._both_experts(rows, np.arange(60))
        unseen = model.predict_proba(rows)[:, ~model._is_seen].sum(1)
        doubt, gate = model.uncertainty(rows), model.gate_
        model.gate_ = None
        largest = model.predict_proba(rows).max(1)
        model.gate_ = gate
        of_seen = torch.from_numpy(experts[0]).softmax(1).amax(1)
        found.append([roc_auc_score(kind, one) for one in (unseen, doubt, -largest, -of_seen)])
    by_kind, by_doubt, by_largest, by_seen = np.mean(found, axis=0)
    assert by_kind > by_seen + 0.03
    assert by_kind > by_largest + 0.2
    assert by_doubt > by_largest + 0.05


def test_a_recipe_with_the_gate_tells_uncertainty_all_the_way(world, small_recipe, tmp_path: Path) -> None:
    few = "classifier={name: softmax, samples_per_class: 1, lr: 0.03, epochs: 15, batch_size: 64}"
    fast = ("generator={name: linear, ridge: 0.1}", few, "controls=[chance]")
    plain = run(small_recipe(*fast), data=world.data, progress=False)
    result = run(small_recipe(*fast, "classifier.gate=evidential"), data=world.data, out=tmp_path, progress=False)
    assert result.metrics["gzsl.harmonic"] > plain.metrics["gzsl.harmonic"] + 5
    assert result.selection["chosen"]["generator"]["gate"]["gate"] == "evidential"
    model, features = result.model, world.data.features[::7]
    doubts = model.uncertainty(features)
    assert ((doubts > 0) & (doubts < 1)).all()
    assert len(np.unique(doubts)) > 10
    model.save(tmp_path / "model")
    again = ZeroShotClassifier.load(tmp_path / "model", device="cpu")
    np.testing.assert_allclose(again.uncertainty(features), doubts, rtol=1e-4)
    assert (again.predict(features) == model.predict(features)).all()
    resumed = run(
        small_recipe(*fast, "classifier.gate=evidential"), data=world.data, out=tmp_path, resume=True, progress=False
    )
    np.testing.assert_allclose(resumed.model.uncertainty(features), doubts, rtol=1e-4)
    one = model.explain(features[:1])[0]
    assert one.uncertainty == pytest.approx(doubts[0])
    assert f"uncertainty {doubts[0]:.2f}" in one.text()
    assert one.to_dict()["uncertainty"] == one.uncertainty
    assert "uncertainty" not in plain.model.explain(features[:1])[0].to_dict()
    model.add_class("another", prior_row=world.attributes[0])
    assert model.uncertainty(features).shape == doubts.shape


def test_predict_writes_it_beside_each_item(world, tmp_path: Path) -> None:
    model, rows = gated(world, 0), world.data.features[:3].numpy()
    expected = model.uncertainty(rows)
    write_answers(classify(model, rows, None, "unseen", 2), tmp_path / "answers.csv")
    table = list(csv.DictReader((tmp_path / "answers.csv").open()))
    assert list(table[0]) == ["item", "uncertainty", "rank", "class", "probability", "seen"]
    assert [float(row["uncertainty"]) for row in table[::2]] == pytest.approx(expected, abs=1e-4)
    write_answers(classify(model, rows, ["a", "b", "c"], "all", 2), tmp_path / "answers.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert [line["uncertainty"] for line in lines] == pytest.approx(expected, abs=1e-4)
    assert "uncertainty" not in next(classify(gated(world, 0, "cosmo"), rows, None, "all", 2)).query


def test_a_model_without_the_gate_says_so(world) -> None:
    model = ZeroShotClassifier(None, "eszsl", device="cpu").fit(*world.data.train, priors=world.priors)
    assert not model.tells_uncertainty
    assert not ZeroShotClassifier().tells_uncertainty
    with pytest.raises(InputError, match=r"tells no uncertainty; .*gate: evidential"):
        model.uncertainty(world.data.features)
