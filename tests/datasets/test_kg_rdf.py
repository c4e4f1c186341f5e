"""RDF files as facts: marks and contexts that come with them, and the classes that they tell."""

from __future__ import annotations

import gzip
import json

import pytest

from kgzsl.datasets import kg_rdf
from kgzsl.datasets.kg_rdf import rdf_content
from kgzsl.errors import InputError

LINE = "<http://x/a> <http://x/r> <http://x/b> .\n"


@pytest.mark.parametrize("ending", ["ttl", "nt", "nq", "trig", "nt.gz"])
def test_a_byte_order_mark_is_passed_over(tmp_path, ending):
    file = tmp_path / f"marked.{ending}"
    text = f"\ufeff{LINE}".encode()
    file.write_bytes(gzip.compress(text) if ending.endswith("gz") else text)
    assert rdf_content(file)[0] == [("http://x/a", "http://x/r", "http://x/b")]


def jsonld(folder, context, **more):
    file = folder / "facts.jsonld"
    about = {"@id": "http://x/a", "@type": "http://x/K", "knows": "http://x/b", "http://x/name": "A"}
    file.write_text(json.dumps({"@context": context, **about, **more}))
    return file


def test_contexts_of_json_ld_are_beside_the_file_or_in_a_catalogue_and_never_fetched(tmp_path, monkeypatch):
    context = {"knows": {"@id": "http://x/knows", "@type": "@id"}}
    expected = rdf_content(jsonld(tmp_path, context))
    assert expected[0] == [("http://x/a", "http://x/knows", "http://x/b")]
    assert expected[1] == {"http://x/a": ("http://x/K",)}
    for address in ("here.jsonld", "http://schema.x/"):
        with pytest.raises(
            InputError, match=r"context outside the file, at .*, and nothing is fetched; download the c"
        ):
            rdf_content(jsonld(tmp_path, address))
    (tmp_path / "here.jsonld").write_text(json.dumps({"@context": context}))
    (tmp_path / "catalog-v001.xml").write_text(
        '<catalog xmlns="urn:oasis:names:tc:entity:xmlns:xml:catalog"><uri name="http://schema.x/" uri="here.jsonld"/>'
        "</catalog>"
    )
    for address in ("here.jsonld", "http://schema.x/", [{}, "here.jsonld"]):
        assert rdf_content(jsonld(tmp_path, address)) == expected
    monkeypatch.setattr(kg_rdf, "_HEAD", 1)  # what is too large is streamed
    with pytest.raises(InputError, match="has a context outside the file, and none is fetched; download the context"):
        rdf_content(jsonld(tmp_path, [{}, "http://far.x/"]))


def test_types_of_entities_are_the_rarest_class_of_each(tmp_path):
    from kgzsl.datasets.kg_rdf import rdf_types

    file = tmp_path / "typed.ttl"
    file.write_text(
        "@prefix : <http://x/> . @prefix owl: <http://www.w3.org/2002/07/owl#> .\n"
        ":rome a :Place, :City, owl:NamedIndividual . :italy a :Place . :City a owl:Class . :a :knows :b .\n"
    )
    assert rdf_types(file) == {"http://x/rome": "http://x/City", "http://x/italy": "http://x/Place"}
