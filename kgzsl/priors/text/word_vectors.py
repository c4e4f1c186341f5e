"""Word-vector files: GloVe and word2vec, as text or binary, and tables of named vectors."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError

__all__ = ["WordVectors"]

_OPENERS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_TABLES = (".npz", ".mat", ".csv", ".safetensors")
_BLOCK = 1 << 20
_LONGEST = 1 << 16

Format = Literal["auto", "glove", "word2vec", "binary", "table"]


class WordVectors:
    """Vectors of words, float32 [W, D].

    Args:
        words: Distinct words.
        matrix: Their vectors.

    Raises:
        InputError: Sizes that do not fit together, or values that are not finite.
    """

    def __init__(self, words: Collection[str], matrix: npt.NDArray[Any]) -> None:
        self.words = tuple(words)
        self.matrix = np.asarray(matrix, dtype=np.float32)
        if self.matrix.ndim != 2 or len(self.words) != len(self.matrix):
            raise InputError(f"{len(self.words)} words for vectors of shape {self.matrix.shape}")
        if not np.isfinite(self.matrix).all():
            raise InputError("word vectors hold values that are NaN or infinite")
        self.index = {word: row for row, word in enumerate(self.words)}

    @classmethod
    def read(
        cls,
        path: str | os.PathLike[str],
        format: Format = "auto",  # noqa: A002
        *,
        only: Collection[str] | None = None,
    ) -> WordVectors:
        """Read a file, one word after the other, so that files larger than memory may be read for some words.

        Args:
            path: ``word v1 ... vD`` a line (GloVe, also with tabs), the same behind a line ``W D`` (word2vec), the
                binary word2vec format (``.bin``), each also as ``.gz``, ``.bz2`` or ``.xz``; or a table of named
                vectors that :meth:`ClassPriors.read` reads (``.npz``, ``.mat``, ``.csv``, ``.safetensors``).
            format: Which of them; ``"auto"`` goes by the file's name and first line.
            only: Keep these words alone, however they are capitalised.

        Raises:
            InputError: The file cannot be read; one line with the place and the remedy.
        """
        file = Path(path)
        inner = file.with_suffix("").suffix if file.suffix in _OPENERS else file.suffix
        wanted = None if only is None else {word.lower() for word in only}
        if format == "table" or (format == "auto" and file.suffix in _TABLES):
            return cls._table(file, wanted)
        if format not in ("auto", "glove", "word2vec", "binary"):
            raise InputError(f"format={format!r} is not known", remedy="choose auto, glove, word2vec, binary or table")
        found: dict[str, npt.NDArray[np.float32]] = {}
        try:
            with _open(file) as stream:
                binary = format == "binary" or (format == "auto" and inner == ".bin")
                rows = _binary_rows(stream, file) if binary else _text_rows(stream, file, format)
                for word, vector in rows:
                    if (wanted is None or word.lower() in wanted) and word not in found:
                        found[word] = vector
        except (OSError, EOFError, lzma.LZMAError) as error:
            raise InputError(
                f"the word vectors cannot be read ({getattr(error, 'strerror', None) or error})", file=file
            ) from None
        if not found:
            raise InputError("none of the words asked for is in it" if wanted else "there is no word in it", file=file)
        return cls(list(found), np.stack(list(found.values())))

    @classmethod
    def _table(cls, file: Path, wanted: set[str] | None) -> WordVectors:
        from kgzsl.knowledge.class_priors import ClassPriors

        table = ClassPriors.read(file)
        keep = [row for row, name in enumerate(table.names) if wanted is None or name.lower() in wanted]
        if not keep:
            raise InputError("none of the words asked for is in it", file=file)
        return cls([table.names[row] for row in keep], table.matrix[keep])

    @property
    def dim(self) -> int:
        """D."""
        return int(self.matrix.shape[1])

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self.index

    def __repr__(self) -> str:
        return f"WordVectors({len(self)} words, {self.dim} dimensions)"

    def find(self, word: str) -> int:
        """The row of ``word``, or of its lower-case, capitalised or upper-case form; -1 where there is none."""
        for form in (word, word.lower(), word.capitalize(), word.upper()):
            if form in self.index:
                return self.index[form]
        return -1


def _open(file: Path) -> BinaryIO:
    return cast(BinaryIO, _OPENERS.get(file.suffix, open)(file, "rb"))


def _text_rows(stream: BinaryIO, file: Path, format: Format) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:  # noqa: A002
    size = 0
    for number, raw in enumerate(stream, start=1):
        try:
            line = raw.decode("utf-8").rstrip("\r\n ")
        except UnicodeDecodeError:
            raise InputError(
                "this is not a text of word vectors", file=file, place=f"line {number}", remedy="is it binary?"
            ) from None
        if not line:
            continue
        cells = line.replace("\t", " ").split(" ")
        if number == 1 and format != "glove" and len(cells) == 2 and cells[0].isdigit() and cells[1].isdigit():
            size = int(cells[1])
            continue
        if number == 1 and format == "word2vec":
            raise InputError("the first line is not 'words dimensions'", file=file, remedy="read it as format='glove'")
        size = size or len(cells) - 1
        # A word may hold spaces (GloVe's ". . ."), so numbers are counted from the right.
        word, numbers = " ".join(cells[:-size]), cells[-size:]
        try:
            vector = np.array(numbers, dtype=np.float32)
        except ValueError:
            vector = np.empty(0, np.float32)
        if not word or len(vector) != size or size < 1:
            raise InputError(
                f"a word and {size} numbers were expected", file=file, place=f"line {number}", remedy="is it cut off?"
            )
        yield word, vector


def _binary_rows(stream: BinaryIO, file: Path) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    header = stream.readline(200).split()
    if len(header) != 2 or not all(cell.isdigit() for cell in header):
        raise InputError("it does not begin with 'words dimensions'", file=file, remedy="is it the text format?")
    count, size = int(header[0]), int(header[1])
    if not 0 < size <= 1 << 16:
        raise InputError(f"vectors of {size} numbers make no sense", file=file, place="the first line")
    rest, at = b"", 0
    for number in range(count):
        # One word, a space, the floats; some writers end each with a line break.
        while (space := rest.find(b" ", at)) < 0 or len(rest) < space + 1 + 4 * size:
            block = stream.read(_BLOCK)
            if not block or (space < 0 and len(rest) - at > _LONGEST):
                raise InputError(
                    f"it ends or breaks off in word {number + 1} of {count}", file=file, remedy="fetch the file again"
                )
            rest, at = rest[at:] + block, 0
        word = rest[at:space].lstrip(b"\r\n").decode("utf-8", errors="replace")
        at = space + 1 + 4 * size
        yield word, np.frombuffer(rest[space + 1 : at], dtype="<f4").astype(np.float32)
