"""Unseen relations of which nothing is said are told."""

from __future__ import annotations

from kgzsl.datasets import KGSplit
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion.checks import data_notes

RDFS, OWL, X = "http://www.w3.org/2000/01/rdf-schema#", "http://www.w3.org/2002/07/owl#", "http://x/"
SCHEMA = ClassGraph.from_triples(
    [
        (X + "livesIn", RDFS + "range", X + "city"),
        (X + "livesIn", RDFS + "domain", X + "person"),
        (X + "person", OWL + "disjointWith", X + "city"),
        (X + "land", RDFS + "subClassOf", X + "area"),
        (X + "bornIn", RDFS + "subPropertyOf", X + "livesIn"),
    ]
)
TRAIN = [("w:person:a", "livesIn", "w:city:b"), ("w:person:c", "livesIn", "w:city:b")]


def split(*unseen: str) -> KGSplit:
    test = [("w:person:a", relation, "w:city:b") for relation in unseen]
    return KGSplit.from_names(TRAIN, [], test, unseen_relations=unseen)


def test_relations_of_which_nothing_is_said_are_named():
    unknown = [f"r{i}" for i in range(7)]
    notes = data_notes(split("bornIn", *unknown), SCHEMA)
    assert notes[0] == (
        "7 unseen relations are not in the schema, which says nothing of them: r0, r1, r2, r3, r4 and 2 more"
    )
    assert not any("bornIn" in note for note in notes)
    assert data_notes(split("bornIn"), None) == []


def test_a_relation_without_axiom_or_text(tmp_path):
    file = tmp_path / "s.ttl"
    file.write_text(
        "@prefix : <http://x/> . @prefix owl: <http://www.w3.org/2002/07/owl#> . :bare a owl:ObjectProperty ."
    )
    notes = data_notes(split("bare"), ClassGraph.read(file))
    assert "1 unseen relations have no axiom and no text in the schema: bare" in notes
