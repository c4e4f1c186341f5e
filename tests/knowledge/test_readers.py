"""Formats, tables, folders and Python graphs: the same knowledge, however it is written."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import networkx
import pytest
import rdflib
from hypothesis import given, settings
from hypothesis import strategies as st

from kgzsl import ClassGraph, InputError
from kgzsl.knowledge.readers import ReadOptions, read_triples
from kgzsl.knowledge.triples import TripleBuilder, literal_key, split_literal

from .helpers import edges

TURTLE = """@prefix ex: <http://example.org/> . @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
ex:Cat rdfs:subClassOf ex:Animal ; rdfs:label "cat"@en , "chat"@fr ; ex:eats ex:Mouse ; ex:legs 4 .
ex:Mouse rdfs:subClassOf ex:Animal ; rdfs:comment "A \\"small\\" one\\n" .
"""
EXPECTED = {
    ("Cat", "subClassOf", "Animal"),
    ("Cat", "eats", "Mouse"),
    ("Cat", "legs", "legs"),
    ("Mouse", "subClassOf", "Animal"),
}


def zstd(content: bytes) -> bytes:
    pyarrow = pytest.importorskip("pyarrow")
    return pyarrow.Codec("zstd").compress(content, asbytes=True)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("suffix", "name"),
    [("ttl", "turtle"), ("nt", "nt"), ("nq", "nquads"), ("trig", "trig"), ("rdf", "xml"), ("jsonld", "json-ld")],
)
@pytest.mark.parametrize("compression", ["", ".gz", ".bz2", ".xz", ".zst"])
def test_formats_and_compressions_agree(suffix: str, name: str, compression: str, tmp_path: Path) -> None:
    dataset = rdflib.Dataset(default_union=True)
    dataset.default_graph.parse(data=TURTLE, format="turtle")
    source = dataset if name in ("nquads", "trig") else dataset.default_graph
    content = source.serialize(format=name, encoding="utf-8")
    squeeze = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd}[compression]
    path = tmp_path / f"graph.{suffix}{compression}"
    path.write_bytes(squeeze(content))
    graph = ClassGraph.read(path)
    assert edges(graph) == EXPECTED
    cat, mouse = graph.node("http://example.org/Cat"), graph.node("http://example.org/Mouse")
    assert {(t.text, t.language) for t in graph.texts[cat]} == {("cat", "en"), ("chat", "fr")}
    assert [t.text for t in graph.texts[mouse]] == ['A "small" one\n']
    assert graph.account.balanced
    assert graph.provenance["source"] == path.name


def test_named_graphs_are_merged(tmp_path: Path) -> None:
    path = tmp_path / "two.trig"
    path.write_text("@prefix : <http://a/> . :g { :x :p :y } :h { :x :p :y . :y :p :z }")
    graph = ClassGraph.read(path)
    assert edges(graph) == {("x", "p", "y"), ("y", "p", "z")}
    assert graph.account.duplicates == 1


def test_several_files_make_one_graph_and_keep_their_blank_nodes_apart(tmp_path: Path) -> None:
    one, two = tmp_path / "one.nt", tmp_path / "two.nt"
    one.write_text("_:x <http://a/p> <http://a/one> .\n")
    two.write_text("_:x <http://a/p> <http://a/two> .\n")
    graph = ClassGraph.read([one, two], projection="w3c")
    assert sorted(iri for iri in graph.iris if iri.startswith("_:")) == ["_:b0", "_:b1"]
    assert graph.provenance["source"] == ["one.nt", "two.nt"]


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("ex:Cat\trdfs:subClassOf\tex:Animal\n", {}),
        ("Subject\tRelation\tObject\nex:Cat\trdfs:subClassOf\tex:Animal\n", {}),
        ("Subject\tMeta-Relation\tObject\r\nex:Cat\trdfs:subClassOf\tex:Animal\r\n", {}),
        ("head,relation,tail\nex:Cat,subClassOf,ex:Animal\n", {}),
        ("ex:Cat;subClassOf;ex:Animal\n", {}),
        ("object,predicate,subject\nex:Animal,rdfs:subClassOf,ex:Cat\n", {}),
        ("ex:Animal ex:Cat\n", {"columns": ("object", "subject"), "relation": "rdfs:subClassOf"}),
        (
            "x\ty\tz\nex:Cat\trdfs:subClassOf\tex:Animal\n",
            {"header": True, "columns": ("subject", "relation", "object")},
        ),
        (
            "<http://example.org/Cat>\t<http://www.w3.org/2000/01/rdf-schema#subClassOf>\thttp://example.org/Animal\n",
            {},
        ),
        ("\ufeffex:Cat\trdfs:subClassOf\tex:Animal\n\n", {}),
    ],
)
def test_tables(content: str, options: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "graph.txt"
    path.write_text(content, encoding="utf-8")
    graph = ClassGraph.read(path, prefixes={"ex": "http://example.org/"}, **options)  # type: ignore[arg-type]
    assert set(graph.iris) == {"http://example.org/Cat", "http://example.org/Animal"}
    assert edges(graph) == {("Cat", "subClassOf", "Animal")}


def test_header_can_be_denied(tmp_path: Path) -> None:
    path = tmp_path / "graph.tsv"
    path.write_text("subject\trelation\tobject\n")
    assert edges(ClassGraph.read(path, header=False)) == {("subject", "relation", "object")}
    with pytest.raises(InputError, match="no triple"):
        ClassGraph.read(path)


def test_quotation_marks_in_tables(tmp_path: Path) -> None:
    path = tmp_path / "graph.tsv"
    path.write_text(
        'a\trdfs:comment\t"He said ""yes"""\n'
        'b\trdfs:comment\t"Weird Al" Yankovic\nc\trdfs:label\t"chat"@fr\nd\trdfs:label\t5" pipe\n'
    )
    graph = ClassGraph.read(path)
    texts = {graph.iris[node]: graph.texts[node][0] for node in graph.texts}
    assert texts["a"].text == 'He said "yes"'
    assert texts["b"].text == '"Weird Al" Yankovic'
    assert (texts["c"].text, texts["c"].language) == ("chat", "fr")
    assert texts["d"].text == '5" pipe'


def test_weights_in_a_fourth_column(tmp_path: Path) -> None:
    path = tmp_path / "graph.tsv"
    path.write_text("cat\thas\tfur\t0.25\ncat\thas\ttail\t1.0\n")
    graph = ClassGraph.read(path)
    assert graph.edge_weight is not None
    fur = graph.node("fur")
    assert graph.edge_weight[graph.edge_index[1] == fur].tolist() == [0.25]
    assert graph.account.balanced


@pytest.mark.parametrize("order", ["id first", "name first", "openke"])
def test_folder_with_dictionaries(order: str, tmp_path: Path) -> None:
    if order == "openke":
        (tmp_path / "entity2id.txt").write_text("2\ncat\t0\nanimal\t1\n")
        (tmp_path / "relation2id.txt").write_text("1\nsubClassOf\t0\n")
        (tmp_path / "train2id.txt").write_text("1\n0 1 0\n")  # head, tail, relation
    else:
        lines = ["0\tcat", "1\tanimal"] if order == "id first" else ["cat\t0", "animal\t1"]
        (tmp_path / "entities.dict").write_text("\n".join(lines) + "\n")
        (tmp_path / "relations.dict").write_text("0\tsubClassOf\n" if order == "id first" else "subClassOf\t0\n")
        (tmp_path / "triples.txt").write_text("0\t0\t1\n")
    graph = ClassGraph.read(tmp_path)
    assert edges(graph) == {("cat", "subClassOf", "animal")}
    assert graph.iris == ("cat", "animal")


def test_folder_numbers_entities_as_its_dictionary_does(tmp_path: Path) -> None:
    (tmp_path / "entities.dict").write_text("0\tanimal\n1\tcat\n")
    (tmp_path / "relations.dict").write_text("0\tsubClassOf\n")
    (tmp_path / "all_triples.txt").write_text("cat\tsubClassOf\tanimal\n")
    assert ClassGraph.read(tmp_path).iris == ("animal", "cat")


def test_folder_with_a_number_that_has_no_name(tmp_path: Path) -> None:
    (tmp_path / "entities.dict").write_text("0\tcat\n")
    (tmp_path / "relations.dict").write_text("0\tis\n")
    (tmp_path / "triples.txt").write_text("0\t0\t7\n")
    with pytest.raises(InputError, match=r"triples\.txt, line 1: no entity has the number '7'"):
        ClassGraph.read(tmp_path)


def test_rdflib_graph() -> None:
    source = rdflib.Graph().parse(data=TURTLE, format="turtle")
    graph = ClassGraph.from_rdflib(source)
    assert edges(graph) == EXPECTED
    assert graph.provenance["prefixes"]["ex"] == "http://example.org/"


def test_networkx_graph() -> None:
    source = networkx.MultiDiGraph()
    source.add_node("cat", label="Cat", description="It purrs.")
    source.add_edge("cat", "animal", relation="subClassOf")
    source.add_edge("cat", "fur", key="has", weight=0.5)
    graph = ClassGraph.from_networkx(source)
    assert edges(graph) == {("cat", "subClassOf", "animal"), ("cat", "has", "fur")}
    assert graph.labels[graph.node("cat")] == "Cat"
    assert graph.edge_weight is not None
    assert sorted(graph.edge_weight.tolist()) == [0.5, 1.0]


def test_from_triples() -> None:
    graph = ClassGraph.from_triples(
        [("cat", "subClassOf", "animal"), ("cat", "has", "fur"), ("cat", "has", "fur")],
        labels={"cat": "The cat"},
        texts={"animal": ["It lives."], "stone": [("definition", "It does not.")]},
        weights=[1, 0.5, 0.5],
    )
    assert edges(graph) == {("cat", "subClassOf", "animal"), ("cat", "has", "fur")}
    assert graph.iris == ("cat", "animal", "fur", "stone")
    assert graph.labels == ("The cat", "animal", "fur", "stone")
    assert graph.node_text(graph.node("stone")) == "stone. It does not"
    assert graph.edge_weight is not None
    assert graph.edge_weight.tolist() == [1.0, 0.5]
    assert graph.account.balanced


def test_round_trip_through_rdflib_and_networkx(turtle: Callable[..., ClassGraph]) -> None:
    graph = turtle(":A rdfs:subClassOf :B ; rdfs:label 'a'@en ; :fur 0.5 . :B owl:disjointWith :C .")
    back = ClassGraph.from_rdflib(graph.to_rdflib())
    assert edges(back) == edges(graph)
    assert back.labels[back.node("http://example.org/A")] == "a"
    assert back.edge_weight is not None
    assert sorted(back.edge_weight.tolist()) == [0.5, 1.0, 1.0]
    exported = graph.to_networkx()
    assert {(u, v) for u, v, d in exported.edges(data=True) if d["negative"]} == {
        ("http://example.org/B", "http://example.org/C")
    }


def test_export_to_pyg(turtle: Callable[..., ClassGraph]) -> None:
    pytest.importorskip("torch_geometric")
    graph = turtle(":A rdfs:subClassOf :B . :B owl:disjointWith :C .")
    data = graph.to_pyg()
    assert data.edge_index.tolist() == graph.edge_index.tolist()
    assert data.num_nodes == 3
    assert data.similarity.tolist() == graph.similarity_edges().tolist()


def test_progress_reaches_the_size_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "graph.nt"
    path.write_text("<http://a/x> <http://a/p> <http://a/y> .\n" * 1000)
    seen: list[tuple[int, int | None]] = []
    ClassGraph.read(path, progress=lambda done, size: seen.append((done, size)))
    assert seen[-1] == (path.stat().st_size, path.stat().st_size)


TERMS = st.sampled_from(["http://a/x", "http://a/y", "_:b", "http://a/p"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TERMS, st.sampled_from(["http://a/p", "http://a/q"]), TERMS | st.text(max_size=5))))
def test_builder_numbers_terms_exactly(rows: list[tuple[str, str, str]]) -> None:
    builder = TripleBuilder()

    def code(term: str) -> int:
        if term == "_:b":
            return builder.blank("b")
        return (
            builder.iri(term)
            if term in ("http://a/x", "http://a/y", "http://a/p", "http://a/q")
            else builder.literal(term)
        )

    for s, p, o in rows:
        builder.add(code(s), code(p), code(o))
    triples = builder.build()

    def back(i: int) -> str:
        key = triples.terms[i]
        return "_:b" if key == "_:b0" else split_literal(key)[0] if i >= triples.first_literal else key

    found = [
        (back(s), back(p), back(o))
        for s, p, o in zip(
            triples.subjects.tolist(), triples.predicates.tolist(), triples.objects.tolist(), strict=True
        )
    ]
    assert found == list(dict.fromkeys(rows))
    assert triples.duplicates == len(rows) - len(found)
    again = triples.to_builder().build()
    assert again.terms == triples.terms
    assert again.objects.tolist() == triples.objects.tolist()


@given(st.text(), st.sampled_from([None, "en", "de-AT"]), st.sampled_from([None, "http://a/type"]))
def test_literal_keys_are_unambiguous(text: str, language: str | None, datatype: str | None) -> None:
    expected = (text, language, None if language else datatype)
    assert split_literal(literal_key(text, language, datatype)) == expected


SUFFIXES = ("ttl", "nt", "trig", "rdf", "jsonld", "tsv", "csv", "txt", "ofn", "owx", "omn", "obo", "json")


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=200), suffix=st.sampled_from(SUFFIXES))
def test_any_bytes_give_triples_or_an_input_error(
    content: bytes, suffix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("any") / f"graph.{suffix}"
    path.write_bytes(content)
    try:
        read_triples(path, None, ReadOptions())
    except InputError as error:
        assert str(path) in str(error)  # noqa: PT017


@pytest.mark.parametrize("sizes", [[40], [4, 40, 4], [4] * 12, [40, 4, 4, 4, 40, 4, 4, 4, 4], [0, 33, 0, 3]])
@pytest.mark.parametrize("loose", [0, 2])
def test_blocks_of_any_size_keep_all_triples_in_order(
    sizes: list[int], loose: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kgzsl.knowledge.triples._LARGE", 30)
    builder = TripleBuilder()
    expected = []
    for size in sizes:
        rows = [(f"s{len(expected) + i}", "p", f"o{len(expected) + i}") for i in range(size + loose)]
        codes = [builder.iri(name) for row in rows for name in row]
        builder.extend(iter(codes[: 3 * size]))
        for at in range(3 * size, len(codes), 3):
            builder.add(*codes[at : at + 3])
        expected += rows
    built = builder.build()
    columns = (built.subjects.tolist(), built.predicates.tolist(), built.objects.tolist())
    assert [tuple(built.terms[i] for i in row) for row in zip(*columns, strict=True)] == expected


@pytest.mark.parametrize("suffix", ["ttl", "nq"])
def test_a_file_of_more_than_one_block(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kgzsl.knowledge.triples._LARGE", 300)
    path = tmp_path / f"large.{suffix}"
    path.write_text("".join(f"<urn:a{i % 7}> <urn:p> <urn:b{i}> .\n" for i in range(500)))
    assert ClassGraph.read(path).num_edges == 500


@pytest.mark.parametrize("suffix", ["ttl", "nt", "nq", "trig", "n3", "txt"])
@pytest.mark.parametrize("lenient", [False, True])
def test_a_byte_order_mark_is_passed_over(suffix: str, lenient: bool, tmp_path: Path) -> None:
    path = tmp_path / f"marked.{suffix}"
    prefix = "" if suffix in ("nt", "nq") else "@prefix : <urn:> .\n"
    path.write_text(f"{prefix}<urn:a> <urn:p> <urn:b> .\n", encoding="utf-8-sig")
    assert ClassGraph.read(path, lenient=lenient).num_edges == 1
