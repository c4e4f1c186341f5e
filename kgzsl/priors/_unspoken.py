"""Nodes of which a class graph says nothing but their name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph

__all__ = ["NAME_ALONE", "NOTHING_SAID", "unspoken"]

NOTHING_SAID = "neither a text nor an edge in the graph that says what they are"
"""What such classes have, in the words of a warning."""

NAME_ALONE = "neither text nor axioms in the graph; only the name in the IRI is read"
"""The same, of encoders that read words: a name has some."""


def unspoken(graph: ClassGraph) -> npt.NDArray[np.bool_]:
    """bool [N]: nodes with no text and no edge; that they differ from others says not what they are."""
    silent: npt.NDArray[np.bool_] = np.diff(graph.texts.offsets) == 0
    silent[graph.edge_index[:, graph.similarity_edges()].ravel()] = False
    return silent
