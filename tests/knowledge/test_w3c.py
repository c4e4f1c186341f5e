"""The syntax tests of the W3C for RDF 1.1 and JSON-LD 1.1, suite by suite."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pyoxigraph as ox
import pytest

from kgzsl import InputError
from kgzsl.knowledge.readers import ReadOptions
from kgzsl.knowledge.readers.formats import FORMATS
from kgzsl.knowledge.readers.rdf import intern_quads
from kgzsl.knowledge.readers.reading import run_reader
from kgzsl.knowledge.readers.source import open_source
from kgzsl.knowledge.triples import TripleBuilder, Triples, split_literal

Data = Callable[[str], Path]
MANIFEST = "http://www.w3.org/2001/sw/DataAccess/tests/test-manifest#"
TYPE = ox.NamedNode("http://www.w3.org/1999/02/22-rdf-syntax-ns#type")
# suite -> (format, positive tests, negative tests), as the README of the data counts those whose files are there
SUITES = {
    "rdf-turtle": ("turtle", 219, 49),
    "rdf-n-triples": ("n-triples", 41, 16),
    "rdf-n-quads": ("n-quads", 53, 15),
    "rdf-trig": ("trig", 241, 62),
    "rdf-xml": ("rdf/xml", 126, 27),
}


def read(path: Path, format_name: str, base: str) -> Triples:
    """Through the reader itself, since ``ClassGraph.read`` refuses a file without a triple."""
    builder = TripleBuilder()
    options = ReadOptions(base=base)
    with open_source(path, options) as source:
        run_reader(FORMATS[format_name], source, builder, options)
    return builder.build()


def term(triples: Triples, number: int) -> ox.NamedNode | ox.BlankNode | ox.Literal:
    key = triples.terms[number]
    if number < triples.num_iris:
        return ox.NamedNode(key)
    if number < triples.first_literal:
        return ox.BlankNode(key[2:])
    text, language, datatype = split_literal(key)
    if language:
        return ox.Literal(text, language=language)
    return ox.Literal(text, datatype=ox.NamedNode(datatype)) if datatype else ox.Literal(text)


def canonical(quads: Iterable[ox.Quad]) -> set[str]:
    """Two sets are equal where the triples are equal up to the names of blank nodes; graphs are merged."""
    dataset = ox.Dataset(ox.Quad(quad.subject, quad.predicate, quad.object) for quad in quads)
    dataset.canonicalize(ox.CanonicalizationAlgorithm.UNSTABLE)
    return {str(quad) for quad in dataset}


def ours(triples: Triples) -> set[str]:
    columns = (triples.subjects.tolist(), triples.predicates.tolist(), triples.objects.tolist())
    return canonical(
        ox.Quad(term(triples, s), term(triples, p), term(triples, o))  # type: ignore[arg-type]
        for s, p, o in zip(*columns, strict=True)
    )


@pytest.mark.parametrize("suite", SUITES)
def test_rdf_syntax_suite(suite: str, data: Data) -> None:
    folder = data(f"ontologies/w3c/{suite}")
    format_name, positive, negative = SUITES[suite]
    store = ox.Store()
    store.load(path=str(folder / "manifest.ttl"), base_iri="http://m/")
    base = f"https://w3c.github.io/rdf-tests/rdf/rdf11/{suite}/"  # mf:assumedTestBase
    passed = {"positive": 0, "negative": 0}
    wrong = []
    for entry in store.quads_for_pattern(None, TYPE, None):
        kind = str(entry.object).rpartition("#")[2]
        if not kind.startswith("Test"):
            continue
        name = file_of(store, entry.subject, "action")
        if not (folder / name).exists():
            continue  # only half of the negative tests are there
        expected = "negative" if "Negative" in kind else "positive"
        try:
            triples = read(folder / name, format_name, base + name)
        except InputError as error:
            if expected == "positive":
                wrong.append(f"{name} was refused: {error}")
            passed["negative"] += expected == "negative"
            continue
        if expected == "negative":
            wrong.append(f"{name} was taken")
        elif "Eval" in kind:
            result = folder / file_of(store, entry.subject, "result")
            if ours(triples) != canonical(ox.parse(path=str(result))):
                wrong.append(f"{name} says something else")
        passed["positive"] += expected == "positive"
    assert not wrong
    assert passed == {"positive": positive, "negative": negative}


def file_of(store: ox.Store, entry: object, role: str) -> str:
    (quad,) = store.quads_for_pattern(entry, ox.NamedNode(MANIFEST + role), None)  # type: ignore[arg-type]
    return str(quad.object)[1:-1].removeprefix("http://m/")


# What only some callers of the JSON-LD API ask for, which a reader has no options for: name -> number of tests.
NOT_ASKED_FOR = {
    "specVersion json-ld-1.0": 11,  # the suite tells processors of JSON-LD 1.1 to pass these over
    "processingMode json-ld-1.0": 8,
    "rdfDirection": 4,
    "expandContext": 1,
}


def not_asked_for(options: dict[str, str]) -> str | None:
    for name in ("specVersion", "processingMode"):
        if options.get(name) == "json-ld-1.0":
            return f"{name} json-ld-1.0"
    return next((name for name in ("rdfDirection", "expandContext") if name in options), None)


# What the streaming parser, which documents too large for PyLD go to, does otherwise.
STREAMED_OTHERWISE = {
    "#t0122": "a base with dot segments is not cleaned of them",
    "#t0123": "a base with dot segments is not cleaned of them",
    "#te062": "an address without a scheme keeps its dot segments",
    "#te091": "a base with dot segments is not cleaned of them",
    "#tc013": "a type-scoped context inside an index by type",
    "#tli12": "an @base that is no IRI is refused, where the test would have it passed over",
}


def test_json_ld_to_rdf_suite(data: Data) -> None:
    """JSON-LD 1.1: every positive test says what it should, every negative one is refused, none is left out but those
    of ``NOT_ASKED_FOR``. Contexts outside the document lie beside it. The streaming parser agrees wherever it can."""
    folder = data("ontologies/w3c/json-ld-api")
    manifest = json.loads((folder / "toRdf-manifest.jsonld").read_text())
    passed: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    streamed_otherwise = set()
    wrong = []
    for entry in manifest["sequence"]:
        path = folder / entry["input"]
        options = entry.get("option", {})
        if not path.exists():
            continue
        if reason := not_asked_for(options):
            skipped[reason] += 1
            continue
        base = options.get("base", manifest["baseIri"] + entry["input"])
        kind = entry["@type"][0].removeprefix("jld:")
        name = f"{entry['@id']} {entry['name']}"
        try:
            triples = read(path, "json-ld", base)
        except InputError as error:
            if kind == "NegativeEvaluationTest":
                passed[kind] += 1
            else:
                wrong.append(f"{name} was refused: {error}")
            continue
        if kind == "NegativeEvaluationTest":
            wrong.append(f"{name} was taken")
            continue
        found = ours(triples)
        if kind == "PositiveEvaluationTest" and found != canonical(ox.parse(path=str(folder / entry["expect"]))):
            wrong.append(f"{name} says something else")
            continue
        passed[kind] += 1
        try:
            builder = TripleBuilder()
            intern_quads(ox.parse(path=str(path), format=ox.RdfFormat.JSON_LD, base_iri=base), builder)
            streamed = ours(builder.build())
        except SyntaxError as error:
            if "LoadDocumentCallback" in str(error):
                continue
            streamed = set()
        if streamed != found:
            streamed_otherwise.add(entry["@id"])
    assert not wrong
    assert passed == {"PositiveEvaluationTest": 334, "NegativeEvaluationTest": 92, "PositiveSyntaxTest": 16}
    assert skipped == NOT_ASKED_FOR
    assert streamed_otherwise == set(STREAMED_OTHERWISE)
