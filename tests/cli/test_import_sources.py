"""``kgzsl import`` from a class list, from sources with readers of their own, and what it says on the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kgzsl import ClassGraph
from kgzsl.cli.console import _Lines
from kgzsl.knowledge.sources import fill_store
from tests.knowledge.sources.conftest import write_wordnet
from tests.knowledge.sources.servers import Endpoint

CHAIN = "".join(f"c{i}\tsubClassOf\tc{i + 1}\n" for i in range(6))


def imported(out: Path) -> set[str]:
    return set(ClassGraph.load(out).iris)


def test_a_class_list_takes_what_it_needs(kgzsl, tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(CHAIN)
    (tmp_path / "classes.txt").write_text("# mine\nc0\n\nc6\n")
    out = tmp_path / "g"
    assert kgzsl("import", tmp_path / "a.tsv", "-o", out, "--classes", tmp_path / "classes.txt").code == 0
    assert imported(out) == {"c0", "c1", "c2", "c4", "c5", "c6"}
    kgzsl("import", tmp_path / "a.tsv", "-o", out, "--classes", tmp_path / "classes.txt", "--hops", "0")
    assert imported(out) == {"c0", "c6"}
    (tmp_path / "classes.txt").write_text("c0\nc66\n")
    kgzsl("import", tmp_path / "a.tsv", "-o", out, "--classes", tmp_path / "classes.txt").refused("c66", "c6")
    kgzsl("import", tmp_path / "a.tsv", "-o", out, "--hops", "3").refused("--classes FILE")
    kgzsl("import", tmp_path / "a.tsv", "-o", out, "--classes", tmp_path / "no.txt").refused("no.txt", "no such file")


def test_options_of_a_reader(kgzsl, tmp_path: Path) -> None:
    old, new = write_wordnet(tmp_path / "dict30"), write_wordnet(tmp_path / "dict31", "3.1", shift=1000)
    out = tmp_path / "g"
    kgzsl("import", new, "-o", out).refused("WordNet 3.1", "--set reference=")
    assert kgzsl("import", new, "-o", out, "--set", f"reference={old}").code == 0
    assert "http://wordnet-rdf.princeton.edu/wn30/02084071-n" in imported(out)
    kgzsl("import", new, "-o", out, "--set", "refrence=x").refused("'refrence'", "did you mean 'reference'")


def test_a_part_of_wikidata(kgzsl, tmp_path: Path) -> None:
    entity, direct = "http://www.wikidata.org/entity/Q", "http://www.wikidata.org/prop/direct/P279"
    dump = tmp_path / "latest-truthy.nt"
    dump.write_text("".join(f"<{entity}{i}> <{direct}> <{entity}{i + 1}> .\n" for i in range(1, 6)))
    (tmp_path / "classes.txt").write_text("Q1\n")
    out = tmp_path / "g"
    assert kgzsl("import", dump, "-o", out, "--classes", tmp_path / "classes.txt", "--hops", "1").code == 0
    assert imported(out) == {f"{entity}1", f"{entity}2"}
    kgzsl("import", dump, "-o", out).refused("wikidata needs classes")


def test_a_store_and_its_budget(kgzsl, tmp_path: Path) -> None:
    (tmp_path / "a.nt").write_text(
        "".join(f"<urn:c{i}> <http://www.w3.org/2000/01/rdf-schema#subClassOf> <urn:c{i + 1}> .\n" for i in range(6))
    )
    fill_store(tmp_path / "a.nt", tmp_path / "store")
    source, out = f"store:{tmp_path / 'store'}", tmp_path / "g"
    assert kgzsl("import", source, "-o", out).code == 0
    assert imported(out) == {f"urn:c{i}" for i in range(7)}
    kgzsl("import", source, "-o", out, "--reasoning", "rdfs", "--max-added", "3").refused("more than 3", "--max-added")


def test_an_endpoint(kgzsl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / "classes.txt").write_text("urn:a\n")
    out = tmp_path / "g"

    def answer(number: int, query: str, handler: object) -> object:
        return [[("uri", "urn:a"), ("uri", "urn:r"), ("uri", "urn:b")]] if "!isLiteral" in query else []

    with Endpoint(answer) as endpoint:
        kgzsl("import", endpoint.url, "-o", out).refused("--classes FILE")
        done = kgzsl(
            *("import", endpoint.url, "-o", out, "--classes", tmp_path / "classes.txt", "--hops", "1", "--json"),
            *("--set", "cache=null", "--set", "relations=['urn:r']"),
        )
    assert json.loads(done.out)["edges"] == 1
    assert "VALUES ?p { <urn:r> }" in endpoint.questions[0]


def test_a_long_reading_says_how_far_it_is() -> None:
    now, said = [0.0], []
    lines = _Lines("a.nt", said.append, lambda: now[0])
    for second in range(25):
        now[0] = float(second)
        lines(second * 1000, 25000)
    assert said == [
        "a.nt: 2,000 of 25,000 (8%)",
        "a.nt: 12,000 of 25,000 (48%)",
        "a.nt: 22,000 of 25,000 (88%)",
    ]
