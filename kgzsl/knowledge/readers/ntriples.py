"""N-Triples in a hurry: whole blocks of plain lines at once, the parser for whatever is not plain."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from kgzsl.knowledge.triples import literal_key

if TYPE_CHECKING:
    from kgzsl.knowledge.readers.source import ByteSource
    from kgzsl.knowledge.triples import TripleBuilder

__all__ = ["read_ntriples"]

_CHUNK = 1 << 18
_LONGEST = 1 << 20
_BLANK = re.compile(r"_:[A-Za-z0-9_][A-Za-z0-9_-]*")
_TAG = re.compile(r"@[A-Za-z]{2,3}(?:-[A-Za-z]{2})?")
_ESCAPED = re.compile(r'"[^"\\\n\r]*(?:\\.[^"\\\n\r]*)+"(?:@[A-Za-z0-9-]+|\^\^<[^<>\s]*>)?')
#: How a plain line ends, and what stands between its terms.
_END, _GAP = " .\n", " "
_XSD_STRING = "http://www.w3.org/2001/XMLSchema#string"
_RDF_TEXT = "^^<http://www.w3.org/1999/02/22-rdf-syntax-ns#"


class _NotPlain(Exception):
    """A term that the parser should see."""


class _Block(io.BytesIO):
    """Lines from the middle of a file; the parser counts them from 1."""

    def __init__(self, data: bytes, before: int) -> None:
        super().__init__(data)
        self.before = before

    def line(self, number: int) -> int:
        """The number of a line in the file."""
        return self.before + number


class _Rest(_Block):
    """What is at hand and all that is still to come."""

    def __init__(self, data: bytes, before: int, source: ByteSource) -> None:
        super().__init__(data, before)
        self.source = source

    def read(self, size: int | None = -1) -> bytes:
        """What is at hand first."""
        return super().read(size) or self.source.read(-1 if size is None else size)


class _Terms(dict[str, int]):
    """Token -> code. A token is taken apart, and checked by the parser's own rules, when it is first seen.

    Texts are not remembered here: they seldom come again, and the builder knows them.
    """

    def __init__(self, builder: TripleBuilder) -> None:
        super().__init__()
        from pyoxigraph import NamedNode

        self.builder = builder
        self.iris, self.literals = builder.iris, builder.literals
        self.check: Callable[[str], Any] = NamedNode
        #: What follows the closing quotation mark -> what a literal's key begins with.
        self.headers = {"": ""}

    def __missing__(self, token: str) -> int:
        if token[:1] == '"':
            body, _, tail = token.rpartition('"')
            value = body[1:]
            if '"' in value or "\\" in value or not body:
                return self._escaped(token)
            header = self.headers.get(tail)
            if header is None:
                header = self._header(tail)
            key = f"{header}\0{value}"  # as literal_key writes it
            code = -3 * self.literals.setdefault(key, len(self.literals)) - 2
            if tail[:1] == "^":
                self[token] = code  # numbers and dates come again
            return code
        if token[:1] == "<" and token[-1:] == ">":
            iri = self._iri(token[1:-1])
            code = self.iris.setdefault(iri, len(self.iris))
        elif _BLANK.fullmatch(token):
            code = self.builder.blank(token[2:])
        else:
            raise _NotPlain
        self[token] = code
        return code

    def _iri(self, iri: str) -> str:
        try:
            self.check(iri)
        except ValueError:
            raise _NotPlain from None
        return iri

    def _header(self, tail: str) -> str:
        if _TAG.fullmatch(tail):
            header = tail.lower()
        elif tail.startswith("^^<") and tail.endswith(">") and not tail.startswith(_RDF_TEXT):
            datatype = self._iri(tail[3:-1])
            header = "" if datatype == _XSD_STRING else datatype
        else:
            raise _NotPlain  # some of RDF's own datatypes may not stand here
        self.headers[tail] = header
        return header

    def _escaped(self, token: str) -> int:
        import pyoxigraph

        if not _ESCAPED.fullmatch(token):
            raise _NotPlain
        try:
            line = f"<a:a> <a:a> {token} .\n".encode()
            (quad,) = pyoxigraph.parse(line, pyoxigraph.RdfFormat.N_TRIPLES)
        except (SyntaxError, ValueError):
            raise _NotPlain from None
        term: Any = quad.object
        datatype = None if term.language or term.datatype.value == _XSD_STRING else term.datatype.value
        return -3 * self.literals[literal_key(term.value, term.language, datatype)] - 2


def read_ntriples(source: ByteSource, builder: TripleBuilder, parse: Callable[[Any], None]) -> None:
    """Read N-Triples, several times faster than triple by triple; the result and the errors are the parser's.

    Args:
        source: The bytes.
        builder: Receives the triples.
        parse: Reads a stream into ``builder`` by the parser, for blocks that are not all plain lines. The stream's
            ``line(n)`` is the number in the file of its line n.
    """
    terms = _Terms(builder)
    rest, before = b"", 0
    while data := source.read(_CHUNK):
        data = rest + data
        cut = data.rfind(b"\n") + 1
        rest = data[cut:]
        if len(rest) > _LONGEST:
            parse(_Rest(data, before, source))
            return
        if cut:
            block = data[:cut]
            count = block.count(b"\n")
            if not _taken(block, count, terms, builder):
                parse(_Block(block, before))
            before += count
    if rest:
        parse(_Block(rest, before))


def _taken(block: bytes, count: int, terms: _Terms, builder: TripleBuilder) -> bool:
    """Whether all ``count`` lines were plain, and are now in ``builder``; if not, nothing was added.

    Each piece between two plain line ends is one line, and each line is three tokens, exactly if the counts agree.
    """
    try:
        text = block.decode("utf-8")
        if not text.endswith(_END) or "\r" in text:
            return False
        lines = text[: -len(_END)].split(_END)
        if len(lines) != count:
            return False
        tokens = chain.from_iterable([line.split(_GAP, 2) for line in lines])
        codes = np.fromiter(map(terms.__getitem__, tokens), np.int32)
    except (UnicodeDecodeError, _NotPlain):
        return False
    if len(codes) != 3 * count:
        return False
    subjects, relations = codes[::3], codes[1::3]
    # A literal (-2, -5, ...) may not be a subject, and what has a negative code no relation.
    if bool((relations < 0).any()) or bool(((subjects < 0) & (subjects % 3 == 1)).any()):
        return False
    builder.extend(codes)
    return True
