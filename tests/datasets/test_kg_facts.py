"""Your own facts, with the relations that are to be unseen: read as they are, and packed as a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kgzsl import datasets
from kgzsl.datasets import KGSplit
from kgzsl.datasets.kg_facts import read_unsplit
from kgzsl.datasets.kg_relations import relation_names
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph

from .conftest import write_lines

LINES = ["rome\tcapitalOf\titaly", "rome\tliesIn\titaly", "oslo\tcapitalOf\tnorway", "oslo\tmayor\tanna"]
TURTLE = """\
@prefix : <http://x/#> . @prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
:capitalOf a owl:ObjectProperty ; rdfs:subPropertyOf :liesIn ; rdfs:label "capital of" .
:rome a :City ; :capitalOf :italy ; :liesIn :italy ; :name "Rome" .
:oslo :capitalOf :norway ; :mayor :anna .
"""


def facts(folder: Path, kind: str) -> Path:
    return write_lines(folder / "world.ttl", TURTLE) if kind == "ttl" else write_lines(folder / "world.tsv", *LINES)


def named(kg: KGSplit, triples: Any) -> set[tuple[str, ...]]:
    return {
        tuple(name.rpartition("#")[2] for name in (kg.entities[h], kg.relations[r], kg.entities[t]))
        for h, r, t in triples.tolist()
    }


@pytest.mark.parametrize("kind", ["tsv", "ttl"])
def test_facts_of_unseen_relations_are_asked_for(tmp_path: Path, kind: str) -> None:
    kg = datasets.load(facts(tmp_path, kind), unseen_relations=["capitalOf"], valid_relations=["mayor"])
    assert isinstance(kg, KGSplit)
    assert kg.name == "world"
    assert named(kg, kg.train) == {("rome", "liesIn", "italy")}
    assert named(kg, kg.valid) == {("oslo", "mayor", "anna")}
    assert named(kg, kg.test) == {("rome", "capitalOf", "italy"), ("oslo", "capitalOf", "norway")}
    assert "1 of 2 test triples use 2 entities that are in no training triple" in "\n".join(kg.notes)


@pytest.mark.parametrize("kind", ["tsv", "ttl"])
def test_a_fact_that_comes_twice_counts_once(tmp_path: Path, kind: str) -> None:
    once = datasets.load(facts(tmp_path, kind), unseen_relations=["capitalOf"])
    file = facts(tmp_path, kind)
    again = LINES[:2] if kind == "tsv" else [":rome :capitalOf :italy ; :liesIn :italy ."]
    write_lines(file, file.read_text(), *again)
    twice = datasets.load(file, unseen_relations=["capitalOf"])
    for part in ("train", "test"):
        assert getattr(twice, part).tolist() == getattr(once, part).tolist()
    assert any("facts are repetitions; each counts once" in note for note in twice.notes)


def test_names_come_as_a_list_as_text_or_in_a_file(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "unseen.txt", "# held out", "capitalOf", "", "mayor", "#local")
    assert relation_names(str(file)) == ["capitalOf", "mayor", "#local"]
    assert relation_names(" capitalOf, mayor,") == relation_names(["capitalOf", "mayor", "mayor"])
    for source in ("capitalOf,mayor", ["mayor", "capitalOf"]):
        kg = read_unsplit(facts(tmp_path, "tsv"), source)
        assert sorted(kg.names_of(kg.unseen_relations)) == ["capitalOf", "mayor"]
    with pytest.raises(InputError, match="' ,' names no relation"):
        relation_names(" ,")
    with pytest.raises(InputError, match=r"empty\.txt' names no relation"):
        relation_names(str(write_lines(tmp_path / "empty.txt", "")))


@pytest.mark.parametrize("kind", ["tsv", "ttl"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unseen_relations": ["capitolOf"]}, "no fact of this file uses the relation 'capitolOf'; did you mean"),
        ({"unseen_relations": ["capitalOf", "liesIn", "mayor"]}, "all 3 relations would be held out, and none is left"),
        ({"unseen_relations": ["capitalOf", "liesIn"], "valid_relations": ["mayor"]}, "all 3 relations would be held"),
        ({"unseen_relations": ["mayor"], "valid_relations": ["mayor"]}, "mayor' is to be unseen and for validation"),
        ({"unseen_relations": []}, "facts do not say which relations are unseen; name them"),
        ({}, "facts do not say which relations are unseen"),
        ({"unseen_relation": ["mayor"]}, "no option 'unseen_relation'; did you mean 'unseen_relations'"),
    ],
)
def test_what_cannot_be_held_out_is_refused(
    tmp_path: Path, kind: str, options: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        datasets.load(facts(tmp_path, kind), **options)


def test_files_that_are_no_facts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.tsv: there is no such file or folder"):
        read_unsplit(tmp_path / "none.tsv", ["r"])
    with pytest.raises(InputError, match=r"empty\.tsv: there is no fact in it"):
        read_unsplit(write_lines(tmp_path / "empty.tsv", "head\trelation\ttail"), ["r"])
    with pytest.raises(InputError, match="no option 'unseen_relation'"):
        datasets.load(ready_split(tmp_path), unseen_relation=["r"])


@pytest.mark.parametrize(
    "name", ["urn:m:r1", "tag:x.org,2020:r1", "http://x/#r1", "http://x/r1", "http://x/C:r1", "/m/r1"]
)
def test_local_names_are_those_that_complete_takes(tmp_path: Path, name: str) -> None:
    file = write_lines(tmp_path / "a.tsv", f"a\t{name}\tb", "a\tw:r\tb")
    kg = read_unsplit(file, ["r1"])
    assert kg.names_of(kg.unseen_relations) == [name]
    if name == "http://x/C:r1":
        assert len(read_unsplit(file, ["C:r1"]).test) == 1
    for short in ("r", "1", ""):  # a name that is no IRI has no local name, and an end of one is none
        with pytest.raises(InputError, match=r"no fact of this file uses the relation|has no name"):
            read_unsplit(file, [short])


def ready_split(folder: Path, **more: list[str]) -> Path:
    parts = {"train": LINES[:2], "test": LINES[2:], **more}
    for name, lines in parts.items():
        write_lines(folder / "ready" / f"{name}.txt", *lines)
    return folder / "ready"


@pytest.mark.parametrize("kind", ["tsv", "ttl"])
def test_a_packed_folder_gives_back_the_split(tmp_path: Path, kind: str) -> None:
    kg = datasets.pack_triples(facts(tmp_path, kind), tmp_path / "packed", "capitalOf", valid_relations=["mayor"])
    back = datasets.load(tmp_path / "packed")
    assert isinstance(back, KGSplit)
    assert (back.entities, back.relations, back.notes, back.name) == (kg.entities, kg.relations, kg.notes, "packed")
    for part in ("train", "valid", "test", "seen_relations", "unseen_relations", "valid_relations"):
        assert getattr(back, part).tolist() == getattr(kg, part).tolist()
    # Other programs read its tables, too.
    assert (tmp_path / "packed" / "test.tsv").read_text().splitlines()[0] == "head\trelation\ttail"
    with pytest.raises(InputError, match="packed"):
        datasets.pack_triples(facts(tmp_path, kind), tmp_path / "packed", "capitalOf")
    datasets.pack_triples(facts(tmp_path, kind), tmp_path / "packed", "mayor", replace=True)
    assert len(datasets.load(tmp_path / "packed").test) == 1  # type: ignore[union-attr]


def test_the_schema_of_an_rdf_file_is_packed_without_the_facts_that_are_asked_for(tmp_path: Path) -> None:
    datasets.pack_triples(facts(tmp_path, "ttl"), tmp_path / "packed", ["capitalOf"])
    back = datasets.load(tmp_path / "packed")
    schema = ClassGraph.read(str(back.graph_source))
    assert "http://x/#capitalOf" in schema.iris
    assert "http://x/#capitalOf" not in schema.relations
    assert "http://x/#liesIn" in schema.relations
    assert schema.texts.get(schema.iris.index("http://x/#capitalOf"))


def test_a_schema_of_its_own_is_copied(tmp_path: Path) -> None:
    schema = write_lines(tmp_path / "schema.owl.ttl", TURTLE)
    datasets.pack_triples(facts(tmp_path, "tsv"), tmp_path / "packed", ["capitalOf"], graph=schema)
    source = datasets.load(tmp_path / "packed").graph_source
    assert source is not None
    assert Path(source).read_text() == schema.read_text()
    with pytest.raises(InputError, match="there is no such ontology"):
        datasets.pack_triples(facts(tmp_path, "tsv"), tmp_path / "more", ["capitalOf"], graph=tmp_path / "no.ttl")
    assert not (tmp_path / "more").exists()


def test_a_split_is_dealt_out_anew(tmp_path: Path) -> None:
    kg = datasets.pack_triples(ready_split(tmp_path), tmp_path / "packed", ["liesIn"])
    assert named(kg, kg.test) == {("rome", "liesIn", "italy")}
    assert len(kg.train) == 3
    again = datasets.pack_triples(ready_split(tmp_path, train=[LINES[1]] * 2), tmp_path / "once", ["liesIn"])
    assert (len(again.test), again.relations[int(again.test[0, 1])]) == (1, "liesIn")
    # Read as it is, it is what figures were published about.
    assert len(datasets.load(ready_split(tmp_path, train=[LINES[1]] * 2)).train) == 2  # type: ignore[union-attr]
    with pytest.raises(InputError, match="has a graph that is given at test time"):
        datasets.pack_triples(ready_split(tmp_path, msg=LINES[:1]), tmp_path / "other", ["liesIn"])


def test_damaged_folders_are_refused(tmp_path: Path) -> None:
    datasets.pack_triples(facts(tmp_path, "ttl"), tmp_path / "packed", ["capitalOf"])
    table = tmp_path / "packed" / "dataset.json"
    whole = json.loads(table.read_text())
    for change, message in (
        ({"format": "kgzsl.triples/9"}, r"the format is 'kgzsl\.triples/9', not"),
        ({"graph": "gone.nt"}, r"gone\.nt: there is no such file; copy the whole folder again"),
        ({"unseen_relations": ["x"]}, "no relation is called 'x'"),
    ):
        table.write_text(json.dumps(whole | change))
        with pytest.raises(InputError, match=message):
            datasets.load(tmp_path / "packed")
    table.write_text(json.dumps({key: value for key, value in whole.items() if key != "notes"}))
    with pytest.raises(InputError, match="the entry 'notes' is missing"):
        datasets.load(tmp_path / "packed")


def test_what_a_folder_does_not_hold_is_refused(tmp_path: Path) -> None:
    from kgzsl.datasets.kg_packed import save_triples

    kg = KGSplit.from_names([("a", "r", "b")], test=[("b", "u", "a")], support=[("c", "r", "d")], valid=[])
    with pytest.raises(InputError, match="has a graph given at test time"):
        save_triples(kg, tmp_path / "x")
    kg = KGSplit.from_names([("a", "r", "b")], [], [("b", "u", "a")], candidates={"u": ["a"]})
    with pytest.raises(InputError, match="has candidates, which such a folder does not hold"):
        save_triples(kg, tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("kind", ["tsv", "ttl"])
def test_classes_of_entities_are_read_and_packed(tmp_path: Path, kind: str) -> None:
    source = facts(tmp_path, kind)
    if kind == "tsv":
        write_lines(source, *LINES, "rome\trdf:type\tCity")
    packed = datasets.pack_triples(source, tmp_path / "kg", ["capitalOf"])
    again = datasets.load(tmp_path / "kg")
    assert isinstance(again, KGSplit)
    assert [(entity[-4:], kinds[0][-4:]) for entity, kinds in (packed.types or {}).items()] == [("rome", "City")]
    assert again.types == packed.types
    assert not any("type" in relation for relation in packed.relations)
    assert any("entities have no class" in note for note in packed.notes)


@pytest.mark.parametrize("out", ["again", "packed"])
def test_packed_anew_a_folder_keeps_its_schema_and_its_classes(tmp_path: Path, out: str) -> None:
    source = write_lines(tmp_path / "world.tsv", *LINES, "rome\trdf:type\tCity", "rome\trdf:type\tSeat")
    schema = write_lines(tmp_path / "schema.ttl", TURTLE)
    first = datasets.pack_triples(source, tmp_path / "packed", ["capitalOf"], graph=schema)
    kg = datasets.pack_triples(tmp_path / "packed", tmp_path / out, ["mayor"], replace=True)
    again = datasets.load(tmp_path / out)
    assert isinstance(again, KGSplit)
    assert again.types == kg.types == first.types == {"rome": ("City", "Seat")}
    assert Path(str(again.graph_source)) == tmp_path / out / "schema.ttl"
    assert Path(str(again.graph_source)).read_text() == schema.read_text()
    assert again.names_of(again.unseen_relations) == ["mayor"]
    # A schema that is given takes the place of the old one.
    other = write_lines(tmp_path / "other.nt", "<http://x/a> <http://x/b> <http://x/c> .")
    datasets.pack_triples(tmp_path / out, tmp_path / "other", ["mayor"], graph=other)
    assert "http://x/c" in (tmp_path / "other" / "schema.nt").read_text()


def test_packed_anew_the_schema_of_facts_loses_the_facts_that_are_asked_for_now(tmp_path: Path) -> None:
    datasets.pack_triples(facts(tmp_path, "ttl"), tmp_path / "packed", ["capitalOf"])
    datasets.pack_triples(tmp_path / "packed", tmp_path / "packed", ["mayor"], replace=True)
    back = datasets.load(tmp_path / "packed")
    assert isinstance(back, KGSplit)
    assert back.types == {"http://x/#rome": ("http://x/#City",)}
    schema = ClassGraph.read(str(back.graph_source))
    assert "http://x/#mayor" not in schema.relations
    assert "http://x/#capitalOf" in schema.iris


def test_a_split_with_a_file_of_classes_keeps_them_when_dealt_out_anew(tmp_path: Path) -> None:
    write_lines(ready_split(tmp_path) / "entity2types.json", '{"rome": "City"}')
    datasets.pack_triples(tmp_path / "ready", tmp_path / "packed", ["liesIn"])
    assert datasets.load(tmp_path / "packed").types == {"rome": ("City",)}  # type: ignore[union-attr]


def test_rdf_type_that_is_asked_for_is_a_relation(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "world.tsv", *LINES, "rome\trdf:type\tCity")
    kg = read_unsplit(source, ["rdf:type"])
    assert kg.types is None
    assert [kg.relations[relation] for _, relation, _ in kg.test.tolist()] == ["rdf:type"]
