"""Small tables on disk: history.csv, predictions.csv or .parquet."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kgzsl._files import atomic_file
from kgzsl.errors import InputError

__all__ = ["read_columns", "read_rows", "write_columns", "write_rows"]


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write ``rows`` as CSV; the header is the union of their keys, in order of first appearance.

    Numbers are written with ``repr`` so that reading gives the same float back; a missing value is an empty cell.
    """
    names = list(dict.fromkeys(key for row in rows for key in row))
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_cell(row.get(name)) for name in names] for row in rows)


def write_columns(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """Write named columns of equal length as CSV, or as Parquet when ``path`` ends in ``.parquet``.

    Raises:
        InputError: Parquet was asked for and pyarrow is not installed.
        ValueError: The columns differ in length.
    """
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"columns of different lengths: {lengths}")
    if path.suffix == ".parquet":
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError:
            raise InputError(
                "Parquet needs pyarrow", file=path, remedy='pip install "kgzsl[table]", or write .csv'
            ) from None
        with atomic_file(path) as temporary:
            table = pyarrow.table({name: list(values) for name, values in columns.items()})
            pyarrow.parquet.write_table(table, temporary)
        return
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(list(columns))
        writer.writerows([_cell(value) for value in row] for row in zip(*columns.values(), strict=True))


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read a CSV written by :func:`write_rows`; numbers come back as numbers, empty cells are left out."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            {key: _value(cell) for key, cell in row.items() if key is not None and cell not in ("", None)}
            for row in csv.DictReader(file)
        ]


def read_columns(path: Path) -> dict[str, list[Any]]:
    """Read what :func:`write_columns` wrote; a CSV gives numbers where a whole column is numbers.

    Raises:
        InputError: The file is Parquet and pyarrow is not installed.
    """
    if path.suffix == ".parquet":
        try:
            import pyarrow.parquet
        except ImportError:
            raise InputError("Parquet needs pyarrow", file=path, remedy='pip install "kgzsl[table]"') from None
        found: dict[str, list[Any]] = pyarrow.parquet.read_table(path).to_pydict()
        return found
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    if not rows:
        return {}
    columns: dict[str, list[Any]] = {}
    for name, cells in zip(rows[0], zip(*rows[1:], strict=True) if len(rows) > 1 else [()] * len(rows[0]), strict=True):
        values = [_value(cell) if cell else None for cell in cells]
        numbers = all(isinstance(value, int | float) or value is None for value in values)
        columns[name] = values if numbers else list(cells)
    return columns


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, str | int):  # bool is an int: written as True / False
        return value
    return repr(float(value)) if hasattr(value, "__float__") else str(value)


def _value(cell: str) -> Any:
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return cell
