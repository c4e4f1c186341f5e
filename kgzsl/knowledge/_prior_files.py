"""Class vectors in other people's files: .npz, .mat, .csv and safetensors, never unpickled."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError, nearest
from kgzsl.knowledge._archives import DAMAGE, check_size, read_array

__all__ = ["PriorTable", "read_file", "read_safetensors"]

_NAME_KEYS = ("class_names", "names", "allclasses_names", "classes")
_MATRIX_KEYS = ("att", "matrix", "priors", "embeddings", "k2v")
_COLUMN_KEYS = ("attribute_names", "columns")
# In these MATLAB arrays of the xlsa17 layout the classes are columns.
_COLUMN_MAJOR = ("att", "original_att")

_SEVERAL = {"class": "classes", "entity": "entities"}


@dataclass
class PriorTable:
    """What a file held: names, numbers, where they stood and how they were read."""

    names: Sequence[str]
    matrix: npt.NDArray[Any]
    place: str | None = None
    made: dict[str, Any] = field(default_factory=dict)


def read_file(path: Path, *, key: str | None, names: Sequence[str] | None, of: str = "class") -> PriorTable:
    """Read class vectors from ``path``, by its suffix; see ``ClassPriors.read``. ``of`` is what messages call a row."""
    if not path.is_file():
        raise InputError("there is no such file", file=path, remedy="check the path")
    suffix = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    if suffix in ("csv", "tsv", "txt"):
        return _read_csv(path, key, names, of)
    if suffix == "npz":
        arrays, found = _read_npz(path), None
    elif suffix == "mat":
        arrays, found = _read_mat(path), None
    elif suffix == "safetensors":
        arrays, metadata = read_safetensors(path)
        found = _json(metadata.get("names"))
    else:
        raise InputError(
            f"{of} vectors cannot be read from a {path.suffix or 'nameless'} file",
            file=path,
            remedy="give .npz, .mat, .csv, .tsv or .safetensors",
        )
    chosen = _choose(arrays, key, path, of)
    matrix = arrays[chosen]
    own = found or next((_texts(arrays[k]) for k in _NAME_KEYS if k in arrays and _texts(arrays[k])), None)
    place = f"key {chosen!r}"
    final = _names(own, names, path, place, of)
    matrix, turned = _orient(
        matrix, len(final), path, place, of, prefer_columns=suffix == "mat" and chosen in _COLUMN_MAJOR
    )
    made: dict[str, Any] = {"encoder": chosen, "source": path.name, "key": chosen, "transposed": turned}
    for column_key in _COLUMN_KEYS:
        columns = _texts(arrays[column_key]) if column_key in arrays else None
        if columns and len(columns) == matrix.shape[1]:
            made["columns"] = list(columns)
            break
    return PriorTable(final, matrix, place, made)


def read_safetensors(path: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, str]]:
    """All arrays of a safetensors file, and its metadata.

    Raises:
        InputError: The file is missing, or damaged.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise InputError("there is no such file", file=path, remedy="check the path")
    try:
        with safe_open(str(path), framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dictionary)
            return arrays, dict(file.metadata() or {})
    except (SafetensorError, OSError, TypeError, ValueError) as error:
        raise InputError(f"this is not a readable safetensors file ({error})", file=path) from None


def _read_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            check_size(archive, path)
            arrays = {}
            for name in archive.namelist():
                try:
                    arrays[name.removesuffix(".npy")] = read_array(archive, name)
                except ValueError as error:
                    # An array of Python objects; it may not be the one asked for.
                    if "Python objects" not in str(error):
                        raise
            return arrays
    except InputError:
        raise
    except DAMAGE as error:
        raise InputError(f"this is not a readable .npz file ({error})", file=path) from None


def _read_mat(path: Path) -> dict[str, npt.NDArray[Any]]:
    import scipy.io

    try:
        loaded = scipy.io.loadmat(path)
    except NotImplementedError:
        return _read_mat73(path)
    except Exception as error:  # scipy lets many kinds of errors through on damaged files
        raise InputError(f"this is not a readable .mat file ({error})", file=path) from None
    return {name: value for name, value in loaded.items() if not name.startswith("__") and hasattr(value, "dtype")}


def _read_mat73(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        import h5py
    except ImportError:
        raise InputError(
            "this .mat file is of version 7.3", file=path, remedy="install h5py: pip install 'kgzsl[mat73]'"
        ) from None
    arrays: dict[str, npt.NDArray[Any]] = {}
    try:
        with h5py.File(path, "r") as file:
            for name, item in file.items():
                if not isinstance(item, h5py.Dataset):
                    continue
                value = np.asarray(item[()])
                if h5py.check_ref_dtype(item.dtype) is not None:
                    cells = [np.asarray(file[reference][()]).ravel() for reference in value.ravel()]
                    if all(cell.dtype.kind in "ui" for cell in cells):
                        arrays[name] = np.array(["".join(map(chr, cell)) for cell in cells])
                else:
                    # HDF5 holds MATLAB's column-major arrays with the axes reversed.
                    arrays[name] = value.T
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"this is not a readable .mat file ({error})", file=path) from None
    return arrays


def _read_csv(path: Path, key: str | None, names: Sequence[str] | None, of: str) -> PriorTable:
    if key is not None:
        raise InputError("a table of text has no keys", file=path, remedy="leave key out")
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix.lower() == ".gz" else raw).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"this is not readable UTF-8 text ({error})", file=path) from None
    first = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max("\t,;", key=first.count)
    rows = [(line, row) for line, row in _lines(text, delimiter, path) if any(cell.strip() for cell in row)]
    columns = None
    if rows and not all(_is_number(cell) for cell in rows[0][1][1:]):
        if len(rows) > 1 and any(_is_number(cell) for cell in rows[0][1][1:]) and _is_number(rows[1][1][-1]):
            line, row = rows[0]
            column = next(i for i, cell in enumerate(row) if i and not _is_number(cell))
            raise InputError(f"{row[column]!r} is not a number", file=path, place=f"line {line}, column {column + 1}")
        columns = [cell.strip() for cell in rows.pop(0)[1][1:]]
    if not rows:
        raise InputError("there is no row of numbers in this table", file=path)
    width = len(rows[0][1])
    matrix = np.empty((len(rows), max(width - 1, 0)), dtype=np.float64)
    for index, (line, row) in enumerate(rows):
        if len(row) != width:
            raise InputError(f"{len(row)} cells where the rows before have {width}", file=path, place=f"line {line}")
        for column, cell in enumerate(row[1:]):
            try:
                matrix[index, column] = float(cell)
            except ValueError:
                raise InputError(
                    f"{cell!r} is not a number", file=path, place=f"line {line}, column {column + 2}"
                ) from None
    own = [row[0].strip() for _, row in rows]
    made: dict[str, Any] = {"encoder": path.name, "source": path.name}
    if columns and len(columns) == matrix.shape[1]:
        made["columns"] = columns
    return PriorTable(_names(own, names, path, None, of), matrix, None, made)


def _lines(text: str, delimiter: str, path: Path) -> list[tuple[int, list[str]]]:
    reader = csv.reader(text.splitlines(), delimiter=delimiter)
    try:
        return [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise InputError(f"not a table ({error})", file=path, place=f"line {reader.line_num}") from None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _choose(arrays: Mapping[str, npt.NDArray[Any]], key: str | None, path: Path, of: str) -> str:
    usable = [name for name, value in arrays.items() if value.ndim == 2 and value.dtype.kind in "fiub"]
    if key is not None:
        if key in arrays:
            return key
        close = nearest(key, arrays) or list(arrays)
        raise InputError(f"there is no array {key!r}", file=path, remedy=f"it has {', '.join(close) or 'no arrays'}")
    for name in _MATRIX_KEYS:
        if name in usable:
            return name
    if len(usable) == 1:
        return usable[0]
    what = f"several: {', '.join(usable)}" if usable else f"none among: {', '.join(arrays) or 'no arrays'}"
    raise InputError(
        f"which array holds the {of} vectors is not clear; matrices of numbers in it: {what}",
        file=path,
        remedy="name it with key=",
    )


def _names(own: Sequence[str] | None, given: Sequence[str] | None, path: Path, place: str | None, of: str) -> list[str]:
    if given is None:
        if own is None:
            raise InputError(
                f"the file does not name its {_SEVERAL[of]}",
                file=path,
                place=place,
                remedy="give them with names=, in its order",
            )
        return list(own)
    given = [str(name) for name in given]
    if own is not None and given != list(own) and sorted(given) == sorted(own):
        raise InputError(
            "the file names its own rows, in another order than names=",
            file=path,
            place=place,
            remedy="leave names= out and use .align(names) afterwards",
        )
    return given


def _orient(
    matrix: npt.NDArray[Any], count: int, path: Path, place: str, of: str, *, prefer_columns: bool
) -> tuple[npt.NDArray[Any], bool]:
    if matrix.ndim != 2:
        raise InputError(f"this array has the shape {list(matrix.shape)}, not a matrix", file=path, place=place)
    rows, columns = matrix.shape
    if count not in (rows, columns):
        raise InputError(
            f"{count} {of} names for a matrix of {rows} x {columns}; neither side is {count}",
            file=path,
            place=place,
            remedy="check key= and names=",
        )
    turn = columns == count and (rows != count or prefer_columns)
    return (matrix.T if turn else matrix), turn


def _texts(value: npt.NDArray[Any]) -> list[str] | None:
    """The strings of an array of text, or of a MATLAB cell array of texts; None for anything else."""
    if value.dtype.kind == "U":
        return [str(item).strip() for item in value.ravel()]
    if value.dtype.kind == "S":
        return [item.decode("utf-8", "replace").strip() for item in value.ravel()]
    if value.dtype.kind != "O":
        return None
    texts = []
    for item in value.ravel():
        while isinstance(item, np.ndarray) and item.size == 1:
            item = item.ravel()[0]
        if not isinstance(item, str):
            return None
        texts.append(item.strip())
    return texts


def _json(text: str | None) -> list[str] | None:
    if text is None:
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return [str(item) for item in value] if isinstance(value, list) else None
