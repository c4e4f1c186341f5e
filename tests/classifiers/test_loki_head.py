"""Loki as a classifier of recipes: the Frechet mean over the class graph, saved, and asked from the command line."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from kgzsl import InputError
from kgzsl.classifiers import LokiClassifier, LokiHead, make
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.recipe import Recipe
from kgzsl.tasks.image_classification import ZeroShotClassifier, run

FAMILIES, MEMBERS = 5, 4
UNSEEN = [f"c{f}_{MEMBERS - 1}" for f in range(FAMILIES)]
SEEN = [f"c{f}_{c}" for f in range(FAMILIES) for c in range(MEMBERS - 1)]
NAMES = [*SEEN, *UNSEEN]
TREE = [(f"f{f}", "subClassOf", "root") for f in range(FAMILIES)]
TREE += [(f"c{f}_{c}", "subClassOf", f"f{f}") for f in range(FAMILIES) for c in range(MEMBERS)]
SOFTMAX = {"epochs": 60, "lr": 0.03, "normalise": "standard"}
OWN = 0.05 * np.random.default_rng(1).normal(size=(len(NAMES), FAMILIES))
PRIORS = ClassPriors(tuple(NAMES), np.array([np.eye(FAMILIES)[int(name[1])] for name in NAMES]) + OWN)


@pytest.fixture(scope="module")
def rows():
    """Classes of a family look alike; its last one has no row in training."""
    random = np.random.default_rng(0)
    centres = {name: np.eye(12)[int(name[1])] * 8 + 0.5 * random.normal(size=12) for name in NAMES}

    def draw(names, count):
        x = np.concatenate([centres[name] + 0.5 * random.normal(size=(count, 12)) for name in names])
        return x.astype(np.float32), np.repeat(names, count)

    return draw(SEEN, 20), draw(UNSEEN, 20)


@pytest.mark.parametrize("metric", ["hops", "resistance", "priors"])
def test_the_answers_are_those_of_loki_over_the_taxonomy(rows, metric: str):
    train, test = rows
    noise = [(name, "hasColour", "grey") for name in NAMES]
    graph = ClassGraph.from_triples([*TREE, *noise])
    head = LokiHead("softmax", {**SOFTMAX, "seed": 3}, graph, metric).fit(*train, PRIORS)
    given = PRIORS if metric == "priors" else metric
    plain = LokiClassifier(make("softmax", **SOFTMAX, seed=3), graph.taxonomy(), NAMES, metric=given).fit(*train)
    assert np.allclose(head.decision_function(test[0]), plain.decision_function(test[0], NAMES), atol=1e-4)
    assert np.mean(head.predict(test[0], "unseen") == test[1]) > 0.8
    whole = LokiHead("softmax", {**SOFTMAX, "seed": 3}, graph, metric, taxonomy=False).fit(*train, PRIORS)
    # Through the colour that all share, no class is nearer than another.
    same = np.allclose(whole.decision_function(test[0]), head.decision_function(test[0]), atol=1e-2)
    assert same == (metric == "priors")


def test_without_priors_every_class_of_the_graph_may_be_answered(rows):
    train, test = rows
    head = LokiHead("gda", None, ClassGraph.from_triples(TREE)).fit(*train)
    assert set(UNSEEN) | {"root", "f0"} <= set(head.classes_.tolist())
    assert np.mean(head.predict(test[0], UNSEEN) == test[1]) > 0.8


def content(tmp_path: Path, rows, **classifier) -> dict:
    (x, names), (x_new, new) = rows
    label = {name: number for number, name in enumerate(NAMES)}
    places = np.arange(len(x))
    np.savez(
        tmp_path / "world.npz",
        features=np.concatenate([x, x_new]),
        labels=np.array([label[name] for name in [*names, *new]]),
        class_names=np.array(NAMES),
        att=PRIORS.matrix,
        trainval_loc=places[places % 5 > 0],
        test_seen_loc=places[places % 5 == 0],
        test_unseen_loc=len(x) + np.arange(len(x_new)),
        unseen_classes=np.array([label[name] for name in UNSEEN]),
    )
    (tmp_path / "world.csv").write_text("s,r,o\n" + "\n".join(",".join(edge) for edge in TREE))
    return {
        "task": "image_classification",
        "dataset": str(tmp_path / "world.npz"),
        "priors": [{"name": "att"}],
        "graph": {"source": str(tmp_path / "world.csv")},
        "generator": None,
        "classifier": {"name": "loki", "options": SOFTMAX, "unseen_bias": "validation", **classifier},
        "protocol": {"seeds": 1},
        "controls": ["chance", "shuffled"],
        "train": {"device": "cpu"},
    }


def test_a_recipe_runs_it_and_the_command_line_asks_the_saved_model(rows, tmp_path: Path):
    from typer.testing import CliRunner

    from kgzsl.cli.app import app

    made = content(tmp_path, rows)
    made["protocol"]["search"] = {"classifier.metric": ["hops", "resistance"]}
    (tmp_path / "loki.yaml").write_text(Recipe.build(made).to_yaml())
    shell = CliRunner()
    told = shell.invoke(app, ["run", str(tmp_path / "loki.yaml"), "--out", str(tmp_path / "run"), "--quiet"])
    assert told.exit_code == 0, told.output
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["zsl.top1"] > 60  # chance: 20
    assert metrics["zsl.top1"] > metrics["control.shuffled.zsl.top1"] + 20
    np.save(tmp_path / "asked.npy", rows[1][0])
    asked = ["predict", str(tmp_path / "run"), str(tmp_path / "asked.npy"), "--candidates", "unseen"]
    told = shell.invoke(app, [*asked, "--out", str(tmp_path / "answers.csv")])
    assert told.exit_code == 0, told.output
    answers = (tmp_path / "answers.csv").read_text()
    assert sum(answers.count(name) for name in UNSEEN) >= len(rows[1][0])
    assert not any(name in answers for name in SEEN)


def test_a_saved_one_answers_alike_and_takes_a_class_with_the_graph(rows, tmp_path: Path):
    train, test = rows
    graph = ClassGraph.from_triples([*TREE, ("c0_9", "subClassOf", "f0")])
    options = {"options": SOFTMAX, "graph": graph, "metric": "weighted"}
    model = ZeroShotClassifier(None, "loki", classifier_options=options, device="cpu", seed=5).fit(*train, PRIORS)
    again = ZeroShotClassifier.load(model.save(tmp_path / "model"), device="cpu")
    assert np.array_equal(again.scores(test[0]), model.scores(test[0]))
    assert again._gzsl_head.classifier.head_.seed == 5  # what is told to the classifier is told to its head
    with pytest.raises(InputError, match="needs a class graph"):
        again.add_class("c0_9", prior_row=PRIORS.matrix[0])
    again = ZeroShotClassifier.load(tmp_path / "model", device="cpu")
    again.add_class("c0_9", prior_row=PRIORS.matrix[0], graph=graph)
    assert set(again.predict(test[0][:20], ["c0_9", *UNSEEN[1:]])) == {"c0_9"}  # rows of its family


def test_by_the_priors_it_needs_no_graph(rows, tmp_path: Path):
    made = content(tmp_path, rows, metric="priors", head="gda", options={})
    del made["graph"]
    found = run(Recipe.build(made), progress=False)
    assert found.metrics["zsl.top1"] > 60
    assert found.rows[0].name == "loki"
    made["classifier"]["metric"] = "hops"
    with pytest.raises(InputError, match=r"'loki' needs a class graph.*give graph"):
        run(Recipe.build(made), progress=False)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"metric": "miles"}, "metric is 'miles'; choose hops, "),
        ({"head": "eszsl", "options": {}}, "'eszsl' gives no probabilities"),
        ({"head": "nobody"}, "no classifier is called 'nobody'"),
        ({"options": {"colour": 1}}, "no option 'colour'"),
    ],
)
def test_bad_options_are_refused_before_anything_runs(rows, tmp_path: Path, options, words: str):
    with pytest.raises(InputError, match=words):
        Recipe.build(content(tmp_path, rows, **options))


def test_what_it_lacks_is_told(rows):
    train, test = rows
    with pytest.raises(InputError, match="needs a class graph"):
        LokiHead().fit(*train, PRIORS)
    with pytest.raises(InputError, match="metric is 'priors', and there are none"):
        LokiHead(metric="priors").fit(*train)
    with pytest.raises(InputError, match="not fitted"):
        LokiHead().predict(test[0])
    apart = ClassGraph.from_triples([(name, "hasColour", "grey") for name in NAMES])
    with pytest.warns(UserWarning, match="no way leads from a seen class to an unseen one"):
        LokiHead("gda", None, apart).fit(*train, PRIORS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LokiHead("gda", None, ClassGraph.from_triples(TREE)).fit(*train, PRIORS)
