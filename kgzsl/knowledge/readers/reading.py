"""One way in: whatever the source is, triples and where they came from."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kgzsl.errors import InputError
from kgzsl.knowledge.readers.formats import Format, find_format, sniff
from kgzsl.knowledge.readers.imports import read_imports
from kgzsl.knowledge.readers.options import ReadOptions
from kgzsl.knowledge.readers.source import ByteSource, open_source
from kgzsl.knowledge.triples import TripleBuilder, Triples

__all__ = ["Reading", "read_triples"]


@dataclass(frozen=True)
class Reading:
    """Triples, and where they came from.

    Args:
        triples: What was read.
        provenance: ``source``, ``format``, ``sha256``, ``bytes`` (lists where several files were read).
        prefixes: Prefix to namespace, as the files declare them.
    """

    triples: Triples
    provenance: dict[str, Any]
    prefixes: dict[str, str] = field(default_factory=dict)


def read_triples(source: Any, format_name: str | None, options: ReadOptions) -> Reading:
    """Triples of a file, a folder, a list of files, a networkx or an rdflib graph.

    Raises:
        InputError: The source cannot be read; says what it is, where it breaks and what to do.
    """
    builder = TripleBuilder()
    if isinstance(source, (str, os.PathLike)):
        paths = [_local(source)]
    elif isinstance(source, Sequence) and source and all(isinstance(item, (str, os.PathLike)) for item in source):
        paths = [_local(item) for item in source]
    else:
        from kgzsl.knowledge.readers.python import read_object

        provenance = read_object(source, builder, options)
        return Reading(builder.build(), provenance, dict(builder.prefixes))
    parts = [_read_path(path, format_name, builder, options) for path in paths]
    if builder.empty:
        raise InputError(
            "no triple was found",
            file=", ".join(map(str, paths)),
            remedy="check that the file holds statements, not only prefixes or comments",
        )
    provenance = parts[0] if len(parts) == 1 else {key: [part[key] for part in parts] for key in parts[0]}
    imported = read_imports(paths, builder, options, lambda path, name: _read_path(path, name, builder, options))
    if imported:
        provenance = {**provenance, "imports": imported}
    return Reading(builder.build(), provenance, dict(builder.prefixes))


def _local(source: str | os.PathLike[str]) -> Path:
    name = os.fspath(source)
    if re.match(r"(?i)(https?|ftp)://", name):
        raise InputError(
            "a web address is not read",
            file=name,
            remedy="download the file and name it; an endpoint is asked with ClassGraph.from_sparql",
        )
    return Path(source)


def _read_path(path: Path, format_name: str | None, builder: TripleBuilder, options: ReadOptions) -> dict[str, Any]:
    if path.is_dir():
        from kgzsl.knowledge.readers.folder import read_folder

        return read_folder(path, builder, options)
    found = find_format(path, format_name)
    with open_source(path, options) as source:
        if not source.peek(1):
            raise InputError("the file is empty", file=path, remedy="fetch it again")
        used = found if format_name is not None and found is not None else sniff(source, found)
        run_reader(used, source, builder, options)
        builder.end_document()
        return {"source": path.name, "format": used.name, "sha256": source.digest(), "bytes": source.count}


def run_reader(used: Format, source: ByteSource, builder: TripleBuilder, options: ReadOptions) -> None:
    """Call the reader of a format."""
    module, _, name = used.reader.partition(":")
    reader: Callable[[ByteSource, str, TripleBuilder, ReadOptions], None] = getattr(
        importlib.import_module(module), name
    )
    reader(source, used.name, builder, options)
