"""Facts, split, as one folder: tables of triples, the schema, and what says which relations are unseen."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from kgzsl._files import atomic_directory
from kgzsl.datasets.kg_dealing import read_dealt
from kgzsl.datasets.kg_facts import read_unsplit
from kgzsl.datasets.kg_labels import LABELS, entity_labels
from kgzsl.datasets.kg_names import Triple, split_from_names
from kgzsl.datasets.kg_split import KGSplit
from kgzsl.datasets.kg_tasks import read_json
from kgzsl.datasets.kg_tsv import read_triples
from kgzsl.datasets.kg_types import TYPES, read_types
from kgzsl.errors import InputError

__all__ = ["FORMAT", "is_packed_triples", "pack_triples", "packed_schema", "read_packed_triples", "save_triples"]

FORMAT = "kgzsl.triples/1"
_TABLE = "dataset.json"
_OF_FACTS = "schema.nt"
"""How the schema is called where the file of facts is its own."""
_PARTS = ("train", "valid", "test")
_KEYS = ("name", "unseen_relations", "valid_relations", "notes", "graph")


def pack_triples(
    source: str | PathLike[str],
    out: str | PathLike[str],
    unseen_relations: Sequence[str] | str | None = None,
    *,
    hold_out: float | None = None,
    seed: int = 0,
    valid_relations: Sequence[str] | str = (),
    relations: Sequence[str] | str | None = None,
    order: str = "hrt",
    graph: str | PathLike[str] | None = None,
    name: str | None = None,
    replace: bool = False,
) -> KGSplit:
    """Hold relations, or single facts, of your own out, check the result, and write it as a folder that recipes take.

    Args:
        source: What :func:`kgzsl.datasets.kg_facts.read_unsplit` reads.
        out: Folder to write; appears whole or not at all.
        unseen_relations: See there; for relations that training must not see.
        hold_out: In their place: the share of facts that become the test, and again of those for validation, see
            :func:`kgzsl.datasets.kg_dealing.deal`; for relations that training shows (``ranker: embedding``).
        seed: Of that choice.
        valid_relations: See there.
        relations: See there.
        order: See there.
        graph: The schema of the relations; a copy goes into the folder. Of an RDF file by default itself, without the
            facts that are held out: nothing that reads the schema shall see them. Of a packed folder by default the one
            in it.
        name: What to call the data set; by default the name of ``out``.
        replace: Whether a folder that is there may be replaced.

    Returns:
        What was written.

    Raises:
        InputError: See there; or both are asked for, the schema is not there, or the folder cannot be written. Nothing
            is written then.
    """
    if hold_out is not None and (unseen_relations is not None or valid_relations):
        raise InputError(
            "either relations are held out or single facts",
            file=source,
            place="hold_out",
            remedy="give unseen_relations and valid_relations, or hold_out",
        )
    if graph is not None and not Path(graph).is_file():
        raise InputError("there is no such ontology", file=graph, remedy="check the path")
    options: dict[str, Any] = {
        "relations": relations,
        "order": order,
        "name": name or Path(out).name,
        "graph_source": None if graph is None else str(graph),
    }
    if hold_out is None:
        split = read_unsplit(source, unseen_relations, valid_relations=valid_relations, **options)
    else:
        split = read_dealt(source, hold_out, seed=seed, **options)
    save_triples(split, out, replace=replace)
    return split


def save_triples(split: KGSplit, folder: str | PathLike[str], *, replace: bool = True) -> Path:
    """Write a split as ``train.tsv``, ``valid.tsv``, ``test.tsv``, which other programs read too, and ``dataset.json``;
    the classes of entities as ``entity2types.json``, and what their RDF calls them as ``entity2labels.json``.

    Args:
        split: What to write; without a graph given at test time, and without candidates.
        folder: Where to; it appears whole or not at all.
        replace: Whether a folder that is there may be replaced.

    Returns:
        The folder.

    Raises:
        InputError: The split has what such a folder does not hold, its schema is missing, or the folder is there.
    """
    if split.candidates:
        raise InputError(f"{split.name!r} has candidates, which such a folder does not hold", file=split.source)
    if len(split.support):
        raise InputError(f"{split.name!r} has a graph given at test time", file=split.source)
    graph = Path(split.graph_source) if split.graph_source else None
    if graph is not None and not graph.is_file():
        raise InputError("the ontology of the data set is not there", file=graph, remedy="correct graph_source")
    with atomic_directory(folder, replace=replace) as scratch:
        for part in _PARTS:
            if len(getattr(split, part)) or part != "valid":
                text = "head\trelation\ttail\n" + "".join("\t".join(fact) + "\n" for fact in _named(split, part))
                (scratch / f"{part}.tsv").write_text(text, encoding="utf-8")
        types = None if split.types is None else {entity: list(kinds) for entity, kinds in split.types.items()}
        for file, told in ((TYPES, types), (LABELS, entity_labels(split) or None)):
            if told is not None:
                (scratch / file).write_text(json.dumps(told, ensure_ascii=False, indent=1), encoding="utf-8")
        schema = None if graph is None else _schema(split, graph, scratch)
        table = {
            "format": FORMAT,
            "name": split.name,
            "unseen_relations": split.names_of(split.unseen_relations),
            "valid_relations": split.names_of(split.valid_relations),
            "notes": list(split.notes),
            "graph": schema,
        }
        (scratch / _TABLE).write_text(json.dumps(table, ensure_ascii=False, indent=1), encoding="utf-8")
    return Path(folder)


def _named(split: KGSplit, part: str) -> Iterator[Triple]:
    for head, relation, tail in getattr(split, part).tolist():
        yield split.entities[head], split.relations[relation], split.entities[tail]


def _schema(split: KGSplit, graph: Path, folder: Path) -> str:
    """Put the schema into the folder; returns its name."""
    source = None if split.source is None else Path(split.source)
    # Packed anew, the facts that were left in when other relations were held out must go, too.
    made_of_facts = source is not None and graph.name == _OF_FACTS and source.is_dir() and graph.parent.samefile(source)
    if source is not None and (made_of_facts or graph.samefile(source)):
        from kgzsl.datasets.kg_rdf import write_without

        relations = {*split.names_of(split.unseen_relations), *split.names_of(split.valid_relations)}
        write_without(graph, relations, folder / _OF_FACTS, facts={*_named(split, "valid"), *_named(split, "test")})
        return _OF_FACTS
    name = f"schema{''.join(graph.suffixes[-2:])}"
    shutil.copyfile(graph, folder / name)
    return name


def is_packed_triples(folder: Path) -> bool:
    """Whether a folder holds what :func:`save_triples` writes."""
    if not (folder / _TABLE).is_file():
        return False
    try:
        table = json.loads((folder / _TABLE).read_text(encoding="utf-8"))
    except ValueError:
        return False
    return isinstance(table, dict) and str(table.get("format", "")).startswith(FORMAT.split("/")[0] + "/")


def packed_schema(folder: Path) -> Path | None:
    """The schema in a folder that :func:`save_triples` wrote; None where it has none.

    Raises:
        InputError: It is not there, or the folder does not say whether it has one.
    """
    table = read_json(folder / _TABLE)
    if "graph" not in table:
        raise InputError("the entry 'graph' is missing", file=folder / _TABLE, remedy="pack the data set anew")
    graph = None if table["graph"] is None else folder / str(table["graph"])
    if graph is not None and not graph.is_file():
        raise InputError("there is no such file", file=graph, remedy="copy the whole folder again")
    return graph


def read_packed_triples(folder: str | PathLike[str], *, name: str | None = None) -> KGSplit:
    """Read a folder that :func:`save_triples` wrote; ids are those of the split that was written.

    Args:
        folder: The folder.
        name: What to call the data set; by default its own name.

    Raises:
        InputError: A file is missing or damaged, or the folder is of another format.
    """
    base = Path(folder)
    table: dict[str, Any] = read_json(base / _TABLE)
    if table.get("format") != FORMAT:
        found = table.get("format")
        raise InputError(
            f"the format is {found!r}, not {FORMAT!r}", file=base / _TABLE, remedy="pack it with this version"
        )
    for key in _KEYS:
        if key not in table:
            raise InputError(f"the entry {key!r} is missing", file=base / _TABLE, remedy="pack the data set anew")
    graph = packed_schema(base)
    train, test = (list(read_triples(base / f"{part}.tsv")) for part in ("train", "test"))
    valid = list(read_triples(base / "valid.tsv")) if (base / "valid.tsv").is_file() else []
    split = split_from_names(
        train,
        valid,
        test,
        unseen_relations=table["unseen_relations"],
        valid_relations=table["valid_relations"],
        name=name or table["name"],
        graph_source=None if graph is None else str(graph),
        source=str(base),
    )
    from dataclasses import replace

    types = read_types(base / TYPES) if (base / TYPES).is_file() else None
    return replace(split, types=types, notes=tuple(dict.fromkeys([*table["notes"], *split.notes])))
