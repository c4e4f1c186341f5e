"""Embedded Oxigraph stores: filled in bulk, opened read-only, the same graph as the file's."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pyoxigraph
import pytest

from kgzsl import ClassGraph
from kgzsl.errors import InputError
from kgzsl.knowledge.sources import fill_store, read_store

from ..conftest import PREFIXES
from ..helpers import edges

ZOO = (
    PREFIXES
    + """
:Cat rdfs:subClassOf :Animal, [ a owl:Restriction ; owl:onProperty :has ; owl:someValuesFrom :Fur ] ;
    rdfs:label "cat"@en .
:Dog rdfs:subClassOf :Animal ; owl:disjointWith :Cat .
"""
)


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    path = tmp_path / "zoo.ttl"
    path.write_text(ZOO)
    return path


def test_store_and_file_are_the_same_graph(tmp_path: Path, zoo: Path) -> None:
    store = tmp_path / "store"
    count = fill_store(zoo, store)
    graph, expected = ClassGraph.read(f"store:{store}"), ClassGraph.read(zoo)
    assert count == expected.provenance["counts"]["triples"]
    assert edges(graph) == edges(expected)
    assert {graph.iris[n]: t for n, t in graph.texts.items()} == {
        expected.iris[n]: t for n, t in expected.texts.items()
    }
    assert graph.account.balanced
    assert graph.provenance["source"] == "store:store"
    # Opening again, twice at once, gives the very same.
    again = ClassGraph.read(f"store:{store}", projection="owl2vec")
    assert again.iris == graph.iris
    assert edges(ClassGraph.read(f"store:{store}", projection="taxonomy")) == {
        ("Cat", "subClassOf", "Animal"),
        ("Dog", "subClassOf", "Animal"),
    }


def test_reading_leaves_the_store_as_it_was(tmp_path: Path, zoo: Path) -> None:
    store = tmp_path / "store"
    fill_store(zoo, store)
    before = {file.name: (file.stat().st_size, file.stat().st_mtime_ns) for file in store.iterdir()}
    ClassGraph.read(f"store:{store}")
    assert {file.name: (file.stat().st_size, file.stat().st_mtime_ns) for file in store.iterdir()} == before


def test_several_files_compressed_and_in_named_graphs(tmp_path: Path, zoo: Path) -> None:
    packed = tmp_path / "more.nq.gz"
    packed.write_bytes(
        gzip.compress(
            " ".join(f"<http://example.org/{name}>" for name in ("Hen", "eats", "Corn", "farm")).encode() + b" .\n"
        )
    )
    store = tmp_path / "store"
    fill_store([zoo, packed], store)
    assert ("Hen", "eats", "Corn") in edges(ClassGraph.read(f"store:{store}"))
    assert edges(read_store(f"store:{store}", named_graph="http://example.org/farm")) == {("Hen", "eats", "Corn")}
    with pytest.raises(InputError, match=r"has no graph http://example\.org/barn"):
        read_store(store, named_graph="http://example.org/barn")
    with pytest.raises(InputError, match="is no IRI"):
        read_store(store, named_graph="a barn")


def test_a_store_that_another_program_filled(tmp_path: Path) -> None:
    store = pyoxigraph.Store(str(tmp_path / "theirs"))
    node = pyoxigraph.NamedNode
    store.add(pyoxigraph.Quad(node("http://e.org/a"), node("http://e.org/r"), node("http://e.org/b")))
    store.flush()
    del store
    assert edges(ClassGraph.read(f"store:{tmp_path / 'theirs'}")) == {("a", "r", "b")}


def test_a_bad_file_leaves_no_store(tmp_path: Path, zoo: Path) -> None:
    bad = tmp_path / "bad.ttl"
    bad.write_text(ZOO + ":broken :triple")
    store = tmp_path / "store"
    with pytest.raises(InputError, match=r"bad\.ttl: not turtle"):
        fill_store([zoo, bad], store)
    assert not store.exists()
    (tmp_path / "t.tsv").write_text("a\tr\tb\n")
    with pytest.raises(InputError, match="a store holds RDF"):
        fill_store(tmp_path / "t.tsv", store)
    fill_store(zoo, store)
    with pytest.raises(InputError, match="not empty"):
        fill_store(zoo, store)


def test_entities_are_refused_here_too(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.rdf"
    bomb.write_text(
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>'
    )
    with pytest.raises(InputError):
        fill_store(bomb, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_no_store_and_a_damaged_one(tmp_path: Path, zoo: Path) -> None:
    with pytest.raises(InputError, match="there is no Oxigraph store here"):
        ClassGraph.read(f"store:{tmp_path}")
    store = tmp_path / "store"
    fill_store(zoo, store)
    for file in store.iterdir():
        if file.name.startswith("MANIFEST"):
            os.truncate(file, 3)
    with pytest.raises(InputError, match="cannot be opened"):
        ClassGraph.read(f"store:{store}")
    (tmp_path / "nothing.ttl").write_text("# nothing\n")
    fill_store(tmp_path / "nothing.ttl", tmp_path / "empty")
    with pytest.raises(InputError, match="the store is empty"):
        ClassGraph.read(f"store:{tmp_path / 'empty'}")
