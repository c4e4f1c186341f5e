"""The lines of an OBO 1.4 document: stanzas of tags and values, with escapes, trailing qualifiers and comments undone.

fastobo reads the same lines; but it panics on [Instance] stanzas, and holds the whole document before it hands out the
first, so it serves as the oracle of the tests instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from kgzsl.errors import InputError
from kgzsl.knowledge.readers.source import ByteSource

__all__ = ["OboLine", "Stanza", "obo_stanzas", "split_quoted", "unescape", "xrefs"]

_MAX_CONTINUED = 10_000
_ESCAPES = {"n": "\n", "t": "\t", "W": " "}
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_TAG = re.compile(r"([^\s:][^:]*?)\s*:(?:\s+|$)")
_HEADING = re.compile(r"\[(\w+)\]\s*(?:!.*)?$")
_QUALIFIERS = re.compile(
    r"\s*\{((?:[^{}\"\\]|\\.|\"(?:[^\"\\]|\\.)*\")*=(?:[^{}\"\\]|\\.|\"(?:[^\"\\]|\\.)*\")*)\}\s*$"
)
_QUALIFIER = re.compile(r"\s*([^=,\s]+)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^,]*))\s*,?")
_QUOTED = re.compile(r"\s*\"((?:[^\"\\]|\\.)*)\"", re.DOTALL)


@dataclass(frozen=True, slots=True)
class OboLine:
    """One tag and its value.

    Args:
        tag: E.g. ``is_a``.
        value: As written, without qualifiers and comment; escapes are still there.
        qualifiers: What stands in braces behind it.
        number: The line.
    """

    tag: str
    value: str
    qualifiers: tuple[tuple[str, str], ...]
    number: int


@dataclass(slots=True)
class Stanza:
    """The header, or a ``[Term]``, ``[Typedef]`` or ``[Instance]``.

    Args:
        kind: ``""`` for the header.
        number: Its first line.
        lines: Its lines, without the ``id``.
        id: What the ``id`` tag says, unescaped.
    """

    kind: str
    number: int
    lines: list[OboLine] = field(default_factory=list)
    id: str = ""

    def values(self, tag: str) -> list[str]:
        """All values of a tag, as written."""
        return [line.value for line in self.lines if line.tag == tag]


def obo_stanzas(source: ByteSource) -> Iterator[Stanza]:
    """The header first, then the other stanzas, one at a time.

    Raises:
        InputError: A line that is neither a tag with a value nor the head of a stanza, bytes that are not UTF-8, or a
        stanza without an id.
    """
    stanza = Stanza("", 1)
    for number, text in _logical_lines(source):
        heading = _HEADING.match(text)
        if heading is not None:
            yield _checked(stanza, source)
            stanza = Stanza(heading.group(1), number)
            continue
        found = _TAG.match(text)
        if found is None:
            raise InputError(
                f"{text[:60]!r} is no tag with a value",
                file=source.path,
                place=f"line {number}",
                remedy="write tag: value, or [Term] to begin a stanza",
            )
        value, qualifiers = _trimmed(text[found.end() :])
        tag = found.group(1)
        if tag == "id" and stanza.kind:
            stanza.id = unescape(value)
        else:
            stanza.lines.append(OboLine(tag, value, qualifiers, number))
    yield _checked(stanza, source)


def _checked(stanza: Stanza, source: ByteSource) -> Stanza:
    if stanza.kind and not stanza.id:
        raise InputError(
            f"a [{stanza.kind}] has no id",
            file=source.path,
            place=f"line {stanza.number}",
            remedy="give it one: id: PREFIX:0000001",
        )
    return stanza


def _logical_lines(source: ByteSource) -> Iterator[tuple[int, str]]:
    """Lines that say something; one that ends in a backslash goes on in the next."""
    held, start = "", 0
    for number, raw in enumerate(source.lines(), 1):
        try:
            text = (raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw).decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                "the text is not valid UTF-8",
                file=source.path,
                place=f"line {number}, byte {error.start + 1}",
                remedy="save the file as UTF-8 (iconv -f latin1 -t utf-8 converts a Latin-1 file)",
            ) from error
        if not held:
            start = number
        elif number - start > _MAX_CONTINUED:
            raise InputError(
                f"a line goes on over more than {_MAX_CONTINUED:,} lines",
                file=source.path,
                place=f"line {start}",
                remedy="look at the backslashes at the ends of its lines",
            )
        if text.endswith("\\") and (len(text) - len(text.rstrip("\\"))) % 2:
            held += text[:-1]
            continue
        text, held = (held + text).strip(), ""
        if text and not text.startswith("!"):
            yield start, text
    if held.strip():
        yield start, held.strip()


def _trimmed(text: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """(value, qualifiers): the comment behind an exclamation mark is cut off, the qualifiers in braces are read."""
    if "!" in text:
        text = text[: _comment(text)]
    text = text.strip()
    if not text.endswith("}"):
        return text, ()
    found = _QUALIFIERS.search(text)
    if found is None:
        return text, ()
    pairs = [(m[1], unescape(m[2] if m[2] is not None else m[3])) for m in _QUALIFIER.finditer(found.group(1))]
    return text[: found.start()].strip(), tuple(pairs)


def _comment(text: str) -> int:
    """Where the comment begins: at a mark outside of quotation marks that nothing escapes, behind a space."""
    quoted = False
    at = 0
    while at < len(text):
        here = text[at]
        if here == "\\":
            at += 2
            continue
        if here == '"':
            quoted = not quoted
        elif here == "!" and not quoted and (not at or text[at - 1] in " \t"):
            return at
        at += 1
    return len(text)


def unescape(text: str) -> str:
    """Backslash escapes undone."""
    if "\\" not in text:
        return text
    return _ESCAPED.sub(lambda found: _ESCAPES.get(found.group(1), found.group(1)), text)


def split_quoted(value: str) -> tuple[str, str] | None:
    """(the text in quotation marks that a value begins with, the rest); ``None`` where it does not."""
    found = _QUOTED.match(value)
    return None if found is None else (unescape(found.group(1)), value[found.end() :].strip())


def xrefs(text: str) -> list[str]:
    """The names in a list of references, ``[A:1 "about it", B:2]``; their descriptions are left out."""
    start, end = text.find("["), text.rfind("]")
    if start < 0 or end < start:
        return []
    found: list[str] = []
    for item in re.findall(r"(?:[^,\"\\]|\\.|\"(?:[^\"\\]|\\.)*\")+", text[start + 1 : end], re.DOTALL):
        name = re.split(r"(?<!\\)\s+\"", item.strip(), maxsplit=1)[0].strip()
        if name:
            found.append(unescape(name))
    return found
