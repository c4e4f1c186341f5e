"""How far classes lie from the seen ones in the class graph, for generators that look at it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from kgzsl.errors import InputError

if TYPE_CHECKING:
    from kgzsl.generators import FeatureGenerator
    from kgzsl.knowledge import ClassGraph

__all__ = ["distances_for"]


def distances_for(
    generator: FeatureGenerator | None, graph: ClassGraph | None, names: Sequence[str], seen: Sequence[str]
) -> Tensor | None:
    """Distances by the generator's metric, float32 [C, S] on the CPU; None for a generator that wants none.

    Args:
        generator: It says what it wants, see :attr:`FeatureGenerator.graph_metric`.
        graph: The class graph.
        names: The C classes. One that the graph does not know, or does not connect, is infinitely far.
        seen: The S seen ones.

    Raises:
        InputError: It wants distances and there is no graph, or one that knows no seen class.
    """
    if generator is None or generator.graph_metric is None:
        return None
    if graph is None:
        raise InputError(
            f"a generator that goes by {generator.graph_metric} needs a class graph",
            remedy="give graph: {source: ...} in a recipe, or metric: priors",
        )
    from kgzsl.classifiers._graph_rows import metric_rows

    rows, columns = (graph.align(list(some)).indices for some in (names, seen))
    if not (columns >= 0).any():
        raise InputError("the class graph knows no seen class", remedy="give the graph that the classes are in")
    found = np.full((len(rows), len(columns)), np.inf, dtype=np.float32)
    blocks = metric_rows(graph, rows[rows >= 0], columns[columns >= 0], generator.graph_metric)
    if (rows >= 0).any():
        found[np.ix_(rows >= 0, columns >= 0)] = np.concatenate(list(blocks))
    return torch.from_numpy(found)
