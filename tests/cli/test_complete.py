"""``kgzsl complete``: from a run to proposals in a file, with what was refused told."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pyoxigraph
import pytest

from kgzsl.knowledge import ClassPriors
from tests.tasks.kg_completion.conftest import DESCRIBED, UNSEEN, facts

KIND = {"p": "person", "c": "city", "l": "land"}
SCHEMA = """@prefix : <http://x/> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
:residesIn a owl:ObjectProperty ; rdfs:range :city ; rdfs:domain :person .
:livesIn a owl:ObjectProperty . :nationOf a owl:ObjectProperty .
:city a owl:Class . :land a owl:Class . :person a owl:Class ; owl:disjointWith :city .
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    from kgzsl.cli.app import run as run_cli

    folder = tmp_path_factory.mktemp("world")
    (folder / "kg").mkdir()

    def named(entity: str) -> str:
        return f"w:{KIND[entity[0]]}:{entity}"

    for part in ("train", "test"):
        lines = [
            f"{named(h)}\t{relation}\t{named(t)}\n"
            for relation, pairs in facts().items()
            if (relation in UNSEEN) == (part == "test")
            for h, t in pairs
        ]
        (folder / "kg" / f"{part}.txt").write_text("".join(lines))
    (folder / "schema.ttl").write_text(SCHEMA)
    ClassPriors(tuple(DESCRIBED), np.array(list(DESCRIBED.values()))).save(folder / "priors.safetensors")
    recipe = {
        "task": "kg_completion",
        "dataset": {"name": str(folder / "kg"), "unseen_relations": list(UNSEEN)},
        "graph": {"source": str(folder / "schema.ttl")},
        "priors": [{"name": "file", "path": str(folder / "priors.safetensors")}],
        "ranker": {"name": "evidence", "folds": 4, "queries": 8, "corrupted": 12, "steps": 60, "hidden": 8, "dim": 8},
        "controls": ["chance", "link_overlap"],
        "train": {"device": "cpu"},
    }
    (folder / "recipe.yaml").write_text(json.dumps(recipe))
    assert run_cli(["run", str(folder / "recipe.yaml"), "--out", str(folder / "run"), "--quiet"]) == 0
    return folder / "run"


def test_a_table_on_standard_output(kgzsl, run):
    done = kgzsl("complete", run, "--relation", "residesIn", "--head", "w:person:p3", "--top", 20)
    assert done.code == 0, done.err
    rows = [line.split("\t") for line in done.out.splitlines()]
    assert rows[0] == ["head", "relation", "tail", "confidence", "why"]
    assert rows[1][:3] == ["w:person:p3", "residesIn", "w:city:c3"]
    assert len(rows) == 9  # the header and the eight cities
    assert "livesIn" in rows[1][4]
    assert "# refused: 24 by disjoint, 4 by range" in done.err
    assert "held-out relations, " in done.err
    # The run says the same of itself.
    told = kgzsl("info", run)
    assert "confidences: calibration error" in told.out
    assert "7 held-out relations, " in told.out
    assert "confidences of relations of which nothing is said: " in told.out
    off = json.loads((run / "metrics.json").read_text())
    assert "confidences on the test: off by " in told.out
    assert off["kgc.confidence.answers"] > 0


def test_what_follows_by_the_schema_is_told_apart_from_what_confidences_are_off(kgzsl, run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    metrics = json.loads((run / "metrics.json").read_text())
    (tmp_path / "run" / "metrics.json").write_text(json.dumps({**metrics, "kgc.confidence.error_of_others": 0.125}))
    assert "; 0.125 without what follows by the schema" in kgzsl("info", tmp_path / "run").out
    plain = kgzsl("info", run).out
    assert "without what follows" not in plain
    assert "follow by the schema" not in plain
    # Where nothing is left of them, that is what the reader must know.
    (tmp_path / "run" / "metrics.json").write_text(json.dumps({**metrics, "kgc.confidence.follow": 19.0}))
    assert "; all of these answers follow by the schema" in kgzsl("info", tmp_path / "run").out


def test_machines_are_told_what_people_are(kgzsl, run):
    asked = ("complete", run, "--relation", "residesIn", "--top", 3)
    people, machine = kgzsl(*asked), kgzsl(*asked, "--json")
    notes = json.loads(machine.out)["notes"]
    assert notes[0].startswith("calibration error")
    assert any("heads were asked" in line for line in notes)
    assert set(notes) <= {line.removeprefix("# ") for line in people.err.splitlines()}


def test_a_dry_run_writes_the_file_that_it_is_told_to_and_is_json_where_that_is_asked(kgzsl, run, tmp_path):
    out = tmp_path / "new.tsv"
    asked = ("complete", run, "--relation", "residesIn", "--head", "w:person:p3", "--top", 2, "--dry-run")
    plain = kgzsl(*asked, "--out", out)
    assert plain.out.startswith("DELETE {")
    assert f"# written to {out}" in plain.err
    assert "# nothing was sent" in plain.err
    assert len(out.read_text().splitlines()) == 3
    found = json.loads(kgzsl(*asked, "--json").out)
    assert found["update"] == plain.out
    assert len(found["proposals"]) == 2


def test_n_triples_and_json(kgzsl, run, tmp_path):
    out = tmp_path / "new.nt"
    done = kgzsl(
        "complete", run, "-r", "residesIn", "--head", "w:person:p3", "--min-confidence", 0.5, "-o", out, "--json"
    )
    assert done.code == 0, done.err
    told = json.loads(done.out)
    proposals = told["proposals"]
    assert proposals[0]["tail"] == "w:city:c3"
    assert all(one["confidence"] >= 0.5 for one in proposals)
    assert len(proposals) + told["unsure"] == 8
    assert proposals[0]["reasons"]["links"]
    quads = list(pyoxigraph.parse(out.read_bytes(), pyoxigraph.RdfFormat.N_TRIPLES))
    assert len(quads) == 5 * len(proposals)


def test_refusals(kgzsl, run, tmp_path):
    kgzsl("complete", run, "-r", "residsIn").refused("no relation is called 'residsIn'", "residesIn")
    kgzsl("complete", run, "-r", "residesIn", "--head", "w:person:p3", "-o", tmp_path / "a.ttl").refused(".tsv or .nt")
    asked = ("complete", run, "-r", "residesIn", "--head", "w:person:p3", "--base", "not an iri <")
    kgzsl(*asked, "-o", tmp_path / "a.nt").refused("'not an iri <' is no IRI")
    assert not (tmp_path / "a.nt").exists()
    kgzsl("complete", run, "-r", "residesIn", "--min-confidence", 3).refused("from 0 to 1")
    asked = ("complete", run, "-r", "residesIn", "--head", "w:person:p3")
    kgzsl(*asked, "--style", "star").refused("--style is for N-Triples", "--out FILE.nt")
    kgzsl(*asked, "--style", "star", "-o", tmp_path / "a.tsv").refused("--style is for N-Triples")
    kgzsl(*asked, "--named-graph", "http://x/g").refused("--named-graph", "--write-back")
    kgzsl("complete", tmp_path, "-r", "residesIn").refused(str(tmp_path))


def test_a_memory_budget_is_handed_on_and_changes_no_proposal(kgzsl, run, monkeypatch):
    from kgzsl.tasks.kg_completion.evidence import EvidenceCompleter

    asked = ("complete", run, "--relation", "residesIn", "--head", "w:person:p3", "--no-why")
    whole = kgzsl(*asked)
    given = []
    limit = EvidenceCompleter.limit_memory
    monkeypatch.setattr(EvidenceCompleter, "limit_memory", lambda model, size: given.append(size) or limit(model, size))
    assert kgzsl(*asked, "--memory-budget", "1kB").out == whole.out
    assert given == [1000]
    kgzsl(*asked, "--memory-budget", "plenty").refused("'plenty' is no size of memory", "512MB")
    shown = kgzsl("run", run, "--memory-budget", "64MiB", "--print-config")
    assert "memory_budget: 67108864" in shown.out
    kgzsl("run", run, "--memory-budget", "plenty", "--print-config").refused("'plenty'", "512MB")


def test_what_nothing_is_known_about_is_told(kgzsl, run, monkeypatch):
    from kgzsl.tasks.kg_completion.evidence import EvidenceCompleter

    silent = kgzsl("complete", run, "--relation", "nationOf", "--head", "w:person:p3", "--top", 1)
    assert "# the schema has no axiom and no text about nationOf: only its name was read" in silent.err
    assert "no fact is known" not in silent.err
    described = kgzsl("complete", run, "--relation", "residesIn", "--head", "w:person:p3", "--top", 1)
    assert "only its name was read" not in described.err
    set_facts = EvidenceCompleter.set_facts
    # The same run, had it no fact about one of the heads.
    monkeypatch.setattr(EvidenceCompleter, "set_facts", lambda model, known: set_facts(model, _without(model, known)))
    lonely = kgzsl("complete", run, "-r", "residesIn", "--head", "w:person:p3", "--head", "w:person:p4", "--top", 1)
    assert "# no fact is known about w:person:p3: what is proposed there" in lonely.err


def _without(model, known):
    entity = model._entity("w:person:p3")
    return known[(known[:, 0] != entity) & (known[:, 2] != entity)]
