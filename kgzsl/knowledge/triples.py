"""Triples as integers: every term is stored once, a triple is three small numbers."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from kgzsl.knowledge import _large

__all__ = ["Ids", "TripleBuilder", "Triples", "literal_key", "split_literal"]

IntArray = npt.NDArray[np.int32]
_LARGE = 1 << 20
_PART = 1 << 16


class Ids(dict[str, int]):
    """A dictionary that gives each new key the next number."""

    __slots__ = ()

    def __missing__(self, key: str) -> int:
        value = self[key] = len(self)
        return value


def literal_key(value: str, language: str | None = None, datatype: str | None = None) -> str:
    """One string for a literal: ``@language`` or the datatype's IRI (nothing for a plain string), NUL, the text."""
    return f"@{language}\0{value}" if language else f"{datatype or ''}\0{value}"


def split_literal(key: str) -> tuple[str, str | None, str | None]:
    """``(text, language, datatype)`` of a literal's key; a plain string has neither language nor datatype."""
    header, _, value = key.partition("\0")
    if header.startswith("@"):
        return value, header[1:], None
    return value, None, header or None


@dataclass(frozen=True)
class Triples:
    """Distinct triples in order of first appearance.

    Term ids are grouped: first the IRIs, then the blank nodes, the literals and the quoted triples (RDF 1.2),
    so that what a term is follows from its number.

    Args:
        subjects: int32 [T].
        predicates: int32 [T].
        objects: int32 [T].
        terms: IRIs, blank nodes as ``_:b0``, ``_:b1``, ..., literals as :func:`literal_key`.
        num_iris: How many of the terms are IRIs.
        num_blanks: How many are blank nodes.
        num_literals: How many are literals.
        quoted: int32 [Q, 3], the quoted triples that are terms themselves.
        iri_index: IRI -> its number.
        duplicates: How often a triple came again; it was dropped.
        notes: What was put right or left out while reading, in words.
    """

    subjects: IntArray
    predicates: IntArray
    objects: IntArray
    terms: list[str]
    num_iris: int
    num_blanks: int
    num_literals: int
    quoted: IntArray
    iri_index: Mapping[str, int]
    duplicates: int = 0
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.subjects)

    @property
    def first_literal(self) -> int:
        """The number of the first literal."""
        return self.num_iris + self.num_blanks

    @property
    def first_quoted(self) -> int:
        """The number of the first quoted triple."""
        return self.num_iris + self.num_blanks + self.num_literals

    def is_iri(self, ids: IntArray) -> npt.NDArray[np.bool_]:
        """Which of ``ids`` are IRIs."""
        return ids < self.num_iris

    def is_literal(self, ids: IntArray) -> npt.NDArray[np.bool_]:
        """Which of ``ids`` are literals."""
        return (ids >= self.first_literal) & (ids < self.first_quoted)

    @cached_property
    def predicate_counts(self) -> dict[int, int]:
        """Predicate -> number of triples, in order of the predicates' ids."""
        if not len(self):
            return {}
        counts = np.bincount(self.predicates)
        found = np.flatnonzero(counts)
        return dict(zip(found.tolist(), counts[found].tolist(), strict=True))

    @cached_property
    def _index(self) -> dict[str, int]:
        return {self.terms[i]: i for i in self.predicate_counts}

    def to_builder(self) -> TripleBuilder:
        """A builder that holds all this already: ids of IRIs are their codes, in the same order."""
        builder = TripleBuilder()
        builder.iris = Ids(self.iri_index)
        first, literal, quoted = self.num_iris, self.first_literal, self.first_quoted
        builder.blanks = Ids({f"\0{number}": number for number in range(self.num_blanks)})
        builder.literals = Ids({key: number for number, key in enumerate(self.terms[literal:quoted])})
        ids = np.stack([self.subjects, self.predicates, self.objects], axis=1).astype(np.int64).ravel()
        rows = self.quoted.astype(np.int64)
        codes, inner = (_codes_of(array, first, literal, quoted) for array in (ids, rows.ravel()))
        builder.quoted = {(s, p, o): number for number, (s, p, o) in enumerate(inner.reshape(-1, 3).tolist())}
        builder.extend(codes.tolist())
        return builder

    def predicate(self, iri: str) -> int:
        """The id of the predicate ``iri``, or -1 where no triple has it."""
        return self._index.get(iri, -1)


class TripleBuilder:
    """Collects triples as they stream by, and numbers their terms.

    While it collects, an IRI has the code 0, 1, 2, ...; the other kinds share the negative numbers
    (-1, -4, -7, ... blank nodes, -2, -5, ... literals, -3, -6, ... quoted triples), so one pass is enough.
    """

    def __init__(self) -> None:
        self.iris = Ids()
        self.blanks = Ids()
        self.literals = Ids()
        self.quoted: dict[tuple[int, int, int], int] = {}
        self.codes = array("i")
        self._blocks: list[IntArray] = []
        self._loose = 0
        self.notes: list[str] = []
        self.prefixes: dict[str, str] = {}

    def end_document(self) -> None:
        """Blank nodes named so far belong to one document; the same name in the next one is another node."""
        self.blanks = Ids({f"\0{number}": number for number in self.blanks.values()})

    def iri(self, iri: str) -> int:
        """The code of an IRI."""
        return self.iris[iri]

    def blank(self, name: str) -> int:
        """The code of a blank node."""
        return -3 * self.blanks[name] - 1

    def literal(self, value: str, language: str | None = None, datatype: str | None = None) -> int:
        """The code of a literal."""
        return -3 * self.literals[literal_key(value, language, datatype)] - 2

    def quote(self, subject: int, predicate: int, object_: int) -> int:
        """The code of a quoted triple, from the codes of its parts."""
        return -3 * self.quoted.setdefault((subject, predicate, object_), len(self.quoted)) - 3

    def add(self, subject: int, predicate: int, object_: int) -> None:
        """Add one triple by codes."""
        self.codes.extend((subject, predicate, object_))

    def extend(self, codes: Iterable[int]) -> None:
        """Add many triples, three codes each, in one sweep."""
        self._close_block()
        block = codes if isinstance(codes, np.ndarray) else np.fromiter(codes, np.int32)
        if not len(block):
            return
        self._blocks.append(block)
        self._loose = self._loose + len(block) if len(block) < _LARGE else 0
        if self._loose >= _LARGE:
            # Many small arrays would leave holes in memory that nothing else fits into.
            start = len(self._blocks)
            while start and len(self._blocks[start - 1]) < _LARGE:
                start -= 1
            self._blocks[start:] = [_large.joined(self._blocks[start:], np.int32)]
            self._loose = 0

    def _close_block(self) -> None:
        if self.codes:
            self._blocks.append(np.array(self.codes, np.int32))
            self.codes = array("i")

    @property
    def empty(self) -> bool:
        """Whether nothing was added yet."""
        return not self.codes and not self._blocks

    def find(self, predicate: int, object_: int | None = None) -> list[tuple[int, int]]:
        """(subject, object) of the triples so far with a predicate (and an object), by codes, in order."""
        self._close_block()
        pairs: list[tuple[int, int]] = []
        for block in self._blocks if predicate >= 0 else ():
            rows = block.reshape(-1, 3)
            wanted = rows[:, 1] == predicate
            if object_ is not None:
                wanted &= rows[:, 2] == object_
            pairs += [(s, o) for s, _, o in rows[wanted].tolist()]
        return pairs

    def add_iris(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Add triples of three IRIs (or plain names)."""
        ids = self.iris
        append = self.codes.append
        for subject, predicate, object_ in rows:
            append(ids[subject])
            append(ids[predicate])
            append(ids[object_])

    def build(self) -> Triples:
        """Number the terms, drop repeated triples, and hand the result over."""
        offsets = np.cumsum([0, len(self.iris), len(self.blanks), len(self.literals)])
        self._close_block()
        blocks, self._blocks = self._blocks, []
        codes = blocks[0] if len(blocks) == 1 else _large.joined(blocks, np.int32)
        del blocks
        ids = _renumber(codes, offsets[1:]).reshape(-1, 3)
        quoted = np.array(list(self.quoted), dtype=np.int32).reshape(-1, 3)
        quoted = _renumber(quoted.ravel(), offsets[1:]).reshape(-1, 3)
        terms = [*self.iris, *(f"_:b{i}" for i in range(len(self.blanks))), *self.literals]
        kept = _first_of_each(ids, int(offsets[-1]) + len(quoted))
        duplicates = 0 if kept is None else len(ids) - len(kept)
        if kept is not None:
            ids = ids[kept]
        subjects, predicates, objects = (_large.joined([column], np.int32) for column in ids.T)
        del ids
        return Triples(
            subjects,
            predicates,
            objects,
            terms,
            num_iris=len(self.iris),
            num_blanks=len(self.blanks),
            num_literals=len(self.literals),
            quoted=quoted,
            iri_index=self.iris,
            duplicates=duplicates,
            notes=tuple(self.notes),
        )


def _renumber(codes: IntArray, offsets: npt.NDArray[np.int64]) -> IntArray:
    """Builder codes to grouped ids, in place; ``offsets`` are the first ids of blanks, literals, quoted triples."""
    negative = np.flatnonzero(codes < 0)
    if len(negative):
        place = -(codes[negative] + 1)
        codes[negative] = offsets.astype(np.int32)[place % 3] + place // 3
    return codes


def _codes_of(ids: npt.NDArray[np.int64], blank: int, literal: int, quoted: int) -> npt.NDArray[np.int64]:
    """Grouped ids back to builder codes."""
    starts = np.array([blank, literal, quoted])
    kind = np.searchsorted(starts, ids, side="right") - 1
    return np.where(kind < 0, ids, -3 * (ids - starts[kind]) - 1 - kind)


def _first_of_each(ids: IntArray, num_terms: int) -> npt.NDArray[np.int64] | None:
    """Indices of the first appearance of each distinct row, ascending; ``None`` where no row comes twice."""
    if not len(ids):
        return None
    compact = np.cumsum(np.bincount(ids[:, 1]) > 0) - 1
    relations = int(compact[-1]) + 1
    if num_terms * num_terms * relations < 2**63:
        # Sorting values in place is several times faster than sorting places, and most files repeat nothing.
        key = _row_keys(ids, compact, relations, num_terms)
        key.sort()
        if not bool((key[1:] == key[:-1]).any()):
            return None
        key = _row_keys(ids, compact, relations, num_terms)
        order = np.argsort(key, kind="stable")
        new = np.empty(len(key), bool)
        new[0] = True
        np.not_equal(key[order[1:]], key[order[:-1]], out=new[1:])
    else:
        order = np.lexsort((ids[:, 2], ids[:, 1], ids[:, 0]))
        new = np.empty(len(ids), bool)
        new[0] = True
        np.any(ids[order[1:]] != ids[order[:-1]], axis=1, out=new[1:])
    return np.sort(order[new])


def _row_keys(ids: IntArray, compact: npt.NDArray[np.int64], relations: int, num_terms: int) -> npt.NDArray[np.int64]:
    """One number for each row; a part at a time, since what is set aside here would be the peak of a reading."""
    key = _large.empty(len(ids), np.int64)
    for start in range(0, len(ids), _PART):
        subjects, predicates, objects = ids[start : start + _PART].astype(np.int64).T
        key[start : start + _PART] = (subjects * relations + compact[predicates]) * num_terms + objects
    return key
