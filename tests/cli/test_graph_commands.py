"""import, info and priors: from a file of knowledge to class vectors."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import numpy as np
import pytest

from kgzsl.knowledge import ClassGraph, ClassPriors


def test_import_writes_a_graph_and_tells_what_it_understood(kgzsl, zoo: Path, tmp_path: Path) -> None:
    done = kgzsl("import", zoo, "--out", tmp_path / "zoo.graph")
    assert done.code == 0
    graph = ClassGraph.load(tmp_path / "zoo.graph")
    assert graph.num_edges == 3
    table = {line.split()[0]: line.split()[1:] for line in done.out.splitlines() if line}
    assert table["SubClassOf"] == ["3", "3", "0", "0", "0"]
    assert table["Declaration"] == ["4", "0", "0", "4", "0"]
    assert "4 nodes" in done.out


def test_import_as_json(kgzsl, zoo: Path, tmp_path: Path) -> None:
    done = kgzsl("import", zoo, "--out", tmp_path / "g", "--json")
    values = json.loads(done.out)
    assert (values["nodes"], values["edges"], values["balanced"]) == (4, 3, True)
    assert {row["kind"]: row["axioms"] for row in values["account"]["rows"]}["SubClassOf"] == 3
    assert done.err == ""


def test_quiet_says_nothing(kgzsl, zoo: Path, tmp_path: Path) -> None:
    done = kgzsl("import", zoo, "-o", tmp_path / "g", "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_import_takes_several_files_and_tables(kgzsl, tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("cat\tsubClassOf\tanimal\n")
    (tmp_path / "b.tsv").write_text("dog\tsubClassOf\tanimal\n")
    done = kgzsl("import", tmp_path / "a.tsv", tmp_path / "b.tsv", "--out", tmp_path / "g", "--header", "no", "--json")
    assert json.loads(done.out)["edges"] == 2


def test_truncated_turtle_is_refused_with_its_line(kgzsl, zoo: Path, tmp_path: Path) -> None:
    zoo.write_text(zoo.read_text()[:-25])
    kgzsl("import", zoo, "--out", tmp_path / "g").refused(str(zoo), "line")
    assert not (tmp_path / "g").exists()


def test_import_does_not_overwrite_its_source(kgzsl, zoo: Path) -> None:
    before = zoo.read_text()
    kgzsl("import", zoo, "--out", zoo).refused("overwrite its own source")
    assert zoo.read_text() == before


@pytest.mark.parametrize(
    ("option", "value", "part"),
    [
        ("--projection", "owl2vek", "owl2vec"),
        ("--reasoning", "owl2", "owl2rl"),
        ("--format", "turtl", "turtle"),
        ("--header", "maybe", "auto, yes or no"),
    ],
)
def test_unknown_choices_name_the_nearest(kgzsl, zoo: Path, tmp_path: Path, option: str, value: str, part: str) -> None:
    kgzsl("import", zoo, "--out", tmp_path / "g", option, value).refused(value, part)


def test_a_full_disk_at_save_leaves_nothing(kgzsl_process, zoo: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "zoo.graph"
    done = kgzsl_process(
        "import", zoo, "--out", target, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
    )
    done.refused(str(target), "could not save")
    assert list(target.parent.iterdir()) == []


def test_info_of_a_graph(kgzsl, zoo: Path) -> None:
    values = json.loads(kgzsl("info", zoo, "--json").out)
    assert values["what"] == "class graph"
    assert values["kinds"] == {"class": 4}
    assert values["relations"] == {"http://www.w3.org/2000/01/rdf-schema#subClassOf": 3}


def test_priors_of_every_class_and_info(kgzsl, zoo: Path, tmp_path: Path) -> None:
    out = tmp_path / "zoo.safetensors"
    done = kgzsl("priors", zoo, "--encoder", "transe", "--set", "dim=6", "--set", "epochs=2", "--out", out, "-q")
    assert done.code == 0, done.err
    found = ClassPriors.load(out)
    assert (len(found), found.dim) == (4, 6)
    values = json.loads(kgzsl("info", out, "--json").out)
    assert (values["what"], values["classes"], values["dimensions"]) == ("class priors", 4, 6)
    assert values["made"]["options"]["dim"] == 6


def test_info_gives_the_length_of_a_long_list(kgzsl, tmp_path: Path) -> None:
    pairs = [["is a", f"urn:{row}"] for row in range(13)]
    priors = ClassPriors(("zebra", "tiger"), np.eye(2, dtype=np.float32), made={"encoder": "mine", "pairs": pairs})
    priors.save(tmp_path / "p.safetensors")
    told = kgzsl("info", tmp_path / "p.safetensors").out
    assert "13 of them" in told
    assert "urn:12" not in told
    assert json.loads(kgzsl("info", tmp_path / "p.safetensors", "--json").out)["made"]["pairs"] == pairs


def test_priors_of_named_classes(kgzsl, zoo: Path, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("zebra\n\ntiger\n")
    out = tmp_path / "p.safetensors"
    done = kgzsl(
        "priors", zoo, "-e", "distmult", "-s", "dim=4", "-s", "epochs=1", "--names", tmp_path / "names.txt", "-o", out
    )
    assert done.code == 0, done.err
    assert ClassPriors.load(out).names == ("zebra", "tiger")


def test_a_class_missing_from_the_graph_is_named_with_the_nearest(kgzsl, zoo: Path, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("zebra\ntigger\n")
    out = tmp_path / "p.safetensors"
    arguments = ["priors", zoo, "-e", "transe", "-s", "epochs=1", "--names", tmp_path / "names.txt", "-o", out]
    kgzsl(*arguments).refused("tigger", "tiger")
    assert not out.exists()


def test_unknown_encoder_and_option(kgzsl, zoo: Path, tmp_path: Path) -> None:
    kgzsl("priors", zoo, "-e", "trance", "-o", tmp_path / "p").refused("trance", "transe")
    kgzsl("priors", zoo, "-e", "transe", "-s", "dims=3", "-o", tmp_path / "p").refused("dims", "dim")
