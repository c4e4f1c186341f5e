"""Pairs as nodes, and what disjointness rules out."""

from __future__ import annotations

import numpy as np
import pytest

from kgzsl.classifiers.compositional import composition_graph, feasible_pairs, pair_name
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph

ATTRIBUTES, OBJECTS = ["ripe", "sliced", "rusty"], ["apple", "pear", "car"]
PAIRS = [("ripe", "apple"), ("sliced", "pear"), ("rusty", "car")]
KNOWN = [
    ("apple", "subClassOf", "fruit"),
    ("pear", "subClassOf", "fruit"),
    ("car", "subClassOf", "artefact"),
    ("ripe", "disjointWith", "artefact"),
    ("fruit", "disjointWith", "corroded"),
    ("rusty", "subClassOf", "corroded"),
]


def test_a_pair_lies_between_its_primitives() -> None:
    graph = composition_graph(ATTRIBUTES, OBJECTS, PAIRS)
    edges = {
        (graph.iris[s], graph.relations[r].split(":")[-1], graph.iris[o])
        for s, r, o in zip(graph.edge_index[0], graph.edge_type, graph.edge_index[1], strict=True)
    }
    assert len(edges) == 9
    assert {
        ("ripe apple", "hasAttribute", "ripe"),
        ("ripe apple", "hasObject", "apple"),
        ("ripe", "occursWith", "apple"),
    } <= edges
    nodes = graph.align([pair_name(pair) for pair in PAIRS] + OBJECTS).require()
    distances = graph.distances(nodes)
    assert distances[0, 3] == 1  # ripe apple - apple
    assert np.isinf(distances[0, 2])  # nothing leads from ripe apple to rusty car


def test_every_primitive_is_a_node_and_pairs_count_once() -> None:
    graph = composition_graph([*ATTRIBUTES, "wet"], OBJECTS, [*PAIRS, PAIRS[0]])
    assert set(graph.iris) == {*ATTRIBUTES, "wet", *OBJECTS, *map(pair_name, PAIRS)}
    assert graph.num_edges == 9


def test_disjointness_rules_out_pairs_by_what_stands_above_them() -> None:
    graph = composition_graph(ATTRIBUTES, OBJECTS, PAIRS, triples=KNOWN)
    expected = [[True, True, False], [True, True, True], [False, False, True]]
    assert feasible_pairs(graph, ATTRIBUTES, OBJECTS).tolist() == expected
    order, columns = [2, 0, 1], [1, 2, 0]
    found = feasible_pairs(graph, [ATTRIBUTES[i] for i in order], [OBJECTS[i] for i in columns])
    assert found.tolist() == np.array(expected)[order][:, columns].tolist()


def test_a_statement_that_a_seen_pair_contradicts_is_not_meant_of_pairs() -> None:
    kinds = [("state", "disjointWith", "thing"), *((name, "subClassOf", "state") for name in ATTRIBUTES)]
    kinds += [(name, "subClassOf", "thing") for name in OBJECTS]
    graph = composition_graph(ATTRIBUTES, OBJECTS, PAIRS, triples=[*KNOWN, *kinds])
    assert not feasible_pairs(graph, ATTRIBUTES, OBJECTS).any()
    expected = [[True, True, False], [True, True, True], [False, False, True]]
    assert feasible_pairs(graph, ATTRIBUTES, OBJECTS, known=[("sliced", "pear")]).tolist() == expected
    # Seen or not, what nothing contradicts still counts.
    assert feasible_pairs(graph, ATTRIBUTES, OBJECTS, known=PAIRS).tolist() == expected


def test_without_disjointness_everything_is_feasible() -> None:
    kept = [triple for triple in KNOWN if triple[1] != "disjointWith"]
    assert feasible_pairs(composition_graph(ATTRIBUTES, OBJECTS, PAIRS, triples=kept), ATTRIBUTES, OBJECTS).all()


def test_an_ontology_from_a_file(tmp_path) -> None:
    path = tmp_path / "states.ttl"
    path.write_text(
        "@prefix : <http://example.org/s#> . @prefix owl: <http://www.w3.org/2002/07/owl#> .\n"
        "@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .\n"
        ":Ripe a owl:Class ; owl:disjointWith :Artefact . :Car a owl:Class ; rdfs:subClassOf :Artefact .\n"
        ":Artefact a owl:Class . :Apple a owl:Class .\n",
        encoding="utf-8",
    )
    assert feasible_pairs(ClassGraph.read(path), ["Ripe"], ["Car", "Apple"]).tolist() == [[False, True]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: composition_graph(ATTRIBUTES, OBJECTS, [("ripe", "aple")]),
            "object 'aple'; did you mean 'apple'",
        ),
        (lambda: composition_graph(ATTRIBUTES, OBJECTS, [("rip", "car")]), "unknown attribute 'rip'"),
        (lambda: composition_graph(["orange"], ["orange"], []), "is an attribute and an object"),
        (lambda: feasible_pairs(composition_graph(ATTRIBUTES, OBJECTS, []), ["riper"], OBJECTS), "'riper'"),
    ],
)
def test_bad_input(call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
