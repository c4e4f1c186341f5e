"""Facts alone, from one file: a table of triples or RDF."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from kgzsl.datasets.kg_rdf import is_rdf, rdf_content, refuse_descriptions
from kgzsl.datasets.kg_tsv import read_triples
from kgzsl.datasets.kg_types import told_by_facts
from kgzsl.errors import InputError

__all__ = ["read_facts"]


def read_facts(path: str | PathLike[str]) -> tuple[list[tuple[str, str, str]], dict[str, tuple[str, ...]], list[str]]:
    """The facts of a file, each once, in their order, and the classes of entities.

    Args:
        path: RDF (``.ttl .nt .nq .trig .rdf .owl .xml .jsonld``), or a table with head, relation and tail in each line
            (``.tsv .txt .csv``); also compressed. In RDF a fact is as in :func:`kgzsl.datasets.kg_rdf.read_rdf`.
            Triples of rdf:type tell classes, in a table too.

    Returns:
        (head, relation, tail) names; entity to its classes; and what was left out, a sentence each.

    Raises:
        InputError: The file is missing or a folder, does not parse, or has neither a fact nor a class.
    """
    file = Path(path)
    if file.is_dir():
        raise InputError("this is a folder", file=file, remedy="give a file of facts, RDF or a table")
    if is_rdf(file):
        facts, types, notes = rdf_content(file)
    else:
        facts, types, notes = told_by_facts(read_triples(file))
    if not facts and not types:
        if is_rdf(file):
            refuse_descriptions(file)
        raise InputError("there is no fact in it", file=file, remedy="write head, relation and tail on each line")
    return facts, types, notes
