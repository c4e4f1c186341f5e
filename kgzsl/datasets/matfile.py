"""MATLAB files, both the v5 and the v7.3 (HDF5) kind, as plain arrays and lists of text."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from kgzsl.errors import InputError, nearest

__all__ = ["MatValue", "load_mat", "need"]

MatValue = np.ndarray[Any, Any] | list[str]


def load_mat(path: str | PathLike[str], keys: Sequence[str] | None = None) -> dict[str, MatValue]:
    """The variables of a ``.mat`` file.

    Matrices keep MATLAB's orientation ([rows, columns]) in both kinds of file; cell arrays of text, and text
    matrices, become lists of str. Variables of other kinds (structs, functions, nested cells) are left out.

    Args:
        path: The file.
        keys: Only these, where they are there. Left out: all.

    Raises:
        InputError: The file is missing, damaged, cut short, no MATLAB file, or is v7.3 and h5py is not installed.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError("there is no such file", file=file, remedy="check the path")
    with file.open("rb") as stream:
        start = stream.read(128)
    # v7.3 files carry a MATLAB header of 512 bytes before the HDF5 signature; plain HDF5 files begin with it.
    if start.startswith((b"MATLAB 7.3", b"\x89HDF\r\n\x1a\n")):
        return _load_hdf5(file, keys)
    return _load_v5(file, keys)


def need(variables: dict[str, MatValue], key: str, file: str | PathLike[str]) -> np.ndarray[Any, Any]:
    """The numeric variable ``key``; InputError, with what the file does have, if it is not there."""
    if key not in variables:
        close = nearest(key, variables)
        hint = f"is it called {close[0]!r} here? " if close else ""
        found = ", ".join(sorted(variables)) or "no readable variable"
        raise InputError(f"the key {key!r} is missing", file=file, remedy=f"{hint}add it; the file has: {found}")
    value = variables[key]
    if isinstance(value, list):
        raise InputError(f"the key {key!r} holds text, not numbers", file=file, remedy="store a numeric matrix there")
    return value


def _damaged(file: Path, error: Exception) -> InputError:
    return InputError(f"the file is damaged or cut short ({error})", file=file, remedy="download or copy it again")


def _load_v5(file: Path, keys: Sequence[str] | None) -> dict[str, MatValue]:
    import scipy.io
    from scipy.io.matlab import MatReadError

    try:
        raw = scipy.io.loadmat(str(file), variable_names=None if keys is None else list(keys), chars_as_strings=True)
    except NotImplementedError as error:
        raise _damaged(file, error) from error
    except (ValueError, TypeError, OSError, EOFError, zlib.error, KeyError, IndexError, MatReadError) as error:
        if "Unknown mat file type" in str(error):
            raise InputError("this is no MATLAB file", file=file, remedy="give a .mat file") from error
        raise _damaged(file, error) from error
    found: dict[str, MatValue] = {}
    for key, value in raw.items():
        if key.startswith("__"):
            continue
        if isinstance(value, np.ndarray) and value.dtype == object:
            text = [_text_of_cell(cell) for cell in value.ravel(order="F")]
            if all(item is not None for item in text):
                found[key] = [item for item in text if item is not None]
        elif isinstance(value, np.ndarray) and value.dtype.kind in "US":
            found[key] = [str(item).rstrip() for item in value.ravel()]
        elif isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
            found[key] = value
        elif hasattr(value, "toarray"):
            found[key] = np.asarray(value.toarray())
    return found


def _text_of_cell(cell: Any) -> str | None:
    """Text inside a cell, however often it is wrapped; None if there is something else."""
    while isinstance(cell, np.ndarray) and cell.dtype == object and cell.size == 1:
        cell = cell.ravel()[0]
    if isinstance(cell, str):
        return cell
    if isinstance(cell, np.ndarray) and cell.dtype.kind in "US":
        return str(cell.ravel()[0]) if cell.size else ""
    if isinstance(cell, np.ndarray) and cell.size == 0:
        return ""
    return None


def _load_hdf5(file: Path, keys: Sequence[str] | None) -> dict[str, MatValue]:
    try:
        import h5py
    except ImportError as error:
        raise InputError(
            "this is a MATLAB v7.3 file, and h5py is not installed", file=file, remedy="pip install 'kgzsl[mat73]'"
        ) from error
    found: dict[str, MatValue] = {}
    try:
        with h5py.File(file, "r") as archive:
            for key in archive:
                if key.startswith("#") or (keys is not None and key not in keys):
                    continue
                node = archive[key]
                if not isinstance(node, h5py.Dataset):
                    continue
                value = _hdf5_value(node, archive)
                if value is not None:
                    found[key] = value
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise _damaged(file, error) from error
    return found


def _hdf5_value(node: Any, archive: Any) -> MatValue | None:
    """A dataset in MATLAB's orientation (HDF5 has the axes the other way round); cells of text as a list."""
    kind = _matlab_class(node)
    if node.attrs.get("MATLAB_empty", 0):
        return [] if kind in {"cell", "char"} else np.zeros(tuple(int(n) for n in np.asarray(node)), dtype=float)
    if node.dtype == object or node.dtype.kind == "O":
        text = []
        # HDF5's C order is MATLAB's column order: the cells come out as MATLAB numbers them.
        for reference in np.asarray(node).ravel():
            item = _hdf5_text(archive[reference], archive) if reference else ""
            if item is None:
                return None
            text.append(item)
        return text
    array = np.asarray(node).T
    if kind == "char":
        return ["".join(map(chr, row)).rstrip() for row in np.atleast_2d(array).astype(int)]
    return array if array.dtype.kind in "fiub" else None


def _hdf5_text(node: Any, archive: Any) -> str | None:
    if node.dtype.kind == "O":
        inner = np.asarray(node).ravel()
        return _hdf5_text(archive[inner[0]], archive) if inner.size == 1 else None
    if node.attrs.get("MATLAB_empty", 0):
        return ""
    if _matlab_class(node) not in {"char", ""} or node.dtype.kind not in "ui":
        return None
    return "".join(map(chr, np.asarray(node).ravel().astype(int)))


def _matlab_class(node: Any) -> str:
    kind = node.attrs.get("MATLAB_class", b"")
    return kind.decode() if isinstance(kind, bytes) else str(kind)
