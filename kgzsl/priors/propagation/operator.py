"""The matrix by which values travel along the edges of a class graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

from kgzsl.errors import InputError

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph

__all__ = ["DIRECTIONS", "NORMALISATIONS", "GraphOperator"]

NORMALISATIONS = ("symmetric", "row", "none")
"""``D^-1/2 A D^-1/2``, ``D^-1 A`` (a random walk: rows sum to 1), ``A``."""

DIRECTIONS = ("both", "out", "in")
"""A node reads its neighbours either way, the objects of its edges only, or the subjects only."""


@dataclass(frozen=True)
class GraphOperator:
    """A sparse matrix [N, N]: row = the node that reads, columns = the nodes it reads.

    Args:
        matrix: SciPy CSR array, float64 [N, N].
    """

    matrix: Any

    @classmethod
    def of(
        cls,
        graph: ClassGraph,
        *,
        normalisation: Literal["symmetric", "row", "none"] = "symmetric",
        direction: Literal["both", "out", "in"] = "both",
        self_loops: float = 1.0,
    ) -> GraphOperator:
        """The operator over the similarity edges of ``graph``: disjointness carries nothing.

        Args:
            graph: The class graph; weights of 0 or less are no edge.
            normalisation: One of :data:`NORMALISATIONS`.
            direction: One of :data:`DIRECTIONS`.
            self_loops: Weight with which a node reads itself.
        """
        keep = graph.similarity_edges()
        weight = None if graph.edge_weight is None else graph.edge_weight[keep].astype(np.float64)
        return cls.from_edges(
            graph.edge_index[:, keep],
            graph.num_nodes,
            weight=weight,
            normalisation=normalisation,
            direction=direction,
            self_loops=self_loops,
        )

    @classmethod
    def from_edges(
        cls,
        edge_index: npt.NDArray[np.int64],
        num_nodes: int,
        *,
        weight: npt.NDArray[np.float64] | None = None,
        normalisation: Literal["symmetric", "row", "none"] = "symmetric",
        direction: Literal["both", "out", "in"] = "both",
        self_loops: float = 1.0,
    ) -> GraphOperator:
        """The operator over edges [2, E]; of several edges between two nodes the strongest counts, once.

        An edge from a node to itself adds nothing: ``self_loops`` says what each node reads of itself. ``A`` is the
        adjacency with these loops and D its row sums (Kipf and Welling, ICLR 2017, equation 2); one-way graphs are
        normalised symmetrically by row and column sums.

        Raises:
            InputError: An unknown normalisation or direction, or a negative ``self_loops``.
        """
        cls.check(normalisation, direction, self_loops)
        heads, tails = edge_index
        values = np.ones(len(heads)) if weight is None else np.asarray(weight, dtype=np.float64)
        if direction == "both":
            heads, tails = np.concatenate([heads, tails]), np.concatenate([tails, heads])
            values = np.concatenate([values, values])
        elif direction == "in":
            heads, tails = tails, heads
        order = np.lexsort((-values, tails, heads))
        heads, tails, values = heads[order], tails[order], values[order]
        first = np.ones(len(heads), dtype=bool)
        first[1:] = (heads[1:] != heads[:-1]) | (tails[1:] != tails[:-1])
        first &= (values > 0) & (heads != tails)
        heads, tails, values = heads[first], tails[first], values[first]
        if self_loops:
            own = np.arange(num_nodes)
            heads, tails = np.concatenate([heads, own]), np.concatenate([tails, own])
            values = np.concatenate([values, np.full(num_nodes, float(self_loops))])
        read = np.bincount(heads, values, num_nodes)
        if normalisation == "row":
            values = values / read[heads]
        elif normalisation == "symmetric":
            values = values / np.sqrt(read[heads] * np.bincount(tails, values, num_nodes)[tails])
        matrix = sparse.csr_array((values, (heads, tails)), shape=(num_nodes, num_nodes))
        matrix.sort_indices()
        return cls(matrix)

    @staticmethod
    def check(normalisation: str, direction: str, self_loops: float) -> None:
        """Refuse options that :meth:`from_edges` does not take.

        Raises:
            InputError: An unknown normalisation or direction, or a negative ``self_loops``.
        """
        for name, value, known in (
            ("normalisation", normalisation, NORMALISATIONS),
            ("direction", direction, DIRECTIONS),
        ):
            if value not in known:
                raise InputError(f"{name}={value!r} is not known", remedy=f"choose among {', '.join(known)}")
        if self_loops < 0:
            raise InputError(f"self_loops={self_loops!r} is negative")

    def columns_of(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The nodes that ``rows`` read, ascending."""
        return np.unique(self.matrix[rows].indices).astype(np.int64)
