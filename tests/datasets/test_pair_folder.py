"""Lists of pairs as MIT-States, UT-Zappos and C-GQA have them, beside features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kgzsl import datasets
from kgzsl.errors import InputError

ROWS = [
    *(("train", "wet", "dog"), ("train", "wet", "cat"), ("train", "old", "dog"), ("train", "old", "cup")),
    *(("val", "wet", "cup"), ("test", "wet", "dog"), ("test", "old", "cat"), ("test", "wet", "cup")),
    ("test", "dry", "cup"),
]
TRAIN = "wet dog\nwet cat\nold dog\nold cup\ndry cup\n"


def write(folder: Path, place: str = "", rows: list[tuple[str, str, str]] = ROWS, **changes: str) -> Path:
    (folder / place).mkdir(parents=True, exist_ok=True)
    texts = {"train": TRAIN, "val": "wet cup\n", "test": "wet dog\nold cat\nwet cup\ndry cup\n", **changes}
    for kind, text in texts.items():
        (folder / place / f"{kind}_pairs.txt").write_text(text)
    sets, attributes, objects = (np.array(column) for column in zip(*rows, strict=True))
    features = np.arange(3.0 * len(rows)).reshape(-1, 3)
    np.savez(folder / "features.npz", features=features, sets=sets, attributes=attributes, objects=objects)
    return folder


@pytest.mark.parametrize("place", ["", "compositional-split-natural"])
def test_pairs_of_the_training_list_are_seen(tmp_path: Path, place: str) -> None:
    data = datasets.load(write(tmp_path / "states", place))
    assert isinstance(data, datasets.ImageFeatures)
    assert data.name == "states"
    assert data.seen_names == ["wet dog", "wet cat", "old dog", "old cup"]
    assert data.unseen_names == ["old cat", "wet cup"]
    assert data.features[:, 0].tolist() == [0, 3, 6, 9, 15, 18, 21]  # neither the validation row nor the dry cup
    assert (len(data.trainval_loc), data.test_seen_loc.tolist(), data.test_unseen_loc.tolist()) == (4, [4], [5, 6])
    assert data.class_info["attribute"][-2:] == ("old", "wet")
    assert data.class_info["object"][-2:] == ("cat", "cup")
    assert data.notes == (
        "1 rows of the published validation set are left out",
        "1 training pairs have no row, and are left out",
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"train": "wet dog\nvery wet cat\n"},
            r"train_pairs.txt, line 2: 'very wet cat' is no pair; write attribute obj",
        ),
        ({"test": "\n"}, "test_pairs.txt: there is no pair in it"),
        (
            {"test": "wet dog\nold cat\nwet cups\ndry cup\n"},
            r"row 7 is of the pair 'wet cup', which test_pairs.txt does",
        ),
        ({"rows": [*ROWS, ("tset", "wet", "dog")]}, "the set of row 9 is 'tset'; write train, val, test"),
    ],
)
def test_what_does_not_go_together_is_told(tmp_path: Path, changes: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        datasets.load(write(tmp_path, **changes))


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        (("val",), r"features.npz, sets: there is no row of train and none of test, only 1 of val; write train for"),
        (("val", "test"), r"features.npz, sets: there is no row of train, only 1 of val and 4 of test; write train"),
        ((), r"features.npz, sets: there is no row; write train"),
    ],
)
def test_sets_that_nothing_can_be_learnt_from(tmp_path: Path, kinds: tuple[str, ...], words: str) -> None:
    write(tmp_path)
    rows = [row for row in ROWS if row[0] in kinds]
    sets, attributes, objects = (np.array([row[at] for row in rows], dtype="<U5") for at in range(3))
    features = np.zeros((len(rows), 3))
    np.savez(tmp_path / "features.npz", features=features, sets=sets, attributes=attributes, objects=objects)
    with pytest.raises(InputError, match=words):
        datasets.load(tmp_path)


@pytest.mark.parametrize("kind", ["train", "test"])
def test_a_list_that_is_missing(tmp_path: Path, kind: str) -> None:
    (write(tmp_path) / f"{kind}_pairs.txt").unlink()
    with pytest.raises(InputError, match=rf"{kind}_pairs.txt: there is no such file; a data set of pairs has train_p"):
        datasets.load(tmp_path)


def test_a_list_of_another_encoding(tmp_path: Path) -> None:
    (write(tmp_path) / "test_pairs.txt").write_bytes("wet k\xe4se\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"test_pairs.txt: this is not UTF-8 text .*; convert it to UTF-8"):
        datasets.load(tmp_path)


def test_an_array_that_is_missing(tmp_path: Path) -> None:
    write(tmp_path)
    np.savez(tmp_path / "features.npz", features=np.zeros((2, 3)), attributes=np.array(["wet", "old"]))
    with pytest.raises(InputError, match=r"features.npz: the array 'objects' is not there; give features, attributes"):
        datasets.load(tmp_path)


@pytest.mark.parametrize("attributes", [np.array("wet"), np.array([["wet", "old"]] * 2)])
def test_an_array_that_is_no_list(tmp_path: Path, attributes: np.ndarray) -> None:
    write(tmp_path)
    words = np.array(["dog", "cat"])
    np.savez(tmp_path / "features.npz", features=np.zeros((2, 3)), attributes=attributes, objects=words, sets=words)
    with pytest.raises(InputError, match=r"the array 'attributes' is of the shape .* for 2 rows"):
        datasets.load(tmp_path)
