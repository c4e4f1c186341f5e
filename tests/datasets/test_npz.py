from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kgzsl.datasets import ImageFeatures
from kgzsl.errors import InputError


def test_reads_every_array_of_the_layout(toy: dict[str, Any], tmp_path: Path) -> None:
    extra = {
        "features": toy["features"].astype(np.float16),
        "labels": toy["labels"].astype(np.int16),
        "attribute_names": np.array(["fast", "striped", "wet"]),
        "att_original": toy["att"] * 10,
        "wnids": np.array(["n1", "n2", "n3", "n4"]),
        "superclass_names": np.array(["land", "sea"]),
        "superclass_of_class": np.array([0, 0, 1, 1], dtype=np.int16),
        "train_loc": np.array([0, 1, 3, 4]),
        "val_loc": np.array([6, 7]),
        "image_files": np.array(["x"] * 12),
    }
    np.savez_compressed(tmp_path / "toy.npz", **(toy | extra))
    data = ImageFeatures.from_npz(tmp_path / "toy.npz")
    assert data.name == "toy"
    assert data.labels.tolist() == toy["labels"].tolist()
    assert data.features.tolist() == toy["features"].tolist()
    assert data.unseen_names == ["blue whale"]
    assert data.trainval_loc.tolist() == toy["trainval_loc"].tolist()
    assert data.val_loc is not None
    assert data.val_loc.tolist() == [6, 7]
    assert data.priors["att"].matrix.tolist() == toy["att"].tolist()
    assert data.priors["att"].made["columns"] == ["fast", "striped", "wet"]
    assert data.priors["att_original"].matrix[1].tolist() == [30, 40, 50]
    assert data.priors["superclass"].matrix.tolist() == [[1, 0], [1, 0], [0, 1], [0, 1]]
    assert data.class_info == {"wnid": ("n1", "n2", "n3", "n4"), "superclass": ("land", "land", "sea", "sea")}


def test_a_file_cut_short_is_named(toy: dict[str, Any], tmp_path: Path) -> None:
    whole = tmp_path / "whole.npz"
    np.savez_compressed(whole, **toy)
    content = whole.read_bytes()
    for share in (0.0, 0.1, 0.5, 0.9):
        cut = tmp_path / "cut.npz"
        cut.write_bytes(content[: int(share * len(content))])
        with pytest.raises(InputError, match=r"cut\.npz: .*(damaged|cut short)"):
            ImageFeatures.from_npz(cut)


def test_a_flipped_byte_inside_is_named(toy: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "flipped.npz"
    np.savez(file, **toy)
    content = bytearray(file.read_bytes())
    at = content.find(toy["features"].tobytes())
    content[at + 5] ^= 255
    file.write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"flipped\.npz.*damaged"):
        ImageFeatures.from_npz(file)


@pytest.mark.parametrize("key", ["features", "labels", "class_names", "unseen_classes"])
def test_a_missing_array_is_named_with_what_is_there(toy: dict[str, Any], tmp_path: Path, key: str) -> None:
    del toy[key]
    np.savez(tmp_path / "toy.npz", **toy)
    with pytest.raises(InputError, match=rf"toy\.npz: the array '{key}' is missing; .*the file has: att"):
        ImageFeatures.from_npz(tmp_path / "toy.npz")


def test_nothing_is_unpickled(toy: dict[str, Any], tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (pytest.fail, ("unpickled",))

    toy["class_names"] = np.array([Trap()], dtype=object)
    np.savez(tmp_path / "toy.npz", allow_pickle=True, **toy)
    with pytest.raises(InputError, match="pickled"):
        ImageFeatures.from_npz(tmp_path / "toy.npz")


def test_other_bad_files(toy: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.npz: there is no such file"):
        ImageFeatures.from_npz(tmp_path / "none.npz")
    np.save(tmp_path / "one.npy", toy["features"])
    with pytest.raises(InputError, match="one array, not an"):
        ImageFeatures.from_npz(tmp_path / "one.npy")
    np.savez(tmp_path / "toy.npz", **(toy | {"att": np.zeros((3, 4))}))
    with pytest.raises(InputError, match=r"toy\.npz, att: the shape is \(3, 4\) for 4 classes"):
        ImageFeatures.from_npz(tmp_path / "toy.npz")
    np.savez(tmp_path / "toy.npz", **(toy | {"labels": toy["labels"] + 1}))
    with pytest.raises(InputError, match=r"toy\.npz, labels, row 9: the label 4 is outside"):
        ImageFeatures.from_npz(tmp_path / "toy.npz")
    bad_groups = {"superclass_names": np.array(["a"]), "superclass_of_class": np.array([0, 0, 0, 1])}
    np.savez(tmp_path / "toy.npz", **(toy | bad_groups))
    with pytest.raises(InputError, match="superclass_of_class: does not give one of 1 superclasses"):
        ImageFeatures.from_npz(tmp_path / "toy.npz")
