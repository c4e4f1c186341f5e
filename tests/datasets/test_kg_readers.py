from __future__ import annotations

import bz2
import gzip
import json
import lzma
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgzsl.datasets import KGSplit
from kgzsl.datasets.kg_tsv import read_triples
from kgzsl.errors import InputError

from .conftest import write_lines

TSV = {"train": ["a\tr\tb", "b\tr\tc"], "valid": ["a\ts\tc"], "test": ["c\tu\ta"]}


def tsv(folder: Path, **changes: list[str] | None) -> Path:
    for name, lines in (TSV | changes).items():
        if lines is not None:
            write_lines(folder / f"{name}.txt", *lines)
    return folder


def test_a_folder_of_tsv_files(tmp_path: Path) -> None:
    kg = KGSplit.from_tsv(tsv(tmp_path / "toy", msg=["c\tu\tb"]))
    assert kg.name == "toy"
    assert (len(kg.train), len(kg.valid), len(kg.test), len(kg.support)) == (2, 1, 1, 1)
    assert kg.names_of(kg.unseen_relations) == ["u"]
    assert kg.names_of(kg.valid_relations) == ["s"]


@pytest.mark.parametrize("header", ["head\trelation\ttail", "Subject\tMeta-Relation\tObject", "\ufeffh\tr\tt"])
def test_a_header_is_recognised(tmp_path: Path, header: str) -> None:
    kg = KGSplit.from_tsv(tsv(tmp_path, train=[header, *TSV["train"]]))
    assert kg.entities == ("a", "b", "c")


def test_compressed_files_and_other_names(tmp_path: Path) -> None:
    for name, opener in (("train.tsv.gz", gzip.open), ("dev.txt.bz2", bz2.open), ("test.txt.xz", lzma.open)):
        with opener(tmp_path / name, "wt", encoding="utf-8") as file:
            file.write("\n".join(TSV[{"dev": "valid"}.get(name.split(".")[0], name.split(".")[0])]))
    kg = KGSplit.from_tsv(tmp_path)
    assert (len(kg.train), len(kg.valid), len(kg.test)) == (2, 1, 1)


def test_commas_in_csv_and_spaces_between_words(tmp_path: Path) -> None:
    assert list(read_triples(write_lines(tmp_path / "a.csv", "a b,r,c", ""))) == [("a b", "r", "c")]
    assert list(read_triples(write_lines(tmp_path / "a.txt", "a r  c"))) == [("a", "r", "c")]
    quoted = write_lines(tmp_path / "c.csv", "head,relation,tail", '"Paris, Texas",r,"the ""big"" one"', "a, r , c")
    assert list(read_triples(quoted)) == [("Paris, Texas", "r", 'the "big" one'), ("a", "r", "c")]
    assert list(read_triples(write_lines(tmp_path / "b.csv", "a, b\tr\tc"))) == [("a, b", "r", "c")]


@pytest.mark.parametrize("above", [[""], ["# facts of 2020"], ["\ufeff", "  ", "#", "## a, b, c"]])
def test_the_first_line_that_is_no_comment_says_what_is_between(tmp_path: Path, above: list[str]) -> None:
    lines = [*above, "head\trelation\ttail", "New York\tlies in\tthe US", "", "# more", "# 1\tr\t#"]
    found = [("New York", "lies in", "the US"), ("# 1", "r", "#")]
    assert list(read_triples(write_lines(tmp_path / "a.tsv", *lines))) == found
    lines = [*above, "head,relation,tail", "New York,lies in,the US"]
    assert list(read_triples(write_lines(tmp_path / "a.csv", *lines))) == found[:1]
    lines += ["# 1 Crush,sungBy,Garbage", "# made by hand"]
    assert list(read_triples(write_lines(tmp_path / "a.csv", *lines)))[1:] == [("# 1 Crush", "sungBy", "Garbage")]


def test_other_orders_of_the_three_fields(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "a.txt", "relation\thead\ttail", "likes\tann\tbob")
    assert list(read_triples(file, order="rht")) == [("ann", "likes", "bob")]
    assert list(read_triples(write_lines(tmp_path / "b.txt", "ann\tbob\tlikes"), order="htr")) == [
        ("ann", "likes", "bob")
    ]
    with pytest.raises(InputError, match="'hrr' is no order of h, r and t"):
        list(read_triples(file, order="hrr"))


name = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1).filter(
    lambda t: t == t.strip()
)


@given(st.lists(st.tuples(name, name, name), min_size=1))
def test_written_triples_come_back(
    tmp_path_factory: pytest.TempPathFactory, triples: list[tuple[str, str, str]]
) -> None:
    file = tmp_path_factory.mktemp("t") / "train.tsv"
    file.write_text(
        "head\trelation\ttail\n" + "".join("\t".join(t) + "\n" for t in triples), encoding="utf-8", newline=""
    )
    assert list(read_triples(file)) == triples


def test_bad_lines_and_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train\.txt, line 2: 2 field\(s\) instead of head, relation, tail: 'b\\tr'"):
        KGSplit.from_tsv(tsv(tmp_path, train=["a\tr\tb", "b\tr"]))
    with pytest.raises(InputError, match=r"line 1: 3 field\(s\)"):
        KGSplit.from_tsv(tsv(tmp_path, train=["a\t\tb"]))
    with pytest.raises(InputError, match=r"a\.csv, line 2: 2 field\(s\).*; separate the three by commas"):
        list(read_triples(write_lines(tmp_path / "a.csv", "a,r,b", "b,r")))
    with pytest.raises(InputError, match=r"there is no test file here; put a test\.txt into it"):
        KGSplit.from_tsv(tsv(tmp_path / "other", test=None))
    with pytest.raises(InputError, match=r"none: there is no such folder"):
        KGSplit.from_tsv(tmp_path / "none")
    with pytest.raises(InputError, match=r"x\.txt: there is no such file; check the name of the test file"):
        KGSplit.from_tsv(tsv(tmp_path), test="x.txt")
    (tmp_path / "train.txt").write_bytes(b"a\tr\t\xff\xfe\n")
    with pytest.raises(InputError, match=r"train\.txt: this is not UTF-8"):
        KGSplit.from_tsv(tmp_path)
    whole = gzip.compress(b"a\tr\tb\n" * 1000)
    (tmp_path / "cut.txt.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cut\.txt\.gz: damaged or cut short"):
        list(read_triples(tmp_path / "cut.txt.gz"))
    (tmp_path / "no.txt.gz").write_text("a\tr\tb\n")
    with pytest.raises(InputError, match=r"no\.txt\.gz: damaged"):
        list(read_triples(tmp_path / "no.txt.gz"))


TASKS: dict[str, Any] = {
    "train_tasks": {"r": [["a", "r", "b"]], "q": [["b", "q", "c"]]},
    "dev_tasks": {"s": [["a", "s", "c"]]},
    "test_tasks": {"u": [["c", "u", "a"]]},
    "relation2ids": {"u": 0, "s": 1, "q": 2, "r": 3},
    "cv_validation_relations": {"ori": ["s"], "one": ["q"]},
}


def tasks(folder: Path, **changes: Any) -> Path:
    folder.mkdir(exist_ok=True)
    for key, content in (TASKS | changes).items():
        if content is not None:
            (folder / f"{key}.json").write_text(json.dumps(content))
    return folder


def test_the_nell_zs_layout(tmp_path: Path) -> None:
    kg = KGSplit.from_tasks_json(tasks(tmp_path, rel2candidates={"u": ["a", "b", "stranger"], "other": ["a"]}))
    assert kg.relations == ("u", "s", "q", "r")
    assert kg.names_of(kg.unseen_relations) == ["u"]
    assert kg.names_of(kg.valid_relations) == ["s"]
    assert kg.candidates is not None
    assert {r: ids.tolist() for r, ids in kg.candidates.items()} == {0: [0, 1]}
    assert any("1 candidate entries name entities that occur in no triple" in note for note in kg.notes)
    assert kg.validation_split().candidates == {}


def test_folds_and_compressed_files(tmp_path: Path) -> None:
    tasks(tmp_path, train_tasks=None)
    with gzip.open(tmp_path / "train_tasks.json.gz", "wt") as file:
        json.dump(TASKS["train_tasks"], file)
    kg = KGSplit.from_tasks_json(tmp_path, fold="one")
    assert kg.names_of(kg.valid_relations) == ["q"]
    assert kg.names_of(kg.seen_relations) == ["s", "r"]
    with pytest.raises(InputError, match=r"there is no fold 'onne'; did you mean 'one'"):
        KGSplit.from_tasks_json(tmp_path, fold="onne")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_tasks": None}, r"there is no train_tasks\.json here"),
        (
            {"test_tasks": {"r": [["c", "r", "a"]]}},
            r"test_tasks\.json: the test relation 'r' is in train_tasks\.json too",
        ),
        ({"dev_tasks": {"q": []}}, r"the validation relation 'q' is in"),
        ({"test_tasks": {"u": [["c", "u"]]}}, r"test_tasks\.json, key 'u', entry 0: .* is no \[head, relation, tail\]"),
        ({"test_tasks": {"u": [["c", "v", "a"]]}}, r"key 'u', entry 0"),
        ({"test_tasks": []}, r"no object of relation -> triples"),
        ({"relation2ids": {"u": 0, "r": 0}}, r"relation2ids\.json: two names have the same id"),
        ({"rel2candidates": {"u": "a"}}, r"rel2candidates\.json: this is no object of relation -> entities"),
    ],
)
def test_bad_tasks_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        KGSplit.from_tasks_json(tasks(tmp_path, **changes))


def test_json_that_is_cut_short_is_named(tmp_path: Path) -> None:
    file = tasks(tmp_path) / "test_tasks.json"
    file.write_text(file.read_text()[:-5])
    with pytest.raises(InputError, match=r"test_tasks\.json, line 1, column \d+: this is not valid JSON"):
        KGSplit.from_tasks_json(tmp_path)


TURTLE = """\
@prefix : <http://x/#> . @prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
:capital a owl:ObjectProperty ; rdfs:domain :City ; rdfs:label "capital" ; :editor :anna .
:City a owl:Class .
:rome a :City ; :capital :italy ; :name "Rome" ; :near [ :part :italy ] ; :borders :latium .
:oslo a owl:NamedIndividual ; :capital :norway ; :mayor :anna .
"""


def test_relations_of_an_rdf_file_are_held_out(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "world.ttl", TURTLE)
    kg = KGSplit.from_rdf(file, ["capital"], valid_relations=["http://x/#mayor"])
    iri = "http://x/#"
    assert [(kg.entities[h], kg.relations[r], kg.entities[t]) for h, r, t in kg.test.tolist()] == [
        (iri + "rome", iri + "capital", iri + "italy"),
        (iri + "oslo", iri + "capital", iri + "norway"),
    ]
    assert kg.names_of(kg.valid_relations) == [iri + "mayor"]
    assert kg.names_of(kg.seen_relations) == [iri + "borders"]
    assert (kg.name, kg.graph_source) == ("world", str(file))
    told = "\n".join(kg.notes)
    assert "1 triples with literals are left out" in told
    assert "2 triples with blank nodes" in told
    assert "1 triples about classes or properties" in told


def test_facts_that_come_twice_and_relations_without_any_are_told(tmp_path: Path) -> None:
    twice = "<http://x/a> <http://x/r> <http://x/b> .\n" * 3 + "<http://x/b> <http://x/s> <http://x/a> .\n"
    kg = KGSplit.from_rdf(write_lines(tmp_path / "twice.nt", twice), ["s"])
    assert "2 facts are repetitions; each counts once" in kg.notes
    assert len(kg.train) == 1
    hollow = {"r": [["a", "r", "b"]], "empty": []}
    kg = KGSplit.from_tasks_json(tasks(tmp_path / "kg", train_tasks=hollow, relation2ids=None, dev_tasks={}))
    assert "1 relations are listed without a triple: empty" in kg.notes


def test_bad_rdf_is_named(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "world.ttl", TURTLE)
    with pytest.raises(InputError, match="no fact of this file uses the relation 'capitol'; did you mean 'capital'"):
        KGSplit.from_rdf(file, ["capitol"])
    write_lines(tmp_path / "cut.ttl", TURTLE[:-20])
    with pytest.raises(InputError, match=r"cut\.ttl, line \d+, column \d+: does not parse"):
        KGSplit.from_rdf(tmp_path / "cut.ttl", ["capital"])
    with pytest.raises(InputError, match=r"unknown ending '\.docx'"):
        KGSplit.from_rdf(tmp_path / "x.docx", [])
    with pytest.raises(InputError, match="there is no such file"):
        KGSplit.from_rdf(tmp_path / "x.ttl", [])
    two = "<http://x/a> <http://x/r> <http://x/b> . <http://x/a> <http://y/r> <http://x/b> ."
    with pytest.raises(InputError, match="'r' is ambiguous: http://x/r, http://y/r"):
        KGSplit.from_rdf(write_lines(tmp_path / "two.ttl", two), ["r"])
