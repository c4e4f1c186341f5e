"""``kgzsl complete --facts``: entities and relations that came after training, for every ranker that proposes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from kgzsl.knowledge import ClassPriors
from kgzsl.tasks.kg_completion.inductive import Ultra
from kgzsl.tasks.kg_completion.proposals import Proposal
from kgzsl.tasks.kg_completion.writing import write_proposals
from tests.tasks.kg_completion.conftest import DESCRIBED, UNSEEN, facts

SCHEMA = """@prefix : <http://x/> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
:residesIn a owl:ObjectProperty ; rdfs:range :city ; rdfs:domain :person ; rdfs:label "resides in" .
:livesIn a owl:ObjectProperty ; rdfs:range :city ; rdfs:domain :person ; rdfs:label "lives in" .
:bornIn a owl:ObjectProperty ; rdfs:range :city ; rdfs:domain :person ; rdfs:label "born in" .
:liesIn a owl:ObjectProperty ; rdfs:domain :city ; rdfs:range :land ; rdfs:label "lies in" .
:partOf a owl:ObjectProperty ; rdfs:domain :city ; rdfs:range :land ; rdfs:label "part of" .
:hasCity a owl:ObjectProperty ; rdfs:domain :land ; rdfs:range :city ; rdfs:label "has city" .
:friendOf a owl:ObjectProperty ; rdfs:domain :person ; rdfs:range :person ; rdfs:label "friend of" .
:knows a owl:ObjectProperty ; rdfs:domain :person ; rdfs:range :person ; rdfs:label "knows" .
:nationOf a owl:ObjectProperty ; rdfs:domain :person ; rdfs:range :land ; rdfs:label "nation of" .
:city a owl:Class . :land a owl:Class . :person a owl:Class .
"""
KIND = {"p": "person", "c": "city", "l": "land"}
RANKERS = {
    "ultra": {"name": "ultra", "queries": 20, "others": 30},
    "informed": {"name": "informed", "queries": 60, "others": 200, "penalty": 0.1},
    "rmpi": {"name": "rmpi", "dim": 16, "epochs": 12, "batch_size": 32, "lr": 1e-2, "queries": 20, "others": 20},
    "evidence": {"name": "evidence", "folds": 4, "queries": 8, "corrupted": 12, "steps": 60, "hidden": 8, "dim": 8},
}


def write_world(folder, *, moved: bool) -> None:
    """The little world; ``moved``: asked about other people in other cities, given at test time."""
    (folder / "kg").mkdir()

    def named(entity: str, mark: str = "") -> str:
        return f"w:{KIND[entity[0]]}:{entity}{mark}"

    parts: dict[str, list[str]] = {"train": [], "test": [], "msg": []}
    for relation, pairs in facts().items():
        for head, tail in pairs:
            if relation in UNSEEN:
                mark = "x" if moved else ""
                parts["test"].append(f"{named(head, mark)}\t{relation}\t{named(tail, mark)}\n")
                continue
            parts["train"].append(f"{named(head)}\t{relation}\t{named(tail)}\n")
            parts["msg"].append(f"{named(head, 'x')}\t{relation}\t{named(tail, 'x')}\n")
    for part, lines in parts.items():
        if moved or part != "msg":
            (folder / "kg" / f"{part}.txt").write_text("".join(lines))
    (folder / "schema.ttl").write_text(SCHEMA)
    ClassPriors(tuple(DESCRIBED), np.array(list(DESCRIBED.values()))).save(folder / "priors.safetensors")
    torch.manual_seed(0)
    torch.save({"model": Ultra(8, 2).state_dict()}, folder / "ultra.pth")


def recipe(folder, ranker: str, **changes) -> dict:
    options = dict(RANKERS[ranker])
    if ranker in ("ultra", "informed"):
        options["checkpoint"] = str(folder / "ultra.pth")
    content = {
        "task": "kg_completion",
        "dataset": {"name": str(folder / "kg"), "unseen_relations": list(UNSEEN)},
        "graph": {"source": str(folder / "schema.ttl")},
        "priors": [{"name": "file", "path": str(folder / "priors.safetensors")}],
        "ranker": options,
        "train": {"device": "cpu"},
    }
    if ranker == "evidence":
        content["controls"] = ["chance"]
    return {**content, **changes}


@pytest.fixture(scope="module", params=["ultra", "informed", "rmpi", "evidence"])
def world(request, tmp_path_factory):
    from kgzsl.cli.app import run as run_cli

    folder = tmp_path_factory.mktemp(request.param)
    write_world(folder, moved=request.param != "evidence")
    (folder / "recipe.yaml").write_text(json.dumps(recipe(folder, request.param)))
    assert run_cli(["run", str(folder / "recipe.yaml"), "--out", str(folder / "run"), "--quiet"]) == 0
    return request.param, folder


def asked(kgzsl, folder, *more):
    done = kgzsl("complete", folder / "run", "--relation", "residesIn", *more, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_a_newcomer_is_answered_for(kgzsl, world, tmp_path):
    name, folder = world
    mark = "" if name == "evidence" else "x"
    new = tmp_path / "new.tsv"
    line = f"w:person:new\tlivesIn\tw:city:c3{mark}\n"
    new.write_text(f"{line}w:person:new\tfriendOf\tw:person:p3{mark}\n{line}")
    refused = kgzsl("complete", folder / "run", "-r", "residesIn", "--head", "w:person:new")
    refused.refused("no entity is called 'w:person:new'", "--facts")
    told = asked(kgzsl, folder, "--facts", new, "--head", "w:person:new")
    found = [one["tail"] for one in told["proposals"]]
    if name != "ultra":  # whose weights are drawn at random here
        assert found[0] == f"w:city:c3{mark}"
    # The schema's range holds for it as for all others.
    assert len(found) == 8
    assert all(tail.startswith("w:city:") for tail in found)
    assert told["facts"]["entities"] == ["w:person:new"]
    assert told["facts"]["facts"] == 2
    assert told["facts"]["left_out"] == ["1 of 3 facts are repetitions; each counts once"]
    if name == "evidence":
        assert all(0 <= one["confidence"] <= 1 for one in told["proposals"])
    else:  # too few relations to hold out for one without facts
        assert all(one["confidence"] is None for one in told["proposals"])
    # The run itself stays what it was.
    kgzsl("complete", folder / "run", "-r", "residesIn", "--head", "w:person:new").refused("no entity")


def test_known_facts_are_counted_and_never_proposed(kgzsl, world, tmp_path):
    name, folder = world
    mark = "" if name == "evidence" else "x"
    before = asked(kgzsl, folder, "--head", f"w:person:p3{mark}")["proposals"]
    new = tmp_path / "new.tsv"
    new.write_text(f"w:person:p3{mark}\tlivesIn\tw:city:c3{mark}\nw:person:p3{mark}\tresidesIn\t{before[0]['tail']}\n")
    told = asked(kgzsl, folder, "--head", f"w:person:p3{mark}", "--facts", new)
    assert told["facts"]["known"] == 1
    assert before[0]["tail"] not in [one["tail"] for one in told["proposals"]]
    assert len(told["proposals"]) == len(before) - 1


def test_a_new_relation_needs_facts_or_the_schema(kgzsl, world, tmp_path):
    name, folder = world
    mark = "" if name == "evidence" else "x"
    run, head = folder / "run", f"w:person:p3{mark}"
    kgzsl("complete", run, "-r", "worksIn", "--head", head).refused("'worksIn': neither a fact nor the schema has it")
    kgzsl("complete", run, "-r", "residsIn", "--head", head).refused("did you mean 'residesIn'")
    new = tmp_path / "new.tsv"
    new.write_text("".join(f"w:person:p{i}{mark}\tworksIn\tw:city:c{i % 8}{mark}\n" for i in range(4, 20)))
    done = kgzsl("complete", run, "-r", "worksIn", "--head", head, "--facts", new, "--top", 3)
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) == 4
    assert "16 facts from the file, 0 of them known to the run already; 0 new entities, 1 new relations: worksIn" in (
        done.err
    )
    assert ("nothing says what worksIn is like" in done.err) == (name != "ultra")
    schema = tmp_path / "more.ttl"
    schema.write_text(SCHEMA.replace(":knows a", ":worksIn a owl:ObjectProperty ; rdfs:range :city . :knows a"))
    done = kgzsl("complete", run, "-r", "worksIn", "--head", head, "--schema", schema, "--top", 3)
    assert done.code == 0, done.err
    rows = [line.split("\t") for line in done.out.splitlines()[1:]]
    assert all(row[2].startswith("w:city:") for row in rows)
    if name == "ultra":
        assert "no fact of http://x/worksIn is known, and this run reads facts alone" in done.err


def test_rdf_facts_by_the_names_of_the_run(kgzsl, world, tmp_path):
    name, folder = world
    mark = "" if name == "evidence" else "x"
    new = tmp_path / "new.nt"
    base = "urn:kgzsl:name:"
    new.write_text(
        f'<http://x/new> <{base}livesIn> <{base}w%3Acity%3Ac3{mark}> .\n<http://x/new> <{base}livesIn> "somewhere" .\n'
    )
    told = asked(kgzsl, folder, "--facts", new, "--head", "http://x/new")
    assert told["facts"]["entities"] == ["http://x/new"]
    assert told["facts"]["relations"] == []
    assert told["facts"]["left_out"] == ["1 triples with literals are left out"]
    # The newcomer itself, whose name says no kind, is held against nothing.
    assert {one["tail"] for one in told["proposals"]} == {f"w:city:c{i}{mark}" for i in range(8)} | {"http://x/new"}


def test_bad_files_of_facts(kgzsl, world, tmp_path):
    _, folder = world
    command = ("complete", folder / "run", "-r", "residesIn", "--facts")
    kgzsl(*command, tmp_path / "none.tsv").refused("none.tsv", "no such file")
    (tmp_path / "empty.tsv").write_text("")
    kgzsl(*command, tmp_path / "empty.tsv").refused("empty.tsv", "no fact")
    kgzsl(*command, tmp_path).refused(f"{tmp_path}: this is a folder; give a file of facts")
    (tmp_path / "folder.ttl").mkdir()
    kgzsl(*command, tmp_path / "folder.ttl").refused("folder.ttl: this is a folder")
    for style in ("reified", "star"):
        write_proposals([Proposal("a", "r", "b", 0.5, 0.0)], tmp_path / "out.nt", style=style)
        kgzsl(*command, tmp_path / "out.nt").refused("out.nt: these describe proposals, and state no fact; write each")
    (tmp_path / "two.tsv").write_text("a\tb\n")
    kgzsl(*command, tmp_path / "two.tsv").refused("two.tsv", "line 1")
    (tmp_path / "bad.ttl").write_text("<a> <b")
    kgzsl(*command, tmp_path / "bad.ttl").refused("bad.ttl", "does not parse")


def test_a_finished_run_is_read_by_the_other_commands(kgzsl, world, tmp_path):
    name, folder = world
    shown = kgzsl("info", folder / "run")
    assert shown.code == 0, shown.err
    if name != "evidence":
        assert "MRR ties last" in shown.out
        assert {"ultra": "ultra", "informed": "informed", "rmpi": "rmpi"}[name] in shown.out
    mark = "" if name == "evidence" else "x"
    (tmp_path / "asked.tsv").write_text(f"w:person:p3{mark}\tresidesIn\n")
    done = kgzsl("predict", folder / "run", tmp_path / "asked.tsv", "--top", 2)
    assert done.code == 0, done.err
    assert len(json.loads(done.out)["answers"]) == 2


def test_without_calibration_scores_are_told_and_no_confidence_is_taken(kgzsl, tmp_path):
    write_world(tmp_path, moved=True)
    content = recipe(tmp_path, "ultra", controls=["chance"])
    content["ranker"]["calibrate"] = False
    (tmp_path / "recipe.yaml").write_text(json.dumps(content))
    assert kgzsl("run", tmp_path / "recipe.yaml", "--out", tmp_path / "run", "--quiet").code == 0
    command = ("complete", tmp_path / "run", "-r", "residesIn", "--head", "w:person:p3x")
    done = kgzsl(*command, "--top", 3)
    assert done.out.splitlines()[0] == "head\trelation\ttail\tscore\twhy"
    assert "# the scores are not calibrated" in done.err
    assert [one["confidence"] for one in json.loads(kgzsl(*command, "--json").out)["proposals"]] == [None] * 8
    kgzsl(*command, "--min-confidence", 0.5).refused("no calibration", "calibrate: true")
    assert kgzsl(*command, "--out", tmp_path / "new.nt").code == 0
    assert "<urn:kgzsl:score>" in (tmp_path / "new.nt").read_text()
    assert "urn:kgzsl:confidence" not in (tmp_path / "new.nt").read_text()


def test_a_run_without_priors_is_explained_by_facts_alone(kgzsl, tmp_path):
    write_world(tmp_path, moved=True)
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe(tmp_path, "ultra", priors=[], controls=["chance"])))
    assert kgzsl("run", tmp_path / "recipe.yaml", "--out", tmp_path / "run", "--quiet").code == 0
    (tmp_path / "asked.tsv").write_text("w:person:p3x\tresidesIn\n")
    page = tmp_path / "why.html"
    done = kgzsl("explain", tmp_path / "run", tmp_path / "asked.tsv", "--tail", "w:city:c3x", "--html", page)
    assert done.code == 0, done.err
    assert "known: w:person:p3x livesIn w:city:c3x\n" in done.out
    assert "cosine" not in done.out
    assert "likeness of its relation" in page.read_text()
    told = kgzsl("explain", tmp_path / "run", tmp_path / "asked.tsv", "--tail", "w:city:c3x", "--without", 1, "--json")
    assert told.code == 0, told.err
    gone = json.loads(told.out)["explanations"][0]["without"]
    assert [one["kind"] for one in gone] == ["fact"]
    assert gone[0]["after"] != gone[0]["before"]
