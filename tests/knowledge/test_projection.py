"""The owl2vec projection, axiom kind by axiom kind; every expected edge follows from the rule named in the test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kgzsl import ClassGraph, InputError
from kgzsl.knowledge.vocabulary import NEGATIVE_RELATIONS, OWL

from .helpers import edges, row

Turtle = Callable[..., ClassGraph]

CASES = {
    "subclass": (":A rdfs:subClassOf :B .", {("A", "subClassOf", "B")}),
    "some": (
        ":A rdfs:subClassOf [ a owl:Restriction ; owl:onProperty :r ; owl:someValuesFrom :B ] .",
        {("A", "r", "B")},
    ),
    "all": (":A rdfs:subClassOf [ owl:onProperty :r ; owl:allValuesFrom :B ] .", {("A", "r", "B")}),
    "has value": (":A rdfs:subClassOf [ owl:onProperty :r ; owl:hasValue :b ] .", {("A", "r", "b")}),
    "its own inverse": (":p a owl:ObjectProperty ; owl:inverseOf :p .", {("p", "inverseOf", "p")}),
    "inverse of itself in words": (
        ":p a owl:ObjectProperty . [ owl:inverseOf :p ] owl:equivalentProperty :p .",
        {("p", "inverseOf", "p")},
    ),
    "has self": (":A rdfs:subClassOf [ owl:onProperty :r ; owl:hasSelf true ] .", {("A", "r", "A")}),
    "min": (
        ":A rdfs:subClassOf [ owl:onProperty :r ; owl:minQualifiedCardinality 2 ; owl:onClass :B ] .",
        {("A", "r", "B")},
    ),
    "max": (
        ":A rdfs:subClassOf [ owl:onProperty :r ; owl:maxQualifiedCardinality 2 ; owl:onClass :B ] .",
        {("A", "r", "B")},
    ),
    "exact": (
        ":A rdfs:subClassOf [ owl:onProperty :r ; owl:qualifiedCardinality 1 ; owl:onClass :B ] .",
        {("A", "r", "B")},
    ),
    "unqualified cardinality takes the range": (
        ":A rdfs:subClassOf [ owl:onProperty :r ; owl:cardinality 1 ] . :r rdfs:range :B .",
        {("A", "r", "B"), ("r", "range", "B")},
    ),
    "inverse": (
        ":A rdfs:subClassOf [ owl:onProperty [ owl:inverseOf :r ] ; owl:someValuesFrom :B ] .",
        {("B", "r", "A")},
    ),
    "intersection splits": (
        ":A rdfs:subClassOf [ owl:intersectionOf ( :B [ owl:onProperty :r ; owl:someValuesFrom :C ] ) ] .",
        {("A", "subClassOf", "B"), ("A", "r", "C")},
    ),
    "union above": (
        ":A rdfs:subClassOf [ owl:unionOf ( :B :C ) ] .",
        {("A", "unionOf", "B"), ("A", "unionOf", "C")},
    ),
    "union equivalent": (
        ":A owl:equivalentClass [ owl:unionOf ( :B :C ) ] .",
        {("B", "subClassOf", "A"), ("C", "subClassOf", "A")},
    ),
    "union below": (
        "[ owl:unionOf ( :B :C ) ] rdfs:subClassOf :A .",
        {("B", "subClassOf", "A"), ("C", "subClassOf", "A")},
    ),
    "union filler": (
        ":A rdfs:subClassOf [ owl:onProperty :r ; owl:someValuesFrom [ owl:unionOf ( :B :C ) ] ] .",
        {("A", "r", "B"), ("A", "r", "C")},
    ),
    "nested": (
        ":A rdfs:subClassOf [ owl:onProperty :r ; owl:someValuesFrom [ owl:onProperty :s ; owl:someValuesFrom :B ] ] .",
        {("A", "r/s", "B")},
    ),
    "restriction below": ("[ owl:onProperty :r ; owl:someValuesFrom :B ] rdfs:subClassOf :A .", {("A", "r", "B")}),
    "one of, equivalent": (
        ":A owl:equivalentClass [ owl:oneOf ( :x :y ) ] .",
        {("x", "type", "A"), ("y", "type", "A")},
    ),
    "one of, above": (":A rdfs:subClassOf [ owl:oneOf ( :x ) ] .", {("A", "oneOf", "x")}),
    "definition at the name": (
        ":A a owl:Class ; owl:intersectionOf ( :B :C ) .",
        {("A", "subClassOf", "B"), ("A", "subClassOf", "C")},
    ),
    "equivalent": (
        ":A owl:equivalentClass :B .",
        {("A", "equivalentClass", "B"), ("B", "equivalentClass", "A")},
    ),
    "domain and range": (
        ":r rdfs:domain :A ; rdfs:range :B .",
        {("r", "domain", "A"), ("r", "range", "B"), ("A", "r", "B")},
    ),
    "union domain": (
        ":r rdfs:domain [ owl:unionOf ( :A :C ) ] ; rdfs:range :B .",
        {("r", "domain", "A"), ("r", "domain", "C"), ("r", "range", "B"), ("A", "r", "B"), ("C", "r", "B")},
    ),
    "sub-property": (":r rdfs:subPropertyOf :s .", {("r", "subPropertyOf", "s")}),
    "inverse properties": (":r owl:inverseOf :s .", {("r", "inverseOf", "s"), ("s", "inverseOf", "r")}),
    "chain": (
        ":r owl:propertyChainAxiom ( :s :t ) .",
        {("r", "propertyChainAxiom", "s"), ("r", "propertyChainAxiom", "t")},
    ),
    "characteristic": (":r a owl:SymmetricProperty .", {("r", "type", "SymmetricProperty")}),
    "key": (":A owl:hasKey ( :r ) .", {("A", "hasKey", "r")}),
    "class assertion": (":x a :A .", {("x", "type", "A")}),
    "assertion of a restriction": (":x a [ owl:onProperty :r ; owl:someValuesFrom :B ] .", {("x", "r", "B")}),
    "property assertion": (":x :r :y .", {("x", "r", "y")}),
    "disjoint": (":A owl:disjointWith :B .", {("A", "disjointWith", "B")}),
    "complement above": (":A rdfs:subClassOf [ owl:complementOf :B ] .", {("A", "disjointWith", "B")}),
    "all disjoint": (
        "[] a owl:AllDisjointClasses ; owl:members ( :A :B :C ) .",
        {("A", "disjointWith", "B"), ("A", "disjointWith", "C"), ("B", "disjointWith", "C")},
    ),
    "disjoint union": (
        ":A owl:disjointUnionOf ( :B :C ) .",
        {("B", "subClassOf", "A"), ("C", "subClassOf", "A"), ("B", "disjointWith", "C")},
    ),
    "disjoint properties": (":r owl:propertyDisjointWith :s .", {("r", "propertyDisjointWith", "s")}),
    "all disjoint properties": (
        "[] a owl:AllDisjointProperties ; owl:members ( :r :s ) .",
        {("r", "propertyDisjointWith", "s")},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_axiom_kind(name: str, turtle: Turtle) -> None:
    text, expected = CASES[name]
    graph = turtle(text)
    assert edges(graph) == expected
    assert graph.account.balanced
    assert not any(iri.startswith("_:") for iri in graph.iris)
    negative = {local.rpartition("#")[2] for local in NEGATIVE_RELATIONS}
    for is_similar, kind in zip(graph.similarity_edges(), graph.edge_type, strict=True):
        assert is_similar == (graph.relations[kind].rpartition("#")[2] not in negative)


DROPPED = {
    ":A rdfs:subClassOf owl:Thing .": "trivial: everything is below owl:Thing",
    ":A rdfs:subClassOf owl:Nothing .": "unsatisfiable: below owl:Nothing",
    ":A rdfs:subClassOf :A .": "says that a thing is itself",
    ":A rdfs:subClassOf [ owl:onProperty :r ; owl:maxCardinality 0 ] .": "at most none: a negative statement",
    ":A rdfs:subClassOf [ owl:onProperty :r ; owl:someValuesFrom xsd:integer ] .": "a restriction to a datatype",
    ":A rdfs:subClassOf [ owl:onProperty :r ; owl:minCardinality 1 ] .": "a restriction to anything at all",
    ":A rdfs:subClassOf [ owl:onProperty :r ; owl:hasValue 'text' ] .": "a value that is a text",
    ":A rdfs:subClassOf [ owl:complementOf [ owl:onProperty :r ; owl:someValuesFrom :B ] ] .": "a negated restriction",
    "[ owl:intersectionOf ( :A :B ) ] rdfs:subClassOf :C .": "a general axiom with a complex left side",
    "[] a owl:NegativePropertyAssertion; owl:sourceIndividual :x; owl:assertionProperty :r; owl:targetIndividual :y.": (
        "says that two things are not linked"
    ),
    "[] a owl:AllDifferent ; owl:distinctMembers ( :x :y ) .": (
        "says that individuals are not one and the same, which is taken for granted"
    ),
    ":o a owl:Ontology .": "about the ontology itself",
    ":A rdfs:seeAlso :page .": "a link to a document, or of the language itself",
    ":A :date '2020-01-01'^^xsd:date .": "a value of type date",
    ":A :fur false .": "false: a negative statement",
    ":A :r [ :s :B ] .": "points at an anonymous individual",
    ":A rdfs:subClassOf _:x . _:x owl:intersectionOf _:l . _:l rdf:first :B ; rdf:rest _:l .": "a list without an end",
    ":A rdfs:subClassOf _:x . _:x owl:intersectionOf ( _:x ) .": "a class expression contains itself",
}


@pytest.mark.parametrize("text", DROPPED)
def test_what_gives_no_edge_is_dropped_with_a_reason(text: str, turtle: Turtle) -> None:
    graph = turtle(text + " :keep rdfs:subClassOf :this .")
    assert edges(graph) == {("keep", "subClassOf", "this")}
    assert DROPPED[text] in graph.account.dropped
    assert graph.account.balanced


def test_parts_lost_from_an_axiom_are_named(turtle: Turtle) -> None:
    graph = turtle(":A rdfs:subClassOf [ owl:intersectionOf ( :B [ owl:onProperty :r ; owl:maxCardinality 0 ] ) ] .")
    (entry,) = [entry for entry in graph.account.rows if entry.kind == "SubClassOf"]
    assert (entry.axioms, entry.used, entry.edges) == (1, 1, 1)
    assert entry.partly == {"at most none: a negative statement": 1}


def test_equal_edges_count_once_and_the_account_says_so(turtle: Turtle) -> None:
    graph = turtle(":A rdfs:subClassOf :B . :A rdfs:subClassOf [ owl:intersectionOf ( :B :C ) ] .")
    assert graph.num_edges == 2
    assert graph.account.merged == 1
    assert graph.account.balanced


def test_duplicate_triples_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "twice.nt"
    path.write_text("<http://a/x> <http://a/p> <http://a/y> .\n" * 3)
    account = ClassGraph.read(path).account
    assert (account.triples, account.duplicates, account.num_edges) == (1, 2, 1)


WEIGHTS = {
    "number": (":cat :furry 0.5 .", ("cat", "furry", "furry")),
    "boolean": (":cat :furry true .", ("cat", "furry", "furry")),
    "has value": (":cat rdfs:subClassOf [ owl:onProperty :furry ; owl:hasValue 0.5 ] .", ("cat", "furry", "furry")),
    "annotation": (":cat :has :fur {| kgzsl:weight 0.5 |} .", ("cat", "has", "fur")),
    "reifier alone": ("<< :cat :has :fur >> kgzsl:weight 0.5 .", ("cat", "has", "fur")),
    "rdf:Statement": (
        ":cat :has :fur . [] a rdf:Statement ; rdf:subject :cat ; rdf:predicate :has ;"
        " rdf:object :fur ; kgzsl:weight 0.5 .",
        ("cat", "has", "fur"),
    ),
    "owl:Axiom": (
        ":cat :has :fur . [] a owl:Axiom ; owl:annotatedSource :cat ; owl:annotatedProperty :has ;"
        " owl:annotatedTarget :fur ; kgzsl:weight 0.5 .",
        ("cat", "has", "fur"),
    ),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights(name: str, turtle: Turtle) -> None:
    text, edge = WEIGHTS[name]
    graph = turtle(text + " :dog :has :tail .")
    assert edges(graph) == {edge, ("dog", "has", "tail")}
    assert graph.account.balanced
    weights = np.ones(graph.num_edges) if graph.edge_weight is None else graph.edge_weight
    head = graph.node("http://example.org/cat")
    expected = np.where(graph.edge_index[0] == head, 1.0 if name == "boolean" else 0.5, 1.0)
    np.testing.assert_array_equal(weights, expected)


def test_taxonomy_keeps_what_leads_upwards(turtle: Turtle) -> None:
    text = ":A rdfs:subClassOf :B , [ owl:onProperty :r ; owl:someValuesFrom :C ] . :B owl:disjointWith :C . :x a :A ."
    graph = turtle(text, projection="taxonomy")
    assert edges(graph) == {("A", "subClassOf", "B"), ("x", "type", "A")}
    assert graph.account.left_out == 2
    assert graph.account.balanced
    assert edges(turtle(text).taxonomy()) == edges(graph)


def test_w3c_keeps_every_triple_and_names_blank_nodes_in_order(turtle: Turtle) -> None:
    text = ":A rdfs:subClassOf [ owl:onProperty :r ; owl:someValuesFrom :B ] ; rdfs:label 'a'@en ."
    graph = turtle(text, projection="w3c")
    assert graph.num_edges == 4
    assert [iri for iri in graph.iris if iri.startswith("_:")] == ["_:b0"]
    assert graph.kind(graph.iris.index("@en\0a")) == "literal"
    assert turtle(text, projection="w3c").iris == graph.iris


def test_kinds(turtle: Turtle) -> None:
    graph = turtle(":A a owl:Class . :r a owl:ObjectProperty . :x a :A . :r rdfs:range xsd:string . :A :r :y .")
    found = {graph.iris[i].rpartition("/")[2]: graph.kind(i) for i in range(graph.num_nodes)}
    assert found["A"] == "class"
    assert found["r"] == "property"
    assert found["x"] == "individual"
    assert graph.kind(graph.node("http://www.w3.org/2001/XMLSchema#string")) == "datatype"


def test_backward_lists_of_the_kzsl_schemas_are_turned_round(tmp_path: Path) -> None:
    path = tmp_path / "schema.csv"
    path.write_text(
        "Subject\tMeta-Relation\tObject\nNELL:s\trdf:first\t_:y2\nrdf:nil\trdf:rest\t_:y2\n_:y2\trdf:rest\t_:y1\n"
        "NELL:r\trdf:first\t_:y1\n_:y1\towl:propertyChainAxiom\tNELL:t\n"
    )
    graph = ClassGraph.read(path)
    assert edges(graph) == {("t", "propertyChainAxiom", "r"), ("t", "propertyChainAxiom", "s")}
    assert "5 triples of lists were written backwards" in graph.account.notes[0]


def test_expressions_nested_too_deep_are_bounded(turtle: Turtle) -> None:
    depth = 3000
    text = ":A rdfs:subClassOf " + "[ owl:complementOf " * depth + ":B" + " ]" * depth + " ."
    graph = turtle(text + " :C rdfs:subClassOf :D .")
    assert edges(graph) == {("C", "subClassOf", "D")}
    assert graph.account.balanced


def test_huge_all_disjoint_is_refused_by_name_not_expanded(turtle: Turtle) -> None:
    members = " ".join(f":c{i}" for i in range(800))
    graph = turtle(f"[] a owl:AllDisjointClasses ; owl:members ( {members} ) . :A rdfs:subClassOf :B .")
    assert graph.num_edges == 1
    assert any("800 members" in reason for reason in graph.account.dropped)


def test_unknown_projection_names_the_nearest(turtle: Turtle) -> None:
    with pytest.raises(InputError, match="owl2vec"):
        turtle(":A rdfs:subClassOf :B .", projection="owl2vek")


def test_account_table_shows_all_rows(turtle: Turtle) -> None:
    graph = turtle(":A rdfs:subClassOf :B , owl:Thing .")
    lines = graph.account.table()
    assert any(line.startswith("SubClassOf") and line.split()[1:] == ["2", "2", "1", "0", "1"] for line in lines)
    assert row(graph, "SubClassOf") == (2, 1, 1, 1)
    assert OWL + "Thing" not in graph.iris
