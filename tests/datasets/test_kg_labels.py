"""What RDF calls entities stays with them where the facts are packed."""

from __future__ import annotations

import pytest

from kgzsl.datasets import load, pack_triples
from kgzsl.datasets.kg_labels import LABELS, entity_labels
from kgzsl.errors import InputError

FACTS = """
@prefix : <http://x/> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
:Vienna :in :Austria ; rdfs:label "Wien"@de , "Vienna"@en . :Graz :in :Austria . :Austria :capital :Vienna .
:Austria skos:prefLabel "Österreich"@de ; :borders :Hungary . :nobody rdfs:label "in no fact" .
"""
CALLED = {"http://x/Vienna": ["Wien", "Vienna"], "http://x/Austria": ["Österreich"]}


@pytest.fixture
def packed(tmp_path):
    (tmp_path / "facts.ttl").write_text(FACTS, encoding="utf-8")
    (tmp_path / "schema.ttl").write_text("@prefix : <http://x/> . :capital a :Relation .")
    pack_triples(tmp_path / "facts.ttl", tmp_path / "packed", ["capital"], graph=tmp_path / "schema.ttl")
    return tmp_path / "packed"


def test_labels_of_entities_stay_where_facts_are_packed_and_packed_anew(packed, tmp_path):
    assert entity_labels(load(tmp_path / "facts.ttl", unseen_relations=["capital"])) == CALLED
    assert entity_labels(load(packed)) == CALLED
    pack_triples(packed, tmp_path / "anew", ["borders"])
    assert entity_labels(load(tmp_path / "anew")) == CALLED


def test_facts_without_labels_have_no_file_and_a_damaged_one_is_refused(packed, tmp_path):
    (tmp_path / "facts.tsv").write_text("a\tr\tb\nb\ts\ta\n")
    pack_triples(tmp_path / "facts.tsv", tmp_path / "plain", ["s"])
    assert not (tmp_path / "plain" / LABELS).exists()
    assert entity_labels(load(tmp_path / "plain")) == {}
    for damaged in ("[]", '{"http://x/Graz": "Graz"}', '{"http://x/Graz": [1]}'):
        (packed / LABELS).write_text(damaged)
        with pytest.raises(InputError, match="no object of entity -> labels"):
            entity_labels(load(packed))
