"""Sets of (head, tail) pairs that grow round by round, and joins of them that are counted before they are made."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

__all__ = ["Ints", "PairSet", "turned_codes"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PairSet:
    """Pairs of numbers below ``size``, each with the round that it came in.

    Args:
        size: n.
        codes: int64 [N], ``head * n + tail``, ascending, each once.
        born: int64 [N].
    """

    size: int
    codes: Ints
    born: Ints

    @classmethod
    def of(cls, size: int, codes: Ints) -> PairSet:
        """Pairs that are there from round 0 on."""
        codes = np.unique(codes)
        return cls(size, codes, np.zeros_like(codes))

    def __len__(self) -> int:
        return len(self.codes)

    @cached_property
    def turned(self) -> PairSet:
        """Heads and tails exchanged."""
        codes = turned_codes(self.codes, self.size)
        order = np.argsort(codes)
        return PairSet(self.size, codes[order], self.born[order])

    def way(self, turned: bool) -> PairSet:
        """As it is, or turned."""
        return self.turned if turned else self

    def new(self, codes: Ints) -> Ints:
        """Those of the codes that are not there, ascending, each once."""
        codes = np.unique(codes)
        return codes[self.places(codes) < 0]

    def places(self, codes: Ints) -> Ints:
        """Where each code is; -1 where it is not."""
        place = np.searchsorted(self.codes, codes)
        there = place < len(self.codes)
        there[there] = self.codes[place[there]] == codes[there]
        return np.where(there, place, -1)

    def born_in(self, head: int, tail: int) -> int:
        """The round that one pair came in; -1 where it is not there."""
        place = int(self.places(np.array([head * self.size + tail]))[0])
        return -1 if place < 0 else int(self.born[place])

    def grown(self, codes: Ints, born: int) -> PairSet:
        """With more of them, none of which is there, ascending."""
        at = np.searchsorted(self.codes, codes)
        return PairSet(self.size, np.insert(self.codes, at, codes), np.insert(self.born, at, born))

    def count(self, heads: Ints) -> int:
        """How many pairs the heads (some perhaps several times) have in all."""
        return int((self._ends(heads) - self._starts(heads)).sum())

    def tails(self, heads: Ints) -> tuple[Ints, Ints, Ints]:
        """Of each head, its tails: places in ``heads``, tails, and rounds, int64 [M] each."""
        start = self._starts(heads)
        count = self._ends(heads) - start
        row = np.repeat(np.arange(len(heads)), count)
        place = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count) + start[row]
        return row, self.codes[place] % max(1, self.size), self.born[place]

    def _starts(self, heads: Ints) -> Ints:
        return np.searchsorted(self.codes, heads * self.size)

    def _ends(self, heads: Ints) -> Ints:
        return np.searchsorted(self.codes, (heads + 1) * self.size)


def turned_codes(codes: Ints, size: int) -> Ints:
    """Heads and tails of codes exchanged."""
    size = max(1, size)
    return codes % size * size + codes // size
