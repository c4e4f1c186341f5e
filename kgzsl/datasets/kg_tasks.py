"""The NELL-ZS layout: one JSON of relation -> triples each for train, dev and test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from kgzsl.datasets.kg_names import split_from_names
from kgzsl.datasets.kg_split import KGSplit
from kgzsl.datasets.kg_tsv import open_text
from kgzsl.errors import InputError, nearest

__all__ = ["read_json", "read_tasks_folder"]

_TRAIN = ("train_tasks", "known_rels", "train_tasks_partial")


def read_tasks_folder(
    folder: str | PathLike[str],
    *,
    fold: str = "ori",
    candidates: str | None = None,
    name: str | None = None,
    graph_source: str | None = None,
) -> KGSplit:
    """A knowledge graph in the layout of NELL-ZS and Wiki-ZS (Qin et al., AAAI 2020, "ZSGAN").

    ``train_tasks.json``, ``dev_tasks.json`` and ``test_tasks.json`` (also ``.gz``): relation to a list of
    [head, relation, tail]. The relations of test are unseen, those of dev are held out for selection. Ids follow
    ``ent2ids`` and ``relation2ids`` (with or without ``.json``) where they are there.

    Args:
        folder: The folder.
        fold: Which relations are held out for selection: ``"ori"`` are those of dev; others are the lists of
            ``cv_validation_relations.json`` (OntoZSL's folds), dealt out of train and dev together.
        candidates: File of relation -> entities to rank among; by default ``rel2candidates_all.json`` or
            ``rel2candidates.json`` where one is there.
        name: What to call the data set; by default the folder's name.
        graph_source: Path of the schema that belongs to the data.

    Raises:
        InputError: A file is missing or not in this layout, a held-out relation is in train, or the fold is unknown.
    """
    base = Path(folder)
    if not base.is_dir():
        raise InputError(
            "there is no such folder", file=base, remedy="give a folder with train_tasks.json and the others"
        )
    train_file = _find(base, _TRAIN)
    test_file = _find(base, ("test_tasks",))
    dev_file = _find(base, ("dev_tasks", "valid_tasks"))
    if train_file is None or test_file is None:
        missing = "train_tasks.json" if train_file is None else "test_tasks.json"
        raise InputError(f"there is no {missing} here", file=base, remedy="put the data set's files into this folder")
    notes = []
    if train_file.name.startswith("train_tasks_partial"):
        notes.append("the training tasks are partial: figures cannot be compared with published ones")
    train = _tasks(train_file)
    dev = {} if dev_file is None else _tasks(dev_file)
    test = _tasks(test_file)
    hollow = [relation for tasks in (train, dev, test) for relation, triples in tasks.items() if not triples]
    if hollow:
        more = f" and {len(hollow) - 5} more" if len(hollow) > 5 else ""
        notes.append(f"{len(hollow)} relations are listed without a triple: {', '.join(hollow[:5])}{more}")
    for what, tasks, file in (("test", test, test_file), ("validation", dev, dev_file)):
        for relation in tasks:
            if relation in train:
                raise InputError(
                    f"the {what} relation {relation!r} is in {train_file.name} too",
                    file=file,
                    remedy="a relation that is held out must have no training triple",
                )
    candidate_file = base / candidates if candidates else _find(base, ("rel2candidates_all", "rel2candidates"))
    split = split_from_names(
        _flat(train),
        _flat(dev),
        _flat(test),
        entities=_in_order(_find(base, ("ent2ids", "entity2ids"))),
        relations=_in_order(_find(base, ("relation2ids", "rel2ids"))),
        unseen_relations=list(test),
        valid_relations=list(dev),
        candidates=None if candidate_file is None else _candidates(candidate_file),
        name=name or base.resolve().name,
        notes=notes,
        graph_source=graph_source,
        source=str(base),
    )
    if fold == "ori":
        return split
    return split.with_validation_relations(_fold(base, fold))


def read_json(file: Path) -> Any:
    """The content of a JSON file, also a compressed one.

    Raises:
        InputError: The file is missing, damaged, or not JSON (line and column are given).
    """
    try:
        with open_text(file) as stream:
            return json.load(stream)
    except json.JSONDecodeError as error:
        raise InputError(
            f"this is not valid JSON ({error.msg})",
            file=file,
            place=f"line {error.lineno}, column {error.colno}",
            remedy="download or copy it again",
        ) from error
    except FileNotFoundError as error:
        raise InputError("there is no such file", file=file, remedy="check the path") from error
    except (EOFError, OSError, UnicodeDecodeError) as error:
        raise InputError(f"damaged or cut short ({error})", file=file, remedy="download or copy it again") from error


def _find(base: Path, stems: tuple[str, ...]) -> Path | None:
    for stem in stems:
        for ending in (".json", ".json.gz", ""):
            if (base / f"{stem}{ending}").is_file():
                return base / f"{stem}{ending}"
    return None


def _tasks(file: Path) -> dict[str, list[list[str]]]:
    content = read_json(file)
    if not isinstance(content, dict):
        raise InputError("this is no object of relation -> triples", file=file, remedy="see the NELL-ZS layout")
    for relation, triples in content.items():
        if not isinstance(triples, list):
            raise InputError("this is no list of triples", file=file, place=f"key {relation!r}", remedy="give a list")
        for at, triple in enumerate(triples):
            well_formed = isinstance(triple, list) and len(triple) == 3 and all(isinstance(x, str) for x in triple)
            if not well_formed or triple[1] != relation:
                raise InputError(
                    f"{str(triple)[:80]} is no [head, relation, tail] of this relation",
                    file=file,
                    place=f"key {relation!r}, entry {at}",
                    remedy="give three names, the second the relation itself",
                )
    return content


def _flat(tasks: Mapping[str, list[list[str]]]) -> list[list[str]]:
    return [triple for triples in tasks.values() for triple in triples]


def _in_order(file: Path | None) -> list[str]:
    """Names by their id, from an object of name -> id or a list."""
    if file is None:
        return []
    content = read_json(file)
    if isinstance(content, list):
        return [str(item) for item in content]
    if not isinstance(content, dict) or not all(isinstance(value, int) for value in content.values()):
        raise InputError("this is no object of name -> id", file=file, remedy="map each name to a whole number")
    if len(set(content.values())) != len(content):
        raise InputError("two names have the same id", file=file, remedy="give each name its own id")
    return sorted(content, key=content.__getitem__)


def _candidates(file: Path) -> dict[str, list[str]]:
    content = read_json(file)
    if not isinstance(content, dict) or not all(isinstance(value, list) for value in content.values()):
        raise InputError("this is no object of relation -> entities", file=file, remedy="map each relation to a list")
    return {relation: [str(item) for item in members] for relation, members in content.items()}


def _fold(base: Path, fold: str) -> list[str]:
    file = base / "cv_validation_relations.json"
    content = read_json(file)
    if not isinstance(content, dict) or fold not in content:
        known = list(content) if isinstance(content, dict) else []
        close = nearest(fold, known)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
        raise InputError(f"there is no fold {fold!r}", file=file, remedy=hint)
    return [str(item) for item in content[fold]]
