"""A folder that holds one graph: triples beside ``entities.dict`` and ``relations.dict``, and their kin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kgzsl.errors import InputError
from kgzsl.knowledge.readers.delimited import read_table
from kgzsl.knowledge.readers.options import ReadOptions
from kgzsl.knowledge.readers.source import open_source, strip_compression
from kgzsl.knowledge.triples import TripleBuilder

__all__ = ["read_folder"]

_TRIPLE_FILES = ("all_triples", "triples", "train", "train_triples")


def read_folder(path: Path, builder: TripleBuilder, options: ReadOptions) -> dict[str, Any]:
    """Read ``all_triples.txt``, ``triples.txt`` or ``train.txt`` with the dictionaries beside it.

    Raises:
        InputError: No triples in the folder, or a number that no dictionary names.
    """
    files = {strip_compression(file.name).lower(): file for file in sorted(path.iterdir()) if file.is_file()}
    found = [
        files[f"{stem}{end}"] for stem in _TRIPLE_FILES for end in (".txt", ".tsv", ".csv") if f"{stem}{end}" in files
    ]
    if not found:
        names = ", ".join(sorted(files)[:6]) or "nothing"
        raise InputError(
            f"this folder holds no triples.txt, all_triples.txt or train.txt (it holds {names})",
            file=path,
            remedy="name the file itself, e.g. " + (str(next(iter(files.values()))) if files else "graph.ttl"),
        )
    entities = _dictionary(files.get("entities.dict") or files.get("entity2id.txt"), options)
    relations = _dictionary(files.get("relations.dict") or files.get("relation2id.txt"), options)
    for name in entities.values():
        builder.iri(name)
    with open_source(found[0], options) as source:
        numbers = _are_numbers(source.peek(1 << 12)) and bool(entities) and bool(relations)
        if numbers:
            _read_numbers(source.path, source.lines(), entities, relations, builder)
        else:
            read_table(source, "table", builder, options)
        builder.end_document()
        return {
            "source": f"{path.name}/{found[0].name}",
            "format": "folder",
            "sha256": source.digest(),
            "bytes": source.count,
        }


def _dictionary(path: Path | None, options: ReadOptions) -> dict[str, str]:
    """Number -> name, from ``number<TAB>name`` or ``name<TAB>number`` lines (a first line with the count is skipped)."""
    names: dict[str, str] = {}
    if path is None:
        return names
    with open_source(path, options) as source:
        for number, raw in enumerate(source.lines(), 1):
            cells = raw.decode("utf-8", errors="strict").split("\t")
            if len(cells) == 1 and number == 1 and cells[0].strip().isdigit():
                continue
            if len(cells) != 2:
                if not raw.strip():
                    continue
                raise InputError(
                    f"{len(cells)} columns where a number and a name are expected",
                    file=path,
                    place=f"line {number}",
                    remedy="write number<TAB>name",
                )
            key, name = cells if path.name.startswith(("entities", "relations")) else (cells[1], cells[0])
            names[key.strip()] = name.strip()
    return names
