"""JSON-LD with contexts outside the file, and documents built to do harm."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from kgzsl import ClassGraph, InputError
from kgzsl.knowledge.readers import jsonld

from .helpers import edges

CONTEXT = {"@context": {"@vocab": "http://s/", "@base": "http://no/", "sub": {"@type": "@id", "@id": "http://s/sub"}}}
SCHEMA = "https://schema.org/"


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def document(context: Any) -> dict[str, Any]:
    return {"@context": context, "@id": "http://a/Cat", "sub": "http://a/Animal"}


EXPECTED = {("Cat", "sub", "Animal")}


@pytest.mark.parametrize("key", [SCHEMA, "https://schema.org"])
@pytest.mark.parametrize("named", [SCHEMA, "https://schema.org"])
def test_a_context_by_the_catalogue(key: str, named: str, tmp_path: Path) -> None:
    context = write(tmp_path / "contexts" / "schema.jsonld", CONTEXT)
    graph = ClassGraph.read(write(tmp_path / "a.jsonld", document(named)), catalogue={key: context})
    assert edges(graph) == EXPECTED
    (note,) = [note for note in graph.account.notes if "context" in note]
    assert note.startswith(f"the JSON-LD context {named} was read from schema.jsonld (sha256 ")


def test_a_context_by_a_catalogue_beside_the_file(tmp_path: Path) -> None:
    write(tmp_path / "schema.jsonld", CONTEXT)
    (tmp_path / "catalog-v001.xml").write_text(
        '<catalog xmlns="urn:oasis:names:tc:entity:xmlns:xml:catalog">'
        f'<uri name="{SCHEMA}" uri="schema.jsonld"/></catalog>'
    )
    assert edges(ClassGraph.read(write(tmp_path / "a.jsonld", document(SCHEMA)))) == EXPECTED


@pytest.mark.parametrize("context", ["c.jsonld", "./sub/../c.jsonld", ["sub/c.jsonld", {"other": "http://s/other"}]])
@pytest.mark.parametrize("base", [None, "http://web/folder/a.jsonld"])
def test_a_relative_context_lies_beside_the_file(context: Any, base: str | None, tmp_path: Path) -> None:
    write(tmp_path / "c.jsonld", CONTEXT)
    write(tmp_path / "sub" / "c.jsonld", {"@context": "../c.jsonld"})
    assert edges(ClassGraph.read(write(tmp_path / "a.jsonld", document(context)), base=base)) == EXPECTED


@pytest.mark.parametrize("context", [SCHEMA, "c.jsonld", "../secret.jsonld", [{}, SCHEMA], {"@import": SCHEMA}])
def test_nothing_is_fetched_and_the_remedy_names_the_catalogue(context: Any, tmp_path: Path) -> None:
    write(tmp_path / "secret.jsonld", CONTEXT)
    path = write(tmp_path / "folder" / "a.jsonld", document(context))
    with pytest.raises(InputError, match=r"context outside the file, at .*catalogue=\{'"):
        ClassGraph.read(path)


def test_contexts_in_a_circle_and_files_that_are_none(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonld", document("c.jsonld"))
    write(tmp_path / "c.jsonld", {"@context": "c.jsonld"})
    with pytest.raises(InputError, match=r"a\.jsonld.*context overflow"):
        ClassGraph.read(path)
    write(tmp_path / "c.jsonld", {"no": "context"})
    with pytest.raises(InputError, match=r"a\.jsonld.*invalid remote context"):
        ClassGraph.read(path)
    (tmp_path / "c.jsonld").write_text('{"@context": ')
    with pytest.raises(InputError, match=r"c\.jsonld, line 1, column 14"):
        ClassGraph.read(path)


def test_slips_of_the_library_that_are_put_right(tmp_path: Path) -> None:
    # No vocabulary and no language to forget.
    nothing = {"@vocab": None, "@language": None, "sub": CONTEXT["@context"]["sub"]}
    assert edges(ClassGraph.read(write(tmp_path / "a.jsonld", document(nothing)))) == EXPECTED
    # An imported context that is changed in one place is itself in the next.
    write(tmp_path / "c.jsonld", {"@context": {"p": "http://s/p"}})
    first = {"@context": {"@import": "c.jsonld", "p": "http://s/q"}, "@id": "http://a/x", "p": {"@id": "http://a/y"}}
    second = {"@context": {"@import": "c.jsonld"}, "@id": "http://a/x", "p": {"@id": "http://a/y"}}
    graph = ClassGraph.read(write(tmp_path / "b.jsonld", [first, second]), projection="w3c")
    assert edges(graph) == {("x", "q", "y"), ("x", "p", "y")}
    # The context of one type does not reach the next one in an index by type.
    context = {
        "@vocab": "http://s/",
        "by": {"@id": "http://s/by", "@container": "@type"},
        "A": {"@id": "http://s/A", "@context": {"p": "http://s/of-a"}},
    }
    node = {"p": {"@id": "http://a/y"}}
    by = {"A": {"@id": "http://a/a", **node}, "B": {"@id": "http://a/b", **node}}
    path = write(tmp_path / "d.jsonld", {"@context": context, "@id": "http://a/x", "by": by})
    assert {edge for edge in edges(ClassGraph.read(path, projection="w3c")) if edge[2] == "y"} == {
        ("a", "of-a", "y"),
        ("b", "p", "y"),
    }


def test_large_documents_are_streamed_to_the_same_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.jsonld", document(CONTEXT["@context"]))
    expected = edges(ClassGraph.read(path))
    monkeypatch.setattr(jsonld, "_SMALL", 10)
    assert edges(ClassGraph.read(path)) == expected == EXPECTED


def test_contexts_worked_through_over_and_over_are_given_up(tmp_path: Path) -> None:
    many = {f"t{i}": f"http://a/{i}" for i in range(9000)}
    nodes = [{"@context": {f"x{i}": "http://a/x"}, "t1": 1} for i in range(4000)]
    path = write(tmp_path / "a.jsonld", {"@context": many, "http://a/p": nodes})
    with pytest.raises(InputError, match="more than the steps allowed"):
        ClassGraph.read(path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"http://a/p": NaN}', "NaN is no number"),
        ('{"http://a/p": "\\ud800"}', "surrogate"),
        ('"http://a/p"', "neither an object nor an array"),
        ('{"@id": 1}', "invalid @id value"),
        ('{"@context": {"a": {"@id": "b:c", "@bad": 1}}}', "invalid term definition"),
    ],
)
def test_what_is_no_json_ld(content: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonld").write_text(content)
    with pytest.raises(InputError, match=problem):
        ClassGraph.read(tmp_path / "a.jsonld")


class Server(BaseHTTPRequestHandler):
    """A page that names its JSON-LD in a header, as schema.org's does."""

    def do_GET(self) -> None:
        page = self.path == "/"
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if page else "application/ld+json")
        if page:
            self.send_header("Link", '</context.jsonld>; rel="alternate"; type="application/ld+json"')
        self.end_headers()
        self.wfile.write(b"<html>" if page else json.dumps(CONTEXT).encode())

    def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002


@pytest.mark.parametrize("where", ["", "context.jsonld"])
def test_a_context_from_the_network_only_when_asked(where: str, tmp_path: Path) -> None:
    server = HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        path = write(tmp_path / "a.jsonld", document(f"http://127.0.0.1:{server.server_port}/{where}"))
        with pytest.raises(InputError, match="nothing is fetched"):
            ClassGraph.read(path, imports="local")
        assert edges(ClassGraph.read(path, imports="fetch")) == EXPECTED
    finally:
        server.shutdown()
        server.server_close()


def test_an_outside_context_has_no_say_over_the_base_but_over_how_far_it_reaches(tmp_path: Path) -> None:
    write(tmp_path / "c.jsonld", CONTEXT)
    path = write(tmp_path / "a.jsonld", {**document("c.jsonld"), "@id": "Cat"})
    assert "http://web/folder/Cat" in ClassGraph.read(path, base="http://web/folder/a.jsonld").iris
    write(tmp_path / "c.jsonld", {"@context": {"@propagate": False, "p": "http://s/p"}})
    inner = {"@id": "http://a/y", "p": {"@id": "http://a/z"}}
    path = write(tmp_path / "b.jsonld", {"@context": "c.jsonld", "@id": "http://a/x", "p": inner})
    assert edges(ClassGraph.read(path, projection="w3c")) == {("x", "p", "y")}
