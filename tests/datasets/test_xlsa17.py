from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kgzsl.datasets import ImageFeatures
from kgzsl.datasets.matfile import load_mat
from kgzsl.errors import InputError

from .conftest import NAMES, write_lines, write_v5, write_v73, xlsa17_parts

Writer = Callable[[Path, dict[str, Any]], None]
both_kinds = pytest.mark.parametrize("write", [write_v5, write_v73], ids=["v5", "v7.3"])


def make(folder: Path, toy: dict[str, Any], write: Writer = write_v5, **changes: Any) -> Path:
    features, splits = xlsa17_parts(toy)
    for key, value in changes.items():
        table = features if key in features else splits
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value
    folder.mkdir(exist_ok=True)
    write(folder / "res101.mat", features)
    write(folder / "att_splits.mat", splits)
    return folder


@both_kinds
def test_both_kinds_of_file_are_read_alike(toy: dict[str, Any], tmp_path: Path, write: Writer) -> None:
    original = toy["att"].T * 10
    data = ImageFeatures.from_xlsa17(make(tmp_path / "AWA9", toy, write, original_att=original))
    assert data.name == "AWA9"
    assert data.class_names == tuple(NAMES)
    assert data.features.tolist() == toy["features"].tolist()
    assert data.labels.tolist() == toy["labels"].tolist()
    assert data.trainval_loc.tolist() == toy["trainval_loc"].tolist()
    assert data.test_seen_loc.tolist() == toy["test_seen_loc"].tolist()
    assert data.unseen_names == ["blue whale"]
    assert data.priors["att"].matrix.tolist() == toy["att"].tolist()
    assert data.priors["att_original"].matrix[1].tolist() == [30, 40, 50]
    assert data.val_loc is None
    assert any("no validation split is shipped" in note for note in data.notes)


@both_kinds
def test_the_old_issue_with_validation_rows(toy: dict[str, Any], tmp_path: Path, write: Writer) -> None:
    folder = make(tmp_path, toy, write, train_loc=np.array([[1, 2, 3, 4]]), val_loc=np.array([[7], [8], [9]]))
    data = ImageFeatures.from_xlsa17(folder)
    assert data.train_loc is not None
    assert data.train_loc.tolist() == [0, 1, 2, 3]
    assert data.validation_split().unseen_names == ["killer whale"]


@both_kinds
def test_features_that_are_no_numbers_name_their_own_file(toy: dict[str, Any], tmp_path: Path, write: Writer) -> None:
    features = toy["features"].T.copy()
    features[0, 2] = np.nan
    with pytest.raises(InputError, match=r"res101\.mat, features, image 3 \(counted from 1\): .*; remove or repair"):
        ImageFeatures.from_xlsa17(make(tmp_path, toy, write, features=features))


def test_validation_classes_from_the_lists_of_the_archive(toy: dict[str, Any], tmp_path: Path) -> None:
    write_lines(make(tmp_path, toy) / "valclasses1.txt", "killer whale")
    data = ImageFeatures.from_xlsa17(tmp_path)
    assert data.val_loc is not None
    assert data.val_loc.tolist() == [6, 7]
    assert any("valclasses1.txt" in note for note in data.notes)


@pytest.mark.parametrize("lines", [NAMES, [f"     {i + 1}\t{name}" for i, name in enumerate(NAMES)]])
def test_class_names_from_a_list_beside_it(toy: dict[str, Any], tmp_path: Path, lines: list[str]) -> None:
    write_lines(make(tmp_path, toy, allclasses_names=None) / "allclasses.txt", *lines)
    assert ImageFeatures.from_xlsa17(tmp_path).class_names == tuple(NAMES)


def test_classes_without_names_get_numbers(toy: dict[str, Any], tmp_path: Path) -> None:
    data = ImageFeatures.from_xlsa17(make(tmp_path, toy, allclasses_names=None))
    assert data.class_names[0] == "class_001"
    assert any("name no classes" in note for note in data.notes)


def test_features_the_other_way_round_are_noticed(toy: dict[str, Any], tmp_path: Path) -> None:
    data = ImageFeatures.from_xlsa17(make(tmp_path, toy, features=toy["features"]))
    assert data.features.tolist() == toy["features"].tolist()
    assert any("[N, D]" in note for note in data.notes)


def test_further_split_files_give_further_priors(toy: dict[str, Any], tmp_path: Path) -> None:
    make(tmp_path, toy)
    binary = (toy["att"] > 3).astype(np.uint8)
    write_v5(tmp_path / "binaryAtt_splits.mat", {"att": binary[::-1].T, "allclasses_names": NAMES[::-1]})
    data = ImageFeatures.from_xlsa17(tmp_path)
    assert data.priors["att_binary"].matrix.tolist() == binary.tolist()


@both_kinds
@pytest.mark.parametrize("key", ["att", "trainval_loc", "test_seen_loc", "test_unseen_loc", "features", "labels"])
def test_a_missing_key_is_named(toy: dict[str, Any], tmp_path: Path, write: Writer, key: str) -> None:
    with pytest.raises(InputError, match=rf"\.mat: the key '{key}' is missing; .*the file has: "):
        ImageFeatures.from_xlsa17(make(tmp_path, toy, write, **{key: None}))


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("label 0", {"labels": np.array([[0] + [1] * 11])}, r"res101.*labels, row 1: the label 0 is outside.*\(1 to 4\)"),
    ("label 5", {"labels": np.array([[1] * 11 + [5]])}, r"res101.*labels, row 12: the label 5 is outside"),
    ("label 1.5", {"labels": np.array([[1.5] * 12])}, r"labels: holds values that are no whole numbers"),
    ("row 0", {"trainval_loc": np.array([[0, 1, 4, 7]])}, r"att_splits.*trainval_loc, entry 1: 0 is out of range"),
    ("row 13", {"test_seen_loc": np.array([[13]])}, r"test_seen_loc, entry 1: 13 is out of range: there are 12 images"),
    (
        "unseen in training",
        {"trainval_loc": np.array([[1, 4, 7, 10]]), "test_unseen_loc": np.array([[11, 12]])},
        r"an unseen class is in the training indices: 'blue whale'",
    ),
    (
        "att of another size",
        {"att": np.zeros((3, 5))},
        r"att_splits.*att: att has 5 columns, but allclasses_names.*has 4",
    ),
    ("features of another size", {"features": np.zeros((2, 11))}, r"features: the shape is \(2, 11\) for 12 labels"),
]


@pytest.mark.parametrize(("changes", "message"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_contradictions_are_refused(toy: dict[str, Any], tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ImageFeatures.from_xlsa17(make(tmp_path, toy, **changes))


@both_kinds
def test_files_cut_short_are_named(toy: dict[str, Any], tmp_path: Path, write: Writer) -> None:
    file = make(tmp_path, toy, write) / "att_splits.mat"
    content = file.read_bytes()
    for share in (0.03, 0.3, 0.6, 0.95):
        file.write_bytes(content[: int(share * len(content))])
        with pytest.raises(InputError, match=r"att_splits\.mat: "):
            ImageFeatures.from_xlsa17(tmp_path)


def test_what_is_no_matlab_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no att_splits\.mat here"):
        ImageFeatures.from_xlsa17(tmp_path)
    (tmp_path / "att_splits.mat").write_text("<html>404 Not Found</html>" * 20)
    with pytest.raises(InputError, match=r"att_splits\.mat: "):
        ImageFeatures.from_xlsa17(tmp_path)
    with pytest.raises(InputError, match=r"none\.mat: there is no such file"):
        load_mat(tmp_path / "none.mat")


@pytest.mark.parametrize("content", [b"", b"MATLAB 5.0 MAT-file", bytes(4)])
def test_a_file_with_next_to_nothing_in_it_is_named(toy: dict[str, Any], tmp_path: Path, content: bytes) -> None:
    (make(tmp_path, toy) / "att_splits.mat").write_bytes(content)
    with pytest.raises(InputError, match=r"att_splits\.mat: "):
        ImageFeatures.from_xlsa17(tmp_path)


def test_vectors_that_are_wrong_name_their_file(toy: dict[str, Any], tmp_path: Path) -> None:
    torn = toy["att"].T.copy()
    torn[1, 2] = np.nan
    with pytest.raises(InputError, match=r"att_splits\.mat, att: the vector of class 'killer whale' has the value nan"):
        ImageFeatures.from_xlsa17(make(tmp_path, toy, att=torn))
    with pytest.raises(InputError, match=r"att_splits\.mat, original_att: .* has the value nan"):
        ImageFeatures.from_xlsa17(make(tmp_path, toy, original_att=torn))


def test_a_class_list_of_another_encoding_is_named_and_a_byte_order_mark_is_none(
    toy: dict[str, Any], tmp_path: Path
) -> None:
    make(tmp_path, toy, allclasses_names=None)
    names = "\n".join(NAMES)
    (tmp_path / "allclasses.txt").write_bytes(b"\xef\xbb\xbf" + names.encode())
    assert ImageFeatures.from_xlsa17(tmp_path).class_names == tuple(NAMES)
    (tmp_path / "allclasses.txt").write_bytes(names.replace("whale", "w\xe4l").encode("latin-1"))
    with pytest.raises(InputError, match=r"allclasses\.txt: this is not UTF-8 text .*; convert it to UTF-8"):
        ImageFeatures.from_xlsa17(tmp_path)


@both_kinds
def test_matrices_keep_their_orientation(tmp_path: Path, write: Writer) -> None:
    matrix = np.arange(6.0).reshape(2, 3)
    write(tmp_path / "a.mat", {"m": matrix, "names": ["a b", "", "ç"] if write is write_v5 else ["a b", "c", "ç"]})
    found = load_mat(tmp_path / "a.mat")
    assert isinstance(found["m"], np.ndarray)
    assert found["m"].tolist() == matrix.tolist()
    assert found["names"] == (["a b", "", "ç"] if write is write_v5 else ["a b", "c", "ç"])


SPLITS = {  # classes, attributes, trainval, test seen, test unseen: the README beside the files
    "AWA1": ("att_splits.mat", 50, 85, 19832, 4958, 5685),
    "AWA2": ("att_splits.mat", 50, 85, 23527, 5882, 7913),
    "SUN": ("att_splits.mat", 717, 102, 10320, 2580, 1440),
    "FLO": ("att_splits.mat", 102, 1024, 5631, 1403, 1155),
    "CUB": ("sent_splits.mat", 200, 1024, 7057, 1764, 2967),
}
UNSEEN = {"AWA1": 10, "AWA2": 10, "SUN": 72, "FLO": 20, "CUB": 50}


@pytest.mark.parametrize("name", SPLITS)
def test_the_published_splits_are_read(kgzsl_data: Path, tmp_path: Path, name: str) -> None:
    """Real splits with made-up features. Labels are made up too: unseen classes on the test_unseen rows."""
    file, classes, attributes, trainval, test_seen, test_unseen = SPLITS[name]
    source = kgzsl_data / "kg" / "gzsl_splits" / name / file
    parts = load_mat(source)
    rows = trainval + test_seen + test_unseen
    labels = np.zeros(rows, dtype=np.int64)
    is_unseen = np.zeros(rows, dtype=bool)
    is_unseen[np.asarray(parts["test_unseen_loc"]).ravel().astype(int) - 1] = True
    labels[is_unseen] = np.arange(test_unseen) % UNSEEN[name] + 1
    val = np.zeros(rows, dtype=bool)
    if "val_loc" in parts:
        val[np.asarray(parts["val_loc"]).ravel().astype(int) - 1] = True
    seen = classes - UNSEEN[name]
    labels[val] = UNSEEN[name] + 1 + np.arange(val.sum()) % (seen // 4)
    rest = ~val & ~is_unseen
    labels[rest] = UNSEEN[name] + 1 + seen // 4 + np.arange(rest.sum()) % (seen - seen // 4)
    (tmp_path / file).write_bytes(source.read_bytes())
    features = np.random.default_rng(0).random((2, rows))
    write_v5(tmp_path / "res101.mat", {"features": features, "labels": labels.reshape(-1, 1)})
    data = ImageFeatures.from_xlsa17(tmp_path, name=name)
    assert (len(data.trainval_loc), len(data.test_seen_loc), len(data.test_unseen_loc)) == (
        trainval,
        test_seen,
        test_unseen,
    )
    prior = data.priors["sent" if name == "CUB" else "att"]
    assert prior.matrix.shape == (classes, attributes)
    assert len(data.unseen) == UNSEEN[name]
    split = data.validation_split()
    assert len(split.features) == trainval
    assert len(split.unseen) == seen // 4
    if name != "FLO":
        assert not data.class_names[0].startswith("class_")
