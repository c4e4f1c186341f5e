"""Two graphs: which nodes are the same, and both as one; and the graph of relations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kgzsl import ClassGraph
from kgzsl.errors import InputError
from kgzsl.knowledge.matching import EVIDENCE, GraphAlignment
from kgzsl.knowledge.relation_graph import FOLLOWS, SHARED_DOMAIN, SHARED_RANGE
from kgzsl.knowledge.vocabulary import SUBCLASS_OF

from .helpers import edges


def pairs(first: ClassGraph, second: ClassGraph, found: GraphAlignment) -> dict[str, tuple[str, str]]:
    return {
        first.iris[a]: (second.iris[b], how)
        for (a, b), how in zip(found.pairs.T.tolist(), found.matched_by, strict=True)
    }


def test_each_kind_of_evidence() -> None:
    first = ClassGraph.from_triples(
        [
            ("x:cat", "subClassOf", "x:animal"),
            ("x:dog", "owl:sameAs", "y:hund"),
            ("x:n02391049", "subClassOf", "x:animal"),
            ("x:bear", "subClassOf", "x:animal"),
        ],
        labels={"x:bear": "Polar-bear"},
    )
    second = ClassGraph.from_triples(
        [
            ("x:cat", "r", "y:hund"),
            ("y:02391049-n", "r", "x:cat"),
            ("y:b", "r", "x:cat"),
        ],
        labels={"y:b": "polar bear"},
    )
    assert pairs(first, second, first.match(second)) == {
        "x:cat": ("x:cat", "iri"),
        "y:hund": ("y:hund", "iri"),
        "x:n02391049": ("y:02391049-n", "wnid"),
        "x:bear": ("y:b", "label"),
    }
    # With sameAs before IRIs, the dog itself takes the place that its mention would.
    found = pairs(first, second, first.match(second, by=("sameAs", "iri")))
    assert found["x:dog"] == ("y:hund", "sameAs")
    assert "y:hund" not in found
    # The link may stand in either graph.
    back = pairs(second, first, second.match(first, by=("sameAs",)))
    assert back == {"y:hund": ("x:dog", "sameAs")}


def test_several_answers_are_left_open() -> None:
    first = ClassGraph.from_triples([("a", "r", "b")], labels={"a": "bat"})
    second = ClassGraph.from_triples([("c", "r", "d")], labels={"c": "bat", "d": "Bat"})
    found = first.match(second, by=("label",))
    assert found.pairs.shape == (2, 0)
    assert found.ambiguous == {"label": [((0,), (0, 1))]}
    assert found.summary() == ["1 open by label: several answer"]
    twice = ClassGraph.from_triples([("a", "sameAs", "c"), ("b", "sameAs", "c")])
    assert twice.match(second, by=("sameAs",)).pairs.size == 0


def test_labels_match_within_one_kind() -> None:
    first = ClassGraph.from_triples([("m", "rdf:type", "k")], labels={"m": "jaguar"})
    second = ClassGraph.from_triples([("c", "subClassOf", "k2")], labels={"c": "jaguar"})
    assert first.match(second, by=("label",)).pairs.size == 0
    with pytest.raises(InputError, match="did you mean 'label'"):
        first.match(second, by=("labels",))
    assert set(EVIDENCE) == {"iri", "sameAs", "wnid", "label"}


def test_merging_counts_shared_edges_once() -> None:
    first = ClassGraph.from_triples(
        [("cat", "subClassOf", "animal"), ("cat", "has", "fur")], weights=[1, 0.5], texts={"cat": ["purrs"]}
    )
    second = ClassGraph.from_triples(
        [("cat", "has", "fur"), ("cat", "eats", "mouse")], weights=[0.7, 2], texts={"cat": ["purrs", "meows"]}
    )
    both = first.merge(second)
    assert both.iris == ("cat", "animal", "fur", "mouse")
    assert edges(both) == {("cat", "subClassOf", "animal"), ("cat", "has", "fur"), ("cat", "eats", "mouse")}
    assert both.edge_weight is not None
    assert dict(zip(both.edge_type.tolist(), both.edge_weight.tolist(), strict=True)) == {0: 1.0, 1: 0.5, 2: 2.0}
    assert [text.text for text in both.texts[0]] == ["purrs", "meows"]
    assert both.num_edges == first.num_edges + second.num_edges - 1


def test_merging_along_an_alignment_renames_nodes_and_relations() -> None:
    first = ClassGraph.from_triples([("p:eats", "rdfs:domain", "x:animal")], labels={"x:animal": "animal"})
    second = ClassGraph.from_triples(
        [("y:tier", "q:isst", "y:gras"), ("q:isst", "rdfs:domain", "y:tier")],
        labels={"y:tier": "animal", "q:isst": "eats"},
    )
    found = first.match(second, by=("label",))
    assert pairs(first, second, found) == {"x:animal": ("y:tier", "label")}
    by_hand = GraphAlignment(
        np.array(
            [
                [first.node("p:eats"), first.node("x:animal")],
                [second.node("q:isst"), second.node("y:tier")],
            ]
        ),
        ("hand", "hand"),
        {},
    )
    both = first.merge(second, by_hand)
    assert set(both.iris) == {"p:eats", "x:animal", "y:gras"}
    assert "p:eats" in both.relations
    assert "q:isst" not in both.relations
    assert both.num_edges == 2  # the domain, from both; the fact, under its new name


def test_merging_with_itself_changes_nothing() -> None:
    graph = ClassGraph.from_triples([("a", "subClassOf", "b"), ("b", "r", "c")], labels={"a": "A"})
    both = graph.merge(graph)
    assert (both.iris, both.labels, dict(both.texts)) == (graph.iris, graph.labels, dict(graph.texts))
    np.testing.assert_array_equal(both.edge_index, graph.edge_index)
    np.testing.assert_array_equal(both.kinds, graph.kinds)


def test_a_false_alignment_is_refused() -> None:
    graph = ClassGraph.from_triples([("a", "r", "b")])
    with pytest.raises(InputError, match="does not have"):
        graph.merge(graph, GraphAlignment(np.array([[0], [9]]), ("hand",), {}))
    with pytest.raises(InputError, match="two pairs"):
        graph.merge(graph, GraphAlignment(np.array([[0, 1], [0, 0]]), ("hand", "hand"), {}))


SCHEMA = """
:Animal a owl:Class . :Food a owl:Class . :Person a owl:Class .
:eats a owl:ObjectProperty ; rdfs:domain :Animal ; rdfs:range :Food ; rdfs:label "eats"@en .
:grazes a owl:ObjectProperty ; rdfs:subPropertyOf :eats ; rdfs:domain :Animal ; rdfs:range :Food .
:eatenBy a owl:ObjectProperty ; owl:inverseOf :eats ; rdfs:domain :Food ; rdfs:range :Animal .
:owns a owl:ObjectProperty ; rdfs:domain :Person ; rdfs:range :Animal .
:feeds a owl:ObjectProperty ; rdfs:domain :Person ; owl:propertyChainAxiom ( :owns :eats ) .
:weight a owl:DatatypeProperty ; rdfs:domain :Food ; rdfs:range xsd:decimal .
:price a owl:DatatypeProperty ; rdfs:range xsd:decimal .
:knows a owl:ObjectProperty ; rdfs:domain owl:Thing ; rdfs:range owl:Thing .
:sees a owl:ObjectProperty ; rdfs:domain owl:Thing .
"""


def test_relation_graph(turtle: Callable[..., ClassGraph]) -> None:
    found = turtle(SCHEMA).relation_graph()
    assert {iri.rpartition("/")[2] for iri in found.iris} == {
        "eats", "grazes", "eatenBy", "owns", "feeds", "weight", "price", "knows", "sees",
    }  # fmt: skip
    by_relation: dict[str, set[frozenset[str] | tuple[str, str]]] = {}
    for (s, o), k in zip(found.edge_index.T.tolist(), found.edge_type.tolist(), strict=True):
        pair = tuple(found.iris[end].rpartition("/")[2] for end in (s, o))
        name = found.relations[k]
        both = name in (SHARED_DOMAIN, SHARED_RANGE) or name.endswith("inverseOf")
        by_relation.setdefault(name, set()).add(frozenset(pair) if both else (pair[0], pair[1]))
    short = {name.rpartition("#")[2].rpartition(":")[2]: found for name, found in by_relation.items()}
    assert short == {
        "subPropertyOf": {("grazes", "eats")},
        "inverseOf": {frozenset({"eatenBy", "eats"})},
        "propertyChainAxiom": {("feeds", "owns"), ("feeds", "eats")},
        "sharedDomain": {
            frozenset({"eats", "grazes"}),
            frozenset({"owns", "feeds"}),
            frozenset({"eatenBy", "weight"}),
        },
        # Not the two decimals, and not what ends anywhere at all.
        "sharedRange": {frozenset({"eats", "grazes"}), frozenset({"eatenBy", "owns"})},
        "follows": {
            ("eats", "owns"), ("grazes", "owns"), ("eats", "eatenBy"), ("grazes", "eatenBy"),
            ("eatenBy", "eats"), ("eatenBy", "grazes"), ("weight", "eats"), ("weight", "grazes"),
        },
    }  # fmt: skip
    assert FOLLOWS in by_relation
    assert found.labels[found.node("http://example.org/eats")] == "eats"


def test_relation_graph_of_some_and_of_hubs(turtle: Callable[..., ClassGraph]) -> None:
    graph = turtle(SCHEMA)
    some = graph.relation_graph(["eats", "owns"])
    assert edges(some) == {("eats", "follows", "owns")}
    few = graph.relation_graph(max_shared=1)
    assert SHARED_DOMAIN not in few.relations
    assert any("Animal is the domain of 2 relations" in note for note in few.account.notes)
    with pytest.raises(InputError, match="no property"):
        ClassGraph.from_triples([("a", "subClassOf", "b")]).relation_graph()
    with pytest.raises(InputError, match="'Animal'"):
        graph.relation_graph(["Animal"])


def test_relation_graph_of_schema_org_and_nell(data: Callable[[str], Path]) -> None:
    nell = ClassGraph.read(data("kg/nell_schema/Onto-NELL.owl")).relation_graph()
    links = dict(zip(*np.unique(nell.edge_type, return_counts=True), strict=True))
    counted = {nell.relations[int(number)]: int(count) for number, count in links.items()}
    assert counted[FOLLOWS] > 0
    assert counted[SHARED_DOMAIN] > 0
    org = ClassGraph.read(data("ontologies/schemaorg-30.0-current-https.ttl")).relation_graph()
    assert {SHARED_DOMAIN, SHARED_RANGE, FOLLOWS} <= set(org.relations)
    assert SUBCLASS_OF not in org.relations
