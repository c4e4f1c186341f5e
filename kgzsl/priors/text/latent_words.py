"""Weighted words in few directions, into which texts that come later can be laid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.linalg import svds

from kgzsl.errors import InputError

__all__ = ["LatentWords"]

Float = npt.NDArray[np.float64]
_DENSE = 250_000


class LatentWords:
    """``tf = 1 + ln(count)``, ``idf = ln((1 + n) / (1 + df)) + 1``, unit rows, then their first singular directions.

    Latent semantic analysis (Deerwester et al., 1990). A text that comes later is folded in (section 4.3 there): its
    words are weighted as the old texts were, words that these lack are passed over, and it is seen in the old
    directions.

    Args:
        dim: Directions to keep; fewer where there are fewer texts or words.
        min_count: Words in fewer texts are left out.
    """

    def __init__(self, dim: int, min_count: int = 1) -> None:
        self.dim, self.min_count = dim, min_count

    def fit(self, documents: Sequence[Counter[str]]) -> Float:
        """Learn words and directions; float64 [documents, K], rows of length 1.

        Raises:
            InputError: There is no word.
        """
        spread: Counter[str] = Counter(word for document in documents for word in document)
        vocabulary = sorted(word for word, count in spread.items() if count >= self.min_count)
        if not vocabulary:
            raise InputError("the texts of the graph have no word", remedy="lower min_count, or use another prior")
        self._column = {word: index for index, word in enumerate(vocabulary)}
        frequency = np.array([spread[word] for word in vocabulary])
        self._idf = np.log((1 + len(documents)) / (1 + frequency)) + 1
        table = self._weighted(documents)
        self.directions_ = directions(table, self.dim)
        return self._turned(table)

    def transform(self, documents: Sequence[Counter[str]]) -> Float:
        """Fold texts in; float64 [documents, K], zeros for one of unknown words only."""
        return self._turned(self._weighted(documents))

    def _turned(self, table: Any) -> Float:
        vectors: Float = table @ self.directions_.T
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors /= np.where(length > 1e-12, length, np.inf)
        return vectors

    def _weighted(self, documents: Sequence[Counter[str]]) -> Any:
        """Sparse float64 [documents, words]; words in alphabetical order, rows of length 1."""
        column = self._column
        rows, columns, values = [], [], []
        for row, document in enumerate(documents):
            for word, count in document.items():
                if word in column:
                    rows.append(row)
                    columns.append(column[word])
                    values.append(1 + np.log(count))
        table = sparse.csr_array((values, (rows, columns)), shape=(len(documents), len(column)), dtype=np.float64)
        return _unit(sparse.csr_array(table @ sparse.diags_array(self._idf)))


def _unit(table: Any) -> Any:
    length = np.sqrt(np.asarray(table.multiply(table).sum(axis=1)).ravel())
    return sparse.diags_array(1 / np.where(length > 0, length, 1)) @ table


def directions(table: Any, dim: int) -> Float:
    """float64 [K, words]: the ``dim`` first right singular vectors of ``table``."""
    rank = min(dim, *table.shape)
    if table.shape[0] * table.shape[1] <= _DENSE or rank >= min(table.shape) - 1:
        _, values, words = np.linalg.svd(table.toarray(), full_matrices=False)
    else:
        start = np.random.default_rng(0).standard_normal(min(table.shape))
        _, values, words = svds(table, k=rank, v0=start)
    order = np.argsort(-values)[:rank]
    words = words[order]
    # A singular vector's sign is free: its largest entry is made positive.
    largest = words[np.arange(len(words)), np.abs(words).argmax(axis=1)]
    found: Float = words * np.sign(largest)[:, None]
    return found
