"""Documents as one stream of tokens, and how words take the place of names in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Documents", "Lexicon"]

Int = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Documents:
    """Token streams.

    Args:
        tokens: int64 [T].
        document: int64 [T], ascending: which document each token is of.
    """

    tokens: Int
    document: Int

    @classmethod
    def of_walks(cls, walks: Int) -> Documents:
        """Each row of ``walks`` (int64 [W, L], padded with -1) is a document."""
        rows, columns = np.nonzero(walks >= 0)
        return cls(walks[rows, columns], rows.astype(np.int64))

    @classmethod
    def of_lists(cls, lists: Sequence[Sequence[int]]) -> Documents:
        """Each of ``lists`` is a document."""
        lengths = np.array([len(tokens) for tokens in lists], dtype=np.int64)
        flat = np.array([token for tokens in lists for token in tokens], dtype=np.int64)
        return cls(flat, np.repeat(np.arange(len(lists), dtype=np.int64), lengths))

    def __or__(self, other: Documents) -> Documents:
        """These documents and the others, which get numbers of their own."""
        after = self.document[-1] + 1 if len(self.document) else 0
        return Documents(
            np.concatenate([self.tokens, other.tokens]), np.concatenate([self.document, other.document + after])
        )

    def __len__(self) -> int:
        return len(self.tokens)


class Lexicon:
    """The words of each token; a word is a token itself.

    Args:
        words: Per token that has a name (nodes, then relations), its words.
    """

    def __init__(self, words: Sequence[Sequence[str]]) -> None:
        self.vocabulary = tuple(sorted({word for own in words for word in own}))
        self.index = {word: place + len(words) for place, word in enumerate(self.vocabulary)}
        self.num_names = len(words)
        self._lengths = np.array([len(own) for own in words], dtype=np.int64)
        self._offsets = np.concatenate([[0], np.cumsum(self._lengths)])
        self._flat = np.array([self.index[word] for own in words for word in own], dtype=np.int64)

    @property
    def num_tokens(self) -> int:
        """Names and words."""
        return self.num_names + len(self.vocabulary)

    def words_of(self, token: int) -> Int:
        """The word tokens of one name."""
        return self._flat[self._offsets[token] : self._offsets[token + 1]]

    def replace(self, documents: Documents, keep: npt.NDArray[np.bool_] | None = None) -> Documents:
        """Every name by its words; a name without words stays.

        Args:
            documents: Of names only.
            keep: bool [T], names that stay all the same.
        """
        lengths = self._lengths[documents.tokens]
        stays = lengths == 0 if keep is None else keep | (lengths == 0)
        counts = np.where(stays, 1, lengths)
        source = np.repeat(np.arange(len(documents)), counts)
        within = np.arange(len(source)) - np.repeat(np.cumsum(counts) - counts, counts)
        names = documents.tokens[source]
        # A name that stays has no word to point at; its index is not used.
        at = np.where(stays[source], 0, self._offsets[names] + within)
        words = self._flat[at] if len(self._flat) else names
        return Documents(np.where(stays[source], names, words), documents.document[source])
