"""What a short name means among the names of a run, with a schema and without."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion.naming import by_local_name, own_relation

RELATIONS = ("http://x/geo#capital", "http://x/geo/largestCity", "urn:geo:port", "livesIn", "tag:x.org,2020:mayor")
MODEL = SimpleNamespace(relations_=RELATIONS, _relation_ids={name: row for row, name in enumerate(RELATIONS)})


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("capital", RELATIONS[0]),
        ("largestCity", RELATIONS[1]),
        ("port", RELATIONS[2]),
        ("mayor", RELATIONS[4]),
        ("livesIn", "livesIn"),
        (RELATIONS[0], RELATIONS[0]),
        ("City", None),  # the end of a name is no name
        ("http://y/geo#capital", None),  # another one's IRI
        ("", None),
    ],
)
def test_local_names_need_no_schema(name, meant):
    assert own_relation(MODEL, name, None) == meant


def test_a_label_needs_the_schema_that_has_it(tmp_path):
    (tmp_path / "schema.ttl").write_text(
        "@prefix owl: <http://www.w3.org/2002/07/owl#> . @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .\n"
        f'<{RELATIONS[0]}> a owl:ObjectProperty ; rdfs:label "seat of government" .\n'
    )
    schema = ClassGraph.read(tmp_path / "schema.ttl")
    assert own_relation(MODEL, "seat of government", None) is None
    assert own_relation(MODEL, "seat of government", schema) == RELATIONS[0]


def test_a_name_that_several_end_with_is_refused():
    with pytest.raises(InputError, match=r"'capital' may be any of 2 relations"):
        by_local_name("capital", (*RELATIONS, "http://y/capital"), "relations")
