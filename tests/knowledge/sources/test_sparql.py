"""SPARQL endpoints: a real Oxigraph server, and one that throttles, breaks off, talks nonsense or hangs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgzsl import ClassGraph
from kgzsl.errors import InputError
from kgzsl.knowledge.sources import fill_store, read_sparql
from kgzsl.knowledge.sources.sparql_client import SparqlClient
from kgzsl.knowledge.sources.sparql_text import iri_term, label_query, literal_term

from ..conftest import PREFIXES
from ..helpers import edges
from .servers import Endpoint, bindings, oxigraph, oxigraph_server

EX = "http://example.org/"
ZOO = (
    PREFIXES
    + """
:Poodle rdfs:subClassOf :Dog ; rdfs:label "poodle"@en, "Pudel"@de .
:Dog a owl:Class ; rdfs:subClassOf :Animal, [ a owl:Restriction ; owl:onProperty :has ; owl:someValuesFrom :Fur ] ;
    rdfs:label "dog"@en ; rdfs:comment "It barks: \\"wau\\", \\\\ and so on."@en ; :eats :Meat .
:Cat rdfs:subClassOf :Animal ; rdfs:label "cat"@en ; :eats :Meat .
:Animal rdfs:subClassOf :Thing .
:eats rdfs:label "eats"@en .
:Bat1 rdfs:label "bat"@en . :Bat2 rdfs:label "bat" .
"""
)
NO_WAIT: dict[str, Any] = {"cache": None, "sleep": lambda _: None}


@pytest.fixture(autouse=True)
def _straight(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = oxigraph()
    if program is None:
        pytest.skip("the oxigraph package is not installed")
    folder = tmp_path_factory.mktemp("oxigraph")
    (folder / "zoo.ttl").write_text(ZOO)
    fill_store(folder / "zoo.ttl", folder / "store")
    with oxigraph_server(program, folder / "store") as url:
        yield url


# ---------------------------------------------------------------- a real server


def test_hops_outwards(server: str) -> None:
    one = ClassGraph.from_sparql(server, [EX + "Poodle"], 1, cache=None)
    assert edges(one) == {("Poodle", "subClassOf", "Dog")}
    two = ClassGraph.from_sparql(server, [EX + "Poodle"], 2, cache=None)
    assert edges(two) == {
        ("Poodle", "subClassOf", "Dog"),
        ("Dog", "subClassOf", "Animal"),
        ("Dog", "eats", "Meat"),
    }
    assert two.labels[two.node(EX + "Dog")] == "dog"
    assert 'It barks: "wau", \\ and so on' in two.node_text(two.node(EX + "Dog"))
    assert any("1 links to or from blank nodes" in note for note in two.account.notes)
    assert two.provenance["classes"] == {EX + "Poodle": EX + "Poodle"}
    assert two.account.balanced


def test_both_ways_relations_and_prefixes(server: str) -> None:
    graph = read_sparql(server, ["ex:Meat"], 1, direction="both", prefixes={"ex": EX}, cache=None)
    assert edges(graph) == {("Dog", "eats", "Meat"), ("Cat", "eats", "Meat")}
    up = read_sparql(server, [EX + "Poodle"], 9, relations=["rdfs:subClassOf"], cache=None)
    assert edges(up) == {
        ("Poodle", "subClassOf", "Dog"),
        ("Dog", "subClassOf", "Animal"),
        ("Animal", "subClassOf", "Thing"),
    }


def test_labels_as_seeds(server: str) -> None:
    assert edges(read_sparql(server, ["poodle", "cat"], 1, cache=None)) == {
        ("Poodle", "subClassOf", "Dog"),
        ("Cat", "subClassOf", "Animal"),
        ("Cat", "eats", "Meat"),
    }
    with pytest.raises(InputError, match=r"'bat' \(http://example.org/Bat1, http://example.org/Bat2\); 'unicorn'"):
        read_sparql(server, ["bat", "unicorn", "cat"], cache=None)
    assert read_sparql(server, ["Pudel"], 1, languages=("de",), cache=None).labels[0] == "Pudel"


@pytest.mark.parametrize("options", [{"batch": 1}, {"page": 1}, {"batch": 1, "page": 2}, {"batch": 2, "page": 1}])
def test_batches_and_pages_change_nothing(server: str, options: dict[str, int]) -> None:
    whole = read_sparql(server, ["cat", "poodle"], 3, cache=None)
    cut = read_sparql(server, ["poodle", "cat"], 3, cache=None, **options)  # type: ignore[arg-type]
    assert (cut.iris, edges(cut), dict(cut.texts)) == (whole.iris, edges(whole), dict(whole.texts))


@pytest.mark.parametrize(
    "name",
    [
        '" } } ; DROP ALL ; #',
        'cat"@en "x" } UNION { ?s ?p ?o } #',
        "cat\\",
        "a\nb\tc\"d'e",
        "'''cat'''",
        "{?s ?p ?o}",
        "cat\u2028",
    ],
)
def test_a_name_is_a_name_and_no_query(server: str, name: str) -> None:
    """The server parses the question, finds no such label, and says so: nothing else can have happened."""
    with pytest.raises(InputError, match="no node has this label"):
        read_sparql(server, [name], cache=None)


@pytest.mark.parametrize(
    "name", ["urn:x> } #", "http://e.org/a b", 'http://e.org/"', "http://e.org/{x}", "http://e/\\u003e"]
)
def test_an_iri_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="is no IRI"):
        read_sparql("http://127.0.0.1:1/sparql", [name])
    with pytest.raises(InputError, match="is no IRI"):
        read_sparql("http://127.0.0.1:1/sparql", [EX], relations=[name])


@given(st.text(max_size=30))
def test_literals_survive_the_parser(text: str) -> None:
    import pyoxigraph

    if "\x00" in text:
        with pytest.raises(InputError):
            literal_term(text)
        return
    store = pyoxigraph.Store()
    rows = list(store.query(f"SELECT ?x WHERE {{ VALUES ?x {{ {literal_term(text, 'en')} }} }}"))  # type: ignore[arg-type]
    assert [row["x"].value for row in rows] == [text]


@given(st.text(alphabet=st.characters(max_codepoint=0x17F), max_size=12))
def test_iris_are_refused_or_survive_the_parser(text: str) -> None:
    import pyoxigraph

    try:
        term = iri_term("urn:x:" + text)
    except InputError:
        return
    assert not set(text) & set('<>"{}|^`\\ \n\t')
    try:
        rows = list(pyoxigraph.Store().query(f"SELECT ?x WHERE {{ VALUES ?x {{ {term} }} }}"))  # type: ignore[arg-type]
    except SyntaxError:
        return  # the engine is stricter, and took it for nothing else
    assert [row["x"].value for row in rows] == ["urn:x:" + text]


def test_bad_language_tags() -> None:
    with pytest.raises(InputError, match="no language tag"):
        label_query(["cat"], [EX + "label"], ['en" } #'], limit=1, offset=0)


# ---------------------------------------------------------------- one that misbehaves


def good(_: int, query: str, __: Any) -> list[list[tuple[str, str]]]:
    """One edge a --r--> b for the edges of a; nothing else."""
    if "!isLiteral" in query and "urn:a>" in query:
        return [[("uri", "urn:a"), ("uri", "urn:r"), ("uri", "urn:b")]]
    return []


def test_throttling_is_waited_out_as_told() -> None:
    def answer(number: int, query: str, handler: Any) -> Any:
        if number == 1:
            return handler.reply(429, b"slow down", Retry_After="7")
        if number == 2:
            return handler.reply(503, b"busy")
        if number == 3:
            return handler.reply(429, b"slow down", Retry_After="Wed, 21 Oct 2015 07:28:00 GMT")
        return good(number, query, handler)

    waits: list[float] = []
    with Endpoint(answer) as endpoint:
        graph = read_sparql(endpoint.url, ["urn:a"], cache=None, sleep=waits.append)
    assert edges(graph) == {("a", "r", "b")}
    assert waits == [7.0, 1.0, 0.0]
    assert endpoint.questions[0] == endpoint.questions[3]


def test_it_gives_up_in_the_end_and_before_long_waits() -> None:
    def ask(status: int, said: bytes, **headers: str) -> None:
        with Endpoint(lambda n, q, handler: handler.reply(status, said, **headers)) as endpoint:
            read_sparql(endpoint.url, ["urn:a"], retries=2, **NO_WAIT)

    with pytest.raises(InputError, match=r"the endpoint answers 503: for ever \(3 tries\)"):
        ask(503, b"for ever")
    with pytest.raises(InputError, match="asks to wait 86400 seconds; come back later"):
        ask(429, b"", Retry_After="86400")


@pytest.mark.parametrize("fault", ["half", "malformed", "no result", "cut json", "brackets"])
def test_half_an_answer_and_nonsense_are_asked_for_again(fault: str) -> None:
    whole = bindings([[("uri", "urn:a"), ("uri", "urn:r"), ("uri", "urn:b")]])

    def answer(number: int, query: str, handler: Any) -> Any:
        if number > 1:
            return good(number, query, handler)
        if fault == "half":
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(whole)))
            handler.end_headers()
            handler.wfile.write(whole[:40])
            handler.close_connection = True
            return None
        bodies = {"malformed": b"<html>Gateway</html>", "no result": b'{"boolean": true}', "cut json": whole[:-9]}
        bodies["brackets"] = b'{"results": {"bindings": [' + b"{}," * 10**6 + b"{}]}}"
        return handler.reply(200, bodies[fault])

    with Endpoint(answer) as endpoint:
        assert edges(read_sparql(endpoint.url, ["urn:a"], **NO_WAIT)) == {("a", "r", "b")}
    with Endpoint(lambda n, q, h: answer(1, q, h)) as endpoint, pytest.raises(InputError, match="2 tries"):
        read_sparql(endpoint.url, ["urn:a"], retries=1, **NO_WAIT)


@pytest.mark.parametrize("dribble", [False, True])
def test_a_hang_ends_in_time(dribble: bool) -> None:
    def answer(number: int, query: str, handler: Any) -> Any:
        if dribble:
            handler.send_response(200)
            handler.end_headers()
            while not endpoint.let_go.is_set():
                try:
                    handler.wfile.write(b" ")
                    handler.wfile.flush()
                except OSError:
                    return None
                time.sleep(0.02)
        endpoint.let_go.wait(20)
        return None

    with Endpoint(answer) as endpoint:
        begun = time.monotonic()
        with pytest.raises(InputError, match=r"no answer within 0\.3 seconds; raise timeout="):
            read_sparql(endpoint.url, ["urn:a"], timeout=0.3, **NO_WAIT)
        assert time.monotonic() - begun < 10


def test_a_batch_that_takes_too_long_is_halved() -> None:
    def answer(number: int, query: str, handler: Any) -> Any:
        if query.count("<urn:n") > 2:
            endpoint.let_go.wait(5)
            return None
        named = [n for n in range(5) if f"<urn:n{n}>" in query]
        return [[("uri", f"urn:n{n}"), ("uri", "urn:r"), ("uri", f"urn:m{n}")] for n in named if "!isLiteral" in query]

    with Endpoint(answer) as endpoint:
        graph = read_sparql(endpoint.url, [f"urn:n{n}" for n in range(5)], timeout=0.4, texts=False, **NO_WAIT)
    assert edges(graph) == {(f"n{n}", "r", f"m{n}") for n in range(5)}


def test_a_silent_cut_at_a_round_number_is_noticed() -> None:
    """Servers such as Virtuoso answer with their own maximum of rows, however many are asked for."""
    links = [[("uri", "urn:a"), ("uri", "urn:r"), ("uri", f"urn:b{n:03d}")] for n in range(250)]

    def answer(number: int, query: str, handler: Any) -> Any:
        if "!isLiteral" not in query:
            return []
        offset = int(query.rpartition("OFFSET ")[2])
        return links[offset : offset + 100]

    with Endpoint(answer) as endpoint:
        assert read_sparql(endpoint.url, ["urn:a"], page=5000, **NO_WAIT).num_edges == 250


def test_answers_are_kept_and_told_apart(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    with Endpoint(good) as endpoint:
        first = read_sparql(endpoint.url, ["urn:a"], cache=folder)
        asked = len(endpoint.questions)
        again = read_sparql(endpoint.url, ["urn:a"], cache=folder)
        assert len(endpoint.questions) == asked
        assert edges(again) == edges(first)
        # Another account may see other things.
        read_sparql(endpoint.url, ["urn:a"], cache=folder, auth=("me", "secret"))
        assert len(endpoint.questions) == 2 * asked
        # A damaged answer is asked for anew.
        for file in folder.iterdir():
            file.write_bytes(b"damaged")
        read_sparql(endpoint.url, ["urn:a"], cache=folder)
        assert len(endpoint.questions) == 3 * asked
        assert not (tmp_path / "user-cache").exists()
        read_sparql(endpoint.url, ["urn:a"])
        assert len(list((tmp_path / "user-cache" / "kgzsl" / "sparql").iterdir())) == asked


def test_no_name_leaves_the_cache_folder(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "cache"
    with Endpoint(lambda n, q, h: []) as endpoint:
        for name in ("../../escaped", "/etc/passwd", "..\\..\\x", "a/../../b\u0000"):
            with pytest.raises(InputError):
                read_sparql(endpoint.url, [name], cache=folder)
    assert os.listdir(tmp_path) == ["deep"]
    assert os.listdir(tmp_path / "deep") == ["cache"]
    assert all(len(file.name) == 64 + len(".json.gz") for file in folder.iterdir())


def test_a_failed_answer_is_not_kept(tmp_path: Path) -> None:
    with Endpoint(lambda n, q, handler: handler.reply(200, b"{}")) as endpoint, pytest.raises(InputError):
        read_sparql(endpoint.url, ["urn:a"], cache=tmp_path / "cache", retries=0)
    assert not (tmp_path / "cache").exists()


def test_user_agent_and_password_are_sent() -> None:
    with Endpoint(good) as endpoint:
        read_sparql(endpoint.url, ["urn:a"], auth=("me", "pässword"), user_agent="zoo/1 (zoo@example.org)", **NO_WAIT)
        sent = endpoint.headers[0]
        read_sparql(endpoint.url, ["urn:a"], **NO_WAIT)
    assert sent["User-Agent"] == "zoo/1 (zoo@example.org)"
    assert sent["Authorization"] == "Basic bWU6cMOkc3N3b3Jk"  # base64 of me:pässword in UTF-8
    assert sent["Accept"] == "application/sparql-results+json"
    assert endpoint.headers[-1]["User-Agent"].startswith("kgzsl/")
    assert "Authorization" not in endpoint.headers[-1]


def test_refusals_are_told_at_once() -> None:
    for status, remedy in ((401, "give auth="), (404, "check the address"), (400, "check the question")):
        with Endpoint(lambda n, q, handler, s=status: handler.reply(s, b"no\nmore lines")) as endpoint:
            with pytest.raises(InputError, match=f"answers {status}: no; {remedy}"):
                read_sparql(endpoint.url, ["urn:a"], **NO_WAIT)
            assert len(endpoint.questions) == 1
    with Endpoint(lambda n, q, handler: handler.reply(302, b"", Location="http://elsewhere.example/")) as endpoint:
        with pytest.raises(InputError, match=r"has moved to http://elsewhere\.example/"):
            read_sparql(endpoint.url, ["urn:a"], **NO_WAIT)
        assert len(endpoint.questions) == 1


def test_limits() -> None:
    def many(number: int, query: str, handler: Any) -> Any:
        return [[("uri", "urn:a"), ("uri", "urn:r"), ("uri", f"urn:b{n}")] for n in range(50) if "!isLiteral" in query]

    with Endpoint(many) as endpoint:
        with pytest.raises(InputError, match="51 nodes, more than max_nodes=10"):
            read_sparql(endpoint.url, ["urn:a"], max_nodes=10, **NO_WAIT)
        with pytest.raises(InputError, match="more than max_triples=20"):
            read_sparql(endpoint.url, ["urn:a"], max_triples=20, **NO_WAIT)
        with pytest.raises(InputError, match="larger than 100 bytes"):
            SparqlClient(endpoint.url, max_bytes=100).select("SELECT !isLiteral")


def test_addresses() -> None:
    for url in ("ftp://x/sparql", "x", "http://", "file:///etc/passwd"):
        with pytest.raises(InputError, match="is no web address"):
            read_sparql(url, ["urn:a"])
    with pytest.raises(InputError, match="holds a password"):
        read_sparql("http://me:secret@127.0.0.1/sparql", ["urn:a"])
    with pytest.raises(InputError, match="one line"):
        read_sparql("http://127.0.0.1/sparql", ["urn:a"], user_agent="a\r\nX-Evil: 1")
    with pytest.raises(InputError, match=r"the connection broke .* \(1 tries\)"):
        read_sparql("http://127.0.0.1:9/sparql", ["urn:a"], retries=0, **NO_WAIT)
    with pytest.raises(InputError, match="no seed is given"):
        read_sparql("http://127.0.0.1:9/sparql", [])


@pytest.mark.online
def test_fuseki() -> None:
    """Against an Apache Jena Fuseki that holds ZOO: KGZSL_FUSEKI=http://host:3030/zoo/sparql."""
    url = os.environ.get("KGZSL_FUSEKI")
    if not url:
        pytest.skip("KGZSL_FUSEKI names no endpoint")
    graph = read_sparql(url, [EX + "Poodle"], 2, cache=None)
    assert ("Dog", "subClassOf", "Animal") in edges(graph)
    assert graph.labels[graph.node(EX + "Dog")] == "dog"


def test_wikidata_means_the_same_as_in_its_dump() -> None:
    entity, direct = "http://www.wikidata.org/entity/", "http://www.wikidata.org/prop/direct/"
    links = [("P279", "Q55"), ("P31", "Q16521"), ("P171", "Q149892"), ("P462", "Q23445")]

    def answer(number: int, query: str, handler: Any) -> Any:
        if "!isLiteral" not in query:
            return []
        return [[("uri", f"{entity}Q144"), ("uri", direct + name), ("uri", entity + item)] for name, item in links]

    with Endpoint(answer) as endpoint:
        graph = ClassGraph.from_sparql(endpoint.url, ["wd:Q144"], 1, relations=["wdt:P279"], **NO_WAIT)
        with pytest.raises(InputError, match=r"no option 'timeot'.*did you mean 'timeout'"):
            ClassGraph.from_sparql(endpoint.url, ["wd:Q144"], timeot=3)
    assert edges(graph) == {
        ("Q144", "subClassOf", "Q55"),
        ("Q144", "type", "Q16521"),
        ("Q144", "subClassOf", "Q149892"),
        ("Q144", "P462", "Q23445"),
    }
    assert f"<{direct}P279>" in endpoint.questions[0]
    assert graph.ancestors(graph.node(f"{entity}Q144")) == {graph.node(entity + item) for item in ("Q55", "Q149892")}
