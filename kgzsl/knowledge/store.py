"""Saving a class graph to one file, and reading it back exactly."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kgzsl._files import atomic_file
from kgzsl.errors import InputError
from kgzsl.knowledge._archives import DAMAGE, check_size, read_array
from kgzsl.knowledge.account import Account
from kgzsl.knowledge.texts import TextTable

if TYPE_CHECKING:
    from kgzsl.knowledge.class_graph import ClassGraph

__all__ = ["is_saved_graph", "load_graph", "save_graph"]

_VERSION = 1
_HEADER = "kgzsl-class-graph.json"
# A date that is always the same makes equal graphs equal files.
_DATE = (2000, 1, 1, 0, 0, 0)


def is_saved_graph(path: str | os.PathLike[str]) -> bool:
    """Whether ``path`` is a file that :func:`save_graph` wrote, or the first part of one."""
    try:
        with Path(path).open("rb") as file:
            start = file.read(30 + len(_HEADER))
        if not start.startswith(b"PK\x03\x04"):
            return False
        if start[30:] == _HEADER.encode():  # the first entry's name: there even where the file is cut off
            return True
        with zipfile.ZipFile(path) as archive:
            return _HEADER in archive.namelist()
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return False


def save_graph(graph: ClassGraph, path: str | os.PathLike[str]) -> None:
    """Write ``graph`` to one file: a zip of ``.npy`` arrays and a JSON header. Equal graphs give equal bytes.

    Raises:
        InputError: The file cannot be written; nothing is left half-written.
    """
    header = {
        "version": _VERSION,
        "language": graph.language,
        "account": graph.account.to_dict(),
        "provenance": graph.provenance,
        "counts": {"nodes": graph.num_nodes, "edges": graph.num_edges},
    }
    arrays: dict[str, npt.NDArray[Any]] = {
        "kinds": graph.kinds,
        "edge_index": graph.edge_index,
        "edge_type": graph.edge_type,
    }
    if graph.edge_weight is not None:
        arrays["edge_weight"] = graph.edge_weight
    _put_strings(arrays, "iris", graph.iris)
    _put_strings(arrays, "relations", graph.relations)
    if graph.own_labels is not None:
        _put_strings(arrays, "labels", graph.own_labels)
    _put_texts(arrays, "texts", graph.texts)
    if graph.names is not None:
        _put_texts(arrays, "names", graph.names)
    with (
        atomic_file(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as archive,
    ):
        archive.writestr(zipfile.ZipInfo(_HEADER, _DATE), json.dumps(header, ensure_ascii=False, sort_keys=True))
        for name, array in arrays.items():
            info = zipfile.ZipInfo(f"{name}.npy", _DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(info, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)


def load_graph(path: str | os.PathLike[str]) -> ClassGraph:
    """Read what :func:`save_graph` wrote; nothing is unpickled.

    Raises:
        InputError: The file is missing, broken, or not a saved class graph.
    """
    from kgzsl.knowledge.class_graph import ClassGraph

    file = Path(path)
    if not file.is_file():
        raise InputError("there is no such file", file=file, remedy="check the path")
    if not is_saved_graph(file):
        raise InputError(
            "this is not a saved class graph", file=file, remedy="read an ontology with ClassGraph.read, then save it"
        )
    try:
        with zipfile.ZipFile(file) as archive:
            check_size(archive, file)
            header = json.loads(archive.read(_HEADER))
            if header["version"] != _VERSION:
                raise InputError(
                    f"the file has layout {header['version']}, this kgzsl reads {_VERSION}",
                    file=file,
                    remedy="make the graph anew from its source, or use the kgzsl that wrote it",
                )
            arrays = {
                name.removesuffix(".npy"): read_array(archive, name)
                for name in archive.namelist()
                if name.endswith(".npy")
            }
        return ClassGraph(
            _get_strings(arrays, "iris"),
            arrays["kinds"],
            arrays["edge_index"],
            arrays["edge_type"],
            _get_strings(arrays, "relations"),
            texts=_get_texts(arrays, "texts"),
            edge_weight=arrays.get("edge_weight"),
            labels=_get_strings(arrays, "labels") if "labels.bytes" in arrays else None,
            names=_get_texts(arrays, "names") if "names.offsets" in arrays else None,
            language=header["language"],
            account=Account.from_dict(header["account"]),
            provenance=header["provenance"],
        )
    except InputError as error:
        if error.file is not None:
            raise
        raise InputError(
            error.problem, file=file, place=error.place, remedy="the file is damaged: make it anew"
        ) from error
    except DAMAGE as error:
        raise InputError(
            f"the saved graph is damaged ({error})", file=file, remedy="make it anew from its source"
        ) from error


def _put_strings(arrays: dict[str, npt.NDArray[Any]], name: str, strings: Iterable[str]) -> None:
    """UTF-8 bytes on end, and where each string ends (lone surrogates survive)."""
    encoded = [text.encode("utf-8", "surrogatepass") for text in strings]
    arrays[f"{name}.bytes"] = np.frombuffer(b"".join(encoded), np.uint8)
    arrays[f"{name}.ends"] = np.cumsum([len(text) for text in encoded], dtype=np.int64)


def _get_strings(arrays: dict[str, npt.NDArray[Any]], name: str) -> Sequence[str]:
    data = arrays[f"{name}.bytes"].tobytes()
    ends = arrays[f"{name}.ends"].tolist()
    if ends and (ends[-1] != len(data) or any(a > b for a, b in zip([0, *ends], ends, strict=False))):
        raise ValueError(f"{name}: lengths and bytes disagree")
    return [data[a:b].decode("utf-8", "surrogatepass") for a, b in zip([0, *ends], ends, strict=False)]


def _put_texts(arrays: dict[str, npt.NDArray[Any]], name: str, table: TextTable) -> None:
    arrays[f"{name}.offsets"] = table.offsets
    arrays[f"{name}.properties"] = table.properties
    arrays[f"{name}.literals"] = table.literals
    _put_strings(arrays, f"{name}.kinds", table.names)
    _put_strings(arrays, f"{name}.strings", table.strings)


def _get_texts(arrays: dict[str, npt.NDArray[Any]], name: str) -> TextTable:
    table = TextTable(
        arrays[f"{name}.offsets"],
        arrays[f"{name}.properties"],
        arrays[f"{name}.literals"],
        tuple(_get_strings(arrays, f"{name}.kinds")),
        _get_strings(arrays, f"{name}.strings"),
    )
    table.check()
    return table
