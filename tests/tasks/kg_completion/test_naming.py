"""What a short name means among the names of a run, with a schema and without."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion.naming import by_local_name, own_relation, require_property

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


KINDS = (
    ("population", "Datatype"),
    ("remark", "Annotation"),
    ("both", "Datatype"),
    ("both", "Object"),
    ("port", "Object"),
)
LITERALS = """\
@prefix : <http://x/> . @prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
:population a owl:DatatypeProperty ; rdfs:label "population" ; rdfs:domain :City .
:remark a owl:AnnotationProperty ; rdfs:label "remark" .
:both a owl:DatatypeProperty, owl:ObjectProperty ; rdfs:label "both" .
:port a owl:ObjectProperty ; rdfs:label "port" . :bare rdfs:domain :City .
"""


@pytest.mark.parametrize("made", ["owl2vec", "taxonomy", "w3c", "rdfs", "saved", "merged", "python"])
def test_a_property_of_literals_has_nothing_to_propose(tmp_path, made):
    (tmp_path / "schema.ttl").write_text(LITERALS)
    schema = ClassGraph.read(tmp_path / "schema.ttl", projection=made if made in ("taxonomy", "w3c") else "owl2vec")
    if made == "rdfs":
        schema = ClassGraph.read(tmp_path / "schema.ttl", reasoning="rdfs")
    elif made == "saved":
        schema.save(tmp_path / "schema.kgz")
        schema = ClassGraph.load(tmp_path / "schema.kgz")
    elif made == "merged":
        schema = ClassGraph.from_triples([("http://x/a", "subClassOf", "http://x/b")]).merge(schema)
    elif made == "python":
        schema = ClassGraph.from_triples(
            [(f"http://x/{name}", "rdf:type", f"http://www.w3.org/2002/07/owl#{kind}Property") for name, kind in KINDS]
        )
    for name in ("population", "http://x/population"):
        with pytest.raises(InputError, match=rf"'{name}' is a datatype property of the schema: its values are literal"):
            require_property(schema, name)
    with pytest.raises(InputError, match="'remark' is an annotation property of the schema"):
        require_property(schema, "remark")
    for name in ("both", "port"):
        assert require_property(schema, name) == f"http://x/{name}"


def test_what_one_schema_calls_an_object_property_is_one_when_another_does_not(tmp_path):
    (tmp_path / "schema.ttl").write_text(LITERALS)
    other = ':population a owl:ObjectProperty ; rdfs:label "population" .'
    (tmp_path / "other.ttl").write_text("\n".join([*LITERALS.splitlines()[:2], other]))
    first, second = ClassGraph.read(tmp_path / "schema.ttl"), ClassGraph.read(tmp_path / "other.ttl")
    assert require_property(first.merge(second), "population") == "http://x/population"
