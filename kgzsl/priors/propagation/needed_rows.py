"""Which rows a propagation must compute: those asked for, and what they read, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["NeededRows"]


@dataclass(frozen=True)
class NeededRows:
    """Row sets of a propagation of L layers, and the operators cut down to them.

    The rows of the last layer are those that reach the loss; the rows of each layer before are what the next one
    reads. Computing only these gives the same values and gradients as computing all rows: the others have no path to
    the loss.

    Args:
        rows: L + 1 of int64 [n_l], ascending but for the last: ``rows[0]`` are read from the input, ``rows[-1]`` are
            the result.
        matrices: Per layer, its operators (one, or one per distance group) as SciPy CSR [n_(l+1), n_l].
    """

    rows: tuple[npt.NDArray[np.int64], ...]
    matrices: tuple[tuple[Any, ...], ...]

    @classmethod
    def of(cls, layers: Sequence[Sequence[Any]], rows: npt.NDArray[np.int64] | None = None) -> NeededRows:
        """Cut ``layers`` down to what ``rows`` need.

        Args:
            layers: Per layer, from the input on, its operators as SciPy CSR [N, N].
            rows: int64 [n], the rows of the result, in this order, repetitions allowed; None takes all rows of all
                layers.
        """
        if rows is None:
            every = np.arange(layers[0][0].shape[0], dtype=np.int64)
            return cls((every,) * (len(layers) + 1), tuple(tuple(layer) for layer in layers))
        wanted = np.asarray(rows, dtype=np.int64)
        sets, cut = [wanted], []
        for layer in reversed(layers):
            parts = [matrix[wanted] for matrix in layer]
            below = np.unique(np.concatenate([part.indices for part in parts])).astype(np.int64)
            cut.append(tuple(_renumbered(part, below) for part in parts))
            sets.append(below)
            wanted = below
        return cls(tuple(reversed(sets)), tuple(reversed(cut)))


def _renumbered(part: Any, columns: npt.NDArray[np.int64]) -> Any:
    from scipy.sparse import csr_array

    places = np.searchsorted(columns, part.indices)
    return csr_array((part.data, places, part.indptr), shape=(part.shape[0], len(columns)))
