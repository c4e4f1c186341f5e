"""Bytes of a source, uncompressed as they stream by, counted, hashed and bounded."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from kgzsl.errors import InputError
from kgzsl.knowledge.readers.options import ReadOptions

__all__ = ["COMPRESSIONS", "ByteSource", "open_source", "strip_compression"]

COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst")
_CHUNK = 1 << 18
_MAX_LINE = 16 * 2**20
# Real ontologies shrink 5 to 40 times; a file that grows more than this, and is large by then, is built to do harm.
_BOMB_RATIO = 250
_BOMB_BYTES = 256 * 2**20


def strip_compression(name: str) -> str:
    """``graph.nt.gz`` to ``graph.nt``."""
    lowered = name.lower()
    for suffix in COMPRESSIONS:
        if lowered.endswith(suffix):
            return name[: -len(suffix)]
    return name


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class _Raw:
    """The file as it lies on disk: counts and hashes what is read."""

    def __init__(self, file: IO[bytes], size: int | None, progress: Callable[[int, int | None], None] | None) -> None:
        self._file = file
        self._size = size
        self._progress = progress
        self.hash = hashlib.sha256()
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.hash.update(data)
        self.count += len(data)
        if self._progress is not None:
            self._progress(self.count, self._size)
        return data

    def finish(self) -> str:
        """Hash what is left unread, and answer with the digest."""
        while self.read(_CHUNK):
            pass
        return self.hash.hexdigest()


class ByteSource:
    """A readable stream of uncompressed bytes with a budget; ``peek`` looks ahead without consuming.

    Args:
        stream: Where uncompressed bytes come from.
        raw: The counter under it.
        path: For messages.
        max_bytes: The budget.
    """

    def __init__(self, stream: _Readable, raw: _Raw, path: Path, max_bytes: int) -> None:
        self._stream = stream
        self._raw = raw
        self._buffer = b""
        self._offset = 0
        self._compressed = stream is not raw
        self._max_bytes = max_bytes
        self.path = path
        self.count = 0

    def _more(self) -> bytes:
        try:
            data = self._stream.read(_CHUNK)
        except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
            raise InputError(
                f"the compressed file is broken ({error})",
                file=self.path,
                place=f"after {self.count:,} bytes",
                remedy="fetch or compress it again",
            ) from error
        self.count += len(data)
        if self.count > self._max_bytes:
            raise InputError(
                f"the content is larger than the budget of {self._max_bytes:,} bytes",
                file=self.path,
                remedy="raise max_bytes if the file is meant to be this large",
            )
        if self._compressed and self.count > _BOMB_BYTES and self.count > _BOMB_RATIO * max(self._raw.count, 1):
            raise InputError(
                f"{self._raw.count:,} compressed bytes grew to more than {self.count:,}: this looks like a zip bomb",
                file=self.path,
                remedy="uncompress it yourself, look at it, and read the result if it is what you expect",
            )
        return data

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes (all of them when negative); empty at the end."""
        if size < 0:
            parts = [self._buffer[self._offset :]]
            self._buffer, self._offset = b"", 0
            while data := self._more():
                parts.append(data)
            return b"".join(parts)
        if self._offset >= len(self._buffer):
            self._buffer, self._offset = self._more(), 0
        data = self._buffer[self._offset : self._offset + size]
        self._offset += len(data)
        return data

    def peek(self, size: int) -> bytes:
        """The next ``size`` bytes (fewer at the end), left in place."""
        held = self._buffer[self._offset :]
        while len(held) < size and (data := self._more()):
            held += data
        self._buffer, self._offset = held, 0
        return held[:size]

    def lines(self) -> Iterator[bytes]:
        """Lines without their line ends (LF or CRLF).

        Raises:
            InputError: A line of more than 16 megabytes.
        """
        rest = b""
        number = 0
        while data := self.read(_CHUNK):
            lines = (rest + data).split(b"\n")
            rest = lines.pop()
            number += len(lines)
            if len(rest) > _MAX_LINE:
                raise InputError(
                    f"a line is longer than {_MAX_LINE:,} bytes",
                    file=self.path,
                    place=f"line {number + 1}",
                    remedy="check that the file is text, with one triple a line",
                )
            for line in lines:
                yield line[:-1] if line.endswith(b"\r") else line
        if rest:
            yield rest

    def digest(self) -> str:
        """SHA-256 of the file as it lies on disk."""
        return self._raw.finish()


@contextmanager
def open_source(path: Path, options: ReadOptions) -> Iterator[ByteSource]:
    """Open ``path`` for streaming, uncompressing by its suffix.

    Raises:
        InputError: No such file, no permission, a broken archive, or more bytes than the budget allows.
    """
    try:
        file = path.open("rb")
        size = path.stat().st_size
    except FileNotFoundError:
        raise InputError("there is no such file", file=path, remedy="check the path") from None
    except IsADirectoryError:
        raise InputError("this is a folder, not a file", file=path, remedy="name a file in it") from None
    except PermissionError:
        raise InputError("no permission to read this file", file=path, remedy="change its permissions") from None
    with file:
        raw = _Raw(file, size, options.progress)
        yield ByteSource(_uncompress(path, raw), raw, path, options.max_bytes)


def _uncompress(path: Path, raw: _Raw) -> Any:
    suffix = path.suffix.lower()
    if suffix == ".gz":
        return gzip.GzipFile(fileobj=_as_file(raw))
    if suffix == ".bz2":
        return bz2.BZ2File(_as_file(raw))
    if suffix == ".xz":
        return lzma.LZMAFile(_as_file(raw))
    if suffix == ".zst":
        try:
            import pyarrow
        except ImportError:
            raise InputError(
                "reading .zst needs pyarrow",
                file=path,
                remedy="pip install 'kgzsl[table]', or uncompress it with zstd -d",
            ) from None
        return pyarrow.CompressedInputStream(pyarrow.PythonFile(_as_file(raw), mode="r"), "zstd")
    return raw


class _RawIO(io.RawIOBase):
    """The counted file behind the interface that the decompressors want."""

    def __init__(self, raw: _Raw) -> None:
        super().__init__()
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._raw.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _as_file(raw: _Raw) -> io.BufferedReader:
    return io.BufferedReader(_RawIO(raw), _CHUNK)
