"""What is odd about facts, candidates, relations and entities is told by the commands, and nothing is passed over."""

from __future__ import annotations

import json

import pytest

from kgzsl.report.run_folder import RunFolder
from tests.tasks.kg_completion.conftest import UNSEEN, facts

KIND = {"p": "person", "c": "city", "l": "land"}
SCHEMA = """@prefix : <http://x/> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
:livesIn a owl:ObjectProperty ; rdfs:domain :person ; rdfs:range :city ; rdfs:label "lives in" .
:residesIn a owl:ObjectProperty ; rdfs:domain :person ; rdfs:range :city ; rdfs:label "resides in" .
:nationOf a owl:ObjectProperty ; rdfs:range :land . :bornIn a owl:ObjectProperty ; rdfs:range :city .
:liesIn a owl:ObjectProperty ; rdfs:range :land . :partOf a owl:ObjectProperty ; rdfs:range :land .
:hasCity a owl:ObjectProperty ; rdfs:domain :land . :friendOf a owl:ObjectProperty ; rdfs:range :person .
:knows a owl:ObjectProperty ; rdfs:range :person . :silent a owl:ObjectProperty .
:city a owl:Class . :land a owl:Class . :person a owl:Class ; owl:disjointWith :city .
"""


def named(entity: str) -> str:
    return f"w:{KIND[entity[0]]}:{entity}"


def recipe(folder, **changes) -> str:
    ranker = {"name": "evidence", "folds": 2, "queries": 4, "corrupted": 6, "steps": 4, "hidden": 4, "dim": 4}
    content = {
        "task": "kg_completion",
        "dataset": str(folder / "kg"),
        "graph": {"source": str(folder / "schema.ttl")},
        "priors": [{"name": "attributes"}],
        "generator": None,
        "ranker": ranker,
        "controls": ["chance"],
        "protocol": {"seeds": 1, "candidates": "given"},
        "train": {"device": "cpu"},
    }
    (folder / "recipe.yaml").write_text(json.dumps({**content, **changes}))
    return str(folder / "recipe.yaml")


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """The little world in the layout of NELL-ZS, with all that can be odd about it; a run, and what it said."""
    import contextlib
    import io

    from kgzsl.cli.app import run as run_cli

    folder = tmp_path_factory.mktemp("odd")
    (folder / "kg").mkdir()
    table = {relation: [[named(h), relation, named(t)] for h, t in pairs] for relation, pairs in facts().items()}
    train = {relation: triples for relation, triples in table.items() if relation not in UNSEEN}
    train["livesIn"] += [train["livesIn"][0], ["w:city:c1", "livesIn", "w:city:c2"]]  # said twice; against the schema
    train["hollow"] = []
    test = {relation: table[relation] for relation in UNSEEN}
    test["residesIn"].append(test["residesIn"][0])
    test["silent"] = [["w:person:p1", "silent", "w:city:c1"], ["w:person:new", "silent", "w:city:c1"]]
    entities = sorted({end for triples in table.values() for h, _, t in triples for end in (h, t)})
    entities += ["w:person:new", "w:city:nowhere"]
    cities = [named(f"c{i}") for i in range(8)]
    candidates = {"residesIn": [*cities[1:], "w:city:stranger"], "neverUsed": cities, "silent": cities}
    for name, content in (
        ("train_tasks", train),
        ("test_tasks", test),
        ("ent2ids", {entity: number for number, entity in enumerate(entities)}),
        ("rel2candidates", candidates),
    ):
        (folder / "kg" / f"{name}.json").write_text(json.dumps(content))
    (folder / "schema.ttl").write_text(SCHEMA)
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        assert run_cli(["run", recipe(folder), "--out", str(folder / "run")]) == 0
    return folder, told.getvalue()


@pytest.mark.parametrize(
    "line",
    [
        "1 relations are listed without a triple: hollow",
        "1 of 99 train triples are repetitions within train; they are kept",
        "1 of 23 test triples are repetitions within test; they are kept",
        "1 of 23 test triples use 1 entities that are in no training triple",
        "1 entities are listed and occur in no triple; they stay candidates that nothing is known about: w:city:",
        "1 candidate entries name entities that occur in no triple; they were left out",
        "candidates are listed for neverUsed, which no triple uses; they were left out",
        "no candidates are listed for nationOf: all entities are candidates there",
        # c0 is not among the candidates of residesIn, and p0 and p8 live there; p0 is asked for twice.
        "the true tail of 3 test triples is not among the candidates of its relation; it is ranked all the same",
        "1 unseen relations have no axiom and no text in the schema: silent",
        "1 training triples have an end whose class is disjoint with the relation's domain or range; they are kept: "
        "w:city:c1 livesIn w:city:c2",
        "3 true answers are no candidates by the rule 'given'; they are ranked too",
    ],
)
def test_a_run_tells_what_is_odd_about_its_data(odd, line):
    assert line in odd[1]


def test_facts_against_the_schema_are_in_a_file_of_the_run(odd):
    rows = (odd[0] / "run" / "contradictions.csv").read_text().splitlines()
    assert rows == ["head,relation,tail,against", "w:city:c1,livesIn,w:city:c2,disjoint"]
    assert RunFolder.open(odd[0] / "run").result().contradictions == [
        {"head": "w:city:c1", "relation": "livesIn", "tail": "w:city:c2", "against": "disjoint"}
    ]


def test_every_test_triple_is_ranked_whatever_is_odd_about_it(odd):
    metrics = json.loads((odd[0] / "run" / "metrics.json").read_text())
    assert metrics["kgc.queries"] == 2 * 23  # heads and tails
    assert metrics["kgc.coverage"] == 1


def test_answers_about_what_nothing_is_known_of_say_so(odd, kgzsl, tmp_path):
    queries = tmp_path / "asked.tsv"
    queries.write_text("w:city:nowhere\tsilent\nw:person:p1\tresidesIn\nw:person:new\tsilent\n")
    done = kgzsl("predict", odd[0] / "run", queries, "--top", 1)
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) == 3
    assert "# no fact is known about w:city:nowhere, w:person:new: what is proposed there" in done.err
    assert "# the schema has no axiom and no text about silent: only its name was read" in done.err
    assert "p1" not in done.err
    assert kgzsl("predict", odd[0] / "run", queries, "--top", 1, "--quiet").err == ""
    proposed = kgzsl("complete", odd[0] / "run", "-r", "silent", "--head", "w:person:new", "--top", 1)
    assert "# no fact is known about w:person:new" in proposed.err
    assert "# the schema has no axiom and no text about silent" in proposed.err


def test_names_that_are_nowhere_are_refused(odd, kgzsl, tmp_path):
    run, queries = odd[0] / "run", tmp_path / "asked.tsv"
    queries.write_text("w:person:p1\tresidesIn\nw:person:p77\tresidesIn\n")
    kgzsl("predict", run, queries, "--out", tmp_path / "x.csv").refused("query 2", "no entity is called 'w:person:p77'")
    queries.write_text("w:person:p1\tresidedIn\n")
    kgzsl("predict", run, queries, "--out", tmp_path / "x.csv").refused("query 1", "'residedIn'", "'residesIn'")
    kgzsl("complete", run, "-r", "residesIn", "--head", "w:person:p77").refused("no entity is called 'w:person:p77'")
    kgzsl("complete", run, "-r", "hollow").refused("no relation is called 'hollow'")


def test_a_relation_that_the_schema_lacks_is_told(odd, kgzsl, tmp_path):
    lacking = tmp_path / "lacking.ttl"
    lacking.write_text(SCHEMA.replace(":silent a owl:ObjectProperty .", ""))
    # Vectors made of the schema cannot be had for it: it is ranked by one of its own, and that is told.
    done = kgzsl("run", recipe(odd[0], graph={"source": str(lacking)}), "--out", tmp_path / "first")
    assert done.code == 0, done.err
    assert "1 of 10 relations are not in the schema: they are like themselves and nothing else: silent" in done.out
    # With vectors of its own it is ranked, and the run says that the schema does not know it.
    import numpy as np

    from kgzsl.knowledge import ClassPriors

    names = [relation for relation in facts() if relation not in UNSEEN] + [*UNSEEN, "silent"]
    ClassPriors(tuple(names), np.eye(len(names))).save(tmp_path / "own.safetensors")
    own = [{"name": "file", "path": str(tmp_path / "own.safetensors")}]
    done = kgzsl("run", recipe(odd[0], graph={"source": str(lacking)}, priors=own), "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert "1 unseen relations are not in the schema, which says nothing of them: silent" in done.out
    assert "like themselves" not in done.out


def test_an_embedding_says_that_it_knows_nothing_of_a_relation(odd, kgzsl, tmp_path):
    ranker = {"name": "embedding", "model": "distmult", "dim": 8, "epochs": 1}
    changes = {"ranker": ranker, "priors": [], "controls": ["chance"], "protocol": {"seeds": 1}}
    done = kgzsl("run", recipe(odd[0], **changes), "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert "3 relations of test have no training triple: an embedding knows nothing of them" in done.out
    (tmp_path / "asked.tsv").write_text("w:person:p1\tresidesIn\nw:person:p1\tlivesIn\n")
    told = kgzsl("predict", tmp_path / "run", tmp_path / "asked.tsv", "--top", 1)
    assert told.code == 0, told.err
    assert "# residesIn has no training triple: an embedding knows nothing of it" in told.err
    assert "livesIn has" not in told.err
