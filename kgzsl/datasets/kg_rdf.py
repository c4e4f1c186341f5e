"""An RDF file with some of its relations held out whole."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import IO, Any, cast

from kgzsl.datasets.kg_relations import hold_out
from kgzsl.datasets.kg_split import KGSplit
from kgzsl.datasets.kg_types import with_told
from kgzsl.errors import InputError

__all__ = [
    "is_own_class",
    "is_rdf",
    "rdf_content",
    "rdf_labels",
    "rdf_types",
    "read_rdf",
    "refuse_descriptions",
    "write_without",
]

_SCHEMA = (
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "http://www.w3.org/2000/01/rdf-schema#",
    "http://www.w3.org/2002/07/owl#",
    "http://www.w3.org/2004/02/skos/core#",
)
_LABELS = (_SCHEMA[1] + "label", _SCHEMA[3] + "prefLabel")
_DESCRIBING = {_SCHEMA[0] + word for word in ("subject", "predicate", "object", "reifies")}
_FORMATS = {
    ".ttl": "TURTLE",
    ".nt": "N_TRIPLES",
    ".nq": "N_QUADS",
    ".trig": "TRIG",
    ".rdf": "RDF_XML",
    ".owl": "RDF_XML",
    ".xml": "RDF_XML",
    ".jsonld": "JSON_LD",
}
# Contexts that may lie elsewhere, and where they are looked for: larger files are streamed.
_OUTSIDE = re.compile(rb'"@(?:context|import)"\s*:\s*["\[]')
_HEAD = 8 * 2**20
_NO_CONTEXT = (
    "download the context and write it into the file behind @context; or put it beside the file, and name it by its "
    "relative address or in a catalog-v001.xml there"
)
_OPENERS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def read_rdf(
    path: str | PathLike[str],
    unseen_relations: Sequence[str],
    *,
    valid_relations: Sequence[str] = (),
    relations: Sequence[str] | None = None,
    name: str | None = None,
    graph_source: str | None = None,
) -> KGSplit:
    """A knowledge graph from the facts of an RDF file.

    A fact is a triple between two IRIs whose predicate is no word of RDF, RDFS, OWL or SKOS and whose ends are no
    classes or properties declared in the file. Facts of ``unseen_relations`` become the test triples, those of
    ``valid_relations`` the validation triples, all others training triples. Literals and blank nodes are left out and
    counted in the notes. What rdf:type says of entities are their classes. Ids follow the first appearance in the
    file.

    Args:
        path: ``.ttl .nt .nq .trig .rdf .owl .xml .jsonld``, also compressed (``.gz .bz2 .xz``). Contexts of JSON-LD
            that lie outside the file are looked for beside it and in a ``catalog-v001.xml`` there; none is fetched.
        unseen_relations: IRIs, or local names where these are unambiguous.
        valid_relations: The same.
        relations: Only these predicates count as facts. Left out: all.
        name: What to call the data set; by default the file's name.
        graph_source: Path of the schema; by default the file itself.

    Raises:
        InputError: The file is missing or does not parse (line and column are given), a relation has no fact in it, or
            all would be held out.
    """
    file = Path(path)
    facts, types, notes = rdf_content(file)
    if not facts:
        refuse_descriptions(file)
    split = hold_out(
        facts,
        unseen_relations,
        valid_relations,
        file,
        relations=relations,
        name=name or file.name.split(".")[0],
        notes=notes,
        graph_source=graph_source or str(file),
    )
    return with_told(split, types, of_others=False)


def rdf_types(path: str | PathLike[str]) -> dict[str, str]:
    """The class of each entity that an RDF file gives one by rdf:type; of several, the one with the fewest entities.

    Args:
        path: As for :func:`read_rdf`.

    Returns:
        IRI of the entity to IRI of the class.

    Raises:
        InputError: The file is missing or does not parse.
    """
    told = rdf_content(Path(path))[1]
    sizes = Counter(kind for kinds in told.values() for kind in kinds)
    return {entity: min(kinds, key=lambda kind: (sizes[kind], kind)) for entity, kinds in told.items()}


def rdf_labels(path: str | PathLike[str]) -> dict[str, tuple[str, ...]]:
    """What an RDF file calls things by rdfs:label and skos:prefLabel: IRI to its labels, in whatever language.

    Args:
        path: As for :func:`read_rdf`.

    Raises:
        InputError: The file is missing or does not parse.
    """
    import pyoxigraph as ox

    told: dict[str, dict[str, None]] = {}
    for quad in _quads(Path(path)):
        named = isinstance(quad.subject, ox.NamedNode) and isinstance(quad.object, ox.Literal)
        if named and quad.predicate.value in _LABELS:
            told.setdefault(quad.subject.value, {})[quad.object.value] = None
    return {iri: tuple(labels) for iri, labels in told.items()}


def write_without(
    path: str | PathLike[str],
    relations: Collection[str],
    out: Path,
    *,
    facts: Collection[tuple[str, str, str]] = (),
) -> int:
    """Write an RDF file again, as N-Triples, without some of its facts: a schema that does not tell them.

    Args:
        path: As for :func:`read_rdf`.
        relations: IRIs whose facts are left out; what the file says *of* them stays.
        out: The ``.nt`` file.
        facts: (head, relation, tail) IRIs that are left out, too; a set.

    Returns:
        How many triples were left out.

    Raises:
        InputError: The file is missing or does not parse.
    """
    import pyoxigraph as ox

    left_out = 0
    with out.open("wb") as stream:
        for quad in _quads(Path(path)):
            ends = (quad.subject, quad.object)
            # A literal or a blank node may be written as an entity is called.
            fact = all(isinstance(end, ox.NamedNode) for end in ends) and (
                (ends[0].value, quad.predicate.value, ends[1].value) in facts
            )
            if fact or quad.predicate.value in relations:
                left_out += 1
                continue
            line = ox.serialize([quad.triple], format=ox.RdfFormat.N_TRIPLES)
            assert line is not None
            stream.write(line)
    return left_out


def _quads(file: Path) -> Iterator[Any]:
    import pyoxigraph as ox

    suffixes = [suffix.lower() for suffix in file.suffixes]
    opener = _OPENERS.get(suffixes[-1]) if suffixes else None
    ending = suffixes[-2] if opener is not None and len(suffixes) > 1 else suffixes[-1] if suffixes else ""
    if ending not in _FORMATS:
        raise InputError(f"unknown ending {ending!r}", file=file, remedy=f"known: {' '.join(_FORMATS)}")
    if not file.is_file():
        raise InputError("there is no such file", file=file, remedy="check the path")
    try:
        with cast(IO[bytes], opener(file, "rb") if opener else file.open("rb")) as stream:
            if ending == ".jsonld" and _OUTSIDE.search(stream.read(_HEAD)):
                yield from _with_contexts(file)
                return
            stream.seek(0)
            if stream.read(len(BOM_UTF8)) != BOM_UTF8:  # the parser takes such a mark for the first subject
                stream.seek(0)
            yield from ox.parse(stream, format=getattr(ox.RdfFormat, _FORMATS[ending]), base_iri="urn:kgzsl:base")
    except SyntaxError as error:
        if "LoadDocumentCallback" in str(error.msg):
            raise InputError(
                "the JSON-LD has a context outside the file, and none is fetched", file=file, remedy=_NO_CONTEXT
            ) from error
        place = f"line {error.lineno}, column {error.offset}" if error.lineno else None
        raise InputError(
            f"does not parse ({error.msg})", file=file, place=place, remedy="correct it, or download it again"
        ) from error
    except (EOFError, OSError, lzma.LZMAError) as error:
        raise InputError(f"damaged or cut short ({error})", file=file, remedy="download or copy it again") from error


def _with_contexts(file: Path) -> Iterator[Any]:
    """The statements of JSON-LD whose contexts lie outside it: beside the file, or where a catalogue there says."""
    import pyoxigraph as ox

    from kgzsl.knowledge.readers import ReadOptions, read_triples
    from kgzsl.knowledge.triples import split_literal

    try:
        triples = read_triples(file, "json-ld", ReadOptions()).triples
    except InputError as error:
        remedy = _NO_CONTEXT if "nothing is fetched" in error.problem else error.remedy
        raise InputError(error.problem, file=error.file, place=error.place, remedy=remedy) from error

    def term(number: int) -> Any:
        name = triples.terms[number]
        if number < triples.num_iris:
            return ox.NamedNode(name)
        if number < triples.first_literal:
            return ox.BlankNode(name.removeprefix("_:"))
        text, language, datatype = split_literal(name)
        return ox.Literal(text, language=language, datatype=None if datatype is None else ox.NamedNode(datatype))

    for row in zip(triples.subjects.tolist(), triples.predicates.tolist(), triples.objects.tolist(), strict=True):
        yield ox.Quad(*map(term, row))


def is_rdf(file: Path) -> bool:
    """Whether the ending of a file, without that of its compression, is one of RDF."""
    suffixes = [suffix.lower() for suffix in file.suffixes if suffix.lower() not in _OPENERS]
    return bool(suffixes) and suffixes[-1] in _FORMATS


def rdf_content(
    file: Path,
) -> tuple[list[tuple[str, str, str]], dict[str, tuple[str, ...]], list[str]]:
    """The facts of an RDF file as IRIs, each once, the classes of entities, and what was left out: :func:`read_rdf`."""
    import pyoxigraph as ox

    told: dict[str, dict[str, None]] = {}
    facts: dict[tuple[str, str, str], None] = {}
    declared: set[str] = set()
    literals = blanks = repeated = 0
    for quad in _quads(file):
        subject, predicate, target = quad.subject, quad.predicate.value, quad.object
        if predicate.startswith(_SCHEMA):
            if predicate != _SCHEMA[0] + "type":
                continue
            if _is_schema_word(target):
                declared.add(str(getattr(subject, "value", "")))
            elif isinstance(subject, ox.NamedNode) and _is_class(target):
                told.setdefault(subject.value, {})[target.value] = None
        elif not isinstance(target, ox.NamedNode):
            literals += isinstance(target, ox.Literal)
            blanks += not isinstance(target, ox.Literal)
        elif not isinstance(subject, ox.NamedNode):
            blanks += 1
        else:
            fact = (subject.value, predicate, target.value)
            repeated += fact in facts
            facts[fact] = None
    kept = [fact for fact in facts if fact[0] not in declared and fact[2] not in declared]
    notes = []
    if literals:
        notes.append(f"{literals} triples with literals are left out")
    if blanks:
        notes.append(f"{blanks} triples with blank nodes are left out")
    if repeated:
        notes.append(f"{repeated} facts are repetitions; each counts once")
    if len(kept) < len(facts):
        notes.append(f"{len(facts) - len(kept)} triples about classes or properties are left out")
    return kept, {entity: tuple(kinds) for entity, kinds in told.items() if entity not in declared}, notes


def refuse_descriptions(file: Path) -> None:
    """Say of a file without facts that it describes triples, where it does: proposals are written so.

    Raises:
        InputError: It has reified statements, or triple terms.
    """
    if any(quad.predicate.value in _DESCRIBING for quad in _quads(file)):
        raise InputError(
            "these describe proposals, and state no fact",
            file=file,
            remedy="write each that you take for true as a triple of its own",
        )


def is_own_class(iri: str) -> bool:
    """Whether an IRI of which something is by ``rdf:type`` is a class of somebody's own, and no word of RDF or OWL."""
    return not iri.startswith(_SCHEMA[:3])


def _is_class(target: Any) -> bool:
    """Whether this is a class of somebody's own, with a name."""
    import pyoxigraph as ox

    return isinstance(target, ox.NamedNode) and is_own_class(target.value)


def _is_schema_word(target: Any) -> bool:
    """Whether something of this type belongs to the schema, and is no entity."""
    value = str(getattr(target, "value", ""))
    return value.startswith(_SCHEMA[:3]) and not value.endswith(("NamedIndividual", "owl#Thing"))
