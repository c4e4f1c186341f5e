"""A class graph numbered by IRI: the same statements, whatever order and format they came in."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from kgzsl.knowledge import ClassGraph
from kgzsl.priors import make
from tests.knowledge.helpers import edges

TURTLE = """
@prefix : <http://x.org/o#> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
:Whale rdfs:subClassOf :Mammal ; rdfs:label "whale"@en , "cetacean"@en ; rdfs:comment "It swims."@en .
:Orca rdfs:subClassOf :Whale ; rdfs:label "orca"@en .
:Bear rdfs:subClassOf :Mammal ; owl:disjointWith :Whale ; rdfs:comment "It sleeps."@en .
:eats a owl:ObjectProperty ; rdfs:domain :Mammal ; rdfs:range :Thing .
:chases rdfs:subPropertyOf :eats .
:feeds owl:propertyChainAxiom ( :chases :eats ) , ( :eats :chases ) .
"""


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """The same statements as Turtle, RDF/XML and N-Triples in two orders."""
    import rdflib

    graph = rdflib.Graph().parse(data=TURTLE, format="turtle")
    found = [tmp_path / "o.ttl", tmp_path / "o.rdf"]
    found[0].write_text(TURTLE)
    graph.serialize(found[1], format="xml")
    lines = graph.serialize(format="nt").splitlines()
    for seed in (1, 2):
        random.Random(seed).shuffle(lines)
        found.append(tmp_path / f"o{seed}.nt")
        found[-1].write_text("\n".join(lines) + "\n")
    return found


def content(graph: ClassGraph) -> tuple[object, ...]:
    arrays = (graph.kinds, graph.edge_index, graph.edge_type)
    told = (graph.iris, graph.relations, graph.labels, list(graph.texts.items()), graph.provenance.get("chains"))
    return (*told, *(array.tolist() for array in arrays))


def test_the_order_of_the_file_leaves_no_trace(files: list[Path]) -> None:
    read = [ClassGraph.read(file) for file in files]
    assert len({graph.iris for graph in read}) > 1, "the files are told apart before"
    found = [graph.in_name_order() for graph in read]
    first = content(found[0])
    assert found[0].iris == tuple(sorted(found[0].iris))
    assert "chains" in found[0].provenance
    for graph in found[1:]:
        assert content(graph) == first
    # What is drawn by number: the shuffled control, and what is trained.
    assert len({tuple(graph.shuffled(3).labels) for graph in found}) == 1
    trained = [make("transe", dim=4, epochs=2).fit(graph).priors(["Orca", "Bear"]).matrix for graph in found]
    for matrix in trained[1:]:
        np.testing.assert_array_equal(matrix, trained[0])


def test_statements_texts_and_account_are_the_same(files: list[Path]) -> None:
    graph = ClassGraph.read(files[-1])
    found = graph.in_name_order()
    assert edges(found) == edges(graph)
    assert found.account is graph.account
    for node, iri in enumerate(graph.iris):
        there = found.node(iri)
        assert found.kinds[there] == graph.kinds[node]
        assert set(found.texts.get(there, ())) == set(graph.texts.get(node, ()))
    whale = found.texts[found.node("http://x.org/o#Whale")]
    assert [text.text for text in whale] == ["It swims.", "cetacean", "whale"], "by kind, then by wording"


def test_weights_labels_and_names_go_along() -> None:
    triples = [("c", "is_a", "a"), ("b", "is_a", "a"), ("b", "has", "c")]
    graph = ClassGraph.from_triples(triples, labels={"b": "bee", "c": "sea"}, weights=[0.5, 2.0, 3.0])
    found = graph.in_name_order()
    assert found.edge_weight is not None
    subjects, objects = found.edge_index.tolist()
    rows = zip(subjects, found.edge_type.tolist(), objects, found.edge_weight.tolist(), strict=True)
    told = {(found.iris[s], found.relations[r], found.iris[o]): weight for s, r, o, weight in rows}
    assert told == {("c", "is_a", "a"): 0.5, ("b", "is_a", "a"): 2.0, ("b", "has", "c"): 3.0}
    shuffled = graph.shuffled(1).in_name_order()  # it has labels of its own, and is found by the true names
    assert sorted(shuffled.labels) == sorted(graph.labels)
    assert [shuffled.iris[i] for i in shuffled.align(["bee", "sea"]).indices.tolist()] == ["b", "c"]


def test_a_graph_without_edges_or_texts() -> None:
    none = ClassGraph(("b", "a"), np.zeros(2, np.int8), np.zeros((2, 0), np.int64), np.zeros(0, np.int64), ())
    assert none.in_name_order().iris == ("a", "b")
