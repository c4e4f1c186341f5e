"""Words: taking texts apart, and names that were written without spaces."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph

__all__ = ["Segmenter", "words_of"]

_WORD = re.compile(r"[^\W_]+")
_SHORT = frozenset(
    ("a", "an", "as", "at", "be", "by", "do", "go", "he", "if", "in", "is", "it", "no", "of", "on", "or", "to", "up")
)


def words_of(text: str) -> list[str]:
    """The words of ``text`` in lower case: runs of letters and digits."""
    return _WORD.findall(text.lower())


class Segmenter:
    """Cuts run-together names ("academicfieldhasperson") into words that are used elsewhere.

    The cut with the highest product of word frequencies is taken (a unigram model, Viterbi search); a name that cannot
    be covered by known words stays whole.

    Args:
        counts: How often each word is used.
        min_length: Names shorter than this are not cut.
    """

    def __init__(self, counts: Mapping[str, int], *, min_length: int = 8) -> None:
        # Rare short words would cut names to pieces.
        known = {
            w: n for w, n in counts.items() if w.isalpha() and (len(w) > 3 or w in _SHORT or (len(w) == 3 and n > 2))
        }
        total = sum(known.values()) or 1
        self._cost = {word: -math.log(count / total) for word, count in known.items()}
        self._longest = max(map(len, known), default=0)
        self._min_length = min_length
        self._memory: dict[str, str] = {}

    @classmethod
    def of(cls, graph: ClassGraph) -> Segmenter:
        """Words of all the texts of ``graph`` that have spaces."""
        counts: Counter[str] = Counter()
        for texts in graph.texts.values():
            for text in texts:
                if " " in text.text:
                    counts.update(words_of(text.text))
        return cls(counts)

    def split(self, name: str) -> str:
        """``name`` with spaces between its words; a name with spaces or capitals in it is left as it is."""
        if len(name) < self._min_length or not name.isalpha() or not name.islower():
            return name
        if name not in self._memory:
            self._memory[name] = self._cut(name)
        return self._memory[name]

    def _cut(self, name: str) -> str:
        if name in self._cost:
            return name
        best: list[tuple[float, int]] = [(0.0, 0)]
        for end in range(1, len(name) + 1):
            options = [
                (best[start][0] + self._cost[name[start:end]], start)
                for start in range(max(0, end - self._longest), end)
                if name[start:end] in self._cost and best[start][0] < math.inf
            ]
            best.append(min(options, default=(math.inf, 0)))
        if best[-1][0] == math.inf:
            return name
        words, end = [], len(name)
        while end:
            start = best[end][1]
            words.append(name[start:end])
            end = start
        return " ".join(reversed(words))
