"""Your own features to a data set, a run, and one more class the day after."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from kgzsl.knowledge import ClassPriors


def test_pack_makes_a_data_set_that_run_takes(zoo) -> None:
    np.save(zoo.folder / "x.npy", zoo.arrays["features"])
    names = zoo.arrays["class_names"][zoo.arrays["labels"]]
    (zoo.folder / "y.csv").write_text("\n".join(names.tolist()) + "\n")
    arguments = ["pack", "x.npy", "--labels", "y.csv", "--unseen", "animal14,animal15", "--graph", "zoo.ttl"]
    packed = zoo.kgzsl(*arguments, "--out", "mine", "--json")
    assert packed.code == 0, packed.err
    values = json.loads(packed.out)
    assert (values["rows"], values["dimensions"], values["unseen"]) == (384, 24, ["animal14", "animal15"])
    done = zoo.kgzsl(
        "run", "zoo.yaml", "--set", f"dataset={zoo.folder / 'mine'}", "--set", "generator.epochs=1", "--out", "r"
    )
    assert done.code == 0, done.err
    assert json.loads((zoo.folder / "r" / "metrics.json").read_text())["control.chance.zsl.top1"] == 50.0
    assert "384 rows" in zoo.kgzsl("info", "mine").out


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--labels", "y.csv", "--unseen", "animal99"], ["animal99", "animal"]),
        (["--labels", "none.csv", "--unseen", "animal15"], ["none.csv"]),
        (["--labels", "y.csv", "--unseen", "animal15", "--priors", "att"], ["'att'", "NAME=FILE"]),
        (["--labels", "y.csv", "--unseen", "animal15", "--graph", "none.ttl"], ["none.ttl"]),
    ],
)
def test_pack_refuses_and_writes_nothing(zoo, refused, arguments: list[str], parts: list[str]) -> None:
    np.save(zoo.folder / "x.npy", zoo.arrays["features"])
    names = zoo.arrays["class_names"][zoo.arrays["labels"]]
    (zoo.folder / "y.csv").write_text("\n".join(names.tolist()) + "\n")
    refused(zoo.kgzsl("pack", "x.npy", *arguments, "--out", "mine"), *parts, absent=zoo.folder / "mine")


def test_a_class_added_the_day_after_is_answered(finished, tmp_path: Path) -> None:
    """The okapi has the family and the parts of animal12, so it must have its class vector too."""
    text = (finished.folder / "zoo.ttl").read_text()
    twin = [line.replace("animal12", "okapi") for line in text.splitlines() if line.startswith(":animal12 ")]
    (tmp_path / "more.ttl").write_text(text + "\n".join(twin) + "\n")
    before = {file.name: file.read_bytes() for file in (finished.folder / "run").iterdir() if file.is_file()}
    added = finished.kgzsl(
        "add-class", "run", "--iri", "okapi", "--graph", tmp_path / "more.ttl", "--out", tmp_path / "new"
    )
    assert added.code == 0, added.err
    rows = finished.arrays["features"][finished.arrays["labels"] == 12]
    np.save(tmp_path / "x.npy", rows)
    answers = tmp_path / "a.csv"
    arguments = ["predict", tmp_path / "new", tmp_path / "x.npy", "--candidates", "unseen", "-k", 5, "--out", answers]
    assert finished.kgzsl(*arguments).code == 0
    with answers.open() as file:
        answered = {row["class"] for row in csv.DictReader(file)}
    assert answered == {"okapi", "animal12", "animal13", "animal14", "animal15"}
    priors = ClassPriors.load(tmp_path / "new" / "priors.safetensors")
    np.testing.assert_allclose(priors["okapi"], priors["animal12"], atol=1e-6)
    assert before == {file.name: file.read_bytes() for file in (finished.folder / "run").iterdir() if file.is_file()}
    assert finished.kgzsl("info", tmp_path / "new").code == 0


def test_add_class_refuses_what_it_cannot_do(finished, refused, tmp_path: Path) -> None:
    out = tmp_path / "new"
    refused(finished.kgzsl("add-class", "run", "--iri", "okapi", "--out", out), "okapi", absent=out)
    refused(finished.kgzsl("add-class", "run", "--iri", "animal03", "--out", out), "there already", absent=out)
    refused(finished.kgzsl("add-class", "run", "--iri", "x", "--out", "run"), "there already")
