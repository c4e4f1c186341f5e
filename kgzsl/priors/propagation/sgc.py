"""SGC: vectors smoothed over the class graph, nothing learnt."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.priors._unspoken import NOTHING_SAID
from kgzsl.priors.base import PriorEncoder, warn_bare
from kgzsl.priors.propagation.needed_rows import NeededRows
from kgzsl.priors.propagation.node_vectors import NodeVectors
from kgzsl.priors.propagation.operator import GraphOperator

if TYPE_CHECKING:
    from kgzsl.engine import Engine
    from kgzsl.knowledge import ClassGraph

__all__ = ["SGC", "smooth"]

Float = npt.NDArray[np.float64]


def smooth(
    operator: GraphOperator, vectors: npt.NDArray[Any], steps: int, rows: npt.NDArray[np.int64] | None = None
) -> Float:
    """``S^k X``, the rows asked for and what they read only (Wu et al., ICML 2019, equation 7 without the regression).

    Args:
        operator: S [N, N].
        vectors: X [N, D].
        steps: k.
        rows: int64 [n]; None takes all.

    Returns:
        float64 [n, D].
    """
    if steps < 1:
        wanted = slice(None) if rows is None else rows
        return np.array(vectors[wanted], dtype=np.float64)
    needed = NeededRows.of([[operator.matrix]] * steps, rows)
    found: Float = np.asarray(vectors, dtype=np.float64)[needed.rows[0]]
    for (matrix,) in needed.matrices:
        found = matrix @ found
    return found


class SGC(PriorEncoder):
    """Refines any node prior: each class takes in what lies within k edges of it.

    Wu et al., "Simplifying Graph Convolutional Networks" (ICML 2019): ``S^k X`` with the normalised adjacency S. What
    k is best depends on the graph: every step makes classes more alike.

    Args:
        steps: k; 0 gives the base vectors back.
        base: The vectors to refine: the name of a prior encoder, an encoder, or :class:`ClassPriors` that name nodes of
            the graph (other nodes start at zero).
        base_options: Options of the encoder that ``base`` names.
        normalisation: ``"symmetric"``, ``"row"`` (a random walk) or ``"none"``.
        direction: ``"both"``; ``"out"`` reads along the edges (a class what is above it); ``"in"`` against them.
        self_loops: Weight with which a node reads itself.
        join: Whether the steps 0 to k stand side by side instead of the last one alone.
    """

    name: ClassVar[str] = "sgc"
    family: ClassVar[str] = "propagation"

    def __init__(
        self,
        steps: int = 2,
        *,
        base: str | PriorEncoder | ClassPriors = "tfidf",
        base_options: dict[str, Any] | None = None,
        normalisation: Literal["symmetric", "row", "none"] = "symmetric",
        direction: Literal["both", "out", "in"] = "both",
        self_loops: float = 1.0,
        join: bool = False,
    ) -> None:
        if steps < 0:
            raise InputError(f"steps={steps!r} is negative")
        GraphOperator.check(normalisation, direction, self_loops)
        self.steps = steps
        self.base = base
        self.base_options = base_options
        self.normalisation = normalisation
        self.direction = direction
        self.self_loops = self_loops
        self.join = join

    def fit(self, graph: ClassGraph, *, engine: Engine | None = None) -> Self:
        """Make the base vectors of all nodes (``base`` may be trained here) and the operator."""
        base = NodeVectors(self.base, self.base_options)
        self._spread(base, base.fit(graph, engine), graph)
        return self

    def _spread(self, base: NodeVectors, vectors: npt.NDArray[np.float32], graph: ClassGraph) -> None:
        self._operator = GraphOperator.of(
            graph, normalisation=self.normalisation, direction=self.direction, self_loops=self.self_loops
        )
        self._base, self._vectors, self.graph = base, vectors, graph

    def grows_exactly(self) -> bool:
        """Whether nothing is trained, so that a class added is what a new fit gives."""
        return self.graph is not None and self._base.exact

    def in_closed_form(self) -> bool:
        """Whether the base is, or is given."""
        return self.graph is not None and self._base.in_closed_form

    def _join(self, graph: ClassGraph, *, engine: Engine | None = None) -> None:
        """The new nodes get base vectors, and everything is smoothed over the new graph."""
        self._spread(self._base, self._base.join(graph, engine), graph)

    def priors(self, names: Iterable[str]) -> ClassPriors:
        """The refined vectors; classes that nothing reaches, or of which nothing is said, are warned of by name.

        Raises:
            InputError: Not fitted yet, or names that are not in the graph.
        """
        _, wanted, rows = self._rows(names)
        steps = range(self.steps + 1) if self.join else (self.steps,)
        matrix = np.concatenate([smooth(self._operator, self._vectors, step, rows) for step in steps], axis=1)
        warn_bare(
            "no vector of their own and no neighbour with one",
            [name for name, row in zip(wanted, matrix, strict=True) if not row.any()],
        )
        told = self._base.known[:, None]
        told = np.concatenate([smooth(self._operator, told, step, rows) for step in steps], axis=1)
        warn_bare(
            NOTHING_SAID,
            [name for name, row, yes in zip(wanted, matrix, told, strict=True) if row.any() and not yes.any()],
        )
        return self._finish(wanted, matrix)
