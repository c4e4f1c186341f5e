"""OWL 2 functional syntax, OWL/XML and Manchester syntax, parsed by py-horned-owl."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from kgzsl.errors import InputError
from kgzsl.knowledge.readers.options import ReadOptions
from kgzsl.knowledge.readers.owl_mapping import OwlMapping
from kgzsl.knowledge.readers.source import ByteSource
from kgzsl.knowledge.triples import TripleBuilder

__all__ = ["read_functional_text", "read_owl_syntax"]

_SERIALIZATIONS: dict[str, Any] = {"functional": "ofn", "owl/xml": "owx", "manchester": "omn"}
_CHUNK = 1 << 20
#: Expressions nested deeper than this are refused: the parser works on the stack, and would take the process down.
_MAX_DEPTH = 500
#: Most bytes of one text or comment; a class graph has no use for more.
_MAX_TEXT = 16 * 2**20
# Texts, IRIs and comments hold parentheses that do not nest.
_OPAQUE = re.compile(rb'"(?:[^"\\]|\\.)*+"|<[^<>\s]*+>|(?:(?<=\s)|^)#[^\n]*+', re.DOTALL | re.MULTILINE)
_PREFIX = re.compile(r"(Prefix\s*\(\s*[^=()\s]*\s*=\s*<)([^<>]*)(>\s*\))")
_OMN_PREFIX = re.compile(r"(Prefix:\s+\S*:\s+<)([^<>]*)(>)")
_ONTOLOGY = re.compile(r"Ontology(?:\s*\(|:)\s*<([^<>]+)>")
_PLACE = re.compile(r"line_col:\s*Pos\(\((\d+),\s*(\d+)\)\)|line_col:\s*Span\(\((\d+),\s*(\d+)\)")


def read_owl_syntax(source: ByteSource, format_name: str, builder: TripleBuilder, options: ReadOptions) -> None:
    """Read an ontology as the triples that the OWL 2 mapping to RDF gives.

    Args:
        source: The bytes, UTF-8.
        format_name: ``functional``, ``owl/xml`` or ``manchester``.
        builder: Receives the triples.
        options: The base IRI resolves prefixes that are relative; without it, the IRI of the ontology does.

    Raises:
        InputError: The text is not of that format; names the line where the parser tells it.
    """
    data = _read_all(source, format_name)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            "the text is not valid UTF-8",
            file=source.path,
            place=f"line {data.count(10, 0, error.start) + 1}" if isinstance(data, bytes) else None,
            remedy="save the file as UTF-8 (iconv -f latin1 -t utf-8 converts a Latin-1 file)",
        ) from error
    if format_name != "owl/xml":
        _check_depth(data, source.path)
    _read_text(text, format_name, builder, options, source.path)


def read_functional_text(text: str, builder: TripleBuilder, options: ReadOptions, path: Path) -> None:
    """Functional syntax that lies inside another file (the ``owl-axioms`` of OBO); see :func:`read_owl_syntax`."""
    _check_depth(text.encode(), path)
    _read_text(text, "functional", builder, options, path)


def _read_text(text: str, format_name: str, builder: TripleBuilder, options: ReadOptions, path: Path) -> None:
    text = _absolute_prefixes(text, options, builder)
    ontology = _parse(text, format_name, path)
    mapping = OwlMapping(builder)
    # The library hands axioms out in an order that changes from run to run.
    found = [
        (str(item.component), sorted(map(str, item.ann)), number, item)
        for number, item in enumerate(ontology.get_components())
    ]
    found.sort(key=lambda entry: entry[:3])
    mapping.header([entry[3] for entry in found])
    for *_, item in found:
        mapping.add(item)
    builder.prefixes.update(_prefixes(text))


def _read_all(source: ByteSource, format_name: str) -> bytes:
    stream: Any = source
    if format_name == "owl/xml":
        from kgzsl.knowledge.readers.xml_guard import guard_xml

        stream = guard_xml(source)
    parts = []
    while data := stream.read(_CHUNK):
        parts.append(data)
    return b"".join(parts)


def _check_depth(data: bytes, path: Path) -> None:
    """Refuse what nests too deep, or holds one text of an absurd length."""
    import numpy as np

    longest = 0

    def blank(found: re.Match[bytes]) -> bytes:
        nonlocal longest
        longest = max(longest, found.end() - found.start())
        return b"\n" * found.group().count(b"\n")

    bare = _OPAQUE.sub(blank, data)
    if longest > _MAX_TEXT:
        raise InputError(
            f"one text is longer than {_MAX_TEXT:,} bytes",
            file=path,
            remedy="shorten it: a class graph has no use for a text of 16 megabytes",
        )
    codes = np.frombuffer(bare, np.uint8)
    steps = (codes == ord("(")).astype(np.int32) - (codes == ord(")"))
    depth = np.cumsum(steps, dtype=np.int32)
    if len(depth) and int(depth.max()) > _MAX_DEPTH:
        at = int(np.argmax(depth > _MAX_DEPTH))
        raise InputError(
            f"expressions are nested deeper than {_MAX_DEPTH}",
            file=path,
            place=f"line {bare.count(10, 0, at) + 1}",
            remedy="no ontology is like this: look at what wrote the file",
        )


def _absolute_prefixes(text: str, options: ReadOptions, builder: TripleBuilder) -> str:
    """Prefixes that are no full IRIs, as some tools write them, resolved against the ontology's own IRI."""
    from urllib.parse import urljoin

    found = _ONTOLOGY.search(text)
    base = options.base or (found.group(1) if found else "urn:kgzsl:base:")

    def resolve(match: re.Match[str]) -> str:
        target = match.group(2)
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", target):
            return match.group()
        full = urljoin(base, target) if base.startswith(("http:", "https:", "file:")) else base + target
        full += "#" if target.endswith("#") and not full.endswith("#") else ""
        builder.notes.append(f"the prefix <{target}> is no full IRI; it was taken as <{full}>")
        return f"{match.group(1)}{full}{match.group(3)}"

    end = found.start() if found else len(text)
    head = _OMN_PREFIX.sub(resolve, _PREFIX.sub(resolve, text[:end]))
    return head + text[end:]


def _prefixes(text: str) -> dict[str, str]:
    head = text[: text.find("Ontology")] if "Ontology" in text else ""
    pairs = re.findall(r"Prefix\s*\(\s*([^:=()\s]*):\s*=\s*<([^<>]*)>\s*\)|Prefix:\s+(\S*):\s+<([^<>]*)>", head)
    return {(a or c): (b or d) for a, b, c, d in pairs}


def _parse(text: str, format_name: str, path: Path) -> Any:
    try:
        import pyhornedowl
    except ImportError:
        raise InputError(
            f"reading {format_name} syntax needs py-horned-owl",
            file=path,
            remedy="pip install 'kgzsl[owl]', or save the ontology as Turtle or RDF/XML",
        ) from None
    try:
        return pyhornedowl.open_ontology_from_string(text, _SERIALIZATIONS[format_name])
    except (ValueError, RuntimeError, OverflowError) as error:
        raise _explain(str(error), format_name, path) from error
    except BaseException as error:
        # A panic of the library is no Exception, and must not end the program.
        if type(error).__name__ != "PanicException":
            raise
        raise _explain(f"the parser gave up ({error})", format_name, path) from error


def _explain(message: str, format_name: str, path: Path) -> InputError:
    place = None
    found = _PLACE.search(message)
    if found is not None:
        line, column = [part for part in found.groups() if part is not None][:2]
        place = f"line {line}, column {column}"
    expected = re.search(r"positives: \[([^\]]*)\]", message)
    if expected is not None and expected.group(1):
        problem = f"not well-formed {format_name}: {expected.group(1).replace('RFC3987_', 'a full ')} expected"
    else:
        problem = f"not well-formed {format_name}: {' '.join(message.split())[:200]}"
    return InputError(
        problem, file=path, place=place, remedy="correct that place, or save the ontology as Turtle or RDF/XML"
    )
