from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kgzsl import datasets
from kgzsl.datasets import ImageFeatures, export_xlsa17, pack
from kgzsl.datasets.tables import read_array, read_list
from kgzsl.errors import InputError

from .conftest import NAMES, write_lines, write_v5


def same(one: ImageFeatures, other: ImageFeatures) -> bool:
    for key in ("features", "labels", "seen", "unseen", "trainval_loc", "test_seen_loc", "test_unseen_loc"):
        if not torch.equal(getattr(one, key), getattr(other, key)):
            return False
    for key in ("train_loc", "val_loc"):
        a, b = getattr(one, key), getattr(other, key)
        if (a is None) != (b is None) or (a is not None and not torch.equal(a, b)):
            return False
    if one.class_names != other.class_names or set(one.priors) != set(other.priors):
        return False
    return all(np.array_equal(one.priors[key].matrix, other.priors[key].matrix) for key in one.priors)


@pytest.fixture
def whole(toy: dict[str, Any], tmp_path: Path) -> ImageFeatures:
    return ImageFeatures.from_arrays(
        toy["features"],
        toy["labels"],
        class_names=NAMES,
        unseen=["blue whale"],
        train_loc=[0, 1, 3, 4],
        val_loc=[6, 7],
        trainval_loc=toy["trainval_loc"],
        test_seen_loc=toy["test_seen_loc"],
        priors={"att": toy["att"]},
        class_info={"wnid": ["n1", "n2", "n3", "n4"]},
        graph_source=str(write_lines(tmp_path / "sea.ttl", "# an ontology")),
        notes=["a remark"],
    )


def test_a_packed_data_set_comes_back_exactly(whole: ImageFeatures, tmp_path: Path) -> None:
    whole.save(tmp_path / "packed")
    for back in (ImageFeatures.from_packed(tmp_path / "packed"), datasets.load(tmp_path / "packed")):
        assert isinstance(back, ImageFeatures)
        assert same(whole, back)
        assert (back.name, back.notes, back.class_info) == (whole.name, whole.notes, whole.class_info)
        assert back.graph_source == str(tmp_path / "packed" / "sea.ttl")
    assert (tmp_path / "packed" / "sea.ttl").read_text() == "# an ontology\n"


def test_packing_the_same_twice_gives_the_same_bytes(whole: ImageFeatures, tmp_path: Path) -> None:
    whole.save(tmp_path / "one")
    whole.save(tmp_path / "two")
    for name in ("features.safetensors", "dataset.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_folder_in_the_way_is_left_alone(whole: ImageFeatures, tmp_path: Path) -> None:
    write_lines(tmp_path / "mine" / "precious.txt", "do not lose me")
    with pytest.raises(InputError, match="this folder exists already"):
        whole.save(tmp_path / "mine", replace=False)
    assert (tmp_path / "mine" / "precious.txt").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "features.safetensors").write_bytes(b"x"), r"features\.safetensors: .*checksum differs"),
        (lambda f: (f / "features.safetensors").unlink(), r"features\.safetensors: there is no such file"),
        (lambda f: (f / "dataset.json").write_text("{"), r"dataset\.json: this is not valid JSON"),
        (lambda f: (f / "dataset.json").write_text('{"format": "other"}'), r"the format is 'other'"),
        (lambda f: (f / "dataset.json").unlink(), r"dataset\.json: there is no such file"),
    ],
)
def test_damage_is_named(whole: ImageFeatures, tmp_path: Path, damage: Any, message: str) -> None:
    whole.save(tmp_path / "packed")
    damage(tmp_path / "packed")
    with pytest.raises(InputError, match=message):
        ImageFeatures.from_packed(tmp_path / "packed")


def test_an_entry_or_tensor_that_is_missing_is_named(whole: ImageFeatures, tmp_path: Path) -> None:
    whole.save(tmp_path / "packed")
    file = tmp_path / "packed" / "dataset.json"
    table = json.loads(file.read_text())
    file.write_text(json.dumps({key: value for key, value in table.items() if key != "class_names"}))
    with pytest.raises(InputError, match="the entry 'class_names' is missing"):
        ImageFeatures.from_packed(tmp_path / "packed")


def test_own_files_become_a_data_set(toy: dict[str, Any], tmp_path: Path) -> None:
    np.save(tmp_path / "features.npy", toy["features"])
    write_lines(tmp_path / "labels.txt", *[NAMES[i] for i in toy["labels"]])
    write_lines(tmp_path / "unseen.txt", "blue whale")
    np.savez(tmp_path / "att.npz", att=toy["att"], names=np.array(NAMES))
    graph = write_lines(tmp_path / "sea.ttl", "# an ontology")
    packed = pack(
        tmp_path / "features.npy",
        tmp_path / "out",
        labels=tmp_path / "labels.txt",
        unseen=tmp_path / "unseen.txt",
        classes=NAMES,
        priors={"att": tmp_path / "att.npz"},
        graph=graph,
        test_fraction=0.34,
    )
    back = datasets.load(tmp_path / "out")
    assert isinstance(back, ImageFeatures)
    assert same(packed, back)
    assert back.unseen_names == ["blue whale"]
    assert back.priors["att"].matrix.tolist() == toy["att"].tolist()
    # A third of three rows of each seen class.
    assert len(back.test_seen_loc) == 3
    with pytest.raises(InputError, match="exists already"):
        pack(tmp_path / "features.npy", tmp_path / "out", labels=tmp_path / "labels.txt", unseen=["zebra"])


def test_labels_may_be_numbers(toy: dict[str, Any], tmp_path: Path) -> None:
    np.savez(tmp_path / "all.npz", x=toy["features"], y=toy["labels"])
    one = pack(
        tmp_path / "all.npz",
        tmp_path / "one",
        features_key="x",
        labels=tmp_path / "all.npz",
        labels_key="y",
        classes=NAMES,
        unseen=["zebra"],
    )
    write_lines(tmp_path / "labels.txt", *map(str, toy["labels"]))
    two = pack(
        tmp_path / "all.npz",
        tmp_path / "two",
        features_key="x",
        labels=tmp_path / "labels.txt",
        classes=NAMES,
        unseen=["zebra"],
    )
    assert same(one, two)


def test_bad_parts_leave_nothing(toy: dict[str, Any], tmp_path: Path) -> None:
    toy["features"][4, 1] = np.nan
    np.save(tmp_path / "features.npy", toy["features"])
    write_lines(tmp_path / "labels.txt", *[NAMES[i] for i in toy["labels"]])
    with pytest.raises(InputError, match=r"features\.npy, features: 1 row\(s\) hold NaN.*the first is row 4"):
        pack(tmp_path / "features.npy", tmp_path / "out", labels=tmp_path / "labels.txt", unseen=["zebra"])
    np.save(tmp_path / "features.npy", np.zeros((11, 2)))
    with pytest.raises(InputError, match=r"\(12,\) labels for 11 rows"):
        pack(tmp_path / "features.npy", tmp_path / "out", labels=tmp_path / "labels.txt", unseen=["zebra"])
    np.save(tmp_path / "features.npy", np.zeros((12, 2)))
    with pytest.raises(InputError, match=r"'zebrra' is no class name; did you mean 'zebra'"):
        pack(tmp_path / "features.npy", tmp_path / "out", labels=tmp_path / "labels.txt", unseen=["zebrra"])
    with pytest.raises(InputError, match=r"x\.ttl: there is no such ontology"):
        pack(
            tmp_path / "features.npy",
            tmp_path / "out",
            labels=tmp_path / "labels.txt",
            unseen=["zebra"],
            graph=tmp_path / "x.ttl",
        )
    assert not (tmp_path / "out").exists()


def test_places_are_checked_before_anything_is_read(tmp_path: Path) -> None:
    features, out = tmp_path / "not there either.npy", tmp_path / "out"
    with pytest.raises(InputError, match=r"a\.csv: there is no such file of the prior 'att'"):
        pack(features, out, unseen=["zebra"], priors={"att": tmp_path / "a.csv"})
    out.mkdir()
    with pytest.raises(InputError, match="this folder exists already"):
        pack(features, out, unseen=["zebra"])


def test_xlsa17_files_come_back(whole: ImageFeatures, tmp_path: Path) -> None:
    export_xlsa17(whole, tmp_path / "AWA9")
    back = ImageFeatures.from_xlsa17(tmp_path / "AWA9")
    assert same(whole, back)
    with pytest.raises(InputError, match="ships no prior 'atr'; did you mean 'att'"):
        export_xlsa17(whole, tmp_path / "other", prior="atr")


TABLE = np.array([[1.0, 2.5], [3.0, -4.0]])


def test_the_same_array_from_every_kind_of_file(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    np.save(tmp_path / "a.npy", TABLE)
    np.savez(tmp_path / "a.npz", only=TABLE)
    save_file({"x": TABLE, "y": TABLE + 1}, tmp_path / "a.safetensors")
    write_v5(tmp_path / "a.mat", {"x": TABLE, "names": ["p", "q"]})
    write_lines(tmp_path / "a.csv", "1,2.5", "3,-4")
    write_lines(tmp_path / "a.tsv", "first\tsecond", "1\t2.5", "3\t-4")
    files = [("a.npy", None), ("a.npz", None), ("a.safetensors", "x"), ("a.mat", "x"), ("a.csv", None), ("a.tsv", None)]
    for name, key in files:
        assert read_array(tmp_path / name, key).tolist() == TABLE.tolist(), name
    assert read_list(tmp_path / "a.mat", "names") == ["p", "q"]
    assert read_array(tmp_path / "a.tsv", "second").tolist() == ["2.5", "-4"]
    assert read_list(write_lines(tmp_path / "labels.csv", "cat", "dog")) == ["cat", "dog"]


def test_parquet_columns_and_lists(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {
        "a": TABLE[:, 0],
        "name": ["p", "q"],
        "b": TABLE[:, 1],
        "v": [[1.0, 2.0], [3.0, 4.0]],
        "w": [[1.0], [1.0, 2.0]],
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    assert read_array(tmp_path / "a.parquet").tolist() == TABLE.tolist()
    assert read_array(tmp_path / "a.parquet", "v").tolist() == [[1, 2], [3, 4]]
    assert read_list(tmp_path / "a.parquet", "name") == ["p", "q"]
    with pytest.raises(InputError, match="the lists of 'w' have different lengths"):
        read_array(tmp_path / "a.parquet", "w")
    with pytest.raises(InputError, match="there is no 'nam'; did you mean 'name'"):
        read_array(tmp_path / "a.parquet", "nam")


def test_bad_tables_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.csv, row 3: 1 fields instead of 2"):
        read_array(write_lines(tmp_path / "a.csv", "1,2", "3,4", "5"))
    with pytest.raises(InputError, match=r"b\.csv, row 2, column 2: 'x' is no number"):
        read_array(write_lines(tmp_path / "b.csv", "1,2", "3,x"))
    with pytest.raises(InputError, match=r"the file is empty"):
        read_array(write_lines(tmp_path / "c.csv", ""))


def test_headers_and_row_numbers_of_pandas_are_no_features(tmp_path: Path) -> None:
    counted = write_lines(tmp_path / "a.csv", "0,1", "0.5,2", "1.5,4")
    assert read_array(counted).tolist() == [[0.5, 2], [1.5, 4]]
    assert read_array(write_lines(tmp_path / "b.csv", "0", "1", "2")).tolist() == [
        [0],
        [1],
        [2],
    ]  # labels, not a header
    with pytest.raises(InputError, match=r"counts the rows; .*index=False"):
        read_array(write_lines(tmp_path / "c.csv", ",a,b", "0,0.5,2", "1,1.5,4"))
    np.savez(tmp_path / "d.npz", x=TABLE, y=TABLE)
    with pytest.raises(InputError, match=r"the file holds 2 arrays; name one of: x, y"):
        read_array(tmp_path / "d.npz")
    with pytest.raises(InputError, match=r"do not know how to read \.docx"):
        read_array(write_lines(tmp_path / "e.docx", "x"))
    with pytest.raises(InputError, match=r"f\.npy: the file cannot be read"):
        read_array(write_lines(tmp_path / "f.npy", "x"))
    with pytest.raises(InputError, match=r"the shape is \(2, 2\), not a list"):
        read_list(write_lines(tmp_path / "g.csv", "1,2", "3,4"))
    for name in ("no.csv", "no.txt", "no.npy"):
        with pytest.raises(InputError, match="there is no such file"):
            read_list(tmp_path / name)


@pytest.mark.parametrize(
    ("unseen", "classes", "words"),
    [
        (["a", "b"], ["a", "b"], "all 2 classes are unseen"),
        (["a", "b"], ["a", "b", "c"], "the seen class 'c' has no training row"),
    ],
)
def test_nothing_to_learn_from_is_refused(unseen: list[str], classes: list[str], words: str, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(8.0).reshape(4, 2))
    labels = write_lines(tmp_path / "y.csv", "a", "a", "b", "b")
    with pytest.raises(InputError, match=words) as told:
        pack(tmp_path / "x.npy", tmp_path / "out", labels=labels, unseen=unseen, classes=classes)
    assert "unseen" in str(told.value.remedy)
    assert not (tmp_path / "out").exists()
