"""Files of feature vectors: all that ``kgzsl pack`` reads, and JSON lines."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError

__all__ = ["cells_of", "read_features", "text_of"]

_MADE_OF = ".npy, .npz, .csv, .tsv, .parquet, .safetensors, .mat or .jsonl"

_JSON_LINE = 'write [1.0, 2.0, ...] or {"item": "name", "features": [1.0, 2.0, ...]} in each line'


def read_features(path: Path, *, dim: int, key: str | None = None) -> tuple[npt.NDArray[np.float32], list[str] | None]:
    """Feature vectors from any file that ``kgzsl pack`` reads, or from JSON lines.

    A matrix [D, N], as in the xlsa17 files, is turned when only that fits ``dim``. A CSV may have a header, and a first
    column of names.

    Args:
        path: The file.
        dim: D, the length of the vectors that the model takes.
        key: Which array, where the file has several.

    Returns:
        float32 [N, D], and the names of the rows where the file has them.

    Raises:
        InputError: The file is unreadable, has no such array, another D, or values that are not finite numbers.
    """
    if not path.is_file():
        raise InputError("there is no such file", file=path, remedy="check the path")
    names: list[str] | None = None
    if path.suffix == ".npy":
        array, place = _npy(path), None
    elif path.suffix == ".npz":
        from kgzsl.datasets.npz import load_npz

        array, place = _chosen(load_npz(path), key, path)
    elif path.suffix == ".mat":
        from kgzsl.datasets.matfile import load_mat

        array, place = _chosen(load_mat(path), key, path)
    elif path.suffix in (".csv", ".tsv"):
        array, names = _csv(path)
        place = None
    elif path.suffix in (".parquet", ".safetensors"):
        from kgzsl.datasets.tables import read_array

        array, place = read_array(path, key), None
    elif path.suffix in (".jsonl", ".ndjson"):
        array, names = _json_features(path)
        place = None
    else:
        raise InputError(
            f"features cannot be read from a {path.suffix or 'nameless'} file", file=path, remedy=f"give {_MADE_OF}"
        )
    if array.dtype.kind not in "fiub":
        raise InputError(f"features are of the type {array.dtype}, not numbers", file=path, place=place)
    if array.ndim == 1:
        array = array[None]
    if array.ndim == 2 and array.shape[1] != dim and array.shape[0] == dim:
        array = array.T
    if array.ndim != 2 or array.shape[1] != dim:
        raise InputError(
            f"features have the shape {list(array.shape)}, the model takes [rows, {dim}]",
            file=path,
            place=place,
            remedy="use the features that the model was fitted on",
        )
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        row, column = (int(part) for part in bad[0])
        raise InputError(
            f"the value {array[row, column]} is not a finite number ({len(bad)} in all)",
            file=path,
            place=f"row {row}, column {column}",
            remedy="remove or repair these rows",
        )
    return np.ascontiguousarray(array, dtype=np.float32), names


def _npy(path: Path) -> npt.NDArray[Any]:
    try:
        found: npt.NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        told = "it holds pickled objects, which are never loaded" if "allow_pickle" in str(error) else str(error)
        raise InputError(f"this array cannot be read ({told})", file=path, remedy="save it with numpy.save") from None
    return found


def _chosen(arrays: dict[str, Any], key: str | None, path: Path) -> tuple[npt.NDArray[Any], str]:
    """The array ``key``, or ``features``, or the only matrix there is."""
    matrices = {name: np.asarray(value) for name, value in arrays.items() if np.ndim(value) == 2}
    if key is None:
        if "features" in matrices:
            key = "features"
        elif len(matrices) == 1:
            key = next(iter(matrices))
        else:
            told = ", ".join(matrices) or "none"
            raise InputError(
                "which array holds the features is not clear",
                file=path,
                remedy=f"name it with --key (key: in a recipe); matrices: {told}",
            )
    if key not in arrays:
        raise InputError(
            f"the key {key!r} is missing", file=path, remedy=f"the file has: {', '.join(arrays) or 'nothing'}"
        )
    return np.asarray(arrays[key]), key


def _csv(path: Path) -> tuple[npt.NDArray[np.float64], list[str] | None]:
    rows = cells_of(path)
    begin = 1 if rows and not any(_is_number(cell) for cell in rows[0][1:] or rows[0]) else 0
    named = len(rows) > begin and not _is_number(rows[begin][0]) and len(rows[begin]) > 1
    names: list[str] = []
    values: list[list[float]] = []
    for number, row in enumerate(rows[begin:], start=begin + 1):
        cells = row[1:] if named else row
        if values and len(cells) != len(values[0]):
            problem = f"this row has {len(cells)} values, the first one {len(values[0])}"
            raise InputError(problem, file=path, place=f"line {number}", remedy="make the rows equally long")
        try:
            values.append([float(cell) for cell in cells])
        except ValueError:
            bad = next(cell for cell in cells if not _is_number(cell))
            raise InputError(
                f"{bad!r} is not a number", file=path, place=f"line {number}", remedy="correct it"
            ) from None
        names.append(row[0])
    if not values:
        raise InputError("there are no rows in it", file=path, remedy="write one row of numbers for each item")
    return np.asarray(values), names if named else None


def _json_features(path: Path) -> tuple[npt.NDArray[np.float64], list[str] | None]:
    """A list of numbers a line, or ``{"features": [...], "item": NAME}``."""
    rows: list[list[float]] = []
    names: list[str] = []
    for number, line in enumerate(text_of(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError:
            raise InputError("this line is not JSON", file=path, place=f"line {number}", remedy=_JSON_LINE) from None
        values = found.get("features") if isinstance(found, dict) else found
        if not isinstance(values, list) or not all(isinstance(one, int | float) for one in values):
            raise InputError("there is no list of numbers", file=path, place=f"line {number}", remedy=_JSON_LINE)
        if rows and len(values) != len(rows[0]):
            problem = f"this row has {len(values)} values, the first one {len(rows[0])}"
            raise InputError(problem, file=path, place=f"line {number}", remedy="make the rows equally long")
        rows.append([float(one) for one in values])
        names.append(str(found.get("item", len(names))) if isinstance(found, dict) else str(len(names)))
    if not rows:
        raise InputError("there are no rows in it", file=path, remedy=_JSON_LINE)
    return np.asarray(rows), names


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def text_of(path: Path) -> str:
    """The UTF-8 text of a file.

    Raises:
        InputError: It cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a UTF-8 text"
        raise InputError(f"cannot read this file: {reason}", file=path, remedy="save it as UTF-8") from None


def cells_of(path: Path) -> list[list[str]]:
    """The rows of a table with commas or tabs that have anything in them."""
    text = text_of(path)
    tab = path.suffix in (".tsv", ".txt") or "\t" in text.partition("\n")[0]
    return [row for row in csv.reader(text.splitlines(), delimiter="\t" if tab else ",") if any(row)]
