"""A class joins a run whose class vectors several encoders made, one of them trained."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from kgzsl import InputError, ZeroShotClassifier
from kgzsl.cli import models
from kgzsl.cli.commands.add_class import add_class
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.priors import Attributes, TransE

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
