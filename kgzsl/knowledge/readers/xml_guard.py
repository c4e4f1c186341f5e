"""RDF/XML made safe and uniform before a parser sees it: entities bounded, nothing external, always UTF-8."""

from __future__ import annotations

import codecs
import re
from xml.parsers import expat

from kgzsl.errors import InputError
from kgzsl.knowledge.readers.source import ByteSource

__all__ = ["guard_xml"]

_PROLOG_LIMIT = 1 << 20
_EXPANSION_LIMIT = 1 << 20
_MAX_DEPTH = 2_000
_MAX_TOKEN = 16 * 2**20
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["'][^>]*\?>""")
_ENTITY = re.compile(r"<!ENTITY\s+(%\s+)?([^\s%]+)\s+(SYSTEM|PUBLIC)?\s*(?:\"([^\"]*)\"|'([^']*)')?", re.DOTALL)
_REFERENCE = re.compile(r"[&%]([^\s;#&%]+);")
_BUILT_IN = {"amp": 1, "lt": 1, "gt": 1, "quot": 1, "apos": 1}


class _Recoded:
    """Another encoding to UTF-8, on the fly."""

    def __init__(self, source: ByteSource, encoding: str) -> None:
        self._source = source
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._first = True

    def read(self, size: int = -1) -> bytes:
        while True:
            data = self._source.read(size)
            try:
                text = self._decoder.decode(data, final=not data)
            except UnicodeDecodeError as error:
                raise InputError(
                    f"the text is not valid {self._encoding}, which its first line declares ({error.reason})",
                    file=self._source.path,
                    remedy="correct the encoding in the first line, or save the file as UTF-8",
                ) from error
            if self._first and text:
                text = re.sub(r"^\ufeff?\s*<\?xml[^>]*\?>", "<?xml version='1.0'?>", text)
                self._first = False
            if text or not data:
                return text.encode("utf-8")


class _WellFormed:
    """Hands bytes on while a strict parser looks at them too: pyoxigraph's own is lenient about XML."""

    def __init__(self, stream: ByteSource | _Recoded, source: ByteSource) -> None:
        self._stream = stream
        self._source = source
        self._depth = self._fed = 0
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._down
        self._parser.EndElementHandler = self._up

    def _down(self, name: str, _attributes: object) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise InputError(
                f"elements are nested deeper than {_MAX_DEPTH:,} (at {name!r})",
                file=self._source.path,
                place=f"line {self._parser.CurrentLineNumber}, column {self._parser.CurrentColumnNumber + 1}",
                remedy="no ontology is like this: look at what wrote the file",
            )

    def _up(self, _name: str) -> None:
        self._depth -= 1

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._fed += len(data)
        try:
            self._parser.Parse(data, not data)
            # The parser begins each unfinished tag or comment anew, so that one without an end takes for ever.
            if self._fed - self._parser.CurrentByteIndex > _MAX_TOKEN and data:
                raise InputError(
                    f"a tag or a comment is longer than {_MAX_TOKEN:,} bytes",
                    file=self._source.path,
                    place=f"line {self._parser.CurrentLineNumber}, column {self._parser.CurrentColumnNumber + 1}",
                    remedy="shorten it: a class graph has no use for a text of 16 megabytes",
                )
        except expat.ExpatError as error:
            raise InputError(
                f"not well-formed XML: {expat.ErrorString(error.code)}",
                file=self._source.path,
                place=f"line {error.lineno}, column {error.offset + 1}",
                remedy=_remedy(error.code),
            ) from error
        return data


def _remedy(code: int) -> str:
    if code in (expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS], 3):
        return "the file is cut off: fetch it again"
    if code == expat.errors.codes[expat.errors.XML_ERROR_INVALID_TOKEN]:
        return "correct that place (two hyphens inside a comment, a bare & or <, or bytes that are not UTF-8)"
    return "correct that place, or name the right format with format="


def guard_xml(source: ByteSource) -> _WellFormed:
    """Look at the prolog of an XML document, refuse what is dangerous, and hand on a stream of UTF-8.

    Entities inside the document are fine (OWL files abbreviate IRIs with them) as long as all of them together
    expand to less than a megabyte; external entities and external document types are refused, never fetched. What is
    read from the stream is checked to be well-formed XML on the way.

    Raises:
        InputError: An external entity, entities that blow up, an unknown encoding, or no XML at all. Reading the
        stream raises it
            where the XML is not well-formed, with line and column.
    """
    head = source.peek(256)
    if not head.strip():
        raise InputError("the file is empty", file=source.path, remedy="fetch it again")
    encoding = _encoding(head, source)
    prolog = _prolog(source, encoding or "utf-8")
    _check_entities(prolog, source)
    return _WellFormed(source if encoding is None else _Recoded(source, encoding), source)


def _encoding(head: bytes, source: ByteSource) -> str | None:
    """The encoding to convert from; ``None`` for UTF-8."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    declared = _DECLARED.match(head.removeprefix(codecs.BOM_UTF8))
    if declared is None:
        return None
    name = declared.group(1).decode("ascii")
    try:
        codec = codecs.lookup(name).name
    except LookupError:
        raise InputError(
            f"the file declares the unknown encoding {name!r}", file=source.path, remedy="save it as UTF-8"
        ) from None
    return None if codec in ("utf-8", "ascii") else codec


def _prolog(source: ByteSource, encoding: str) -> str:
    """The text before the root element, comments blanked out."""
    size = 1 << 14
    while True:
        raw = source.peek(size)
        text = raw.decode(encoding, errors="replace")
        blank = re.sub(r"<!--.*?-->", lambda found: " " * len(found.group()), text, flags=re.DOTALL)
        root = re.search(r"<[A-Za-z_]", blank)
        if root is not None and blank.rfind("<!--", 0, root.start()) < 0:
            return blank[: root.start()]
        if len(raw) < size:
            return blank
        if size >= _PROLOG_LIMIT:
            raise InputError(
                "the first megabyte holds no element: this is no RDF/XML", file=source.path, remedy="name the format"
            )
        size *= 8


def _check_entities(prolog: str, source: ByteSource) -> None:
    doctype = re.search(r"<!DOCTYPE\s+\S+\s+(SYSTEM|PUBLIC)\b", prolog)
    if doctype is not None:
        raise InputError(
            "the document type lies outside the file, and nothing is fetched",
            file=source.path,
            place=_line(prolog, doctype.start()),
            remedy="remove the SYSTEM or PUBLIC part of the DOCTYPE",
        )
    sizes: dict[str, int] = dict(_BUILT_IN)
    total = 0
    for entity in _ENTITY.finditer(prolog):
        _, name, external, double, single = entity.groups()
        if external:
            raise InputError(
                f"the entity {name!r} lies outside the file, and nothing is fetched",
                file=source.path,
                place=_line(prolog, entity.start()),
                remedy="write its text into the file, or remove it",
            )
        value = double if double is not None else single or ""
        # An entity may use those before it only, so one pass in order gives the true size.
        size = len(value) + sum(sizes.get(inner, 0) for inner in _REFERENCE.findall(value))
        sizes.setdefault(name, size)
        total += size
        if total > _EXPANSION_LIMIT:
            raise InputError(
                f"the entities up to {name!r} expand to more than a megabyte: this looks like an entity bomb",
                file=source.path,
                place=_line(prolog, entity.start()),
                remedy="do not use this file, or write the entities out",
            )


def _line(text: str, offset: int) -> str:
    return f"line {text.count(chr(10), 0, offset) + 1}"
