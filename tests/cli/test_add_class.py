"""A class joins a run whose class vectors several encoders made, one of them trained."""

from __future__ import annotations

import importlib
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from kgzsl import InputError, ZeroShotClassifier
from kgzsl.cli import models
from kgzsl.cli.commands.add_class import add_class
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.priors import Attributes, PriorsAgain, TransE
from kgzsl.recipe import Recipe
from kgzsl.tasks._knowledge import Source, build_priors

NAMES = ("horse", "tiger", "cow", "zebra")
GRAPH = ClassGraph.from_triples(
    [
        ("horse", "has", "hooves"),
        ("horse", "has", "mane"),
        ("cow", "has", "hooves"),
        ("tiger", "has", "stripes"),
        ("tiger", "has", "claws"),
        ("zebra", "has", "stripes"),
        ("zebra", "has", "hooves"),
    ]
)


def model_of(priors: ClassPriors) -> ZeroShotClassifier:
    x = np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32)
    return ZeroShotClassifier(None, "eszsl").fit(x, np.repeat(NAMES[:3], 20), priors)


@pytest.fixture
def transe() -> TransE:
    return TransE(4, epochs=10, batch_size=8, negatives=4, lr=0.05, seed=1).fit(GRAPH)


def added(model: ZeroShotClassifier, tmp_path, monkeypatch, capsys) -> dict[str, object]:
    folder = SimpleNamespace(graph=lambda: GRAPH, path=tmp_path / "run", recipe={})
    folder.path.mkdir()
    monkeypatch.setattr(models, "load_model", lambda *_: ("image_classification", model, folder))
    (tmp_path / "new.csv").write_text("subject,relation,object\nokapi,has,stripes\nokapi,has,hooves\n")
    add_class(folder.path, ["okapi"], out=tmp_path / "out", graph=tmp_path / "new.csv", as_json=True)
    told: dict[str, object] = json.loads(capsys.readouterr().out)
    return told


def test_each_part_of_the_vector_comes_from_what_made_the_others(tmp_path, monkeypatch, capsys, transe) -> None:
    own, trained = Attributes().fit(GRAPH).priors(NAMES).normalised("l2"), transe.priors(NAMES).normalised("l2")
    twice = ClassPriors(trained.names, 2 * trained.matrix, {**trained.made, "weight": 2.0})
    told = added(model_of(own | twice), tmp_path, monkeypatch, capsys)
    assert told["classes"] == 5
    assert told["encoder_seconds"] > 0
    assert told["cpu_seconds"] > 0
    priors = ClassPriors.load(tmp_path / "out" / "priors.safetensors")
    np.testing.assert_allclose(priors["okapi"][: own.dim], own["zebra"], atol=1e-6)  # the same attributes
    more = GRAPH.merge(ClassGraph.from_triples([("okapi", "has", "stripes"), ("okapi", "has", "hooves")]))
    row = transe.add_class("okapi", more).matrix[0]
    np.testing.assert_allclose(priors["okapi"][own.dim :], 2 * row / np.linalg.norm(row), atol=1e-5)


def test_what_the_graph_did_not_make_it_cannot_make_for_a_new_class(tmp_path, monkeypatch, capsys) -> None:
    given = ClassPriors(NAMES, np.eye(4), {"source": "elsewhere"})
    with pytest.raises(InputError, match="4 of the 8 columns"):
        added(model_of(Attributes().fit(GRAPH).priors(NAMES) | given), tmp_path, monkeypatch, capsys)
    assert not (tmp_path / "out").exists()


OWN = """
import numpy as np
from kgzsl.knowledge import ClassPriors
from kgzsl.priors import PriorEncoder

class Hooves(PriorEncoder):
    def __init__(self, scale=1.0):
        self.scale = scale

    def fit(self, graph, *, engine=None):
        self.graph = graph
        return self

    def priors(self, names):
        names = tuple(names)
        there = [[n.node == self.graph.node("hooves") for n in self.graph.neighbours(self.graph.node(name))]
                 for name in names]
        matrix = self.scale * np.array([[sum(row), len(row)] for row in there], dtype=np.float32)
        return ClassPriors(names, matrix, {"encoder": "hooves"})
"""


@pytest.mark.parametrize("alone", [True, False])
def test_an_encoder_of_ones_own_makes_the_vector_too(tmp_path, monkeypatch, capsys, alone) -> None:
    module = f"own_encoder_{alone}".lower()
    more = "\n    def reads_classes_alone(self):\n        return True\n" if alone else ""
    (tmp_path / f"{module}.py").write_text(OWN + more)
    monkeypatch.syspath_prepend(tmp_path)
    spec = [{"name": f"{module}:Hooves", "scale": 3.0}, {"name": "attributes"}]
    recipe = Recipe.build({"task": "image_classification", "dataset": "zoo", "priors": spec})
    priors = build_priors(recipe, NAMES, {}, [Source(GRAPH, NAMES)] * 2)
    if not alone:
        with pytest.raises(InputError, match="Hooves cannot take a class without training"):
            added(model_of(priors), tmp_path, monkeypatch, capsys)
        return
    added(model_of(priors), tmp_path, monkeypatch, capsys)
    row = ClassPriors.load(tmp_path / "out" / "priors.safetensors")["okapi"]
    np.testing.assert_allclose(row, priors["zebra"], atol=1e-6)  # hooves and stripes, as it has
    again = PriorsAgain.of(priors, GRAPH)
    assert again is not None
    assert again.held == 0
    (tmp_path / f"{module}.py").unlink()
    monkeypatch.delitem(sys.modules, module)
    importlib.invalidate_caches()
    lost = PriorsAgain.of(priors, GRAPH)  # its module is gone: those columns stay what they are
    assert lost is not None
    assert lost.held == 2
