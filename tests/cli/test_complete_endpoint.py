"""``kgzsl complete`` over SPARQL: what an endpoint knows counts, and only what is asked for is written back."""

from __future__ import annotations

import json
import re

import pyoxigraph
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgzsl.cli.growing import take_news
from kgzsl.datasets import KGSplit
from kgzsl.errors import InputError
from kgzsl.knowledge.sources.sparql_client import SparqlClient
from kgzsl.knowledge.sources.sparql_update import send_update
from kgzsl.tasks.kg_completion.endpoint import PROPOSALS, EndpointFacts, proposal_updates, read_endpoint
from kgzsl.tasks.kg_completion.ordinary.embedding_completer import EmbeddingCompleter
from kgzsl.tasks.kg_completion.proposals import Proposal
from kgzsl.tasks.kg_completion.writing import CONFIDENCE, iri_of
from tests.cli.test_complete import run  # noqa: F401 (a fixture)
from tests.knowledge.sources.servers import Endpoint, oxigraph, oxigraph_server

BASE = "urn:kgzsl:name:"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"


@pytest.fixture(autouse=True)
def _straight(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server(tmp_path):
    program = oxigraph()
    if program is None:
        pytest.skip("the oxigraph package is not installed")
    with oxigraph_server(program, tmp_path / "store", writable=True) as url:
        yield url


def iri(name: str) -> str:
    return f"<{iri_of(name, BASE)}>"


def rows(server: str, pattern: str) -> list[dict[str, str]]:
    query = f"SELECT ?s ?p ?o WHERE {{ {pattern} }} ORDER BY ?s ?p ?o"
    return [{key: term.value for key, term in row.items()} for row in SparqlClient(server).select(query)]


def update_of(server: str) -> str:
    return server.removesuffix("/query") + "/update"


def test_facts_of_the_endpoint_are_no_proposals(kgzsl, run, server):  # noqa: F811
    asked = ("complete", run, "-r", "residesIn", "--head", "w:person:p3", "--json")
    before = json.loads(kgzsl(*asked).out)
    best = before["proposals"][0]["tail"]
    fact = f"{iri('w:person:p3')} {iri('residesIn')} {iri(best)} ."
    stranger = f"<http://x/nobody> {iri('livesIn')} {iri('w:city:c1')} ."
    send_update(update_of(server), f"INSERT DATA {{ {fact} {stranger} }}")
    done = kgzsl(*asked[:-1], "--endpoint", server)
    assert done.code == 0, done.err
    tails = [line.split("\t")[2] for line in done.out.splitlines()[1:]]
    assert best not in tails
    assert set(tails) == {one["tail"] for one in before["proposals"]} - {best} | {"http://x/nobody"}
    told = "2 facts from the endpoint, default graph and named ones, 0 of them known to the run already; 1 new entities"
    assert told in done.err
    # Reading has written nothing.
    assert len(rows(server, "?s ?p ?o")) == 2
    assert not rows(server, "GRAPH ?g { ?s ?p ?o }")


def insert(server: str, *facts: str, graph: str | None = None) -> None:
    text = " ".join(facts) if graph is None else f"GRAPH <{graph}> {{ {' '.join(facts)} }}"
    send_update(update_of(server), f"INSERT DATA {{ {text} }}")


def test_entities_that_only_the_endpoint_has_are_answered_for_by_their_classes(kgzsl, run, server):  # noqa: F811
    insert(server, *(f"<http://x/{name}> {iri('livesIn')} {iri('w:city:c3')} ." for name in ("ada", "ulm", "plain")))
    insert(server, "<http://x/ada> a <http://x/person> .", "<http://x/ulm> a <http://x/city>, <http://x/unheard> .")
    asked = ("complete", run, "-r", "residesIn", "--json", "--head")
    kgzsl(*asked, "http://x/ada").refused("no entity is called 'http://x/ada'", "--endpoint")
    kgzsl(*asked, "http://x/eve", "--endpoint", server).refused("no entity is called 'http://x/eve'")
    told = json.loads(kgzsl(*asked, "http://x/ada", "--endpoint", server).out)
    assert told["proposals"][0]["tail"] == "w:city:c3"
    assert told["endpoint"]["entities"] == ["http://x/ada", "http://x/plain", "http://x/ulm"]
    assert "http://x/ulm" in {one["tail"] for one in told["proposals"]}
    assert "http://x/ada" not in {one["tail"] for one in told["proposals"]}  # is a person, and those are no cities
    none = json.loads(kgzsl(*asked, "http://x/ulm", "--endpoint", server).out)
    assert none["proposals"] == []
    assert none["refused"]["disjoint"] == 1


def test_a_relation_that_only_the_endpoint_has(kgzsl, run, server):  # noqa: F811
    asked = ("complete", run, "-r", "http://x/worksIn", "--head", "w:person:p3", "--json")
    kgzsl(*asked).refused("neither a fact nor the schema has it")
    insert(server, *(f"{iri(f'w:person:p{i}')} <http://x/worksIn> {iri(f'w:city:c{i % 8}')} ." for i in range(3, 20)))
    told = json.loads(kgzsl(*asked, "--endpoint", server).out)
    assert told["endpoint"]["relations"] == ["http://x/worksIn"]
    assert "w:city:c3" not in {one["tail"] for one in told["proposals"]}


def test_named_graphs_are_read_unless_some_are_named(kgzsl, run, server):  # noqa: F811
    asked = ("complete", run, "-r", "residesIn", "--head", "w:person:p3", "--json", "--endpoint", server)
    cities = [iri(f"w:city:c{i}") for i in range(3)]
    for graph, city in zip((None, "http://x/g", "http://x/h"), cities, strict=True):
        insert(server, f"{iri('w:person:p3')} {iri('residesIn')} {city} .", graph=graph)
    # What two graphs say is one fact.
    insert(server, f"{iri('w:person:p3')} {iri('residesIn')} {cities[1]} .", graph="http://x/h")

    def known(*graphs: str) -> set[str]:
        told = json.loads(kgzsl(*asked, *(word for graph in graphs for word in ("--from-graph", graph))).out)
        assert told["endpoint"]["graphs"] == list(graphs)
        found = {f"w:city:c{i}" for i in range(8)} - {one["tail"] for one in told["proposals"]}
        assert told["endpoint"]["facts"] == len(found)
        return found

    assert known() == {"w:city:c0", "w:city:c1", "w:city:c2"}
    assert known("http://x/g") == {"w:city:c1"}
    assert known("http://x/h") == {"w:city:c1", "w:city:c2"}
    assert known("default", "http://x/g") == {"w:city:c0", "w:city:c1"}
    assert known("default") == {"w:city:c0"}
    kgzsl(*asked, "--from-graph", "x> }").refused("is no IRI")
    kgzsl(*asked[:-2], "--from-graph", "http://x/g").refused("give --endpoint URL")
    done = kgzsl(*asked[:6], *asked[7:], "--from-graph", "http://x/g", "--from-graph", "default")
    assert "# 2 facts from the endpoint, of its graphs http://x/g, the default one alone, 0 of them" in done.err


def test_more_facts_than_are_wanted_are_refused_and_pages_leave_none_out(kgzsl, run, server):  # noqa: F811
    insert(
        server,
        *(
            f"<http://x/p{i}> {iri('livesIn')} {iri('w:city:c1')} . <http://x/p{i}> a <http://x/person> ."
            for i in range(7)
        ),
    )
    asked = ("complete", run, "-r", "residesIn", "--head", "w:person:p3", "--endpoint", server, "--max-triples")
    kgzsl(*asked, 6).refused("more than 6 facts of these relations", "--max-triples")
    assert kgzsl(*asked, 7).code == 0
    whole, paged = (
        read_endpoint(SparqlClient(server), [iri_of("livesIn", BASE)], page=page, batch=batch)
        for page, batch in ((5000, 500), (2, 3))
    )
    assert whole == paged
    assert len(paged.triples) == 7
    assert paged.types == {f"http://x/p{i}": ("http://x/person",) for i in range(7)}


def test_a_server_that_cuts_its_answers_hides_no_fact():
    heads = [f"http://x/p{i:03}" for i in range(250)]

    def cut(number, query, handler):
        first = int(query.rpartition("OFFSET ")[2])
        kind = "http://x/lives" if "<http://x/lives>" in query else RDF + "type"
        rows = [[("uri", head), ("uri", kind), ("uri", "http://x/c")] for head in heads]
        return rows[first : first + 100]  # whatever LIMIT says

    with Endpoint(cut) as endpoint:
        found = read_endpoint(SparqlClient(endpoint.url), ["http://x/lives"])
    assert [head for head, _, _ in found.triples] == heads
    assert found.types == dict.fromkeys(heads, ("http://x/c",))


def test_an_embedding_leaves_out_what_it_has_no_vector_for():
    kg = KGSplit.from_names([("a", "r", "b"), ("b", "r", "c")], [], [])
    model = EmbeddingCompleter(dim=4, epochs=1).fit(kg)
    facts = (("http://x/a", "http://x/r", "http://x/new"), (*(iri_of(name, BASE) for name in "arc"),))
    ask = lambda relations: EndpointFacts(facts, {"http://x/new": ("http://x/C",)})  # noqa: E731
    _, told, lines = take_news(model, "r", None, None, None, BASE, ask=ask)
    assert told["endpoint"]["facts"] == 1
    assert model._known.tolist() == [[0, 0, 1], [0, 0, 2], [1, 0, 2]]
    assert "1 about entities that the run does not know are left out" in "\n".join(lines)


@pytest.mark.parametrize("style", ["reified", "star"])
def test_only_when_told_to_is_something_written_and_twice_is_once(kgzsl, run, server, style):  # noqa: F811
    asked = ("complete", run, "-r", "residesIn", "--head", "w:person:p3", "--top", 3, "--style", style)
    plan = kgzsl(*asked, "--endpoint", server, "--write-back", update_of(server), "--dry-run")
    assert plan.code == 0, plan.err
    assert "# nothing was sent" in plan.err
    assert f"INSERT DATA {{ GRAPH <{PROPOSALS}> {{" in plan.out
    assert not rows(server, "{ ?s ?p ?o } UNION { GRAPH ?g { ?s ?p ?o } }")
    for _ in range(2):
        done = kgzsl(*asked, "--write-back", update_of(server))
        assert done.code == 0, done.err
        assert f"3 written to {PROPOSALS}" in done.err
        sure = rows(server, f"GRAPH <{PROPOSALS}> {{ ?s <{CONFIDENCE}> ?o }}")
        assert len(sure) == 3
    assert not rows(server, "?s ?p ?o")  # no fact is stated
    # What was sent is what the dry run showed.
    store = pyoxigraph.Store()
    store.update(plan.out)
    told = {quad.object.value for quad in store if quad.predicate.value == CONFIDENCE}
    assert told == {row["o"] for row in sure}
    if style == "reified":
        tails = rows(server, f"GRAPH <{PROPOSALS}> {{ ?s <{RDF}object> ?o ; <{RDF}subject> {iri('w:person:p3')} }}")
        assert iri_of("w:city:c3", BASE) in {row["o"] for row in tails}
        assert len(tails) == 3
    else:
        terms = [quad.object for quad in store if quad.predicate.value == RDF + "reifies"]
        assert {term.predicate.value for term in terms} == {iri_of("residesIn", BASE)}
        assert len(rows(server, f"GRAPH <{PROPOSALS}> {{ ?s <{RDF}reifies> ?any }}")) == 3


def test_a_new_confidence_takes_the_place_of_the_old_one(server):
    for value in (0.25, 0.75):
        for update in proposal_updates([Proposal("a", "r", "b", value, 0.0)], graph="http://x/g"):
            send_update(update_of(server), update)
    found = rows(server, f"GRAPH <http://x/g> {{ ?s <{CONFIDENCE}> ?o }}")
    assert [float(row["o"]) for row in found] == [0.75]


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
hard = st.sampled_from(
    [
        "http://x/> } } ; DROP ALL ; #",
        "urn:x>",
        'http://x/"',
        "http://x/\\u003E",
        "a\nb",
        "http://x/é",
        "}",
        "http://x/ok",
    ]
)


@given(st.lists(st.tuples(*[names | hard] * 3), min_size=1, max_size=4), st.sampled_from(["reified", "star"]))
def test_no_name_breaks_out_of_the_update(triples, style):
    proposals = [Proposal(*triple, confidence=0.5, score=0.0) for triple in triples]
    store = pyoxigraph.Store()
    keep = pyoxigraph.Quad(*[pyoxigraph.NamedNode(f"http://x/{end}") for end in "spo"])
    store.add(keep)
    for update in proposal_updates(proposals, style=style, size=2):
        store.update(update)
    assert keep in store
    graph = pyoxigraph.NamedNode(PROPOSALS)
    assert {quad.graph_name for quad in store if quad != keep} == {graph}
    if style == "reified":
        predicate = pyoxigraph.NamedNode(RDF + "object")
        tails = {quad.object.value for quad in store.quads_for_pattern(None, predicate, None, graph)}
    else:
        predicate = pyoxigraph.NamedNode(RDF + "reifies")
        tails = {quad.object.object.value for quad in store.quads_for_pattern(None, predicate, None, graph)}
    assert tails == {iri_of(tail, BASE) for _, _, tail in triples}


def test_refusals(kgzsl, run, tmp_path, monkeypatch):  # noqa: F811
    asked = ("complete", run, "-r", "residesIn", "--head", "w:person:p3")
    kgzsl(*asked, "--write-back", "ftp://x/update").refused("no web address")
    kgzsl(*asked, "--write-back", "http://127.0.0.1:1/update", "--named-graph", "x> } DROP ALL").refused("is no IRI")
    kgzsl(*asked, "--endpoint", "nothing").refused("no web address")
    kgzsl(*asked, "--dry-run", "--style", "plain").refused("reified or star")
    monkeypatch.delenv("KGZSL_SPARQL_PASSWORD", raising=False)
    kgzsl(*asked, "--write-back", "http://127.0.0.1:1/update", "--user", "me").refused("no password")
    with pytest.raises(InputError, match="holds a password"):
        send_update("http://me:secret@x/update", "")


def test_a_busy_or_unwilling_endpoint():
    waits: list[float] = []

    def busy(number, query, handler):
        handler.reply(503 if number < 3 else 204, b"")

    with Endpoint(busy) as endpoint:
        send_update(endpoint.url, "query=x", sleep=waits.append)
    assert waits == [0.5, 1.0]
    with (
        Endpoint(lambda number, query, handler: handler.reply(403, b"not here")) as endpoint,
        pytest.raises(InputError, match=re.escape("refuses the update with 403: not here")),
    ):
        send_update(endpoint.url, "query=x", sleep=waits.append)
    with (
        Endpoint(lambda number, query, handler: handler.reply(302, b"", Location="http://x/")) as endpoint,
        pytest.raises(InputError, match="302"),
    ):
        send_update(endpoint.url, "query=x", sleep=waits.append)
    with pytest.raises(InputError, match="the connection broke"):
        send_update("http://127.0.0.1:1/update", "query=x", retries=0)
