"""The vectors that a propagation starts from, one per node of the graph."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.priors.base import PriorEncoder, PriorWarning

if TYPE_CHECKING:
    from kgzsl.engine import Engine
    from kgzsl.knowledge import ClassGraph

__all__ = ["node_vectors"]


def node_vectors(
    graph: ClassGraph,
    base: str | PriorEncoder | ClassPriors,
    options: dict[str, Any] | None = None,
    engine: Engine | None = None,
) -> npt.NDArray[np.float32]:
    """float32 [N, D]: what ``base`` says of every node of ``graph``.

    Args:
        graph: The class graph.
        base: The name of an encoder, an encoder (fitted here), or vectors of some nodes by name; other nodes get zeros.
        options: Those of the encoder that ``base`` names.
        engine: Trains the encoder.

    Raises:
        InputError: An unknown encoder, options without a name, or vectors of which none is of a node of the graph.
    """
    if options and not isinstance(base, str):
        raise InputError("base_options go with the name of an encoder", remedy="set them on the encoder itself")
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
    if isinstance(base, str):
        from kgzsl.priors.registry import make

        base = make(base, **(options or {}))
    with warnings.catch_warnings():
        # Whether a class has anything to go by is known only after the propagation.
        warnings.simplefilter("ignore", PriorWarning)
        return np.asarray(base.fit(graph, engine=engine).priors(graph.iris).matrix, dtype=np.float32)
