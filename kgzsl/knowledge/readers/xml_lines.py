"""Line breaks inside XML attributes: to a parser of XML they are spaces (XML 1.0, section 3.3.3)."""

from __future__ import annotations

import bisect
import re
from typing import Protocol

__all__ = ["AttributeLines"]

# A quoted value with a line break in it, somewhere: worth a closer look. Most files have none.
_SUSPECT = re.compile(rb"""=\s*(?:"[^"<]*[\n\r\t]|'[^'<]*[\n\r\t])""")
_MARKUP = re.compile(
    rb"""<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>|<!(?:[^<>\["']|"[^"]*"|'[^']*'|\[.*?\]\s*>)*>?|"""
    rb"""<[^!?](?:[^"'>]|"[^"]*"|'[^']*')*>""",
    re.DOTALL,
)
_VALUE = re.compile(rb""""[^"]*"|'[^']*'""")
_BREAK = re.compile(rb"\r\n|[\n\r\t]")
_CHUNK = 1 << 18


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class AttributeLines:
    """A stream of XML in which line breaks and tabs inside attribute values are spaces.

    pyoxigraph hands such breaks on as they are. Lines are then fewer than in the file, so :meth:`line` translates
    numbers back.

    Args:
        stream: XML, UTF-8.
    """

    def __init__(self, stream: _Readable) -> None:
        self._stream = stream
        self._held = b""
        self._ready = b""
        self._at = 0
        self._ended = False
        self._line = 1
        self._removed: list[int] = []

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes; empty at the end."""
        while self._at >= len(self._ready) and not self._ended:
            self._fill()
        end = len(self._ready) if size < 0 else self._at + size
        data = self._ready[self._at : end]
        self._at += len(data)
        return data

    def line(self, number: int) -> int:
        """The line of the file that a line of the stream is."""
        return number + bisect.bisect_left(self._removed, number)

    def _fill(self) -> None:
        # As much again as is held, so that a long piece of markup is looked at a few times only.
        parts, wanted = [self._held], max(_CHUNK, len(self._held))
        while wanted > 0 and not self._ended:
            data = self._stream.read(_CHUNK)
            self._ended = not data
            parts.append(data)
            wanted -= len(data)
        text = b"".join(parts)
        cut = len(text) if self._ended else self._whole(text)
        self._held = text[cut:]
        self._ready, self._at = self._normalised(text[:cut]), 0
        self._line += self._ready.count(b"\n")

    def _whole(self, text: bytes) -> int:
        """Where the last piece of markup that may not be whole begins."""
        start = text.rfind(b"<")
        for opening, closing in ((b"<!--", b"-->"), (b"<![CDATA[", b"]]>"), (b"<?", b"?>")):
            begin = text.rfind(opening)
            if begin >= 0 and text.find(closing, begin) < 0:
                return begin
        if start >= 0 and _MARKUP.match(text, start) is None:
            return start
        # A value may hold ">" and the piece before may still be open; one step back is enough, as values hold no "<".
        return len(text)

    def _normalised(self, text: bytes) -> bytes:
        if _SUSPECT.search(text) is None:
            return text
        out: list[bytes] = []
        line = self._line
        done = 0
        for markup in _MARKUP.finditer(text):
            piece = markup.group()
            if piece.startswith((b"<!", b"<?")) or _SUSPECT.search(piece) is None:
                continue
            before = text[done : markup.start()]
            line += before.count(b"\n")
            done = markup.end()
            flat = bytearray()
            at = 0
            for value in _VALUE.finditer(piece):
                outside = piece[at : value.start()]
                flat += outside
                line += outside.count(b"\n")
                self._removed += [line] * value.group().count(b"\n")
                flat += _BREAK.sub(b" ", value.group())
                at = value.end()
            flat += piece[at:]
            line += piece[at:].count(b"\n")
            out += (before, bytes(flat))
        out.append(text[done:])
        return b"".join(out)
