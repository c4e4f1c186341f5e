"""A run goes on with the data and the class graph that it was begun on, or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from kgzsl import datasets
from kgzsl.datasets import KGSplit
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.recipe import Recipe
from kgzsl.tasks import image_classification, kg_completion
from kgzsl.tasks._begun import BEGUN, begin

FACTS = [("a", "likes", "b"), ("b", "knows", "c"), ("c", "likes", "a")]
SAID = [("likes", "subPropertyOf", "knows"), ("knows", "range", "person")]


def kg(facts=FACTS) -> KGSplit:
    return KGSplit.from_names(facts, [], [("a", "hires", "c")]).in_name_order()


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "run" / "checkpoint"
    begin(folder, kg(), [ClassGraph.from_triples(SAID)], resume=False)
    folder.mkdir()
    (folder / "train.seed0").write_text("what to go on from")
    return folder


def test_it_goes_on_with_the_same_in_another_order(checkpoint: Path) -> None:
    turned = ClassGraph.from_triples(SAID[::-1])
    assert turned.iris != ClassGraph.from_triples(SAID).iris
    before = (checkpoint.parent / BEGUN).read_text()
    begin(checkpoint, replace(kg(FACTS[::-1]), name="elsewhere", notes=("told",)), [turned, turned, None], resume=True)
    assert (checkpoint.parent / BEGUN).read_text() == before


@pytest.mark.parametrize("changed", ["facts", "names", "candidates", "graph", "texts", "no graph", "earlier"])
def test_it_does_not_go_on_with_something_else(checkpoint: Path, changed: str) -> None:
    data, graphs, what = kg(), [ClassGraph.from_triples(SAID)], "other data"
    if changed == "facts":
        data = kg([*FACTS[:2], ("c", "likes", "b")])
    elif changed == "names":
        data = replace(data, entities=("a", "b", "d"))
    elif changed == "candidates":
        data = data.with_candidates({0: torch.tensor([0, 2])})
    elif changed == "earlier":
        (checkpoint.parent / BEGUN).unlink()
    else:
        what = "another class graph"
        graphs = [] if changed == "no graph" else [ClassGraph.from_triples(SAID[:1])]
        if changed == "texts":
            graphs = [ClassGraph.from_triples(SAID, labels={"likes": "is fond of"})]
    with pytest.raises(InputError, match=f"begun on {what}, or by an earlier version.*--overwrite"):
        begin(checkpoint, data, graphs, resume=True)
    begin(checkpoint, data, graphs, resume=False)  # started anew
    begin(checkpoint, data, graphs, resume=True)


def test_what_has_no_checkpoint_yet_may_change(checkpoint: Path) -> None:
    (checkpoint / "train.seed0").unlink()
    begin(checkpoint, kg(FACTS[:2]), [], resume=True)
    begin(None, kg(), [], resume=False)


def test_features_and_priors_of_images_count(tmp_path: Path) -> None:
    data = datasets.load("latin_characters")
    prints = []
    rows = data.features.clone()
    rows[0, 0] += 1
    given = {"own": ClassPriors(data.class_names, torch.eye(len(data.class_names)))}
    for one in (data, replace(data, features=rows), replace(data, priors=given), replace(data, notes=("told",))):
        begin(tmp_path / "checkpoint", one, [], resume=False)
        prints.append(json.loads((tmp_path / BEGUN).read_text())["data"])
    assert len(set(prints[:3])) == 3
    assert prints[0] == prints[3]


RUNS = {
    "generator": {"priors": [{"name": "attributes"}], "generator": None},
    "embedding": {"ranker": {"name": "embedding", "dim": 4, "epochs": 1}},
    "rmpi": {"priors": [{"name": "attributes"}], "ranker": {"name": "rmpi", "dim": 4, "epochs": 1}},
    "images": {"task": "image_classification", "priors": [{"name": "attributes"}], "generator": None},
}


@pytest.mark.parametrize("kind", RUNS)
def test_every_kind_of_run_minds_it(kind: str, tmp_path: Path) -> None:
    (tmp_path / "schema.nt").write_text("<http://x/a> <http://x/is> <http://x/b> .\n")
    graph = {"graph": {"source": str(tmp_path / "schema.nt")}}
    content = {"task": "kg_completion", "dataset": "small", **graph, "train": {"device": "cpu"}, **RUNS[kind]}
    run = image_classification.run if kind == "images" else kg_completion.run
    one = datasets.load("latin_characters") if kind == "images" else kg()
    other = replace(one, class_names=one.class_names[::-1]) if kind == "images" else kg(FACTS[:2])
    checkpoint = tmp_path / "run" / "checkpoint"
    checkpoint.mkdir(parents=True)
    (checkpoint / "train.seed0").write_text("what to go on from")
    begin(checkpoint, one, [ClassGraph.read(tmp_path / "schema.nt")], resume=False)
    for data, said in ((other, "other data"), (one, "another class graph")):
        with pytest.raises(InputError, match=f"begun on {said}"):
            run(Recipe.build(content), data=data, out=tmp_path / "run", resume=True, progress=False)
        (tmp_path / "schema.nt").write_text("<http://x/a> <http://x/is> <http://x/c> .\n")
