"""``kgzsl audit`` on a graph and on a data set that ships with the project."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kgzsl.cli.app import run

ZOO = """@prefix : <http://example.org/> . @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
:cat rdfs:subClassOf :animal ; rdfs:label "cat" . :dog rdfs:subClassOf :animal ; rdfs:label "dog" .
:oak rdfs:subClassOf :plant ; rdfs:label "oak" . :animal rdfs:label "animal" . :plant rdfs:label "plant" .
"""


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    (tmp_path / "zoo.ttl").write_text(ZOO)
    (tmp_path / "seen.txt").write_text("cat\n")
    (tmp_path / "unseen.txt").write_text("dog\noak\n# none\n")
    (tmp_path / "labels.txt").write_text("dog\n")
    return tmp_path


def test_findings_for_people_and_machines(zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["audit", str(zoo / "zoo.ttl"), "--seen", str(zoo / "seen.txt"), "--unseen", str(zoo / "unseen.txt")]
    command += ["--backbone", str(zoo / "labels.txt")]
    assert run(command) == 0
    text = capsys.readouterr().out
    assert "!! no-path-to-seen: 1 unseen classes" in text
    assert "!! in-backbone: 1 of 2 classes" in text
    assert run([*command, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert {finding["kind"]: finding["items"] for finding in report["findings"]} == {
        "no-path-to-seen": ["oak"],
        "in-backbone": ["dog"],
    }
    assert run([*command, "--strict"]) == 2
    assert "2 serious findings (no-path-to-seen, in-backbone)" in capsys.readouterr().err


def test_a_data_set_brings_its_graph_and_split(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", "geography", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["counts"]["classes"] > 0
    assert "no-path-to-seen" in report["checked"]
    assert [finding for finding in report["findings"] if finding["kind"] == "missing"] == []


def test_bad_input(zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in (
        (["--seen", str(zoo / "nothing.txt")], "there is no such file"),
        (["--backbone", "imagenet-9k"], "is no file, no known backbone"),
        (["--wordnet", str(zoo)], "holds no data.noun"),
    ):
        assert run(["audit", str(zoo / "zoo.ttl"), *arguments]) == 2
        assert message in capsys.readouterr().err
    (zoo / "empty.txt").write_text("# nothing\n")
    assert run(["audit", str(zoo / "zoo.ttl"), "--classes", str(zoo / "empty.txt")]) == 2
    assert "there is no name in it" in capsys.readouterr().err


def test_wordnet_ids_of_a_data_set_tell_homonyms_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    numpy = pytest.importorskip("numpy")
    names, wnids = ["boxer", "crane"], ["n02108089", "n02012849"]
    numpy.savez(
        tmp_path / "data.npz",
        features=numpy.eye(8, dtype=numpy.float32),
        labels=numpy.arange(8) % 2,
        class_names=numpy.array(names),
        unseen_classes=numpy.array([1]),
        wnids=numpy.array(wnids),
    )
    (tmp_path / "words.tsv").write_text(
        "n02108089\trdfs:label\tboxer\nn09870208\trdfs:label\tboxer\nn02012849\trdfs:label\tcrane\n"
        "n02108089\tsubClassOf\tn00015388\nn02012849\tsubClassOf\tn00015388\nn09870208\tsubClassOf\tn00015388\n"
    )
    assert run(["audit", str(tmp_path / "data.npz"), "--graph", str(tmp_path / "words.tsv"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["counts"]["classes"] == 2
    assert "missing" not in {finding["kind"] for finding in report["findings"]}
