"""``--unseen-relations``: from a table or an RDF file of one's own facts to a packed data set and to a run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kgzsl.knowledge import ClassPriors
from tests.tasks.kg_completion.conftest import DESCRIBED, UNSEEN, facts

SCHEMA = """@prefix : <http://x/> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
:residesIn a owl:ObjectProperty ; rdfs:label "resides in" . :livesIn a owl:ObjectProperty .
"""


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """``facts.tsv`` and ``facts.ttl``, which say the same, and a recipe for either."""
    triples = [(h, relation, t) for relation, pairs in facts().items() for h, t in pairs]
    (tmp_path / "facts.tsv").write_text("".join("\t".join(triple) + "\n" for triple in triples))
    turtle = "".join("<http://x/{}> <http://x/{}> <http://x/{}> .\n".format(*triple) for triple in triples)
    (tmp_path / "facts.ttl").write_text(SCHEMA + turtle)
    (tmp_path / "schema.ttl").write_text(SCHEMA)
    ClassPriors(tuple(DESCRIBED), np.array(list(DESCRIBED.values()))).save(tmp_path / "priors.safetensors")
    recipe = {
        "task": "kg_completion",
        "dataset": str(tmp_path / "facts.tsv"),
        "priors": [{"name": "file", "path": str(tmp_path / "priors.safetensors")}],
        "generator": None,
        "ranker": {
            "name": "evidence",
            "folds": 2,
            "queries": 4,
            "corrupted": 6,
            "steps": 4,
            "hidden": 4,
            "dim": 4,
            "calibrate": False,
        },
        "controls": ["chance"],
        "protocol": {"seeds": 1},
        "train": {"device": "cpu"},
    }
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    return tmp_path


@pytest.mark.parametrize("kind", ["tsv", "ttl"])
def test_relations_may_be_named_by_their_labels(kgzsl, world, kind):
    more = ("--unseen-relations", "resides in, nationOf")
    schema = ("--graph", world / "schema.ttl") if kind == "tsv" else ()
    done = kgzsl("pack", world / f"facts.{kind}", *more, *schema, "--out", world / "packed")
    assert done.code == 0, done.err
    unseen = json.loads((world / "packed" / "dataset.json").read_text())["unseen_relations"]
    assert [name.removeprefix("http://x/") for name in unseen] == ["residesIn", "nationOf"]
    recipe = json.loads((world / "recipe.yaml").read_text())
    recipe |= {"dataset": str(world / f"facts.{kind}"), "graph": {"source": str(world / "schema.ttl")}}
    if kind == "ttl":  # which are relations of other names
        recipe["priors"] = [{"name": "tfidf"}]
    (world / "labels.yaml").write_text(json.dumps(recipe))
    done = kgzsl("run", world / "labels.yaml", *more, "--out", world / "run", "--quiet")
    assert done.code == 0, done.err
    # What nothing is called is refused as before.
    kgzsl("run", world / "labels.yaml", "--unseen-relations", "dwells in", "--out", world / "none").refused(
        f"facts.{kind}: no fact of this file uses the relation 'dwells in'"
    )


def metrics(folder: Path) -> dict[str, float]:
    found = json.loads((folder / "metrics.json").read_text())
    return {key: value for key, value in found.items() if key.startswith("kgc.")}


def test_relations_may_be_named_one_option_at_a_time(kgzsl, world):
    out = world / "packed"
    named = [part for name in UNSEEN for part in ("--unseen-relations", name)]
    done = kgzsl("pack", world / "facts.tsv", *named, "--out", out, "--json")
    assert set(json.loads(done.out)["unseen"]) == set(UNSEEN)


def test_a_run_on_facts_of_ones_own_and_on_what_was_packed_of_them(kgzsl, world):
    unseen = ",".join(UNSEEN)
    ran = kgzsl("run", world / "recipe.yaml", "--unseen-relations", unseen, "--out", world / "run", "--quiet")
    assert ran.code == 0, ran.err
    packed = kgzsl("pack", world / "facts.tsv", "--unseen-relations", unseen, "--out", world / "packed", "--json")
    assert packed.code == 0, packed.err
    told = json.loads(packed.out)
    assert sorted(told["unseen"]) == sorted(UNSEEN)
    assert told["test"] == sum(len(pairs) for relation, pairs in facts().items() if relation in UNSEEN)
    again = kgzsl("run", world / "recipe.yaml", "--set", f"dataset={world / 'packed'}", "--out", world / "two", "-q")
    assert again.code == 0, again.err
    assert metrics(world / "run") == metrics(world / "two")
    assert metrics(world / "run")["kgc.queries"] > 0
    # The run keeps what was asked for, so it can be run again as it stands.
    assert f"unseen_relations: {unseen}" in (world / "run" / "recipe.yaml").read_text()


def test_rdf_and_a_file_of_names(kgzsl, world):
    names = world / "unseen.txt"
    names.write_text("\n".join(UNSEEN))
    packed = kgzsl(
        "pack", world / "facts.ttl", "--unseen-relations", names, "--graph", world / "schema.ttl", "-o", world / "p"
    )
    assert packed.code == 0, packed.err
    assert (world / "p" / "schema.ttl").is_file()
    shown = kgzsl("info", world / "p")
    assert f"{len(UNSEEN)} unseen relations" in shown.out
    assert "schema.ttl" in shown.out


@pytest.mark.parametrize("source", ["facts.tsv", "facts.ttl"])
def test_what_cannot_be_held_out_is_one_line(kgzsl, world, source):
    pack = ("pack", world / source, "--out", world / "no", "--unseen-relations")
    run = ("run", world / "recipe.yaml", "--set", f"dataset={world / source}", "-o", world / "no", "--unseen-relations")
    for command in (pack, run):
        kgzsl(*command, "residsIn").refused(source, "uses the relation 'residsIn'", "did you mean 'residesIn'")
        kgzsl(*command, ",".join(facts())).refused(source, f"all {len(facts())} relations would be held out")
        kgzsl(*command, "").refused(source, "facts do not say which relations are unseen", "--unseen-relations")
        kgzsl(*command, " , ").refused("names no relation", "names with commas")
    assert not (world / "no").exists()


def test_options_that_do_not_belong_together(kgzsl, world):
    pack = ("pack", world / "facts.tsv", "--out", world / "no")
    kgzsl(*pack).refused("what training must not show", "--unseen for classes", "--unseen-relations for facts")
    kgzsl(*pack, "--valid-relations", "livesIn").refused("no relation is unseen")
    kgzsl(*pack, "--unseen-relations", "livesIn", "--labels", world / "y.csv").refused("--labels belongs to features")
    kgzsl("run", "latin_characters", "--unseen-relations", "a", "-o", world / "no").refused(
        "'latin_characters' has no option 'unseen_relations'"
    )
    (world / "ready").mkdir()
    (world / "ready" / "train.txt").write_text("a\tr\tb\n")
    (world / "ready" / "test.txt").write_text("b\tr\ta\n")
    kgzsl(
        "run",
        world / "recipe.yaml",
        "--set",
        f"dataset={world / 'ready'}",
        "--unseen-relations",
        "r",
        "-o",
        world / "n",
    ).refused("training shows 'r', which is to be unseen", "kgzsl pack FOLDER")


def test_test_triples_that_the_schema_tells_are_told(kgzsl, world):
    common = ("--set", f"priors.0.path={world / 'iris.safetensors'}", "--unseen-relations", ",".join(UNSEEN))
    iris = tuple(f"http://x/{name}" for name in DESCRIBED)
    ClassPriors(iris, np.array(list(DESCRIBED.values()))).save(world / "iris.safetensors")
    ran = kgzsl("run", world / "recipe.yaml", "--set", f"dataset={world / 'facts.ttl'}", *common, "-o", world / "run")
    assert ran.code == 0, ran.err
    asked = sum(len(pairs) for relation, pairs in facts().items() if relation in UNSEEN)
    assert f"{asked} test triples are in the schema too" in ran.out
    kgzsl("pack", world / "facts.ttl", "--unseen-relations", ",".join(UNSEEN), "--out", world / "packed")
    ran = kgzsl("run", world / "recipe.yaml", "--set", f"dataset={world / 'packed'}", *common[:2], "-o", world / "two")
    assert ran.code == 0, ran.err
    assert "in the schema too" not in ran.out
