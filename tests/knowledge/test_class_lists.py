"""The part of a graph for a class list: walks, the dense graph, hierarchies with common ancestors."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kgzsl import ClassGraph
from kgzsl.errors import InputError
from kgzsl.knowledge.dense_graph import dense_graph

from .helpers import edges

#   animal <- mammal <- (cat, dog <- (poodle, pug)), animal <- bird <- hen
TREE = [
    ("mammal", "subClassOf", "animal"),
    ("bird", "subClassOf", "animal"),
    ("cat", "subClassOf", "mammal"),
    ("dog", "subClassOf", "mammal"),
    ("poodle", "subClassOf", "dog"),
    ("pug", "subClassOf", "dog"),
    ("hen", "subClassOf", "bird"),
]


def tree(*more: tuple[str, str, str]) -> ClassGraph:
    return ClassGraph.from_triples([*TREE, *more])


@pytest.mark.parametrize(
    ("hops", "kept"),
    [
        (0, {"poodle"}),
        (1, {"poodle", "dog"}),
        (2, {"poodle", "dog", "pug", "mammal"}),
        (3, {"poodle", "dog", "pug", "mammal", "cat", "animal"}),
        (9, {"poodle", "dog", "pug", "mammal", "cat", "animal", "bird", "hen"}),
    ],
)
def test_classes_and_hops(hops: int, kept: set[str]) -> None:
    found = tree().for_classes(["poodle"], hops=hops)
    assert set(found.iris) == kept
    assert found.provenance["classes"] == {"poodle": "poodle"}
    assert edges(found) == {edge for edge in edges(tree()) if edge[0] in kept and edge[2] in kept}


def test_relations_are_followed_and_kept_alone() -> None:
    graph = tree(("cat", "eats", "mouse"), ("cat", "likes", "milk"), ("mouse", "eats", "cheese"))
    found = graph.for_classes(["cat"], hops=2, relations=["eats"])
    assert edges(found) == {("cat", "eats", "mouse"), ("mouse", "eats", "cheese")}
    with pytest.raises(InputError, match="eats"):
        graph.for_classes(["cat"], relations=["eat"])


def test_disjointness_is_kept_and_not_followed() -> None:
    graph = tree(("cat", "disjointWith", "dog"), ("cat", "disjointWith", "stone"))
    found = graph.for_classes(["cat"], hops=2)
    assert "stone" not in found.iris
    assert ("cat", "disjointWith", "dog") in edges(found)
    alone = graph.for_classes(["cat", "dog"], hops=0, relations=["subClassOf"])
    assert edges(alone) == {("cat", "disjointWith", "dog")}


def test_the_best_neighbours_come_first() -> None:
    triples = [
        ("cat", "subClassOf", "mammal"),
        ("cat", "has", "fur"),
        ("cat", "has", "whisker"),
        ("cat", "has", "leg"),
        ("dog", "has", "fur"),
    ]
    graph = ClassGraph.from_triples(triples, weights=[1, 1, 1, 3, 1])

    def kept(most: int) -> set[str]:
        return set(graph.for_classes(["cat"], hops=1, max_neighbours=most).iris) - {"cat"}

    # The strongest edge, what stands above, the neighbour with fewer edges (a whisker is on cats alone), the rest.
    assert [kept(1), kept(2) - kept(1), kept(3) - kept(2), kept(4) - kept(3)] == [
        {"leg"},
        {"mammal"},
        {"whisker"},
        {"fur"},
    ]


def test_two_edges_to_one_neighbour_are_one_neighbour() -> None:
    graph = ClassGraph.from_triples([("cat", "has", "fur"), ("cat", "likes", "fur"), ("cat", "has", "paw")])
    assert set(graph.for_classes(["cat"], hops=1, max_neighbours=2).iris) == {"cat", "fur", "paw"}


def test_order_of_names_does_not_matter() -> None:
    graph = tree()
    a = graph.for_classes(["hen", "cat"], hops=1, max_neighbours=1)
    b = graph.for_classes(["cat", "hen"], hops=1, max_neighbours=1)
    assert (a.iris, edges(a)) == (b.iris, edges(b))


def test_missing_names_are_all_named_or_skipped() -> None:
    with pytest.raises(InputError, match=r"2 of 3 names.*'caat' \(nearest: cat\).*'unicorn'"):
        tree().for_classes(["caat", "dog", "unicorn"])
    assert tree().for_classes(["unicorn", "dog"], hops=0, missing="skip").iris == ("dog",)
    with pytest.raises(InputError, match="'raise' or 'skip'"):
        tree().for_classes(["dog"], missing="ignore")
    with pytest.raises(InputError, match="hops"):
        tree().for_classes(["dog"], hops=-1)


def test_dense_graph_groups_by_distance() -> None:
    dense = dense_graph(tree(), ["poodle", "hen"], groups=2)
    assert set(dense.iris) == {"poodle", "dog", "mammal", "animal", "hen", "bird"}
    place = {iri: number for number, iri in enumerate(dense.iris)}
    ups = [matrix.toarray() for matrix in dense.up]
    np.testing.assert_array_equal(ups[0], np.eye(6))
    poodle = place["poodle"]
    assert ups[1][poodle, place["dog"]] == 1
    # Mammal is 2 away and animal 3: both in the last group, half each.
    assert ups[2][poodle, place["mammal"]] == ups[2][poodle, place["animal"]] == 0.5
    downs = [matrix.toarray() for matrix in dense.down]
    animal = place["animal"]
    assert downs[1][animal, place["mammal"]] == downs[1][animal, place["bird"]] == 0.5
    np.testing.assert_allclose(downs[2][animal, [place["dog"], place["poodle"], place["hen"]]], 1 / 3, rtol=1e-6)
    index, group = dense.edges()
    pairs = {(dense.iris[a], dense.iris[b]): int(k) for (a, b), k in zip(index.T.tolist(), group.tolist(), strict=True)}
    assert pairs[("poodle", "dog")] == 1
    assert pairs[("poodle", "animal")] == 2
    assert len(pairs) == dense.num_links == 3 + 2 + 1 + 2 + 1


def test_dense_graph_takes_the_shortest_way_up() -> None:
    dense = dense_graph(tree(("poodle", "subClassOf", "animal")), ["poodle"])
    place = {iri: number for number, iri in enumerate(dense.iris)}
    assert dense.hops.toarray()[place["poodle"], place["animal"]] == 1
    with pytest.raises(InputError, match="groups"):
        dense_graph(tree(), groups=0)


def test_dense_graph_of_imagenet_agrees_with_the_closure(data: Callable[[str], Path]) -> None:
    graph = ClassGraph.read(data("kg/wordnet/is_a.txt.gz"), columns=("object", "subject"), relation="rdfs:subClassOf")
    names = json.loads(gzip.decompress(data("kg/wordnet/gcnz_lists/invdict_wordn.json.gz").read_bytes()))
    dense = graph.dense([name for name in names if name in graph.node_index][:1000])
    # Every link is a pair of the closure, which is worked out in another way.
    assert dense.num_links == graph.closure(dense.nodes.tolist()).nnz
    assert sum(matrix.nnz for matrix in dense.up) == dense.num_links + len(dense.nodes)


def test_hierarchy_of_classes_and_its_contraction() -> None:
    graph = tree()
    whole = graph.taxonomy(["poodle", "hen"])
    assert edges(whole) == {
        ("poodle", "subClassOf", "dog"),
        ("dog", "subClassOf", "mammal"),
        ("mammal", "subClassOf", "animal"),
        ("hen", "subClassOf", "bird"),
        ("bird", "subClassOf", "animal"),
    }
    short = graph.taxonomy(["poodle", "pug", "cat", "hen"], contract=True)
    assert edges(short) == {
        ("poodle", "subClassOf", "dog"),
        ("pug", "subClassOf", "dog"),
        ("dog", "subClassOf", "mammal"),
        ("cat", "subClassOf", "mammal"),
        ("mammal", "subClassOf", "animal"),
        ("hen", "subClassOf", "animal"),
    }
    assert short.provenance["classes"]["hen"] == "hen"
    # A class stays although it has a single branch beneath.
    assert "bird" in graph.taxonomy(["bird", "hen", "cat"], contract=True).iris


def test_hierarchy_keeps_labels_and_texts() -> None:
    graph = ClassGraph.from_triples(TREE, labels={"dog": "Hund"}, texts={"dog": ["barks"]})
    short = graph.taxonomy(["poodle", "pug"], contract=True)
    assert short.labels[short.node("dog")] == "Hund"
    assert "barks" in short.node_text(short.node("dog"))


def test_common_ancestors() -> None:
    graph = tree(("cat", "subClassOf", "pet"), ("dog", "subClassOf", "pet"))

    def common(*names: str) -> set[str]:
        return {graph.iris[node] for node in graph.common_ancestors([graph.node(name) for name in names])}

    assert common("poodle", "pug") == {"dog"}
    assert common("poodle", "dog") == {"dog"}
    assert common("poodle") == {"poodle"}
    assert common("cat", "pug") == {"mammal", "pet"}  # no tree: two lowest ones
    assert common("cat", "hen") == {"animal"}
    assert common("hen", "pet") == set()
    with pytest.raises(InputError, match="no node"):
        graph.common_ancestors([])


def test_equivalent_classes_are_common_ancestors_together() -> None:
    graph = tree(("dog", "equivalentClass", "canine"))
    found = graph.common_ancestors([graph.node("poodle"), graph.node("pug")])
    assert {graph.iris[node] for node in found} == {"dog", "canine"}
