"""One file, or folder, of facts that nobody has split yet, with the relations that are to be unseen."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from kgzsl.datasets.kg_names import Triple
from kgzsl.datasets.kg_rdf import is_rdf, rdf_content, refuse_descriptions
from kgzsl.datasets.kg_relations import Schema, hold_out, relation_names
from kgzsl.datasets.kg_split import KGSplit
from kgzsl.datasets.kg_tsv import ENDINGS, TYPES_FILES, find_part, read_triples
from kgzsl.datasets.kg_types import read_types, told_by_facts, with_told
from kgzsl.errors import InputError

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph

__all__ = ["FoundFacts", "find_facts", "is_table", "labels_of", "read_unsplit"]


@dataclass(frozen=True)
class FoundFacts:
    """What a file or folder of facts has.

    Args:
        facts: (head, relation, tail) names, each once, in the order of the file.
        types: Entity to its classes.
        notes: What was left out, a sentence each.
        name: What the data set is called after its file.
        graph_source: Path of the schema that comes with it, if one does.
    """

    facts: Sequence[Triple]
    types: Mapping[str, tuple[str, ...]]
    notes: Sequence[str]
    name: str
    graph_source: str | None


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
    schema: Schema | None = None,
) -> KGSplit:
    """A knowledge graph from facts that nobody has split: those of unseen relations become the test triples.

    Args:
        source: An RDF file (see :func:`kgzsl.datasets.kg_rdf.read_rdf`); a table with head, relation, tail on each line
            (``.tsv .txt .csv``, also compressed, see :func:`kgzsl.datasets.kg_tsv.read_triples`); or a folder of such
            tables, whose train, valid and test triples are taken together and dealt out anew; what its
            ``entity2types.json`` tells stays, and of a packed one the schema. Triples of ``rdf:type`` tell the classes
            of entities, and are no facts unless they are asked for as a relation. Repeated facts count once (a folder
            that is split already and read as it is, :func:`kgzsl.datasets.kg_tsv.read_tsv_folder`, keeps its own:
            published figures count them).
        unseen_relations: Names, or local names of IRIs or the schema's labels where these are unambiguous; a list, a
            file with one a line, or names with commas between.
        valid_relations: The same: relations that are held out for model selection.
        relations: The same: only these count as facts. Left out: all.
        order: What the three fields of a line of a table are.
        name: What to call the data set; by default the file's name.
        graph_source: Path of the schema; of an RDF file by default itself, of a packed folder the one in it.
        schema: Gives the schema with the labels of relations, where it is another.

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
            "--unseen-relations; or, for an embedding of relations that training shows, hold single facts out: "
            f"kgzsl pack {file} --hold-out 0.1 --out FOLDER",
        )
    unseen = relation_names(unseen_relations)
    valid = relation_names(valid_relations, "valid_relations")
    wanted = None if relations is None else relation_names(relations, "relations")
    found = find_facts(file, order=order, asked={*unseen, *valid, *(wanted or ())})
    own = graph_source or found.graph_source
    split = hold_out(
        found.facts,
        unseen,
        valid,
        file,
        relations=wanted,
        schema=schema or labels_of(own),
        name=name or found.name,
        notes=found.notes,
        graph_source=own,
    )
    return with_told(split, found.types, of_others=False)


def find_facts(source: str | PathLike[str], *, order: str = "hrt", asked: Collection[str] = ()) -> FoundFacts:
    """All facts of a file or folder, with what it tells of classes and of its schema.

    Args:
        source: What :func:`read_unsplit` reads.
        order: What the three fields of a line of a table are.
        asked: Relations that count as facts in a table in any case, ``rdf:type`` too.

    Raises:
        InputError: It is missing or damaged, a folder has a graph given at test time, or RDF states nothing and
            describes statements.
    """
    file = Path(source)
    if not file.exists():
        raise InputError("there is no such file or folder", file=file, remedy="check the path")
    if is_rdf(file) and not file.is_dir():
        if order != "hrt":
            raise InputError("RDF says itself what is the subject", file=file, place="order", remedy="leave it out")
        facts, types, notes = rdf_content(file)
        if not facts:
            refuse_descriptions(file)
        return FoundFacts(facts, types, notes, file.name.split(".")[0], str(file))
    if not file.is_dir():
        return FoundFacts(*told_by_facts(read_triples(file, order=order), asked), file.name.split(".")[0], None)
    facts, types, notes = told_by_facts(_of_folder(file, order), asked)
    for entity, kinds in _types_beside(file).items():
        types[entity] = tuple(dict.fromkeys([*kinds, *types.get(entity, ())]))
    return FoundFacts(facts, types, notes, file.resolve().name, _schema_beside(file))


def labels_of(source: str | None) -> Schema:
    """Gives the schema of a file, to look labels of relations up; none where there is no file, or it is no schema."""

    def read() -> ClassGraph | None:
        from kgzsl.knowledge import ClassGraph

        try:
            return None if source is None else ClassGraph.read(source)
        except InputError:
            return None  # a run on it will say so; what is wrong here is a name

    return read


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
