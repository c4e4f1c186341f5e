"""Some rows of the normalised matrices of a pair graph, made without the others."""

from __future__ import annotations

import warnings
from functools import cached_property

import torch
from torch import Tensor

from kgzsl.tasks.kg_completion._ranges import ranges, starts_of
from kgzsl.tasks.kg_completion.pair_graph import PairGraph

__all__ = ["PairRows"]


class PairRows:
    """Rows of ``D^(-1/2) A D^(-1/2)``, arcs counting as their kinds do: all of them, or those of some entities.

    A last step to a few answers needs no more than the answers' rows.

    Args:
        graph: The arcs.
        entities: int64 [C], whose rows; all where left out.
    """

    def __init__(self, graph: PairGraph, entities: Tensor | None = None) -> None:
        self._graph, self.whole = graph, entities is None
        pair, starts, target, scale = graph.linked_pairs
        if entities is None:
            self.kind, self._pair, self._starts, self._target, self._scale = graph.kind, pair, starts, target, scale
            return
        row, arcs = ranges(graph.starts[entities], graph.degree[entities])
        begin = starts[entities]
        size = starts[entities + 1] - begin
        _, pairs = ranges(begin, size)
        self._starts = starts_of(size)
        self.kind, self._pair = graph.kind[arcs], pair[arcs] - (begin - self._starts[:-1])[row]
        self._target, self._scale = target[pairs], scale[pairs]

    @cached_property
    def plain(self) -> Tensor:
        """The rows with every arc counting 1."""
        if self.whole:
            return self._graph.normalised
        return self.matrix(torch.ones(2 * self._graph.num_relations, device=self.kind.device))

    def matrix(self, weights: Tensor) -> Tensor:
        """The rows in compressed sparse rows: float32 [C, E].

        Args:
            weights: float [2 R], what an arc of each kind counts.
        """
        values = torch.zeros(len(self._target), device=self.kind.device)
        values = values.index_add_(0, self._pair, weights[self.kind]) * self._scale
        size = (len(self._starts) - 1, self._graph.num_entities)
        with warnings.catch_warnings():
            # Says once that compressed sparse rows are in beta; only their product with a dense matrix is used here.
            warnings.simplefilter("ignore", UserWarning)
            return torch.sparse_csr_tensor(self._starts, self._target, values, size=size, check_invariants=False)
