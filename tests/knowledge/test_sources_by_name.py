"""One way in: sources with a reader of their own are read by ``ClassGraph.read``, with the options of that reader."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from pathlib import Path

import pytest

from kgzsl import ClassGraph, InputError
from kgzsl.knowledge.sources import fill_store

from .helpers import edges
from .sources.conftest import write_wordnet
from .test_readers import zstd

SQUEEZE = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd}
WIKIDATA = """\
<http://www.wikidata.org/entity/Q144> <http://www.wikidata.org/prop/direct/P279> <http://www.wikidata.org/entity/Q55> .
<http://www.wikidata.org/entity/Q55> <http://www.wikidata.org/prop/direct/P279> <http://www.wikidata.org/entity/Q77> .
"""


def test_wordnet_of_another_version_through_read(tmp_path: Path) -> None:
    old, new = write_wordnet(tmp_path / "dict30"), write_wordnet(tmp_path / "dict31", "3.1", shift=1000)
    with pytest.raises(InputError, match="reference="):
        ClassGraph.read(new)
    assert edges(ClassGraph.read(new, reference=old)) == edges(ClassGraph.read(old))


def test_a_compressed_wordnet_below_its_folder(tmp_path: Path) -> None:
    whole = edges(ClassGraph.read(write_wordnet(tmp_path / "plain")))
    folder = write_wordnet(tmp_path / "wordnet" / "dict")
    for name in ("data.noun", "index.noun"):
        (folder / f"{name}.bz2").write_bytes(bz2.compress((folder / name).read_bytes()))
        (folder / name).unlink()
    assert edges(ClassGraph.read(tmp_path / "wordnet")) == whole


def test_conceptnet_in_another_language(tmp_path: Path) -> None:
    rows = [("cat", "animal", "en"), ("chat", "animal", "fr")]
    path = tmp_path / "conceptnet-assertions-5.7.0.csv"
    lines = [f"/a\t/r/IsA\t/c/{tag}/{a}\t/c/{tag}/{b}\t{json.dumps({'weight': 1.0})}\n" for a, b, tag in rows]
    path.write_text("".join(lines))
    assert edges(ClassGraph.read(path)) == {("cat", "subClassOf", "animal")}
    assert edges(ClassGraph.read(path, languages=("fr",))) == {("chat", "subClassOf", "animal")}


@pytest.mark.parametrize("name", ["latest-truthy.nt", "part.nt"])
def test_a_part_of_a_wikidata_dump(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(WIKIDATA)
    found = "wikidata" if name == "part.nt" else None
    graph = ClassGraph.read(path, found, classes=["Q144"], hops=1)
    assert edges(graph) == {("Q144", "subClassOf", "Q55")}
    with pytest.raises(InputError, match="wikidata needs classes"):
        ClassGraph.read(path, found)


def test_options_that_a_source_does_not_take_are_refused(tmp_path: Path) -> None:
    folder = write_wordnet(tmp_path / "dict")
    path = tmp_path / "a.tsv"
    path.write_text("a\tr\tb\n")
    saved = tmp_path / "a.graph"
    ClassGraph.read(path).save(saved)
    with pytest.raises(InputError, match=r"no option 'refrence'.*did you mean 'reference'"):
        ClassGraph.read(folder, refrence=folder)
    with pytest.raises(InputError, match=r"no option 'columns'.*reader of wordnet takes reference"):
        ClassGraph.read(folder, columns=("subject", "object"), relation="r")
    with pytest.raises(InputError, match=r"no option 'colums'.*did you mean 'columns'"):
        ClassGraph.read(path, colums=("subject", "relation", "object"))
    with pytest.raises(InputError, match=r"no option 'header'.*saved class graph"):
        ClassGraph.read(saved, header=True)


def test_budgets_reach_every_reader(tmp_path: Path) -> None:
    path = tmp_path / "a.nt"
    chain = [f"<urn:c{i}> <http://www.w3.org/2000/01/rdf-schema#subClassOf> <urn:c{i + 1}> ." for i in range(9)]
    path.write_text("\n".join(chain))
    fill_store(path, tmp_path / "store")
    assert ClassGraph.read(f"store:{tmp_path / 'store'}", reasoning="rdfs").num_edges == 45
    for source in (path, f"store:{tmp_path / 'store'}", write_wordnet(tmp_path / "dict")):
        with pytest.raises(InputError, match="adds more than 1 triples"):
            ClassGraph.read(source, reasoning="rdfs", max_added=1)
    with pytest.raises(InputError, match="budget of 100 bytes"):
        ClassGraph.read(tmp_path / "dict", max_bytes=100)


def test_a_web_address_is_no_file() -> None:
    with pytest.raises(InputError, match=r"https://example\.org/a\.ttl: a web address is not read.*from_sparql"):
        ClassGraph.read("https://example.org/a.ttl")


def test_a_table_of_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"tail": ["animal", "fur"], "head": ["cat", "cat"], "relation": ["subClassOf", "has"]})
    graph = ClassGraph.read(table)
    assert edges(graph) == {("cat", "subClassOf", "animal"), ("cat", "has", "fur")}
    assert graph.account.balanced
    unnamed = pandas.DataFrame([["cat", "has", "fur", 0.25]])
    weighted = ClassGraph.read(unnamed)
    assert edges(weighted) == {("cat", "has", "fur")}
    assert weighted.edge_weight is not None
    assert weighted.edge_weight.tolist() == [0.25]
    with pytest.raises(InputError, match=r"row 2: a name is empty: 'dog | has | '"):
        ClassGraph.read(pandas.DataFrame([["cat", "has", "fur"], ["dog", "has", None]]))
    with pytest.raises(InputError, match="the table is empty"):
        ClassGraph.read(pandas.DataFrame({"head": [], "relation": [], "tail": []}))


def test_head_tail_relation_is_not_taken_for_head_relation_tail(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("".join(f"e{i}\te{i + 1}\tr{i % 2}\n" for i in range(40)))
    with pytest.raises(InputError, match=r"the middle column holds nodes.*2 relations such as 'r0'"):
        ClassGraph.read(path)
    graph = ClassGraph.read(path, columns=("subject", "object", "relation"))
    assert graph.relations == ("r0", "r1")
    assert ClassGraph.read(path, columns=("subject", "relation", "object")).num_edges == 40
    # Many attributes with few values are no nodes.
    path.write_text("".join(f"cat{i}\thas{i}\tyes\n" for i in range(40)))
    assert len(ClassGraph.read(path).relations) == 40


def test_empty_names_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("a\tr\tb\na\t\tb\n")
    with pytest.raises(InputError, match="line 2: a name is empty"):
        ClassGraph.read(path)
    path.write_text("a\tr\tb\na\trdfs:label\t\n\t\t\n")
    assert ClassGraph.read(path).num_edges == 1


OFN = "Ontology(<urn:o> SubClassOf(<urn:Cat> <urn:Animal>))"
OWX = (
    '<Ontology xmlns="http://www.w3.org/2002/07/owl#" ontologyIRI="urn:o"><SubClassOf><Class IRI="urn:Cat"/>'
    '<Class IRI="urn:Animal"/></SubClassOf></Ontology>'
)
FILES = {
    "a.ofn": OFN,
    "a.owx": OWX,
    "a.omn": "Ontology: <urn:o>\nClass: <urn:Animal>\nClass: <urn:Cat>\n    SubClassOf: <urn:Animal>\n",
    "a.obo": "format-version: 1.4\nontology: o\n\n[Term]\nid: X:Cat\nis_a: X:Animal\n\n[Term]\nid: X:Animal\n",
    "a.json": '{"graphs": [{"nodes": [{"id": "urn:Cat"}, {"id": "urn:Animal"}],'
    ' "edges": [{"sub": "urn:Cat", "pred": "is_a", "obj": "urn:Animal"}]}]}',
    "a.tsv": "Cat\tsubClassOf\tAnimal\n",
    "a.csv": "subject,relation,object\nCat,subClassOf,Animal\n",
    "conceptnet-assertions-5.7.0.csv": '/a\t/r/IsA\t/c/en/Cat\t/c/en/Animal\t{"weight": 1.0}\n',
    "latest-truthy.nt": WIKIDATA,
    "train2id.txt": "1\n0 1 0\n",
}


@pytest.mark.parametrize("compression", [".gz", ".bz2", ".xz", ".zst"])
@pytest.mark.parametrize("name", FILES)
def test_every_format_may_be_compressed(name: str, compression: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}{compression}"
    path.write_bytes(SQUEEZE[compression](FILES[name].encode()))
    source, options = path, {}
    if name == "train2id.txt":
        for table, names in (("entity2id", ("Cat", "Animal")), ("relation2id", ("subClassOf",))):
            lines = "".join(f"{word}\t{i}\n" for i, word in enumerate(names))
            file = tmp_path / f"{table}.txt{compression}"
            file.write_bytes(SQUEEZE[compression](f"{len(names)}\n{lines}".encode()))
        source = tmp_path
    if name == "latest-truthy.nt":
        options = {"classes": ["Q144"], "hops": 1}
    found = {edge[1] for edge in edges(ClassGraph.read(source, **options))}
    assert found == {"subClassOf"}
