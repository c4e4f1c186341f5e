"""Pairs from the command line: a run, its answers in the open world, a new pair by what an ontology says of it."""

from __future__ import annotations

import csv
import json
import shlex
from pathlib import Path

import numpy as np
import pytest

from kgzsl.cli.app import run as run_cli
from kgzsl.datasets import load

from .conftest import Runner

RECIPE = """\
task: image_classification
dataset: {name: latin_compositions, size: 16, images_per_class: 5}
compositions: {attribute: hasMark, object: hasBase}
priors: [tfidf]
generator: null
classifier: {name: compositional, dim: 16, epochs: 1}
protocol: {validation: none}
controls: []
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("letters")
    (folder / "letters.yaml").write_text(RECIPE)
    assert run_cli(["run", str(folder / "letters.yaml"), "--out", str(folder / "run"), "--quiet"]) == 0
    np.save(folder / "new.npy", load("latin_compositions", size=16, images_per_class=5).features[:40].numpy())
    return folder


def test_a_run_tells_its_pairs_and_a_report_can_be_made_again(finished: Path, kgzsl: Runner) -> None:
    metrics = json.loads((finished / "run" / "metrics.json").read_text())
    assert metrics["open.pairs"] == 27 * 51
    assert metrics["open.ruled_out"] == 0  # that no mark is a base form is nothing about letters
    assert {"pairs.seen", "pairs.unseen", "pairs.harmonic", "pairs.auc", "pairs.attribute"} <= set(metrics)
    report = (finished / "run" / "report.html").read_text()
    assert "T1 open" in report
    assert "disjointness in the class graph rules out 0" in report
    assert kgzsl("info", finished / "run").code == 0
    assert kgzsl("export", finished / "run", "--to", "npz", "--out", finished / "head.npz").code in (0, 2)


def test_answers_in_the_open_world(finished: Path, kgzsl: Runner) -> None:
    out = finished / "answers.csv"
    done = kgzsl("predict", finished / "run", finished / "new.npy", "--candidates", "open", "--top", 40, "--out", out)
    assert done.code == 0, done.err
    found = {row["class"] for row in csv.DictReader(out.open())}
    names = set(load("latin_compositions", size=16, images_per_class=5).class_names)
    assert found & names
    beyond = found - names
    assert beyond
    assert all("base form of" in name for name in beyond)
    done = kgzsl("explain", finished / "run", finished / "new.npy", "--row", 0, "--candidates", "open", "--json")
    assert done.code == 0, done.err


def test_a_candidate_that_is_neither_class_nor_pair(finished: Path, kgzsl: Runner) -> None:
    asked = ["predict", finished / "run", finished / "new.npy", "--candidates"]
    kgzsl(*asked, "horn base form of smal q").refused(
        "no class of this model, and no pair of its open world",
        "did you mean 'horn base form of small q' or",
        "? 'open' takes every pair",
    )
    kgzsl(*asked, "grave accent base form of small a").refused(
        "this pair is the class 'latin small letter a with grave'"
    )
    kgzsl(*asked, "opn").refused("did you mean 'open'?\n")
    kgzsl(*asked, "zzzqqq").refused("its classes are 'latin capital letter a with grave'", "'unseen', 'seen' or 'open'")


def test_a_pair_joins_by_what_an_ontology_says_of_it(finished: Path, kgzsl: Runner, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text(
        "subject,relation,object\n"
        "urn:new#q_caron,urn:kgzsl:latin#hasMark,urn:kgzsl:latin#CaronMark\n"
        "urn:new#q_caron,urn:kgzsl:latin#hasBase,urn:kgzsl:latin#BaseSmallQ\n"
        "urn:new#g_caron,urn:kgzsl:latin#hasMark,urn:kgzsl:latin#CaronMark\n"
        "urn:new#g_caron,urn:kgzsl:latin#hasBase,urn:kgzsl:latin#BaseSmallG\n"
    )
    asked = ["add-class", finished / "run", "--graph", tmp_path / "new.csv"]
    done = kgzsl(*asked, "--iri", "urn:new#q_caron", "--out", tmp_path / "more")
    assert done.code == 0, done.err
    done = kgzsl("predict", tmp_path / "more", finished / "new.npy", "--candidates", "unseen", "--top", 61)
    assert "urn:new#q_caron" in done.out
    done = kgzsl("add-class", finished / "run", "--iri", "horn base form of small q", "--out", tmp_path / "by-name")
    assert done.code == 0, done.err
    kgzsl(*asked, "--iri", "urn:new#g_caron", "--out", tmp_path / "no").refused(
        "'urn:new#g_caron' is 'caron' and 'base form of small g', and so is the class 'latin small letter g with caron'"
    )


def test_what_the_documentation_adds_joins(finished: Path, kgzsl: Runner, tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "howto" / "compositions.md").read_text()
    (tmp_path / "new.ttl").write_text(page.partition("```turtle\n")[2].partition("```")[0])
    shown = [line for line in page.splitlines() if line.startswith("$ kgzsl add-class runs/letters ")]
    assert len(shown) == 2
    for number, line in enumerate(shown):
        words = [
            {"runs/letters": finished / "run", "new.ttl": tmp_path / "new.ttl"}.get(w, w) for w in shlex.split(line)
        ]
        done = kgzsl(*words[2:-1], tmp_path / f"more{number}")
        assert "answers for 423 classes" in done.out, done.err


def test_a_pair_that_cannot_join_is_told_what_it_lacks(finished: Path, kgzsl: Runner, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text(
        "subject,relation,object\n"
        "urn:new#nothing,urn:kgzsl:latin#hasBase,urn:kgzsl:latin#BaseSmallG\n"
        "urn:new#bare,rdfs:subClassOf,urn:kgzsl:latin#Letter\n"
        "urn:new#two,urn:kgzsl:latin#hasBase,urn:kgzsl:latin#BaseSmallG\n"
        "urn:new#two,urn:kgzsl:latin#hasMark,urn:kgzsl:latin#CaronMark\n"
        "urn:new#two,urn:kgzsl:latin#hasMark,urn:kgzsl:latin#HornMark\n"
        "urn:new#other,urn:kgzsl:latin#hasMark,urn:new#NewMark\n"
        "urn:new#other,urn:kgzsl:latin#hasBase,urn:kgzsl:latin#BaseSmallG\n"
    )

    def refused(name: str, *parts: str) -> None:
        asked = ["add-class", finished / "run", "--graph", tmp_path / "new.csv", "--out", tmp_path / "no"]
        kgzsl(*asked, "--iri", name).refused(*parts)

    mark = "urn:kgzsl:latin#hasMark urn:kgzsl:latin#AcuteAccentMark' (or breve, caron, cedilla and 23 more)"
    refused("urn:new#nothing", "has no 'hasMark', and so no attribute; ", f"say 'urn:new#nothing {mark}; or name")
    refused("urn:new#bare", "has no 'hasMark', and so no attribute, and no 'hasBase', and so no object; ", mark)
    refused("urn:new#two", "has several of 'hasMark' (caron, horn), not one attribute; ", "say one attribute alone")
    refused("urn:new#other", "no class of the run has the attribute 'New Mark'; run the recipe again with a class")
    refused("urn:new#none", "is no pair of the run's open world, and the class graph does not have it; give the pair")
    refused("horn base form of smal q", "did you mean 'horn base form of small q' or")
    refused("grave accent base form of small a", "is the class 'latin small letter a with grave' already")


def test_statements_about_the_parts_are_taken_away(finished: Path, kgzsl: Runner) -> None:
    asked = ["explain", finished / "run", finished / "new.npy", "--row", 0, "--without", 2, "--json", "--candidates"]
    for pair, parts in {
        "latin small letter a with grave": ("grave accent", "base form of small a"),
        "horn base form of small q": ("horn", "base form of small q"),
    }.items():
        done = kgzsl(*asked, pair)
        assert done.code == 0, done.err
        (told,) = json.loads(done.out)["explanations"]
        assert len(told["without"]) == 2
        for one in told["without"]:
            assert one["kind"] == "axiom"
            assert one["scores"][0] != one["scores"][1]
            assert any(part in one["removed"] for part in parts)


def test_a_run_without_an_open_world_says_so(kgzsl: Runner, finished: Path, tmp_path: Path) -> None:
    (tmp_path / "closed.yaml").write_text(RECIPE.replace("object: hasBase", "object: hasBase, open: false"))
    assert kgzsl("run", tmp_path / "closed.yaml", "--out", tmp_path / "run").code == 0
    kgzsl("predict", tmp_path / "run", finished / "new.npy", "--candidates", "open").refused("has no open world")
    kgzsl("add-class", tmp_path / "run", "--iri", "horn base form of small q", "--out", tmp_path / "no").refused(
        "one joins from the open world, which the run has not"
    )


def test_parts_that_the_graph_has_twice_are_told_by_two_relations(kgzsl: Runner, tmp_path: Path) -> None:
    (tmp_path / "data.yaml").write_text(RECIPE.replace("{attribute: hasMark, object: hasBase}", "data"))
    done = kgzsl("run", tmp_path / "data.yaml", "--out", tmp_path / "run")
    done.refused("data.yaml, line 3: 20 of 78 parts of the classes match no single node", "'acute accent' (several: ")
    done.refused(" and 17 more; write compositions: {attribute: hasMark, object: hasBase}, by which the graph leads")
    assert "'grave accent'" not in done.err


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run told by a table, with vectors from a file and no class graph."""
    tmp_path = tmp_path_factory.mktemp("things")
    states, things = ["wet", "old", "dry"], ["cup", "dog", "car"]
    pairs = [(state, thing) for state in states for thing in things if (state, thing) != ("dry", "dog")]
    names = [f"{thing}, {state}" for state, thing in pairs]
    random = np.random.default_rng(0)
    np.savez(
        tmp_path / "things.npz",
        features=random.normal(size=(80, 6)).astype("float32"),
        labels=np.repeat(np.arange(8), 10),
        class_names=names,
        unseen_classes=[0, 4],
    )
    with (tmp_path / "things.csv").open("w") as file:
        csv.writer(file).writerows(
            [("class", "attribute", "object"), *((n, *pair) for n, pair in zip(names, pairs, strict=True))]
        )
    with (tmp_path / "vectors.csv").open("w") as file:
        csv.writer(file).writerows((part, *random.normal(size=4)) for part in [*states, *things])
    (tmp_path / "things.yaml").write_text(
        f"dataset: {tmp_path / 'things.npz'}\ncompositions: {tmp_path / 'things.csv'}\n"
        f"priors: [{{name: file, path: {tmp_path / 'vectors.csv'}}}]\ngenerator: null\n"
        "task: image_classification\nclassifier: {name: compositional, dim: 4, epochs: 1}\n"
        "protocol: {validation: none}\ncontrols: []\n"
    )
    assert run_cli(["run", str(tmp_path / "things.yaml"), "--out", str(tmp_path / "run"), "--quiet"]) == 0
    np.save(tmp_path / "new.npy", random.normal(size=(3, 6)).astype("float32"))
    return tmp_path


def test_where_there_is_no_class_graph_nothing_is_said_to_be_ruled_out(things: Path) -> None:
    report = (things / "run" / "report.html").read_text()
    assert "1 more pairs may be answered; there is no class graph to rule any out by" in report
    assert "disjointness" not in report
    metrics = json.loads((things / "run" / "metrics.json").read_text())
    assert metrics["open.pairs"] == 9
    assert "open.ruled_out" not in metrics


def test_a_run_told_by_a_table_names_the_nearest_open_pairs(kgzsl: Runner, things: Path, tmp_path: Path) -> None:
    asked = ["add-class", things / "run", "--out", tmp_path / "no", "--iri"]
    kgzsl(*asked, "dry dgo").refused("'dry dgo' is no pair of the run's open world", "did you mean 'dry dog'?")
    (tmp_path / "new.csv").write_text("subject,relation,object\nurn:x#new,rdfs:subClassOf,urn:x#thing\n")
    kgzsl(*asked, "urn:x#new", "--graph", tmp_path / "new.csv").refused("give the pair as the open world calls it")
    assert not (tmp_path / "no").exists()
    assert kgzsl(*asked, "dry dog").code == 0
