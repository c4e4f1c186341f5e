"""owl:imports: by a catalogue, from the network only when asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from kgzsl import ClassGraph, InputError
from kgzsl.knowledge.readers.catalogue import Catalogue

from .helpers import edges

Data = Callable[[str], Path]
WINE = "http://www.w3.org/TR/2003/CR-owl-guide-20030818/wine"
FOOD = "http://www.w3.org/TR/2003/CR-owl-guide-20030818/food"
MAIN = """@prefix : <http://e/main#> . @prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
<http://e/main> a owl:Ontology ; owl:imports <http://e/other> , <http://e/third> . :A rdfs:subClassOf :B ."""
OTHER = MAIN.replace("e/main", "e/other").replace("owl:imports <http://e/other> , <", "owl:imports <http://e/main> , <")
THIRD = """@prefix : <http://e/third#> . @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
:A rdfs:subClassOf :B ."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "main.ttl").write_text(MAIN)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "o.ttl").write_text(OTHER)
    (tmp_path / "sub" / "t.ttl").write_text(THIRD)
    return tmp_path


def origins(graph: ClassGraph) -> set[str]:
    return {iri.partition("#")[0].rpartition("/")[2] for iri in graph.iris}


def test_nothing_is_read_unless_asked_for_and_the_account_names_it(folder: Path) -> None:
    graph = ClassGraph.read(folder / "main.ttl")
    assert origins(graph) == {"main"}
    assert "2 imported ontologies were not read (imports='none'): http://e/other, http://e/third" in graph.account.notes


def test_by_a_mapping(folder: Path) -> None:
    catalogue = {"http://e/other": folder / "sub/o.ttl", "http://e/third": folder / "sub/t.ttl"}
    graph = ClassGraph.read(folder / "main.ttl", imports="local", catalogue=catalogue)
    assert origins(graph) == {"main", "other", "third"}
    assert graph.account.balanced
    assert [part["iri"] for part in graph.provenance["imports"]] == ["http://e/other", "http://e/third"]
    assert all(len(part["sha256"]) == 64 for part in graph.provenance["imports"])


def test_what_the_catalogue_lacks_is_named(folder: Path) -> None:
    graph = ClassGraph.read(folder / "main.ttl", imports="local", catalogue={"http://e/other": folder / "sub/o.ttl"})
    assert origins(graph) == {"main", "other"}
    assert "1 imports are not in the catalogue and were not read: http://e/third" in graph.account.notes


CATALOGUES = {
    "uri": '<uri id="x" name="http://e/other" uri="sub/o.ttl"/><uri name="http://e/third" uri="sub/t.ttl"/>',
    "group": '<group xml:base="sub/"><uri name="http://e/other" uri="o.ttl"/><uri name="http://e/third" uri="t.ttl"/>'
    "</group>",
    "next": '<nextCatalog catalog="sub/catalog-v001.xml"/>',
    "rewrite": '<rewriteURI uriStartString="http://e/" rewritePrefix="names/"/>',
}


@pytest.mark.parametrize("kind", CATALOGUES)
def test_by_a_catalogue_beside_the_file(kind: str, folder: Path) -> None:
    frame = '<?xml version="1.0"?><catalog xmlns="urn:oasis:names:tc:entity:xmlns:xml:catalog">{}</catalog>'
    (folder / "catalog-v001.xml").write_text(frame.format(CATALOGUES[kind]))
    inner = '<uri name="http://e/other" uri="o.ttl"/><uri name="http://e/third#" uri="t.ttl"/>'
    # The second names the first as its next one: that is not followed for ever.
    (folder / "sub" / "catalog-v001.xml").write_text(
        frame.format(inner + '<nextCatalog catalog="../catalog-v001.xml"/>')
    )
    (folder / "names").mkdir()
    (folder / "names" / "other").write_text(OTHER)
    (folder / "names" / "third").write_text(THIRD)
    assert origins(ClassGraph.read(folder / "main.ttl", imports="local")) == {"main", "other", "third"}
    assert origins(ClassGraph.read(folder / "main.ttl", imports="none")) == {"main"}


def test_names_do_not_leave_the_folder_of_a_rewriting_catalogue(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "names").mkdir()
    (tmp_path / "c.xml").write_text(
        '<catalog xmlns="urn:oasis:names:tc:entity:xmlns:xml:catalog">'
        '<rewriteURI uriStartString="http://e/" rewritePrefix="names/"/></catalog>'
    )
    catalogue = Catalogue.of(tmp_path / "c.xml")
    assert catalogue("http://e/../secret") is None
    assert catalogue("http://e/%2e%2e/secret") is None


def test_broken_catalogues(folder: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.ttl: the catalogue says that http://e/other lies here"):
        ClassGraph.read(folder / "main.ttl", imports="local", catalogue={"http://e/other": folder / "nowhere.ttl"})
    (folder / "catalog-v001.xml").write_text("<catalog><uri></catalog>")
    with pytest.raises(InputError, match=r"catalog-v001\.xml, line 1.*mismatched tag"):
        ClassGraph.read(folder / "main.ttl", imports="local")
    with pytest.raises(InputError, match="did you mean 'local'"):
        ClassGraph.read(folder / "main.ttl", imports="locl")


def test_wine_and_food_import_each_other(data: Data) -> None:
    wine, food = data("ontologies/wine.owl"), data("ontologies/food.owl")
    whole = ClassGraph.read(wine, imports="local", catalogue={FOOD: food, WINE: wine})
    assert [part["iri"] for part in whole.provenance["imports"]] == [FOOD]
    assert edges(whole) == edges(ClassGraph.read(food, imports="local", catalogue={WINE: wine}))
    assert edges(whole) == edges(ClassGraph.read([wine, food]))
    assert edges(whole) == edges(ClassGraph.read(wine)) | edges(ClassGraph.read(food))
    assert whole.account.balanced
    # Without the other one's file: read, and named.
    assert f"1 imported ontology was not read (imports='none'): {FOOD}" in ClassGraph.read(wine).account.notes


@pytest.fixture
def server(folder: Path) -> Iterator[str]:
    """Serves the two ontologies; counts what was asked for."""
    pages = {"/other": OTHER.encode(), "/third": THIRD.encode()}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages.get(self.path)
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "text/turtle; charset=utf-8")
            self.end_headers()
            self.wfile.write((body or b"").replace(b"http://e/", f"http://127.0.0.1:{port}/".encode()))

        def log_message(self, *args: object) -> None:
            pass

    running = HTTPServer(("127.0.0.1", 0), Handler)
    port = running.server_port
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    (folder / "web.ttl").write_text(MAIN.replace("http://e/", f"http://127.0.0.1:{port}/"))
    yield f"http://127.0.0.1:{port}/"
    running.shutdown()
    thread.join()
    running.server_close()


def test_fetching_when_asked_for(server: str, folder: Path) -> None:
    graph = ClassGraph.read(folder / "web.ttl", imports="fetch")
    assert origins(graph) == {"main", "other", "third"}
    assert [part["source"] for part in graph.provenance["imports"]] == [f"{server}other", f"{server}third"]
    assert origins(ClassGraph.read(folder / "web.ttl", imports="local")) == {"main"}


def test_a_fetch_that_fails_is_refused(server: str, folder: Path) -> None:
    (folder / "web.ttl").write_text((folder / "web.ttl").read_text().replace("/third", "/nowhere"))
    with pytest.raises(InputError, match=r"nowhere cannot be fetched \(HTTPError: 404.*catalogue="):
        ClassGraph.read(folder / "web.ttl", imports="fetch")
    with pytest.raises(InputError, match="budget of 100 bytes"):
        ClassGraph.read(folder / "web.ttl", imports="fetch", max_bytes=100)


def test_files_beside_an_obo_file(tmp_path: Path) -> None:
    (tmp_path / "a.obo").write_text("format-version: 1.4\nimport: b.obo\nontology: a\n\n[Term]\nid: A:1\nis_a: A:2\n")
    (tmp_path / "b.obo").write_text("format-version: 1.4\nontology: b\n\n[Term]\nid: B:1\nis_a: B:2\n")
    found = edges(ClassGraph.read(tmp_path / "a.obo", imports="local"))
    assert found == {("A_1", "subClassOf", "A_2"), ("B_1", "subClassOf", "B_2")}
