"""A folder that holds one graph: triples beside ``entities.dict`` and ``relations.dict``, and their kin."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kgzsl.errors import InputError
from kgzsl.knowledge.readers.delimited import read_table, term_reader
from kgzsl.knowledge.readers.options import ReadOptions
from kgzsl.knowledge.readers.source import ByteSource, open_source, strip_compression
from kgzsl.knowledge.triples import TripleBuilder
from kgzsl.knowledge.vocabulary import PREFIXES

__all__ = ["read_dictionary", "read_folder", "read_numbered"]

_TRIPLE_FILES = ("all_triples", "triples", "train2id", "train", "train_triples")
_ENTITIES = ("entities.dict", "entity2id.txt", "entities.txt", "entity_to_id.tsv")
_RELATIONS = ("relations.dict", "relation2id.txt", "relations.txt", "relation_to_id.tsv")


def read_folder(path: Path, builder: TripleBuilder, options: ReadOptions) -> dict[str, Any]:
    """Read ``all_triples.txt``, ``triples.txt``, ``train.txt`` or OpenKE's ``train2id.txt`` with its dictionaries.

    Where there is a dictionary of entities, they are numbered in its order.

    Raises:
        InputError: No triples in the folder, or a number that no dictionary names.
    """
    files = {strip_compression(file.name).lower(): file for file in sorted(path.iterdir()) if file.is_file()}
    names = [f"{stem}{end}" for stem in _TRIPLE_FILES for end in (".txt", ".tsv", ".csv", "")]
    found = next((files[name] for name in names if name in files), None)
    if found is None:
        held = ", ".join(sorted(files)[:6]) or "no file"
        raise InputError(
            f"this folder holds no triples.txt, all_triples.txt, train.txt or train2id.txt (it holds {held})",
            file=path,
            remedy="name the file to read, not the folder",
        )
    entities = _first_dictionary(files, _ENTITIES, options)
    relations = _first_dictionary(files, _RELATIONS, options)
    term = term_reader(builder, {**PREFIXES, **options.prefixes})
    for name in (entities or {}).values():
        term(name, False)
    with open_source(found, options) as source:
        openke = strip_compression(found.name).lower().startswith("train2id")
        if openke or (entities and relations and _numbers_only(source)):
            if entities is None or relations is None:
                raise InputError(
                    "the triples are numbers, and a dictionary of entities or relations is missing",
                    file=path,
                    remedy="put entity2id.txt and relation2id.txt (or entities.dict and relations.dict) beside them",
                )
            order = ("subject", "object", "relation") if openke else ("subject", "relation", "object")
            read_numbered(source, order, entities, relations, builder, options)
        else:
            read_table(source, "table", builder, options)
        builder.end_document()
        kind = "openke" if openke else "folder"
        name = f"{path.name}/{found.name}"
        return {"source": name, "format": kind, "sha256": source.digest(), "bytes": source.count}


def read_numbered(
    source: ByteSource,
    order: Sequence[str],
    entities: dict[str, str],
    relations: dict[str, str],
    builder: TripleBuilder,
    options: ReadOptions,
) -> None:
    """Triples of numbers, named by two dictionaries; a first line with the count alone is passed over.

    Raises:
        InputError: A line that is not three numbers, or a number that the dictionary does not have.
    """
    term = term_reader(builder, {**PREFIXES, **options.prefixes})
    heads = {number: term(name, False) for number, name in entities.items()}
    kinds = {number: term(name, False, relation=True) for number, name in relations.items()}
    subject_at, relation_at, object_at = (order.index(role) for role in ("subject", "relation", "object"))
    for number, raw in enumerate(source.lines(), 1):
        cells = raw.decode("utf-8", errors="replace").split()
        if not cells or (number == 1 and len(cells) == 1):
            continue
        place = f"line {number}"
        if len(cells) != 3:
            raise InputError(
                f"{len(cells)} fields where three numbers are expected",
                file=source.path,
                place=place,
                remedy="repair it",
            )
        subject, relation, object_ = cells[subject_at], cells[relation_at], cells[object_at]
        for value, table, what in (
            (subject, heads, "entity"),
            (relation, kinds, "relation"),
            (object_, heads, "entity"),
        ):
            if value not in table:
                raise InputError(
                    f"no {what} has the number {value!r}",
                    file=source.path,
                    place=place,
                    remedy=f"the dictionary names {len(table)}: check that it belongs to these triples",
                )
        builder.add(heads[subject], kinds[relation], heads[object_])


def _first_dictionary(files: dict[str, Path], names: Sequence[str], options: ReadOptions) -> dict[str, str] | None:
    found = next((files[name] for name in names if name in files), None)
    return None if found is None else read_dictionary(found, options)


def read_dictionary(path: Path, options: ReadOptions) -> dict[str, str]:
    """Number -> name, from ``number<TAB>name`` or ``name<TAB>number`` lines; a first line with a count is skipped.

    Raises:
        InputError: A line that is neither.
    """
    rows: list[tuple[str, str]] = []
    with open_source(path, options) as source:
        for number, raw in enumerate(source.lines(), 1):
            text = raw.decode("utf-8", errors="replace").strip()
            cells = [cell.strip() for cell in (text.split("\t") if "\t" in text else text.rsplit(None, 1))]
            if not text or (number == 1 and (len(cells) == 1 or cells[1].lower() == "id")):
                continue
            if len(cells) != 2:
                raise InputError(
                    f"{text[:60]!r} is not a number and a name",
                    file=path,
                    place=f"line {number}",
                    remedy="write number<TAB>name",
                )
            rows.append((cells[0], cells[1]))
    if all(second.isdigit() for _, second in rows) and not all(first.isdigit() for first, _ in rows):
        return {second: first for first, second in rows}
    return dict(rows)


def _numbers_only(source: ByteSource) -> bool:
    lines = source.peek(1 << 12).split(b"\n")[:-1] or [source.peek(1 << 12)]
    return all(cell.isdigit() for line in lines for cell in line.split())
