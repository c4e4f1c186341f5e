"""Small data sets, literal in the file, in every layout that is read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

NAMES = ["horse", "zebra", "killer whale", "blue whale"]


@pytest.fixture
def kgzsl_data() -> Path:
    """The folder of real data; the test is skipped where there is none."""
    folder = os.environ.get("KGZSL_DATA")
    if not folder or not (Path(folder) / "kg").is_dir():
        pytest.skip("KGZSL_DATA is unset or lacks the data")
    return Path(folder)


@pytest.fixture
def toy() -> dict[str, Any]:
    """12 images, 4 classes of 3 images each; class 3 is unseen. Row i, of class i // 3, is (i, i + 0.5)."""
    rows = np.arange(12)
    return {
        "features": np.stack([rows, rows + 0.5], axis=1).astype(np.float32),
        "labels": rows // 3,
        "class_names": np.array(NAMES),
        "trainval_loc": np.array([0, 1, 3, 4, 6, 7]),
        "test_seen_loc": np.array([2, 5, 8]),
        "test_unseen_loc": np.array([9, 10, 11]),
        "unseen_classes": np.array([3]),
        "att": np.arange(12, dtype=np.float32).reshape(4, 3),
    }


def write_v5(path: Path, variables: dict[str, Any]) -> None:
    """A MATLAB v5 file; lists of str become a C x 1 cell array."""
    import scipy.io

    scipy.io.savemat(
        path, {key: _cell(value) if isinstance(value, list) else value for key, value in variables.items()}
    )


def _cell(names: list[str]) -> np.ndarray[Any, Any]:
    cell = np.empty((len(names), 1), dtype=object)
    cell[:, 0] = names
    return cell


def write_v73(path: Path, variables: dict[str, Any]) -> None:
    """A MATLAB v7.3 file as MATLAB writes it: header in a user block, reversed axes, cells as references to text."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w", userblock_size=512) as file:
        for key, value in variables.items():
            if isinstance(value, list):
                cell = file.create_dataset(key, (1, len(value)), dtype=h5py.ref_dtype)
                cell.attrs["MATLAB_class"] = np.bytes_("cell")
                for i, name in enumerate(value):
                    codes = np.array([[ord(letter)] for letter in name], dtype=np.uint16)
                    text = file.create_dataset(f"#refs#/{key}{i}", data=codes)
                    text.attrs["MATLAB_class"] = np.bytes_("char")
                    cell[0, i] = text.ref
            else:
                matrix = file.create_dataset(key, data=np.atleast_2d(np.asarray(value)).T)
                matrix.attrs["MATLAB_class"] = np.bytes_("double")
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Tue Nov 24 09:00:00 2026 HDF5 schema 1.00 ."
    with path.open("r+b") as file:
        file.write(header.ljust(124) + b"\x00\x02IM")


def xlsa17_parts(toy: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The toy data as the variables of res101.mat and att_splits.mat (columns are images and classes, 1-based)."""
    features = {"features": toy["features"].T.astype(float), "labels": (toy["labels"] + 1).reshape(-1, 1)}
    splits = {key: (toy[key] + 1).reshape(-1, 1) for key in ("trainval_loc", "test_seen_loc", "test_unseen_loc")}
    splits |= {"att": toy["att"].T.astype(float), "allclasses_names": list(NAMES)}
    return features, splits


def write_lines(path: Path, *lines: str) -> Path:
    """A text file of these lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
