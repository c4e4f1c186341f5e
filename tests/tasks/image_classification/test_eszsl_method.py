"""ESZSL as the method of a recipe obeys what the recipe says, as every other classifier that answers from priors."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from kgzsl.errors import InputError
from kgzsl.tasks.image_classification import ZeroShotClassifier, run
from kgzsl.tasks.image_classification._run_choices import ESZSL_GRID
from kgzsl.tasks.image_classification.selection import Searcher, labelled_names

ALONE = ("generator=null", "controls=[chance]")
NOTHING = (*ALONE, "protocol.validation=none")


def asked(world, small_recipe, *changes: str):
    return run(small_recipe(*changes), data=world.data, progress=False)


def test_weights_that_are_given_are_those_of_the_model(world, small_recipe, tmp_path: Path):
    given = {"gamma": 1000.0, "lam": 1000.0, "normalise": "none"}
    text = "classifier={name: eszsl, gamma: 1000, lam: 1000, normalise: none, unseen_bias: 0.25}"
    found = asked(world, small_recipe, *NOTHING, text)
    plain = asked(world, small_recipe, *NOTHING, "classifier=eszsl")
    own = ZeroShotClassifier(None, "eszsl", classifier_options=given, unseen_bias=0.25, device="cpu")
    rows = world.data.features[::5]
    own.fit(*world.data.train, priors=found.priors)
    np.testing.assert_allclose(found.model.decision_function(rows), own.decision_function(rows), rtol=1e-4, atol=1e-6)
    assert found.model.classifier_options == given
    assert found.model.unseen_bias == 0.25
    assert not np.allclose(found.model.scores(rows), plain.model.scores(rows), rtol=1e-3)
    again = ZeroShotClassifier.load(found.model.save(tmp_path / "model"), device="cpu")
    assert again.classifier_options == given
    assert (again.predict(rows) == own.predict(rows)).all()


def test_an_unseen_bias_moves_the_answers_to_unseen_classes(world, small_recipe):
    far = asked(world, small_recipe, *NOTHING, "classifier={name: eszsl, unseen_bias: 1000}")
    assert far.metrics["gzsl.seen"] == 0.0
    assert far.metrics["gzsl.unseen"] == pytest.approx(far.metrics["zsl.top1"])


def test_what_nobody_gives_is_chosen_as_for_the_baseline(world, small_recipe):
    settings = ("generator=null", "controls=[eszsl]")
    method = asked(world, small_recipe, *settings, "classifier={name: eszsl, unseen_bias: validation}")
    beside = asked(world, small_recipe, *settings, "classifier={name: sae, unseen_bias: validation}")
    assert [row.name for row in method.rows] == ["ESZSL"]  # it is not set beside itself
    chosen = method.selection["chosen"]["generator"]
    assert chosen["options"] == beside.selection["chosen"]["eszsl"]["options"]
    assert method.model.classifier_options == chosen["options"]
    assert method.model.unseen_bias == chosen["unseen_bias"] != 0.0
    assert method.metrics["zsl.top1"] == beside.metrics["control.baseline.zsl.top1"]
    calibrated = {name: f"control.baseline_calibrated.{name}" for name in ("gzsl.harmonic", "gzsl.seen", "gzsl.unseen")}
    assert all(method.metrics[name] == beside.metrics[other] for name, other in calibrated.items())


def test_the_baseline_beside_another_method_is_none_of_the_recipes_business(world, small_recipe):
    one = asked(world, small_recipe, "generator=null", "classifier=sae", "controls=[eszsl]")
    two = asked(
        world,
        small_recipe,
        "generator=null",
        "classifier={name: sae, lam: 3, normalise: none, gate: stacking}",
        "controls=[eszsl]",
        "protocol.criterion=gzsl.harmonic",
    )
    assert one.selection["chosen"]["eszsl"] == two.selection["chosen"]["eszsl"]
    assert one.metrics["control.baseline.zsl.top1"] == two.metrics["control.baseline.zsl.top1"]


@pytest.mark.parametrize("criterion", ["gzsl.harmonic", "both", "zsl.top1"])
def test_the_criterion_and_the_search_decide(world, small_recipe, criterion: str):
    changes = (
        "classifier={name: eszsl, lam: 0.1}",
        "protocol.search={classifier.gamma: [1000000.0, 0.3], classifier.normalise: [none, l2]}",
    )
    found = asked(world, small_recipe, *ALONE, *changes, f"protocol.criterion={criterion}")
    part = world.data.validation_split(0, 0.2)
    searcher = Searcher(part, found.priors, criterion=criterion)
    worth = {}
    for gamma, normalise in itertools.product([1e6, 0.3], ["none", "l2"]):
        options = {"gamma": gamma, "lam": 0.1, "normalise": normalise}
        model = ZeroShotClassifier(None, "eszsl", classifier_options=options, device="cpu")
        fitted = model.fit(*labelled_names(part), searcher.priors)
        worth[gamma, normalise] = searcher.value(searcher.figures(fitted))
    chosen = found.selection["chosen"]["generator"]
    options = chosen["options"]
    assert set(options) == {"gamma", "normalise"}
    assert worth[options["gamma"], options["normalise"]] == pytest.approx(max(worth.values()), abs=1e-6)
    assert found.model.classifier_options == {"lam": 0.1, **options}


def test_one_weight_is_chosen_where_the_other_is_given(world, small_recipe):
    found = asked(world, small_recipe, *ALONE, "classifier={name: eszsl, gamma: 123}", "protocol.splits=3")
    chosen = found.selection["chosen"]["generator"]["options"]
    assert set(chosen) == {"lam"}
    assert chosen["lam"] in ESZSL_GRID["lam"]
    assert found.model.classifier_options == {"gamma": 123.0, **chosen}
    assert len(found.selection["classes"]) == len(world.data.seen_names)  # each held out once


def test_relevance_gate_and_prior_head_take_part(world, small_recipe):
    weights = "classifier={name: eszsl, gamma: 1, lam: 0.1%s}"
    plain = asked(world, small_recipe, *ALONE, weights % "")
    rows = world.data.features[::5]
    near = asked(
        world, small_recipe, *ALONE, weights % "", "relevance={metric: priors, strength: 5.0, bandwidth: 0.05}"
    )
    assert not np.allclose(near.model.scores(rows), plain.model.scores(rows), rtol=1e-2)
    gated = asked(world, small_recipe, *ALONE, weights % ", gate: stacking")
    assert gated.model.gate_ is not None
    both = asked(world, small_recipe, *ALONE, weights % ", prior_head: sae, prior_weight: [0.5, 2.0]")
    assert both.rows[0].name == "ESZSL + sae"
    assert both.model.prior_weight in (0.5, 2.0)
    assert not np.allclose(both.model.scores(rows), plain.model.scores(rows), rtol=1e-2)


def test_choices_without_validation_classes_are_refused(world, small_recipe):
    with pytest.raises(InputError, match="there are choices to make"):
        asked(world, small_recipe, *NOTHING, "classifier={name: eszsl, unseen_bias: validation}")


@pytest.mark.parametrize("value", [".nan", "-1", ".inf"])
def test_a_weight_that_is_no_number_is_refused(small_recipe, value: str):
    with pytest.raises(InputError, match="gamma is"):
        small_recipe(*ALONE, f"classifier={{name: eszsl, gamma: {value}}}")


@pytest.mark.parametrize("name", ["sae", "nearest-prior"])
def test_not_a_number_is_refused_whatever_the_option(small_recipe, name: str):
    with pytest.raises(InputError, match="lam is nan"):
        small_recipe(*ALONE, f"classifier={{name: {name}, lam: .nan}}")


def test_a_saved_recipe_is_chosen_by_the_same_criterion(small_recipe):
    recipe = small_recipe(*ALONE, "classifier=eszsl")
    assert recipe.criterion == "zsl.top1"
    again = type(recipe).parse(recipe.to_yaml())
    assert again.criterion == "zsl.top1"
    assert small_recipe(*ALONE, "classifier=sae").criterion == "both"
    assert small_recipe(*ALONE, "classifier=eszsl", "protocol.criterion=both").criterion == "both"
