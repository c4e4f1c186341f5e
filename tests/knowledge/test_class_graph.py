"""The class graph: labels, walking, cutting, distances, the shuffled control, saving."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgzsl import ClassGraph, InputError
from kgzsl.knowledge import NodeText
from kgzsl.knowledge.texts import choose, humanise, local_name
from kgzsl.knowledge.vocabulary import OWL, SUBCLASS_OF

from .helpers import edges

CHAIN = [("a", "subClassOf", "b"), ("b", "subClassOf", "c"), ("c", "near", "d"), ("a", "disjointWith", "d")]


@st.composite
def graphs(draw: st.DrawFn) -> ClassGraph:
    """Random small graphs with texts, weights and disjointness."""
    nodes = [f"n{i}" for i in range(draw(st.integers(2, 8)))]
    relation = st.sampled_from(["subClassOf", "disjointWith", "r", "s"])
    triples = draw(
        st.lists(st.tuples(st.sampled_from(nodes), relation, st.sampled_from(nodes)), min_size=1, max_size=30)
    )
    weights = draw(st.none() | st.lists(st.floats(0, 1, width=32), min_size=len(triples), max_size=len(triples)))
    text = st.builds(
        NodeText, st.sampled_from(["label", "comment"]), st.text(max_size=8), st.sampled_from([None, "en", "fr"])
    )
    texts = draw(st.dictionaries(st.sampled_from(nodes), st.lists(text, max_size=3), max_size=4))
    return ClassGraph.from_triples(triples, texts=texts, weights=weights)


def same(one: ClassGraph, two: ClassGraph) -> bool:
    arrays = ("kinds", "edge_index", "edge_type")
    return (
        one.iris == two.iris
        and one.labels == two.labels
        and one.relations == two.relations
        and one.texts == two.texts
        and one.names == two.names
        and one.account == two.account
        and one.provenance == two.provenance
        and one.language == two.language
        and (one.edge_weight is None) == (two.edge_weight is None)
        and (one.edge_weight is None or np.array_equal(one.edge_weight, two.edge_weight))  # type: ignore[arg-type]
        and all(np.array_equal(getattr(one, name), getattr(two, name)) for name in arrays)
        and all(getattr(one, name).dtype == getattr(two, name).dtype for name in arrays)
    )


@settings(max_examples=40, deadline=None)
@given(graph=graphs(), seed=st.none() | st.integers(0, 5))
def test_save_and_load_are_exact(graph: ClassGraph, seed: int | None, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("saved") / "graph.kgz"
    graph = graph if seed is None else graph.shuffled(seed)
    graph.save(path)
    assert same(ClassGraph.load(path), graph)
    assert same(ClassGraph.read(path), graph)
    first = path.read_bytes()
    graph.save(path)
    assert path.read_bytes() == first


def test_a_saved_graph_of_owl_round_trips(turtle: Callable[..., ClassGraph], tmp_path: Path) -> None:
    graph = turtle(
        ":A rdfs:subClassOf :B , [ owl:onProperty :r ; owl:maxCardinality 0 ] ; rdfs:label 'ä\\u0000b'@de ; :fur 0.5 ."
    )
    graph.save(tmp_path / "g.npz")
    assert same(ClassGraph.load(tmp_path / "g.npz"), graph)


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "g.npz"
    ClassGraph.from_triples(CHAIN).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    for read in (ClassGraph.load, ClassGraph.read):
        with pytest.raises(InputError, match=r"g\.npz: the saved graph is damaged.*make it anew"):
            read(path)
    np.savez(path, a=np.zeros(3))
    with pytest.raises(InputError, match="not a saved class graph"):
        ClassGraph.load(path)
    path.write_bytes(whole)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["edge_index.npy"] = members["edge_type.npy"]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(InputError, match=r"g\.npz"):
        ClassGraph.load(path)
    with pytest.raises(InputError, match="no such file"):
        ClassGraph.load(tmp_path / "none.npz")


def test_pickled_arrays_are_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "g.npz"
    ClassGraph.from_triples(CHAIN).save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with (tmp_path / "object.npy").open("wb") as file:
        np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    members["kinds.npy"] = (tmp_path / "object.npy").read_bytes()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(InputError, match="damaged"):
        ClassGraph.load(path)


def test_arrays_are_read_only_and_typed() -> None:
    graph = ClassGraph.from_triples(CHAIN)
    assert (graph.edge_index.dtype, graph.edge_type.dtype, graph.kinds.dtype) == (np.int64, np.int64, np.int8)
    with pytest.raises(ValueError, match="read-only"):
        graph.edge_index[0, 0] = 1


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"edge_index": np.array([[0], [9]])}, "outside 0..1"),
        ({"edge_type": np.array([3])}, "relation outside"),
        ({"kinds": np.array([0], np.int8)}, "kinds"),
        ({"kinds": np.array([0, 77], np.int8)}, "kind lies outside"),
        ({"edge_weight": np.ones(2, np.float32)}, "edge_weight"),
        ({"labels": ["x"]}, "labels"),
    ],
)
def test_parts_that_do_not_fit_are_refused(change: dict[str, object], problem: str) -> None:
    parts: dict[str, object] = {
        "iris": ["a", "b"],
        "kinds": np.zeros(2, np.int8),
        "edge_index": np.array([[0], [1]]),
        "edge_type": np.array([0]),
        "relations": ["r"],
    }
    ClassGraph(**parts)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=problem):
        ClassGraph(**{**parts, **change})  # type: ignore[arg-type]


def test_node_and_relation_lookup_name_the_nearest() -> None:
    graph = ClassGraph.from_triples([("zebra", "subClassOf", "animal")])
    assert graph.node("animal") == 1
    assert graph.relation(SUBCLASS_OF) == graph.relation("subClassOf") == 0
    with pytest.raises(InputError, match="did you mean zebra"):
        graph.node("zebar")
    with pytest.raises(InputError, match="subClassOf"):
        graph.relation("subclass_of")
    assert repr(graph) == "ClassGraph(2 nodes, 1 edges, 1 relations, 0 texts; triples)"


def test_labels_choose_their_language(turtle: Callable[..., ClassGraph]) -> None:
    text = """:A rdfs:label "Pferd"@de , "horse"@en-GB , "none" . :B rdfs:label "chien"@fr , "Hund"@de .
    :C skos:prefLabel "preferred" ; rdfs:label "label" . :killer_whale rdfs:subClassOf :A . :D rdfs:comment "c" ."""
    wanted = {"en": "horse", "en-GB": "horse", "de": "Pferd", "fr": "none", None: "none"}
    for language, expected in wanted.items():
        graph = turtle(text, language=language)
        assert graph.labels[graph.node("http://example.org/A")] == expected
    graph = turtle(text)
    assert graph.labels[graph.node("http://example.org/B")] == "chien"
    assert graph.labels[graph.node("http://example.org/C")] == "preferred"
    assert graph.labels[graph.node("http://example.org/killer_whale")] == "killer whale"
    assert graph.labels[graph.node("http://example.org/D")] == "D"


def test_choice_prefers_exact_then_family_then_untagged_then_any() -> None:
    texts = [
        NodeText("label", text, tag)
        for text, tag in [("any", "ja"), ("family", "en-US"), ("plain", None), ("exact", "en")]
    ]
    assert choose(texts, "en") is texts[3]
    assert choose(texts[:3], "en") is texts[1]
    assert choose([texts[0], texts[2]], "en") is texts[2]
    assert choose(texts[:1], "en") is texts[0]
    assert choose([], "en") is None


TEXT_TURTLE = """@prefix o: <http://purl.obolibrary.org/obo/> .
@prefix i: <http://www.geneontology.org/formats/oboInOwl#> .
@prefix s: <https://schema.org/> . @prefix dct: <http://purl.org/dc/terms/> .
:A rdfs:label "a" ; skos:altLabel "b" ; i:hasExactSynonym "c" ; o:IAO_0000115 "d" ; skos:definition "e" ;
  rdfs:comment "f" ; dct:description "g" ; s:description "h" ; :motto "i" ."""


def test_texts_of_many_vocabularies(turtle: Callable[..., ClassGraph]) -> None:
    graph = turtle(TEXT_TURTLE)
    node = graph.node("http://example.org/A")
    assert sorted(graph.texts[node]) == [
        ("altLabel", "b", None),
        ("comment", "f", None),
        ("definition", "d", None),
        ("definition", "e", None),
        ("description", "g", None),
        ("description", "h", None),
        ("exactSynonym", "c", None),
        ("http://example.org/motto", "i", None),
        ("label", "a", None),
    ]
    assert set(graph.node_text(node).split(". ")) == set("abcdefgh")
    assert graph.node_text(node).startswith("a. b. c")
    assert graph.node_text(node, ["comment", "label"]) == "f. a"


@pytest.mark.parametrize(
    ("iri", "local", "readable"),
    [
        ("http://a/b#KillerWhale", "KillerWhale", "Killer Whale"),
        ("http://a/killer%20whale", "killer%20whale", "killer whale"),
        ("NELL:x_y", "x_y", "x y"),
        ("http://a/b/", "b", "b"),
        ("killer+whale", "killer+whale", "killer whale"),
        ("DNAPolymerase", "DNAPolymerase", "DNA Polymerase"),
    ],
)
def test_readable_names(iri: str, local: str, readable: str) -> None:
    assert local_name(iri) == local
    assert humanise(local) == readable


def test_neighbours_parents_and_ancestors() -> None:
    graph = ClassGraph.from_triples(
        [*CHAIN, ("c", "subClassOf", "a"), ("c", "equivalentClass", "e"), ("e", "subClassOf", "f")]
    )
    a, b, c, d, e, f = (graph.node(name) for name in "abcdef")
    assert [(n.node, n.outgoing) for n in graph.neighbours(a, "subClassOf")] == [(b, True), (c, False)]
    assert [n.node for n in graph.neighbours(d, direction="in")] == [c, a]
    assert graph.neighbours(d, direction="out") == []
    with pytest.raises(InputError, match="'sideways'"):
        graph.neighbours(a, direction="sideways")
    above = graph.parents()
    assert above.shape == (6, 6)
    assert above[a].nonzero()[0].tolist() == [b]
    # The hierarchy bites its own tail (c below a), and c is e: everything but d is above a, a itself is not counted.
    assert graph.ancestors(a) == {b, c, e, f}
    closed = graph.closure([a, f], reflexive=True)
    assert closed.toarray().tolist() == [[n in {a, b, c, e, f} for n in range(6)], [n == f for n in range(6)]]
    assert (graph.closure() != graph.closure(range(6))).nnz == 0


def test_subgraph_goes_both_ways_but_not_through_disjointness() -> None:
    graph = ClassGraph.from_triples([*CHAIN, ("x", "subClassOf", "d")], labels={"b": "Bee"})
    near = graph.subgraph(["b"], 1)
    assert near.iris == ("a", "b", "c")
    assert near.labels == ("a", "Bee", "c")
    assert edges(near) == {("a", "subClassOf", "b"), ("b", "subClassOf", "c")}
    assert near.relations == (SUBCLASS_OF,)
    # a and d are disjoint: no path, but once both are in, the edge is kept.
    assert graph.subgraph([graph.node("a")], 1).iris == ("a", "b")
    assert ("a", "disjointWith", "d") in edges(graph.subgraph(["a"], 3))
    assert graph.subgraph([], 2).num_nodes == 0
    with pytest.raises(InputError, match="nobody"):
        graph.subgraph(["nobody"])
    assert near.account.balanced


def test_distances_by_hand() -> None:
    graph = ClassGraph.from_triples([*CHAIN, ("y", "near", "z")])
    nodes = [graph.node(name) for name in "abdy"]
    inf = np.inf
    assert graph.distances(nodes).tolist() == [[0, 1, 3, inf], [1, 0, 2, inf], [3, 2, 0, inf], [inf, inf, inf, 0]]
    with pytest.raises(InputError, match="'miles'"):
        graph.distances(nodes, kind="miles")
    with pytest.raises(InputError, match="outside"):
        graph.distances([99])


@settings(max_examples=40, deadline=None)
@given(graph=graphs())
def test_distances_are_a_metric(graph: ClassGraph) -> None:
    d = graph.distances()
    assert np.array_equal(d, d.T)
    assert ((d == 0) == np.eye(len(d), dtype=bool)).all()
    assert (d[:, None, :] <= d[:, :, None] + d[None, :, :]).all()
    some = list(range(0, graph.num_nodes, 2))
    assert np.array_equal(graph.distances(some), d[np.ix_(some, some)])


def big_graph() -> ClassGraph:
    rng = np.random.default_rng(0)
    triples = [(f"n{a}", f"r{k}", f"n{b}") for a, b, k in rng.integers(0, [60, 60, 3], (400, 3)).tolist()]
    triples += [(f"n{i}", f"rare{i}", f"n{i + 1}") for i in range(50)]
    return ClassGraph.from_triples(triples, labels={f"n{i}": f"label {i}" for i in range(60)})


def test_shuffled_keeps_counts_and_changes_knowledge() -> None:
    graph = big_graph()
    control = graph.shuffled(0)
    assert control.iris == graph.iris
    assert np.array_equal(control.edge_type, graph.edge_type)
    for kind, name in enumerate(graph.relations):
        mask = graph.edge_type == kind
        assert Counter(control.edge_index[0, mask].tolist()) == Counter(graph.edge_index[0, mask].tolist())
        if not name.startswith("rare"):
            assert Counter(control.edge_index[1, mask].tolist()) == Counter(graph.edge_index[1, mask].tolist())
    assert Counter(control.edge_index[1].tolist()) == Counter(graph.edge_index[1].tolist())
    moved = (control.edge_index != graph.edge_index).any(axis=0)
    rare = np.array([graph.relations[k].startswith("rare") for k in graph.edge_type])
    assert moved[~rare].mean() > 0.9
    # Each of these relations has a single edge; alone, none of them could change.
    assert moved[rare].mean() > 0.9
    assert sorted(control.labels) == sorted(graph.labels)
    assert sum(a == b for a, b in zip(control.labels, graph.labels, strict=True)) < 10


def test_shuffled_is_reproducible_and_names_still_find_their_nodes() -> None:
    graph = big_graph()
    assert same(graph.shuffled(3), graph.shuffled(3))
    assert not np.array_equal(graph.shuffled(3).edge_index, graph.shuffled(4).edge_index)
    names = [f"label {i}" for i in range(60)]
    assert graph.shuffled(1).align(names).indices.tolist() == graph.align(names).indices.tolist()
    assert graph.shuffled(1).shuffled(2).align(names).indices.tolist() == graph.align(names).indices.tolist()


def test_shuffled_moves_texts_within_a_kind_only(turtle: Callable[..., ClassGraph]) -> None:
    classes = " ".join(f":C{i} a owl:Class ; rdfs:label 'class {i}' ." for i in range(9))
    properties = " ".join(f":p{i} a owl:ObjectProperty ; rdfs:label 'property {i}' ." for i in range(9))
    graph = turtle(classes + properties)
    control = graph.shuffled(0)
    for node, label in enumerate(control.labels):
        assert label.startswith(graph.kind(node))
        assert control.texts[node][0].text == label
    assert control.labels != graph.labels


def test_reading_starts_without_torch_and_other_heavy_libraries(tmp_path: Path) -> None:
    path = tmp_path / "x.ttl"
    path.write_text("@prefix : <http://a/> . :x :p :y .")
    heavy = "torch scipy rdflib networkx owlready2 pandas matplotlib sklearn pydantic lightning_fabric"
    code = (
        "import sys, kgzsl\n"
        f"graph = kgzsl.ClassGraph.read({str(path)!r})\n"
        "graph.labels, graph.align(['x'])\n"
        f"print([name for name in {heavy.split()!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_disjointness_is_no_similarity() -> None:
    graph = ClassGraph.from_triples(
        [("a", "disjointWith", "b"), ("a", OWL + "propertyDisjointWith", "b"), ("a", "is", "b")]
    )
    assert graph.similarity_edges().tolist() == [False, False, True]
