"""Arrays and lists from the files that people have: .npz, .npy, .mat, .csv, .parquet, .safetensors, .txt."""

from __future__ import annotations

from collections.abc import Collection
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kgzsl.errors import InputError, nearest

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["read_array", "read_list"]

Array = np.ndarray[Any, Any]


def read_array(path: str | PathLike[str], key: str | None = None, *, without: str | None = None) -> Array:
    """One array from a file.

    Args:
        path: ``.npz``, ``.mat`` or ``.safetensors`` (several arrays, ``key`` names one), ``.npy``, ``.csv`` or ``.tsv``
            (a header over numbers is skipped; with ``key``, the column of that name in the header), or ``.parquet``
            (all columns of numbers but pandas' index; with ``key``, that column, which may hold lists).
        key: Which array or column. May be left out where there is one only.
        without: An array or column that is something else, such as the labels.

    Raises:
        InputError: The file is missing, damaged or of an unknown kind, or has no such key (it lists what it has).
    """
    file = Path(path)
    if not file.is_file():
        raise InputError("there is no such file", file=file, remedy="check the path")
    suffix = file.suffix.lower()
    if suffix == ".npz":
        from kgzsl.datasets.npz import load_npz

        return _picked(load_npz(file), key, file, without)
    if suffix == ".mat":
        from kgzsl.datasets.matfile import load_mat

        return _picked({name: np.asarray(value) for name, value in load_mat(file).items()}, key, file, without)
    if suffix == ".safetensors":
        return _picked(_safetensors(file), key, file, without)
    if suffix == ".npy":
        try:
            return np.asarray(np.load(file, allow_pickle=False))
        except (ValueError, EOFError, OSError) as error:
            raise InputError(f"the file cannot be read ({error})", file=file, remedy="save it anew") from error
    if suffix in {".csv", ".tsv"}:
        return _text_table(file, "," if suffix == ".csv" else "\t", key, without)
    if suffix == ".parquet":
        return _parquet(file, key, without)
    raise InputError(
        f"do not know how to read {suffix or 'a file without an ending'}",
        file=file,
        remedy="give .npz, .npy, .mat, .csv, .tsv, .parquet or .safetensors",
    )


def read_list(path: str | PathLike[str], key: str | None = None) -> list[Any]:
    """Names or numbers: the lines of a ``.txt`` file (empty ones skipped), or a 1-d array of any other file."""
    file = Path(path)
    if file.suffix.lower() != ".txt":
        of_columns = key is None and file.suffix.lower() == ".parquet" and file.is_file()
        values = np.squeeze(_parquet(file, None, None, one=True) if of_columns else read_array(file, key))
        if values.ndim > 1:
            raise InputError(f"the shape is {values.shape}, not a list", file=file, remedy="name one column by its key")
        return list(np.atleast_1d(values).tolist())
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise InputError("there is no such file", file=file, remedy="check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"this is not UTF-8 text ({error})", file=file, remedy="convert it to UTF-8") from error
    return [line.strip() for line in lines if line.strip()]


def _picked(arrays: dict[str, Array], key: str | None, file: Path, without: str | None = None) -> Array:
    if without is not None:
        _require(without, arrays, file)
        arrays = {name: array for name, array in arrays.items() if name != without or name == key}
    if key is None:
        if len(arrays) == 1:
            return next(iter(arrays.values()))
        raise InputError(
            f"the file holds {len(arrays)} arrays", file=file, remedy=f"name one of: {', '.join(sorted(arrays))}"
        )
    _require(key, arrays, file)
    return arrays[key]


def _require(key: str, names: Collection[str], file: Path) -> None:
    if key not in names:
        close = nearest(key, names)
        hint = f"did you mean {close[0]!r}?" if close else f"the file has: {', '.join(sorted(names))}"
        raise InputError(f"there is no {key!r}", file=file, remedy=hint)


def _safetensors(file: Path) -> dict[str, Array]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file  # NumPy has no bfloat16

    try:
        return {name: _as_array(tensor) for name, tensor in load_file(file).items()}
    except (SafetensorError, OSError) as error:
        raise InputError(f"the file is damaged or cut short ({error})", file=file, remedy="copy it again") from error


def _as_array(tensor: Tensor) -> Array:
    short = tensor.is_floating_point() and tensor.element_size() < 4
    return np.asarray((tensor.float() if short else tensor).numpy())


def _text_table(file: Path, separator: str, key: str | None, without: str | None) -> Array:
    import csv

    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            rows = [row for row in csv.reader(stream, delimiter=separator) if row]
    except UnicodeDecodeError as error:
        raise InputError(f"this is not UTF-8 text ({error})", file=file, remedy="convert it to UTF-8") from error
    if not rows:
        raise InputError("the file is empty", file=file, remedy="give a table")
    has_header = key is not None or without is not None or _has_header(rows)
    header, body = (rows[0], rows[1:]) if has_header else ([], rows)
    for number, row in enumerate(body, start=2 if has_header else 1):
        if len(row) != len(rows[0]):
            raise InputError(
                f"{len(row)} fields instead of {len(rows[0])}",
                file=file,
                place=f"row {number}",
                remedy="complete the row",
            )
    if header and not header[0] and [row[0] for row in body] == [str(number) for number in range(len(body))]:
        raise InputError(
            "the first column has no name and counts the rows",
            file=file,
            remedy="write the table without it (pandas: to_csv(..., index=False))",
        )
    if key is not None:
        return _picked({name: np.array([row[i] for row in body]) for i, name in enumerate(header)}, key, file)
    kept = list(range(len(rows[0])))
    if without is not None:
        _require(without, header, file)
        kept.remove(header.index(without))
    table = np.array([[row[column] for column in kept] for row in body])
    try:
        return table.astype(np.float64)
    except ValueError:
        for number, row in enumerate(body, start=2 if has_header else 1):
            for column, cell in ((column, row[column]) for column in kept):
                if not _is_number(cell) and table.shape[1] > 1:
                    raise InputError(
                        f"{cell!r} is no number",
                        file=file,
                        place=f"row {number}, column {column + 1}",
                        remedy="give numbers only, or name one column by its key",
                    ) from None
        return table


def _has_header(rows: list[list[str]]) -> bool:
    """Whether the first row is words over a column of numbers, or counts the columns from 0, as pandas names them.

    A column of words alone has no header to be told by.
    """
    if len(rows[0]) > 1 and len(rows) > 1 and rows[0] == [str(column) for column in range(len(rows[0]))]:
        return True
    return any(
        not _is_number(cell) and any(len(row) > column and _is_number(row[column]) for row in rows[1:])
        for column, cell in enumerate(rows[0])
    )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _parquet(file: Path, key: str | None, without: str | None, *, one: bool = False) -> Array:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError("pyarrow is not installed", file=file, remedy="pip install 'kgzsl[table]'") from error
    try:
        table = pyarrow.parquet.read_table(file)
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"the file cannot be read ({error})", file=file, remedy="save it anew") from error
    columns = {name: table.column(name) for name in table.column_names}
    if key is not None:
        _require(key, columns, file)
    else:
        if without is not None:
            _require(without, columns, file)
        index = (table.schema.pandas_metadata or {}).get("index_columns", [])  # names of rows, no feature
        columns = {name: column for name, column in columns.items() if name != without and name not in index}
    if one and len(columns) > 1:
        raise InputError(
            f"the file holds {len(columns)} columns", file=file, remedy=f"name one of: {', '.join(columns)}"
        )
    if key is not None or len(columns) == 1:
        values = (columns[key] if key is not None else next(iter(columns.values()))).to_pylist()
        lengths = {len(value) for value in values if isinstance(value, list)}
        if len(lengths) > 1:
            raise InputError(f"the lists of {key!r} have different lengths", file=file, remedy="make them equally long")
        return np.array(values)
    numeric = [name for name, column in columns.items() if _is_numeric(column.type)]
    if not numeric:
        raise InputError("no column holds numbers", file=file, remedy=f"name one of: {', '.join(columns)}")
    return np.stack([columns[name].to_numpy() for name in numeric], axis=1)


def _is_numeric(kind: Any) -> bool:
    import pyarrow

    return bool(pyarrow.types.is_floating(kind) or pyarrow.types.is_integer(kind))
