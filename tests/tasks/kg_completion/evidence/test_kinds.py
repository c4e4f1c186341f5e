"""Kinds of entities, kept with a model."""

from __future__ import annotations

from pathlib import Path

import torch

from kgzsl.engine import load_tree, save_tree
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion.evidence.kinds import EntityKinds
from kgzsl.tasks.kg_completion.violations import Violations

RDFS, OWL, X = "http://www.w3.org/2000/01/rdf-schema#", "http://www.w3.org/2002/07/owl#", "http://x/"


def test_kinds_domains_and_ranges_come_back_from_a_file(tmp_path: Path) -> None:
    yes_no = torch.tensor([True, False, True])
    kinds = EntityKinds(("", "city", "land"), torch.tensor([2, 1, 1, 0]), {3: yes_no}, {0: ~yes_no, 12: yes_no})
    save_tree(tmp_path / "kinds.safetensors", {"beside": torch.zeros(1), **kinds.state()})
    back = EntityKinds.from_state(["", "city", "land"], load_tree(tmp_path / "kinds.safetensors"))
    assert back.names == kinds.names
    assert torch.equal(back.of, kinds.of)
    for kept, was in ((back.domain, kinds.domain), (back.range, kinds.range)):
        assert list(kept) == list(was)
        assert all(torch.equal(kept[relation], was[relation]) for relation in was)


def test_an_entity_is_of_all_its_classes(tmp_path):
    schema = ClassGraph.from_triples(
        [
            (X + "r", RDFS + "domain", X + "employee"),
            (X + "r", RDFS + "domain", X + "parent"),
            (X + "employee", RDFS + "subClassOf", X + "person"),
            (X + "s", RDFS + "range", X + "person"),
            (X + "parent", OWL + "disjointWith", X + "stone"),
            (X + "t", RDFS + "range", X + "stone"),
        ]
    )
    types = {"a": ("employee", "parent"), "b": ("employee",), "c": "stone", "d": ("unheard",)}
    kinds = EntityKinds.read(list("abcde"), ["r", "s", "t"], schema, types=types)
    assert kinds.allowed(0, "head")[kinds.of].tolist() == [True, False, False, False, False]
    assert kinds.allowed(1, "tail")[kinds.of].tolist() == [True, True, False, False, False]
    rules = Violations.read(kinds, ("r", "s", "t"), schema)
    assert rules.against(2, "tail")["disjoint"].tolist() == [True, False, False, False, False]
    assert kinds.told == 3
    # As evidence each counts by the class that fewest have.
    assert kinds.names[int(kinds.main[0])].split("\n")[0] == "parent"
    alone = EntityKinds.read(list("abc"), ["r"], schema, types={"a": "employee", "b": "parent"})
    assert torch.equal(alone.main, alone.of)


def test_classes_that_come_later_join_those_that_are_there():
    schema = ClassGraph.from_triples(
        [
            (X + "r", RDFS + "range", X + "city"),
            (X + "village", RDFS + "subClassOf", X + "city"),
            (X + "harbour", RDFS + "subClassOf", X + "place"),
        ]
    )
    old = EntityKinds.read(["a", "b"], ["r"], schema, types={"a": "city"})
    types = {"b": X + "city", "a": "harbour", "c": X + "village", "d": "unheard"}
    grown = old.grown(list("abcd"), ["r"], schema, types=types)
    assert [grown.names[kind] for kind in grown.of.tolist()] == ["city\nharbour", "city", X + "village", ""]
    assert grown.allowed(0, "tail")[grown.of].tolist() == [True, True, True, False]
    assert old.of.tolist() == EntityKinds.read(["a", "b"], ["r"], schema, types={"a": "city"}).of.tolist()
