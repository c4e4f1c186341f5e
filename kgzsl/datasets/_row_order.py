"""Whether two tables, of features and of labels, have their rows in one order."""

from __future__ import annotations

import csv
from os import PathLike
from pathlib import Path

import numpy as np

from kgzsl.datasets.tables import read_array
from kgzsl.errors import InputError

__all__ = ["require_same_order"]


def require_same_order(features: str | PathLike[str], labels: str | PathLike[str], *, apart: str | None = None) -> None:
    """Refuse labels that would go to other rows: a column that both tables have must be the same in both.

    Args:
        features: A file; one that is no table says nothing of order.
        labels: Another file.
        apart: A column that is not compared: the labels.

    Raises:
        InputError: The column differs, from which row on.
    """
    there, here = _names(Path(features)), _names(Path(labels))
    for name in there:
        if name not in here or name == apart:
            continue
        ours, theirs = read_array(features, name).astype(str), read_array(labels, name).astype(str)
        if len(ours) != len(theirs):
            return  # how many rows there are is told elsewhere
        if ours.ndim > 1 or theirs.ndim > 1:
            continue  # lists are no names of rows
        differ = np.flatnonzero(ours != theirs)
        if len(differ):
            row = int(differ[0])
            raise InputError(
                f"its rows are in another order than those of the features: {name!r} is {str(theirs[row])!r} here and "
                f"{str(ours[row])!r} in {Path(features).name}",
                file=labels,
                place=f"row {row}",
                remedy=f"sort both tables by {name!r}",
            )


def _names(file: Path) -> list[str]:
    """Names of the columns; none of what has no names, or numbers."""
    suffix = file.suffix.lower()
    if not file.is_file():
        return []
    if suffix == ".parquet":
        import pyarrow.parquet

        return [str(name) for name in pyarrow.parquet.read_schema(file).names]
    if suffix not in {".csv", ".tsv"}:
        return []
    with file.open(encoding="utf-8-sig", newline="") as stream:
        first = next(csv.reader(stream, delimiter="," if suffix == ".csv" else "\t"), [])
    return [name for name in first if not name.replace(".", "", 1).lstrip("-").isdigit()]
