"""Runs whose ranker reads the ontology's edges among relations: asked, explained, and told of new axioms."""

from __future__ import annotations

import json

import pytest
import torch

from kgzsl.tasks.kg_completion.inductive import Ultra
from tests.tasks.kg_completion.inductive.inverse_world import RELATIONS, world

PREFIXES = "@prefix : <http://x/> . @prefix owl: <http://www.w3.org/2002/07/owl#> .\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from kgzsl.cli.app import run as run_cli

    folder = tmp_path_factory.mktemp("edges")
    (folder / "kg").mkdir()
    for part, facts in world(0).items():
        (folder / "kg" / f"{part}.txt").write_text("".join("\t".join(fact) + "\n" for fact in facts))
    said = [f":back{number} a owl:ObjectProperty ; owl:inverseOf :to{number} ." for number in range(RELATIONS)]
    (folder / "schema.ttl").write_text(PREFIXES + "\n".join(said))
    (folder / "more.ttl").write_text(PREFIXES + ":undo1 a owl:ObjectProperty ; owl:inverseOf :to1 .")
    (folder / "silent.ttl").write_text(PREFIXES + ":undo1 a owl:ObjectProperty .")
    (folder / "axiom.ttl").write_text(PREFIXES + ":to2 a owl:ObjectProperty ; owl:inverseOf :to1 .")
    (folder / "news.tsv").write_text("newcomer\tto1\tb0x\nnewcomer\tto2\tb1x\n")
    torch.manual_seed(0)
    torch.save({"model": Ultra(8, 2).state_dict()}, folder / "ultra.pth")
    recipe = {
        "task": "kg_completion",
        "dataset": str(folder / "kg"),
        "graph": {"source": str(folder / "schema.ttl")},
        "priors": [{"name": "attributes"}],
        "ranker": {"name": "ultra", "checkpoint": "ultra.pth", "schema_edges": True, "steps": 8, "lr": 0.1},
        "train": {"device": "cpu"},
    }
    (folder / "recipe.yaml").write_text(json.dumps(recipe))
    assert run_cli(["run", str(folder / "recipe.yaml"), "--out", str(folder / "run"), "--quiet"]) == 0
    return folder


def answers(kgzsl, folder, *arguments):
    told = kgzsl("complete", folder / "run", "--top", 40, "--keep-violations", "--no-why", "--json", *arguments)
    assert told.code == 0, told
    found = json.loads(told.out)
    return {(one["head"], one["tail"]): one["score"] for one in found["proposals"]}, found["notes"]


def test_a_run_keeps_its_edges_and_says_what_they_are_worth(folder, kgzsl):
    metrics = json.loads((folder / "run" / "metrics.json").read_text())
    assert {"kgc.mrr", "control.shuffled.kgc.mrr"} <= metrics.keys()
    (folder / "asked.tsv").write_text("b0x\tback1\n")
    told = kgzsl("predict", folder / "run", folder / "asked.tsv", "--out", folder / "ranked.tsv")
    assert told.code == 0, told
    assert "b0x" in (folder / "ranked.tsv").read_text()
    told = kgzsl("explain", folder / "run", folder / "asked.tsv", "--without", 3, "--json")
    assert told.code == 0, told
    without = json.loads(told.out)["explanations"][0]["without"]
    axioms = [one for one in without if one["kind"] == "axiom"]
    assert [one["removed"] for one in axioms] == ["back1 inverse of to1"]
    assert abs(axioms[0]["after"] - axioms[0]["before"]) > 1e-3


def test_a_new_relation_is_joined_by_what_is_told_of_it(folder, kgzsl):
    asked = "--relation", "http://x/undo1", "--head", "b0x"
    joined, notes = answers(kgzsl, folder, *asked, "--schema", folder / "more.ttl")
    alone, told = answers(kgzsl, folder, *asked, "--schema", folder / "silent.ttl")
    assert any(abs(joined[pair] - alone[pair]) > 1e-3 for pair in joined)
    assert not any("no other relation" in note for note in notes)
    assert any("joins http://x/undo1 to no other relation" in note for note in told)
    # What comes with facts, too, is joined as before.
    news, _ = answers(kgzsl, folder, *asked, "--schema", folder / "more.ttl", "--facts", folder / "news.tsv")
    assert ("b0x", "newcomer") in news


def test_an_axiom_about_relations_of_the_run_moves_its_answers(folder, kgzsl):
    asked = "--relation", "back1", "--head", "b0x"
    before, _ = answers(kgzsl, folder, *asked)
    after, notes = answers(kgzsl, folder, *asked, "--schema", folder / "axiom.ttl")
    assert "the ontology has 4 more schema edges among relations of the run" in notes
    assert any(abs(after[pair] - before[pair]) > 1e-3 for pair in before if pair in after)
    again, notes = answers(kgzsl, folder, *asked)
    assert again == before
    assert not any("schema edges" in note for note in notes)


def test_a_recipe_without_an_ontology_is_refused_before_anything_is_done(folder, kgzsl, tmp_path):
    told = kgzsl("run", folder / "recipe.yaml", "--set", "graph=none", "--out", tmp_path / "run", "--quiet")
    told.refused("schema_edges needs an ontology, and there is none", "graph: {source: schema.ttl}")
    told = kgzsl("run", folder / "recipe.yaml", "--set", "ranker.schema_edges=[inverze]", "--out", tmp_path / "run")
    told.refused("'inverze', which is no type of edge; did you mean 'inverse'")
