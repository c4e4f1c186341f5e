"""What the names of two entities have in common."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse

__all__ = ["NameTable", "local_name"]

_SEPARATORS = re.compile(r"[\W_]+")


def local_name(name: str) -> str:
    """What a name says, without namespaces: the part behind the last ``/``, ``#`` or ``:``, in lower-case words."""
    tail = re.split(r"[/#:]", name.rstrip("/#:"))[-1]
    return _SEPARATORS.sub(" ", tail).strip().lower()


class NameTable:
    """Rows of weighted pieces of names, so that products of rows are cosines.

    Args:
        names: One for each entity.
        size: Length of the character pieces; 0 takes whole words. Pieces are cut within words, their ends marked.
    """

    def __init__(self, names: Sequence[str], *, size: int = 4) -> None:
        ids: dict[str, int] = {}
        rows: list[int] = []
        columns: list[int] = []
        counts: list[int] = []
        for row, name in enumerate(names):
            for piece, count in Counter(_pieces(local_name(name), size)).items():
                rows.append(row)
                columns.append(ids.setdefault(piece, len(ids)))
                counts.append(count)
        shape = (len(names), max(1, len(ids)))
        table = sparse.csr_matrix((np.array(counts, dtype=np.float32), (rows, columns)), shape=shape)
        # A piece that one name has is nothing in common; what many names have says little.
        shared = np.bincount(table.indices, minlength=shape[1])
        kept = np.flatnonzero(shared > 1)
        weights = 1 + np.log((1 + len(names)) / (1 + shared[kept]))
        table = (table[:, kept] @ sparse.diags(weights.astype(np.float32))).tocsr()
        length = np.sqrt(np.asarray(table.multiply(table).sum(axis=1)).ravel())
        self._table = (sparse.diags(1 / np.maximum(length, 1e-12).astype(np.float32)) @ table).tocsr()
        self._turned = self._table.T.tocsr()

    def similarity(
        self,
        rows: npt.NDArray[np.int64],
        others: npt.NDArray[np.int64] | None = None,
        *,
        among: npt.NDArray[np.int64] | None = None,
    ) -> npt.NDArray[np.float32]:
        """Cosines of the given entities' names with all: float32 [Q, E].

        Args:
            rows: [Q].
            others: [Q, A]: with these of each only, [Q, A].
            among: [C]: with these of all only, [Q, C].
        """
        if others is not None:
            pairs = self._table[np.repeat(rows, others.shape[1])].multiply(self._table[others.reshape(-1)])
            return np.asarray(pairs.sum(axis=1), dtype=np.float32).reshape(others.shape)
        turned = self._turned if among is None else self._table[among].T
        found: npt.NDArray[np.float32] = (self._table[rows] @ turned).toarray().astype(np.float32, copy=False)
        return found


def _pieces(text: str, size: int) -> list[str]:
    words = text.split()
    if not size:
        return words
    marked = [f"<{word}>" for word in words]
    return [word[i : i + size] for word in marked for i in range(max(1, len(word) - size + 1))]
