"""A Wikidata dump: walking from a class list, texts of what is kept, nothing of the rest."""

from __future__ import annotations

import bz2
from pathlib import Path

import pytest

from kgzsl import ClassGraph
from kgzsl.errors import InputError
from kgzsl.knowledge.sources import read_wikidata

from ..helpers import edges

WD, WDT = "http://www.wikidata.org/entity/", "http://www.wikidata.org/prop/direct/"
RDFS, SKOS, SCHEMA = (
    "http://www.w3.org/2000/01/rdf-schema#",
    "http://www.w3.org/2004/02/skos/core#",
    "http://schema.org/",
)


def link(subject: int, relation: str, target: int) -> str:
    return f"<{WD}Q{subject}> <{WDT}{relation}> <{WD}Q{target}> .\n"


def text(item: int, name: str, value: str) -> str:
    return f"<{WD}Q{item}> <{name}> {value} .\n"


# 144 dog, 39201 pet, 729 animal, 7378 elephant, 1 universe
DUMP = "".join(
    [
        text(144, RDFS + "label", '"dog"@en'),
        text(144, RDFS + "label", '"Hund"@de'),
        text(144, SKOS + "altLabel", '"domestic \\"dog\\""@en'),
        text(144, SCHEMA + "description", '"domestic animal, caf\\u00E9 \\U0001F415"@en-gb'),
        text(144, SCHEMA + "version", '"123"^^<http://www.w3.org/2001/XMLSchema#integer>'),
        link(144, "P279", 39201),
        link(144, "P171", 25),
        link(144, "P18", 99),
        f'<{WD}Q144> <{WDT}P2067> "+25"^^<http://www.w3.org/2001/XMLSchema#decimal> .\n',
        f"<{WD}Q144> <http://www.wikidata.org/prop/P279> <{WD}statement/Q144-1> .\n",
        link(39201, "P279", 729),
        text(39201, RDFS + "label", '"pet"@en'),
        link(729, "P279", 1),
        link(7378, "P279", 729),
        link(4115189, "P31", 144),
        text(7378, RDFS + "label", '"elephant"@en'),
    ]
)


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    path = tmp_path / "truthy.nt.bz2"
    path.write_bytes(bz2.compress(DUMP.encode()))
    return path


@pytest.mark.parametrize(
    ("hops", "expected"),
    [
        (1, {("Q144", "subClassOf", "Q39201"), ("Q144", "subClassOf", "Q25")}),
        (2, {("Q144", "subClassOf", "Q39201"), ("Q144", "subClassOf", "Q25"), ("Q39201", "subClassOf", "Q729")}),
    ],
)
def test_hops_outwards(dump: Path, hops: int, expected: set[tuple[str, str, str]]) -> None:
    assert edges(read_wikidata(dump, ["Q144"], hops=hops)) == expected


def test_both_ways_and_other_properties(dump: Path) -> None:
    both = read_wikidata(dump, ["wd:Q144"], hops=1, direction="both")
    assert ("Q4115189", "type", "Q144") in edges(both)
    assert edges(read_wikidata(dump, [WD + "Q144"], hops=1, properties=["wdt:P18"])) == {("Q144", "P18", "Q99")}
    every = edges(read_wikidata(dump, ["Q144"], hops=1, properties=None))
    assert {("Q144", "P18", "Q99"), ("Q144", "subClassOf", "Q25")} <= every


def test_texts_of_what_is_kept_in_the_wanted_languages(dump: Path) -> None:
    graph = read_wikidata(dump, ["Q144"], hops=1)
    dog = graph.align(["wd:Q144"]).require()[0]
    assert {(t.property, t.text, t.language) for t in graph.texts[int(dog)]} == {
        ("label", "dog", "en"),
        ("altLabel", 'domestic "dog"', "en"),
        ("description", "domestic animal, café 🐕", "en-gb"),
    }
    assert graph.labels[graph.align(["pet"]).require()[0]] == "pet"
    assert "elephant" not in graph.labels
    assert "Hund" in {t.text for t in read_wikidata(dump, ["Q144"], languages=("de",)).texts[int(dog)]}
    assert not read_wikidata(dump, ["Q144"], texts=False).texts


def test_agrees_with_the_general_reader(tmp_path: Path, dump: Path) -> None:
    path = tmp_path / "all.nt"
    path.write_text(DUMP, encoding="utf-8")
    general = ClassGraph.read(path)
    named = {"P279": "subClassOf", "P171": "subClassOf", "P31": "type", "P18": "P18"}
    expected = {(s, named[r], o) for s, r, o in edges(general) if r in named and o.startswith("Q") and "-" not in o}
    assert edges(read_wikidata(dump, ["Q144", "Q7378"], hops=9, properties=None, direction="both")) == expected


def test_bad_ids(dump: Path) -> None:
    for name in ("dog", "Q", "Q0", "Q144> <x", "P31", "Q99999999999"):
        with pytest.raises(InputError, match="is no Wikidata item"):
            read_wikidata(dump, [name])
    with pytest.raises(InputError, match="is no Wikidata property"):
        read_wikidata(dump, ["Q144"], properties=["P31|P279"])
    with pytest.raises(InputError, match="the dump says nothing of Q555"):
        read_wikidata(dump, ["Q144", "Q555"])
    with pytest.raises(InputError, match="'out' or 'both'"):
        read_wikidata(dump, ["Q144"], direction="up")


def test_lines_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.nt"
    path.write_text(DUMP, encoding="utf-8")
    whole = read_wikidata(path, ["Q144"])
    monkeypatch.setattr("kgzsl.knowledge.sources.wikidata._CHUNK", 50)
    cut = read_wikidata(path, ["Q144"])
    assert (edges(cut), dict(cut.texts)) == (edges(whole), dict(whole.texts))
