"""The vectors that a propagation starts from, one per node of the graph."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.priors._unspoken import unspoken
from kgzsl.priors.base import PriorEncoder, PriorWarning

if TYPE_CHECKING:
    from kgzsl.engine import Engine
    from kgzsl.knowledge import ClassGraph

__all__ = ["NodeVectors"]

Float32 = npt.NDArray[np.float32]


class NodeVectors:
    """What a base says of every node of a graph, and later of the nodes that join it.

    Args:
        base: The name of an encoder, an encoder (fitted here), or vectors of some nodes by name; other nodes get zeros.
        options: Those of the encoder that ``base`` names.

    Attributes:
        known: bool [N], of which nodes the vectors say something, after :meth:`fit` or :meth:`join`: they are not zero,
            and an encoder had more to go by than a name.

    Raises:
        InputError: An unknown encoder, or options without a name.
    """

    known: npt.NDArray[np.bool_]

    def __init__(self, base: str | PriorEncoder | ClassPriors, options: dict[str, Any] | None = None) -> None:
        if options and not isinstance(base, str):
            raise InputError("base_options go with the name of an encoder", remedy="set them on the encoder itself")
        if isinstance(base, str):
            from kgzsl.priors.registry import make

            base = make(base, **(options or {}))
        self._base = base
        self._like: ClassPriors | None = None

    @property
    def exact(self) -> bool:
        """Whether :meth:`join` gives what :meth:`fit` on the larger graph would."""
        return isinstance(self._base, ClassPriors) or (self._base.grows_exactly() and self._like is None)

    @property
    def in_closed_form(self) -> bool:
        """Whether nothing is trained, so that :meth:`join` reads all vectors anew."""
        return isinstance(self._base, ClassPriors) or self._base.in_closed_form()

    def fit(self, graph: ClassGraph, engine: Engine | None = None) -> Float32:
        """float32 [N, D]; the encoder is trained here.

        Raises:
            InputError: None of the given vectors is of a node of the graph.
        """
        if not isinstance(self._base, ClassPriors):
            self._base.fit(graph, engine=engine)
        self._like = None
        return self._looked_at(graph)

    def join(self, graph: ClassGraph, engine: Engine | None = None) -> Float32:
        """float32 [N, D] for the larger graph; nothing that was there is trained again."""
        if not isinstance(self._base, ClassPriors):
            self._base.take_in(graph, engine=engine)
        return self._looked_at(graph)

    def _looked_at(self, graph: ClassGraph) -> Float32:
        found = self._of_all(graph)
        self.known = np.asarray(found.any(axis=1))
        if not isinstance(self._base, ClassPriors):
            self.known &= ~unspoken(graph)
        return found

    def _of_all(self, graph: ClassGraph) -> Float32:
        base = self._base
        if isinstance(base, ClassPriors):
            places = np.asarray(graph.align(base.names).indices, dtype=np.int64)
            known = places >= 0
            if not known.any():
                raise InputError(
                    f"none of the {len(base.names)} base vectors is of a node of the graph",
                    remedy="name them as the graph's nodes or labels are",
                )
            matrix = np.zeros((graph.num_nodes, base.dim), dtype=np.float32)
            matrix[places[known]] = base.matrix[known]
            return matrix
        with warnings.catch_warnings():
            # Whether a class has anything to go by is known only after the propagation.
            warnings.simplefilter("ignore", PriorWarning)
            if self._like is not None:
                return np.asarray(base.priors_like(graph.iris, self._like).matrix, dtype=np.float32)
            found = base.priors(graph.iris)
            # Columns that are those of the classes asked for must stay what they are.
            self._like = found if found.columns is not None else None
            return np.asarray(found.matrix, dtype=np.float32)
