"""What an ontology says since is read as the run read its own."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kgzsl.cli.growing import grown_schema
from kgzsl.knowledge import ClassGraph

PREFIXES = "@prefix : <http://x/> . @prefix owl: <http://www.w3.org/2002/07/owl#> .\n"
CATALOGUE = (
    '<catalog xmlns="urn:oasis:names:tc:entity:xmlns:xml:catalog"><uri name="http://x/geo" uri="geo.ttl"/></catalog>'
)


@pytest.mark.parametrize(
    ("how", "beside", "found"), [("local", True, True), ("local", False, True), ("none", True, False)]
)
def test_imports_are_followed_where_the_run_followed_them(tmp_path, how, beside, found):
    """By the catalogue beside the new file, or by that of the run."""
    there = tmp_path / "there"
    there.mkdir()
    (there / "geo.ttl").write_text(PREFIXES + ":near a owl:ObjectProperty ; owl:inverseOf :nearBy .")
    (there / "catalog-v001.xml").write_text(CATALOGUE)
    later = (there if beside else tmp_path) / "later.ttl"
    later.write_text(
        PREFIXES + "<http://x/later> a owl:Ontology ; owl:imports <http://x/geo> . :far a owl:ObjectProperty ."
    )
    spec = {"source": "schema.ttl", "imports": how, "catalogue": None if beside else str(there / "catalog-v001.xml")}
    kept = ClassGraph.from_triples([("http://x/a", "http://x/r", "http://x/b")])
    grown = grown_schema(SimpleNamespace(graph=lambda: kept, recipe={"graph": spec}), later)
    assert ("http://x/near" in grown.iris) is found
    assert {"http://x/a", "http://x/far"} <= set(grown.iris)
