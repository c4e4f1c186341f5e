"""Names to nodes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kgzsl import ClassGraph, InputError
from kgzsl.knowledge.align import NameIndex, fold

Turtle = Callable[..., ClassGraph]
WHALES = """
:n02071294 a owl:Class ; rdfs:label "killer_whale, killer, orca" ; skos:altLabel "Orcinus orca"@la .
:BlueWhale a owl:Class .
:river a owl:Class ; rdfs:label "river" . :hasRiver a owl:ObjectProperty ; rdfs:label "River" .
"""


@pytest.mark.parametrize(
    ("name", "local", "how"),
    [
        ("http://example.org/BlueWhale", "BlueWhale", "iri"),
        (":BlueWhale", "BlueWhale", "prefixed name"),
        ("n02071294", "n02071294", "WordNet id"),
        ("BlueWhale", "BlueWhale", "local name"),
        ("killer_whale", "n02071294", "label"),
        ("orca", "n02071294", "label"),
        ("Orcinus orca", "n02071294", "synonym"),
        ("killer+whale", "n02071294", "label, loosely"),
        ("Killer Whale", "n02071294", "label, loosely"),
        ("blue whale", "BlueWhale", "local name, loosely"),
        ("orcinus-orca", "n02071294", "synonym, loosely"),
        ("concept:blue_whale", "BlueWhale", "local name, loosely of the local part"),
        ("river", "river", "label"),
        ("RIVER", "river", "label, loosely"),
    ],
)
def test_ways_to_find_a_node(name: str, local: str, how: str, turtle: Turtle) -> None:
    graph = turtle(WHALES)
    found = graph.align([name])
    assert graph.iris[found.require()[0]] == f"http://example.org/{local}"
    assert found.matched_by == (how,)


def test_a_mapping_comes_first_and_must_lead_somewhere(turtle: Turtle) -> None:
    graph = turtle(WHALES)
    found = graph.align(["orca"], mapping={"orca": "http://example.org/BlueWhale"})
    assert graph.iris[found.indices[0]].endswith("BlueWhale")
    assert found.matched_by == ("mapping",)
    with pytest.raises(InputError, match=r"'orca' to 'Blue Wail'.*BlueWhale"):
        graph.align(["orca"], mapping={"orca": "Blue Wail"})


def test_every_missing_name_is_reported_with_its_nearest(turtle: Turtle, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = turtle(WHALES)
    searched, near = [], NameIndex.near
    monkeypatch.setattr(NameIndex, "near", lambda index, name: searched.append(name) or near(index, name))
    found = graph.align(["BlueWhael", "orca", "xyzzy"])
    assert found.indices.tolist() == [-1, graph.node("http://example.org/n02071294"), -1]
    assert list(found.missing) == ["BlueWhael", "xyzzy"]
    assert not searched, "names like it are looked for when they are asked for"
    assert found.missing["BlueWhael"][0] == "BlueWhale"
    with pytest.raises(
        InputError, match=r"2 of 3 names.*'BlueWhael' \(nearest: BlueWhale, killer_whale\); 'xyzzy' \(nearest: none\)"
    ):
        found.require()
    assert not found.complete
    assert "not found: xyzzy (nearest: none)" in found.summary()


def test_a_message_has_the_first_few_of_many_names_and_the_summary_all(turtle: Turtle) -> None:
    twins = " ".join(
        f':a{n} a owl:Class ; rdfs:label "bank {n}" . :b{n} a owl:Class ; rdfs:label "bank {n}" .' for n in range(9)
    )
    found = turtle(twins).align([f"bank {n}" for n in range(9)] + ["xyzzy"])
    with pytest.raises(
        InputError, match=r"^\S+: 10 of 10 names .*'xyzzy'.*'bank 3'.* and 5 more; correct the names"
    ) as caught:
        found.require()
    assert "bank 4" not in str(caught.value)
    assert len([line for line in found.summary() if line.startswith("ambiguous: bank")]) == 9


def test_ambiguity_is_reported_not_guessed(turtle: Turtle) -> None:
    text = ':a a owl:Class ; rdfs:label "bank" . :b a owl:Class ; rdfs:label "bank" .'
    found = turtle(text).align(["bank"])
    assert found.indices.tolist() == [-1]
    assert found.ambiguous == {"bank": ["http://example.org/a", "http://example.org/b"]}
    with pytest.raises(InputError, match=r"several: http://example\.org/a, http://example\.org/b"):
        found.require()
    linked = turtle(text + " :a owl:sameAs :b . :b rdfs:subClassOf :c .")
    found = linked.align(["bank"])
    assert linked.iris[found.require()[0]] == "http://example.org/b"  # the one with more edges
    assert found.alternatives == {"bank": ["http://example.org/a"]}


def test_a_label_beats_a_local_name_and_the_other_is_listed(turtle: Turtle) -> None:
    text = ':n1 rdfs:label "cow, moo-cow" ; rdfs:subClassOf :x . :cow rdfs:subClassOf :x .'
    graph = turtle(text)
    found = graph.align(["cow"])
    assert graph.iris[found.require()[0]] == "http://example.org/n1"
    assert found.alternatives == {"cow": ["http://example.org/cow"]}


def test_kinds_limit_the_search(turtle: Turtle) -> None:
    graph = turtle(WHALES)
    found = graph.align(["river"], kinds=["property"])
    assert graph.iris[found.require()[0]] == "http://example.org/hasRiver"
    with pytest.raises(InputError, match="'klass'"):
        graph.align(["river"], kinds=["klass"])


def test_fold() -> None:
    assert fold("Killer+Whale") == fold("killer_whale") == fold("KILLER whale") == fold("killer-whale") == "killerwhale"
    assert fold("e\u0301") == fold("\u00e9")


def test_all_classes_of_awa(data: Callable[[str], Path]) -> None:
    graph = ClassGraph.read(data("kg/awa/KG-AwA.ttl"))
    names = data("kg/awa/classes.txt").read_text().split()
    found = graph.align(names)
    assert len(names) == 50
    assert all("AwA#n" in graph.iris[node] for node in found.require())
    assert len(set(found.indices.tolist())) == 50


def test_nell_relations_find_their_schema(data: Callable[[str], Path]) -> None:
    import json

    graph = ClassGraph.read(data("kg/nell_schema/Onto-NELL.owl"))
    names = list(json.loads(data("kg/nell_zs/relation2ids.json").read_text()))
    found = graph.align(names, kinds=["property"])
    assert len(names) == 181
    assert found.complete


def test_an_obo_identifier_is_found(tmp_path):
    (tmp_path / "a.obo").write_text(
        "format-version: 1.2\nontology: an\n\n[Term]\nid: AN:1\nname: organ\n\n"
        "[Term]\nid: AN:12\nname: heart\nis_a: AN:1\n"
    )
    graph = ClassGraph.read(tmp_path / "a.obo")
    found = graph.align(["AN:12", "AN:1", "AN:2"])
    assert found.matched_by == ("prefixed name", "prefixed name", None)
    assert [graph.iris[node].rsplit("/")[-1] for node in found.indices[:2]] == ["AN_12", "AN_1"]
