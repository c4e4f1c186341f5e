"""Entities are asked for by their labels, where the data of a run, its graph or new facts have them."""

from __future__ import annotations

import json

import pytest

from kgzsl.datasets import KGSplit
from kgzsl.datasets.kg_labels import entity_labels
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion.entity_labels import by_label, own_entity
from kgzsl.tasks.kg_completion.inductive import InductiveTask, RmpiCompleter
from tests.cli.test_unseen_relations import world  # noqa: F401 (a fixture)

LABEL = "<http://www.w3.org/2000/01/rdf-schema#label>"


@pytest.fixture
def run(kgzsl, world):  # noqa: F811
    names = {"p3": '"Ada Three"@en', "p4": '"Twin"', "p5": '"Twin"', "c3": '"City, the third"'}
    lines = "".join(f"<http://x/{one}> {LABEL} {label} .\n" for one, label in names.items())
    with (world / "facts.ttl").open("a") as file:
        file.write(lines)
    recipe = json.loads((world / "recipe.yaml").read_text())
    recipe |= {"dataset": str(world / "facts.ttl"), "graph": {"source": str(world / "schema.ttl")}}
    recipe["priors"] = [{"name": "tfidf"}]
    (world / "recipe.yaml").write_text(json.dumps(recipe))
    done = kgzsl("run", world / "recipe.yaml", "--unseen-relations", "residesIn,nationOf", "--out", world / "run")
    assert done.code == 0, done.err
    return world / "run"


def test_labels_name_heads_and_tails_of_every_command(kgzsl, run, tmp_path):
    asked = ("complete", run, "-r", "resides in", "--top", 3, "--json")
    assert kgzsl(*asked, "--head", "ada three").out == kgzsl(*asked, "--head", "http://x/p3").out
    told = json.loads(kgzsl(*asked, "--tail", "City, the third").out)["proposals"]
    assert {one["tail"] for one in told} == {"http://x/c3"}
    kgzsl(*asked, "--head", "Twin").refused("2 entities are called 'Twin': http://x/p4, http://x/p5", "the whole name")
    kgzsl(*asked, "--head", "Ada Nine").refused("no entity is called 'Ada Nine'")
    (tmp_path / "new.ttl").write_text(f'<http://x/new> <http://x/livesIn> <http://x/c3> ; {LABEL} "Newcomer" .\n')
    told = json.loads(kgzsl(*asked, "--head", "Newcomer", "--facts", tmp_path / "new.ttl").out)
    assert {one["head"] for one in told["proposals"]} == {"http://x/new"}
    # What new facts call an entity of the run stands beside what the run calls it.
    (tmp_path / "more.ttl").write_text(
        f'<http://x/p3> <http://x/livesIn> <http://x/c3> ; {LABEL} "Ada die Dritte"@de .\n'
    )
    for label in ("Ada Three", "ada die dritte"):
        told = json.loads(kgzsl(*asked, "--head", label, "--facts", tmp_path / "more.ttl").out)
        assert {one["head"] for one in told["proposals"]} == {"http://x/p3"}
    (tmp_path / "asked.tsv").write_text("Ada Three\tresidesIn\nhttp://x/p3\tresidesIn\n")
    first, second = map(json.loads, kgzsl("predict", run, tmp_path / "asked.tsv").out.splitlines())
    assert first["answers"] == second["answers"]
    assert (first["head"], second["head"]) == ("Ada Three", "http://x/p3")
    (tmp_path / "why.tsv").write_text("head\trelation\ttail\nAda Three\tresidesIn\tCity, the third\n")
    told = json.loads(kgzsl("explain", run, tmp_path / "why.tsv", "--json").out)["explanations"][0]
    assert (told["head"], told["tail"]) == ("http://x/p3", "http://x/c3")
    (tmp_path / "none.tsv").write_text("Twin\tresidesIn\n")
    kgzsl("predict", run, tmp_path / "none.tsv").refused("query 1: 2 entities are called 'Twin'")


def test_individuals_of_the_graph_have_labels_too(tmp_path):
    kg = KGSplit.from_names([("http://x/a", "r", "http://x/b"), ("http://x/b", "r", "http://x/c")], [], [])
    task = InductiveTask(kg.entities, kg.relations, kg.train, kg.valid, kg.test)
    model = RmpiCompleter(dim=4, epochs=1, queries=4, others=2, calibrate=False).fit(task)
    (tmp_path / "graph.ttl").write_text(
        f'@prefix : <http://x/> . :a :r :b ; {LABEL} "The A" . :b {LABEL} "Both" . :c :r :a ; {LABEL} "Both" .'
    )
    graph = ClassGraph.read(tmp_path / "graph.ttl")
    assert own_entity(model, "the a", dict, lambda: graph) == "http://x/a"
    assert own_entity(model, "The D", dict, lambda: graph) is None
    with pytest.raises(InputError, match="2 entities are called 'Both'"):
        own_entity(model, "Both", dict, lambda: graph)
    # A name goes before a label.
    assert own_entity(model, "b", lambda: by_label({"http://x/a": ["b"]}), lambda: graph) == "http://x/b"
    assert entity_labels(kg) == {}
