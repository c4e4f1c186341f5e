"""RDF files as facts: marks and contexts that come with them, and the classes that they tell."""

from __future__ import annotations

import gzip

import pytest

from kgzsl.datasets.kg_rdf import rdf_content

LINE = "<http://x/a> <http://x/r> <http://x/b> .\n"


@pytest.mark.parametrize("ending", ["ttl", "nt", "nq", "trig", "nt.gz"])
def test_a_byte_order_mark_is_passed_over(tmp_path, ending):
    file = tmp_path / f"marked.{ending}"
    text = f"\ufeff{LINE}".encode()
    file.write_bytes(gzip.compress(text) if ending.endswith("gz") else text)
    assert rdf_content(file)[0] == [("http://x/a", "http://x/r", "http://x/b")]


def test_types_of_entities_are_the_rarest_class_of_each(tmp_path):
    from kgzsl.datasets.kg_rdf import rdf_types

    file = tmp_path / "typed.ttl"
    file.write_text(
        "@prefix : <http://x/> . @prefix owl: <http://www.w3.org/2002/07/owl#> .\n"
        ":rome a :Place, :City, owl:NamedIndividual . :italy a :Place . :City a owl:Class . :a :knows :b .\n"
    )
    assert rdf_types(file) == {"http://x/rome": "http://x/City", "http://x/italy": "http://x/Place"}
