"""The RDF family, streamed from pyoxigraph straight to integer ids."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgzsl.errors import InputError
from kgzsl.knowledge.readers.options import ReadOptions
from kgzsl.knowledge.readers.source import ByteSource, open_source
from kgzsl.knowledge.triples import TripleBuilder

if TYPE_CHECKING:
    import pyoxigraph

__all__ = ["file_iri", "intern_quads", "rdf_format", "read_rdf"]

_XSD_STRING = "http://www.w3.org/2001/XMLSchema#string"
_XML_LITERAL = "http://www.w3.org/1999/02/22-rdf-syntax-ns#XMLLiteral"


def read_rdf(source: ByteSource, format_name: str, builder: TripleBuilder, options: ReadOptions) -> None:
    """Parse ``source`` into ``builder``.

    Args:
        source: The bytes.
        format_name: Of ``turtle``, ``n-triples``, ``n-quads``, ``trig``, ``rdf/xml``, ``json-ld``, ``n3``.
        builder: Receives the triples; the graphs of a data set are merged.
        options: The base IRI is used.

    Raises:
        InputError: The text is not of that format; names the line and column.
    """
    if source.peek(len(BOM_UTF8)) == BOM_UTF8:
        source.read(len(BOM_UTF8))  # the parser takes such a mark for the first subject
    if format_name == "n-triples" and not options.lenient:
        from kgzsl.knowledge.readers.ntriples import read_ntriples

        read_ntriples(source, builder, lambda stream: _parse(stream, source.path, format_name, builder, options))
        return
    if format_name == "json-ld":
        from kgzsl.knowledge.readers.jsonld import read_jsonld

        base = options.base if options.base is not None else file_iri(source.path)
        read_jsonld(
            source, builder, options, base, lambda stream: _parse(stream, source.path, format_name, builder, options)
        )
        return
    stream: Any = source
    if format_name == "rdf/xml":
        from kgzsl.knowledge.readers.xml_guard import guard_xml
        from kgzsl.knowledge.readers.xml_lines import AttributeLines

        stream = AttributeLines(guard_xml(source))
    if options.lenient:
        builder.notes.append("IRIs were taken as they stand, without a check")
    _parse(stream, source.path, format_name, builder, options)


def _parse(stream: Any, path: Path, format_name: str, builder: TripleBuilder, options: ReadOptions) -> None:
    import pyoxigraph

    base = options.base if options.base is not None else file_iri(path)
    try:
        parser = pyoxigraph.parse(stream, rdf_format(format_name), base_iri=base, lenient=options.lenient)
        builder.prefixes.update(_prefixes(parser))
        intern_quads(parser, builder, canonical_xml=format_name == "rdf/xml")
        builder.prefixes.update(_prefixes(parser))
    except SyntaxError as error:
        raise _explain(error, _line(error, stream, path, options), path, format_name) from error
    except MemoryError as error:
        raise InputError(
            f"one statement, comment or text is longer than the parser can hold ({error})",
            file=path,
            remedy="shorten it: a class graph has no use for a text of 16 megabytes",
        ) from error
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(str(error), file=path, remedy="check the base IRI") from error


def intern_quads(quads: Iterable[pyoxigraph.Quad], builder: TripleBuilder, *, canonical_xml: bool = False) -> None:
    """Number the terms of ``quads`` and append them; the hot loop of every import.

    Args:
        quads: From the parser.
        builder: Receives the triples.
        canonical_xml: Whether XML literals are to be written in the canonical form that RDF/XML asks for.
    """
    builder.extend(_codes(quads, builder, canonical_xml))


def _codes(quads: Iterable[pyoxigraph.Quad], builder: TripleBuilder, canonical_xml: bool) -> Iterator[int]:
    """Three codes for each quad. Every attribute is fetched once, and the commonest term is asked for first."""
    from pyoxigraph import BlankNode, Literal, NamedNode

    iris, blanks, literals = builder.iris, builder.blanks, builder.literals
    term: Any
    for quad in quads:
        term = quad.subject
        if term.__class__ is NamedNode:
            yield iris[term.value]
        elif term.__class__ is BlankNode:
            yield -3 * blanks[term.value] - 1
        else:
            yield _term(term, builder)
        yield iris[quad.predicate.value]
        term = quad.object
        if term.__class__ is NamedNode:
            yield iris[term.value]
        elif term.__class__ is Literal:
            # As literal_key writes it; a call would cost more than the rest.
            language = term.language
            if language:
                yield -3 * literals[f"@{language}\0{term.value}"] - 2
            else:
                datatype = term.datatype.value
                if datatype == _XSD_STRING:
                    key = f"\0{term.value}"
                elif canonical_xml and datatype == _XML_LITERAL:
                    key = f"{datatype}\0{_canonical(term.value)}"
                else:
                    key = f"{datatype}\0{term.value}"
                yield -3 * literals[key] - 2
        elif term.__class__ is BlankNode:
            yield -3 * blanks[term.value] - 1
        else:
            yield _term(term, builder)


def _canonical(text: str) -> str:
    """Namespaces where they are used, and nowhere else (pyoxigraph declares all that are in scope)."""
    from xml.etree import ElementTree

    try:
        return ElementTree.canonicalize(f"<x>{text}</x>", with_comments=True)[3:-4]
    except ElementTree.ParseError:
        return text


def _term(term: Any, builder: TripleBuilder) -> int:
    """The code of any term, quoted triples included."""
    from pyoxigraph import BlankNode, Literal, NamedNode

    if isinstance(term, NamedNode):
        return builder.iri(term.value)
    if isinstance(term, BlankNode):
        return builder.blank(term.value)
    if isinstance(term, Literal):
        datatype = None if term.language or term.datatype.value == _XSD_STRING else term.datatype.value
        return builder.literal(term.value, term.language, datatype)
    parts = [_term(part, builder) for part in (term.subject, term.predicate, term.object)]
    return builder.quote(*parts)


def rdf_format(name: str) -> pyoxigraph.RdfFormat:
    """The parser's name for a format; ``KeyError`` where it has none."""
    from pyoxigraph import RdfFormat

    return {
        "turtle": RdfFormat.TURTLE,
        "n-triples": RdfFormat.N_TRIPLES,
        "n-quads": RdfFormat.N_QUADS,
        "trig": RdfFormat.TRIG,
        "rdf/xml": RdfFormat.RDF_XML,
        "json-ld": RdfFormat.JSON_LD,
        "n3": RdfFormat.N3,
    }[name]


def _prefixes(parser: Any) -> dict[str, str]:
    return dict(getattr(parser, "prefixes", {}) or {})


def file_iri(path: Path) -> str:
    """A base IRI that does not depend on where the file lies, so that two machines read the same graph."""
    from urllib.parse import quote

    return f"file:///{quote(path.name)}"


def _line(error: SyntaxError, stream: Any, path: Path, options: ReadOptions) -> int | None:
    """The line that an error is about; errors about an IRI in RDF/XML name the IRI only, so it is looked up."""
    if error.lineno is not None:
        return int(stream.line(error.lineno)) if hasattr(stream, "line") else error.lineno
    quoted = re.search(r"IRI '([^']+)'", error.msg or "")
    if quoted is None:
        return None
    wanted = quoted.group(1).encode("utf-8")
    with open_source(path, options) as source:
        return next((number for number, line in enumerate(source.lines(), 1) if wanted in line), None)


def _explain(error: SyntaxError, line: int | None, path: Path, format_name: str) -> InputError:
    message = error.msg or str(error)
    place = None
    if line is not None:
        place = f"line {line}" if error.offset is None else f"line {line}, column {error.offset}"
        _, _, tail = message.partition(": ")
        message = tail or message
    if "nvalid utf-8" in message or "Invalid UTF-8" in message:
        problem = "the text is not valid UTF-8"
        remedy = "save the file as UTF-8 (iconv -f latin1 -t utf-8 converts a Latin-1 file)"
    elif "nexpected end" in message or "nexpected EOF" in message or "EOF" in message:
        problem = f"the {format_name} text ends in the middle of a statement ({message})"
        remedy = "the file is cut off: fetch it again"
    elif "LoadDocumentCallback" in message:
        problem = "the JSON-LD has a context outside the file, and is too large or too deep to look it up"
        remedy = "write the context into the file (its address stands behind @context), or split the file"
    elif "IRI" in message:
        problem = f"an IRI is not valid: {message}"
        remedy = "correct it, or read with lenient=True to take IRIs as they stand"
    else:
        problem = f"not well-formed {format_name}: {message}"
        remedy = "correct that place, or name the right format with format="
    return InputError(problem, file=path, place=place, remedy=remedy)
