"""Which formats can be read, how their files are recognised, and who reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from kgzsl.errors import InputError, nearest
from kgzsl.knowledge.readers.source import ByteSource, strip_compression

__all__ = ["FORMATS", "Format", "find_format", "sniff"]


@dataclass(frozen=True)
class Format:
    """A way to write triples.

    Args:
        name: What ``format=`` calls it.
        suffixes: Of file names, without compression.
        reader: ``module:function``, called with (source, format name, builder, options).
        synonyms: Other names for it.
    """

    name: str
    suffixes: tuple[str, ...]
    reader: str
    synonyms: tuple[str, ...] = ()


_RDF = "kgzsl.knowledge.readers.rdf:read_rdf"
_TABLE = "kgzsl.knowledge.readers.delimited:read_table"
_OWL = "kgzsl.knowledge.readers.owl_syntax:read_owl_syntax"

FORMATS: dict[str, Format] = {
    entry.name: entry
    for entry in (
        Format("turtle", (".ttl", ".turtle"), _RDF, ("ttl",)),
        Format("n-triples", (".nt", ".ntriples"), _RDF, ("nt", "ntriples")),
        Format("n-quads", (".nq", ".nquads"), _RDF, ("nq", "nquads")),
        Format("trig", (".trig",), _RDF),
        Format("n3", (".n3",), _RDF),
        Format("rdf/xml", (".rdf", ".owl", ".xml", ".rdfs"), _RDF, ("rdf", "xml", "owl", "rdfxml")),
        Format("json-ld", (".jsonld",), _RDF, ("jsonld",)),
        Format("functional", (".ofn", ".fss", ".ofs"), _OWL, ("ofn", "owl functional", "functional-style")),
        Format("owl/xml", (".owx",), _OWL, ("owx", "owlxml")),
        Format("manchester", (".omn",), _OWL, ("omn",)),
        Format("obo", (".obo",), "kgzsl.knowledge.readers.obo:read_obo"),
        Format("obographs", (), "kgzsl.knowledge.readers.obographs:read_obographs", ("obo graphs", "obo-graphs")),
        Format("tsv", (".tsv",), _TABLE, ("tab",)),
        Format("csv", (".csv",), _TABLE, ("comma",)),
        Format("table", (".txt", ".dict", ".triples"), _TABLE, ("txt",)),
    )
}

#: Suffixes that are known and not read, with the reason and the remedy.
REFUSED: dict[str, tuple[str, str]] = {
    ".pkl": ("a pickle can run any code, so nothing is unpickled", "export the graph as tab-separated triples"),
    ".pickle": ("a pickle can run any code, so nothing is unpickled", "export the graph as tab-separated triples"),
    ".pl": ("Prolog facts are not read", "write them as tab-separated subject, relation, object lines"),
    ".pth": ("these are weights of a network, not a graph", "give an ontology or a table of triples"),
    ".hdt": ("HDT is not read", "convert it with hdt2rdf to N-Triples"),
    ".mat": ("this is a matrix file, not a graph", "read class vectors with ClassPriors.read"),
    # A graph that was saved here is recognised before its suffix is looked at.
    ".npz": ("this file holds arrays, not a saved class graph", "read class vectors with ClassPriors.read"),
    ".zip": ("an archive may hold many files", "unpack it and name the file in it"),
}


def find_format(path: Path, name: str | None) -> Format | None:
    """The format of ``path``: as named, else by its suffix, else ``None`` (look inside).

    Raises:
        InputError: A format of that name is not known, or files of that suffix are known and not read.
    """
    if name is not None:
        wanted = name.lower().strip()
        for entry in FORMATS.values():
            if wanted in (entry.name, *entry.synonyms) or f".{wanted}" in entry.suffixes:
                return entry
        known = [*FORMATS, *(synonym for entry in FORMATS.values() for synonym in entry.synonyms)]
        close = nearest(wanted, known)
        hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(FORMATS)}"
        raise InputError(f"no format is called {name!r}", remedy=hint)
    suffix = Path(strip_compression(path.name)).suffix.lower()
    if suffix in REFUSED:
        problem, remedy = REFUSED[suffix]
        raise InputError(problem, file=path, remedy=remedy)
    for entry in FORMATS.values():
        if suffix in entry.suffixes:
            return entry
    return None


def sniff(source: ByteSource, found: Format | None) -> Format:
    """The format of ``source``, by its first bytes where the name does not settle it.

    An ``.owl`` file may hold Turtle, functional syntax or OWL/XML; a ``.txt`` file anything.

    Raises:
        InputError: The content is of no known format.
    """
    if found is not None and found.name not in ("rdf/xml", "table", "owl/xml", "functional", "manchester"):
        return found
    head = source.peek(4096)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    other = _owl_syntax(text)
    if other is not None:
        return FORMATS[other]
    if found is not None and found.name in ("owl/xml", "functional", "manchester"):
        return found if found.name != "owl/xml" or b"<rdf:RDF" not in head else FORMATS["rdf/xml"]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or text.startswith((b"<?xml", b"<!--", b"<!DOC", b"<rdf:RDF")):
        return FORMATS["rdf/xml"]
    if text.startswith((b"@prefix", b"@base", b"PREFIX ", b"BASE ", b"prefix ")):
        return FORMATS["turtle"]
    if found is not None:
        return found
    if text.startswith((b"{", b"[")):
        return _json(source)
    known = ", ".join(suffix for entry in FORMATS.values() for suffix in entry.suffixes)
    raise InputError(
        f"the format of {source.path.name!r} is not known",
        file=source.path,
        remedy=f"name it with format=, or use one of {known} (and .gz, .bz2, .xz, .zst of them)",
    )


def _owl_syntax(text: bytes) -> str | None:
    """Functional syntax, OBO, Manchester syntax or OWL/XML, whatever the suffix says."""
    if re.match(rb"(?:#[^\n]*\n\s*)*+(Prefix\s*\(|Ontology\s*\()", text):
        return "functional"
    if re.match(rb"(Prefix|Ontology):\s", text):
        return "manchester"
    if text.startswith(b"format-version:"):
        return "obo"
    if re.search(rb"<(\w+:)?Ontology[\s>]", text) and b"<rdf:RDF" not in text and b"<!DOCTYPE rdf:RDF" not in text:
        return "owl/xml"
    return None


def _json(source: ByteSource) -> Format:
    head = source.peek(1 << 16)
    if re.search(rb'"graphs"\s*:', head):
        return FORMATS["obographs"]
    if b'"@context"' in head or b'"@id"' in head or b'"@graph"' in head:
        return FORMATS["json-ld"]
    raise InputError(
        "this JSON is no JSON-LD and no OBO graph: it has no @context, @id, @graph or graphs",
        file=source.path,
        remedy="give an ontology or a table of triples; benchmark task files are read by kgzsl.datasets",
    )
