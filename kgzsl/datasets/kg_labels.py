"""What the data of a knowledge graph call its entities: the labels of an RDF file, also where it was packed."""

from __future__ import annotations

from pathlib import Path

from kgzsl.datasets.kg_rdf import is_rdf, rdf_labels
from kgzsl.datasets.kg_split import KGSplit
from kgzsl.datasets.kg_tasks import read_json
from kgzsl.errors import InputError

__all__ = ["LABELS", "entity_labels"]

LABELS = "entity2labels.json"
"""How the file is called in a folder that was packed."""


def entity_labels(split: KGSplit) -> dict[str, list[str]]:
    """The labels of the entities, in whatever language, of the file or the packed folder that they come from.

    Returns:
        Those that have any; none where the data are a table, or were made in Python.

    Raises:
        InputError: The file does not parse, or is not of this form.
    """
    source = None if split.source is None else Path(split.source)
    if source is not None and source.is_file() and is_rdf(source):
        told = {entity: list(labels) for entity, labels in rdf_labels(source).items()}
    elif source is not None and (source / LABELS).is_file():
        told = _read(source / LABELS)
    else:
        return {}
    return {entity: told[entity] for entity in split.entities if entity in told}


def _read(file: Path) -> dict[str, list[str]]:
    content = read_json(file)
    listed = content.values() if isinstance(content, dict) else [None]
    if not all(isinstance(labels, list) and all(isinstance(one, str) for one in labels) for labels in listed):
        raise InputError("this is no object of entity -> labels", file=file, remedy="pack the data set anew")
    return dict(content)
