"""Which classes the entities of a knowledge graph belong to, from a file beside it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

from kgzsl.datasets.kg_split import KGSplit
from kgzsl.datasets.kg_tasks import read_json
from kgzsl.datasets.kg_tsv import open_text
from kgzsl.errors import InputError

__all__ = ["TYPES", "read_types", "told_by_facts", "types_by_name", "with_told", "with_types"]

TYPES = "entity2types.json"
"""How the file is called in a folder of triples."""
_IS_A = ("rdf:type", "http://www.w3.org/1999/02/22-rdf-syntax-ns#type")


def read_types(path: str | PathLike[str]) -> dict[str, tuple[str, ...]]:
    """Entity to the names of its classes.

    Args:
        path: ``.json`` (entity -> class, or list of classes), or lines of entity, tab, class; also compressed.

    Raises:
        InputError: The file is missing, damaged, or not of this form (key or line is given).
    """
    file = Path(path)
    if ".json" in file.suffixes[-2:]:
        content = read_json(file)
        if not isinstance(content, dict):
            raise InputError("this is no object of entity -> classes", file=file, remedy="map each entity to a list")
        told = {}
        for entity, kinds in content.items():
            listed = [kinds] if isinstance(kinds, str) else kinds
            if not isinstance(listed, list) or not all(isinstance(kind, str) for kind in listed):
                raise InputError(
                    "these are no names of classes", file=file, place=f"key {entity!r}", remedy="list them"
                )
            told[entity] = tuple(dict.fromkeys(listed))
        return told
    if not file.is_file():
        raise InputError("there is no such file", file=file, remedy="check the path")
    found: dict[str, dict[str, None]] = {}
    with open_text(file) as stream:
        for number, line in enumerate(stream, start=1):
            fields = [field.strip() for field in line.rstrip("\r\n").split("\t")]
            if not line.strip():
                continue
            if len(fields) != 2 or not all(fields):
                raise InputError(
                    f"{len(fields)} field(s) instead of entity and class: {line[:60]!r}",
                    file=file,
                    place=f"line {number}",
                    remedy="separate the two by a tab",
                )
            found.setdefault(fields[0], {})[fields[1]] = None
    return {entity: tuple(kinds) for entity, kinds in found.items()}


def with_types(split: KGSplit, path: str | PathLike[str]) -> KGSplit:
    """The same data with the classes of a file; what it says of other entities, and who has none, is noted."""
    return with_told(split, read_types(path))


def with_told(split: KGSplit, told: Mapping[str, Sequence[str]], *, of_others: bool = True) -> KGSplit:
    """The same data with the classes that ``told`` has; who has none is noted, and what it says of others if wanted.

    Nothing is changed where nothing is told of the data's own entities.
    """
    mine = {entity: tuple(told[entity]) for entity in split.entities if told.get(entity)}
    if not mine and not of_others:
        return split
    notes = list(split.notes)
    if len(mine) < split.num_entities:
        notes.append(f"{split.num_entities - len(mine)} of {split.num_entities} entities have no class")
    strange = len(told.keys() - set(split.entities)) if of_others else 0
    if strange:
        notes.append(f"classes are told of {strange} entities that are not in the data; they were left out")
    return replace(split, types=mine, notes=tuple(notes))


def told_by_facts(
    triples: Iterable[tuple[str, str, str]], asked: Collection[str] = ()
) -> tuple[list[tuple[str, str, str]], dict[str, tuple[str, ...]], list[str]]:
    """The facts of a table, each once, and what ``rdf:type`` (or its IRI) tells as a relation: classes, as in RDF.

    Of a table that somebody made for himself, where a line that comes twice is an accident: counted twice it would
    weigh double in training and in the test.

    Args:
        triples: (head, relation, tail) names.
        asked: Relations that count as facts in any case.

    Returns:
        The facts in their order, entity to its classes, and notes.
    """
    facts: dict[tuple[str, str, str], None] = {}
    repeated = 0
    told: dict[str, dict[str, None]] = {}
    for head, relation, tail in triples:
        if relation in _IS_A and relation not in asked:
            told.setdefault(head, {})[tail] = None
        else:
            repeated += (head, relation, tail) in facts
            facts[head, relation, tail] = None
    rows = sum(map(len, told.values()))
    notes = []
    if repeated:
        notes.append(f"{repeated} of {len(facts) + repeated} facts are repetitions; each counts once")
    if rows:
        notes.append(f"{rows} triples of rdf:type tell classes, and are no facts")
    return list(facts), {entity: tuple(kinds) for entity, kinds in told.items()}, notes


def types_by_name(split: KGSplit, kind: Callable[[str], Sequence[str]]) -> KGSplit:
    """The same data with classes that a function of the entity's name tells."""
    told = {entity: tuple(kinds) for entity in split.entities if (kinds := kind(entity))}
    return replace(split, types=told)
