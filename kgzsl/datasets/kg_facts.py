"""One file, or folder, of facts that nobody has split yet, with the relations that are to be unseen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from kgzsl.datasets.kg_names import Triple
from kgzsl.datasets.kg_rdf import is_rdf, read_rdf
from kgzsl.datasets.kg_relations import hold_out, relation_names
from kgzsl.datasets.kg_split import KGSplit
from kgzsl.datasets.kg_tsv import ENDINGS, TYPES_FILES, find_part, read_triples
from kgzsl.datasets.kg_types import read_types, told_by_facts, with_told
from kgzsl.errors import InputError

__all__ = ["is_table", "read_unsplit"]


def is_table(file: Path) -> bool:
    """Whether the name of a file is that of a table of triples: ``.tsv``, ``.txt``, ``.csv``, also compressed."""
    return any(file.name.lower().endswith(f".{ending}") for ending in ENDINGS)


def read_unsplit(
    source: str | PathLike[str],
    unseen_relations: Sequence[str] | str | None = None,
    *,
    valid_relations: Sequence[str] | str = (),
    relations: Sequence[str] | str | None = None,
    order: str = "hrt",
    name: str | None = None,
    graph_source: str | None = None,
) -> KGSplit:
    """A knowledge graph from facts that nobody has split: those of unseen relations become the test triples.

    Args:
        source: An RDF file (see :func:`kgzsl.datasets.kg_rdf.read_rdf`); a table with head, relation, tail on each line
            (``.tsv .txt .csv``, also compressed, see :func:`kgzsl.datasets.kg_tsv.read_triples`); or a folder of such
            tables, whose train, valid and test triples are taken together and dealt out anew; what its
            ``entity2types.json`` tells stays, and of a packed one the schema. Triples of ``rdf:type`` tell the classes
            of entities, and are no facts unless they are asked for as a relation.
        unseen_relations: Names, or local names of IRIs where these are unambiguous; a list, a file with one a line, or
            names with commas between.
        valid_relations: The same: relations that are held out for model selection.
        relations: The same: only these count as facts. Left out: all.
        order: What the three fields of a line of a table are.
        name: What to call the data set; by default the file's name.
        graph_source: Path of the schema; of an RDF file by default itself, of a packed folder the one in it.

    Raises:
        InputError: No unseen relation is named, one has no fact (the nearest names are given), none would be left to
            learn from, or the file is missing or damaged.
    """
    file = Path(source)
    if not unseen_relations:
        raise InputError(
            "facts do not say which relations are unseen",
            file=file,
            remedy="name them: unseen_relations=[...], in a recipe dataset: {name: FILE, unseen_relations: [...]}, or "
            "--unseen-relations",
        )
    lists: dict[str, Any] = {
        "valid_relations": relation_names(valid_relations, "valid_relations"),
        "relations": None if relations is None else relation_names(relations, "relations"),
    }
    unseen = relation_names(unseen_relations)
    if not file.exists():
        raise InputError("there is no such file or folder", file=file, remedy="check the path")
    if is_rdf(file) and not file.is_dir():
        if order != "hrt":
            raise InputError("RDF says itself what is the subject", file=file, place="order", remedy="leave it out")
        return read_rdf(file, unseen, **lists, name=name, graph_source=graph_source)
    facts = list(_of_folder(file, order) if file.is_dir() else read_triples(file, order=order))
    called = name or (file.resolve().name if file.is_dir() else file.name.split(".")[0])
    valid = lists.pop("valid_relations")
    facts, types, notes = told_by_facts(facts, {*unseen, *valid, *(lists["relations"] or ())})
    if file.is_dir():
        for entity, kinds in _types_beside(file).items():
            types[entity] = tuple(dict.fromkeys([*kinds, *types.get(entity, ())]))
        graph_source = graph_source or _schema_beside(file)
    split = hold_out(facts, unseen, valid, file, **lists, name=called, notes=notes, graph_source=graph_source)
    return with_told(split, types, of_others=False)


def _types_beside(folder: Path) -> dict[str, tuple[str, ...]]:
    """What the folder itself tells of classes."""
    told = next((folder / name for name in TYPES_FILES if (folder / name).is_file()), None)
    return {} if told is None else read_types(told)


def _schema_beside(folder: Path) -> str | None:
    """The schema of a packed folder."""
    from kgzsl.datasets.kg_packed import is_packed_triples, packed_schema

    found = packed_schema(folder) if is_packed_triples(folder) else None
    return None if found is None else str(found)


def _of_folder(folder: Path, order: str) -> Iterator[Triple]:
    files = [find_part(folder, part) for part in ("train", "valid", "test")]
    if files[0] is None:
        raise InputError("there is no train file here", file=folder, remedy="give a folder with train.txt, or a file")
    if find_part(folder, "support") is not None:
        raise InputError(
            "this folder has a graph that is given at test time; its split cannot be made anew",
            file=folder,
            remedy="give one file of facts",
        )
    for file in files:
        if file is not None:
            yield from read_triples(file, order=order)
