"""Label propagation over hypergraphs of nearest neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from kgzsl._options import check_budget, check_count, check_number
from kgzsl.classifiers._inputs import float_matrix, rows_per_chunk
from kgzsl.errors import InputError

__all__ = ["Hypergraph"]


class Hypergraph:
    """N nodes and hyperedges: each node with its nearest neighbours, once for every pair of views.

    Fu et al., "Transductive Multi-view Zero-Shot Learning" (TPAMI 2015), section 4: a hyperedge is a node as seen in
    one view with its k nearest nodes as seen in another (or the same) view of a common space, which lets one view
    correct the other. Its weight is the mean similarity of its members to the node. A random walk (Zhou et al.,
    NeurIPS 2006) leaves a node by one of its hyperedges, in proportion to their weights, to any member of it.

    Args:
        views: The nodes' coordinates in a common space, each [N, d]; similarity is the cosine.
        neighbours: k; at most N - 1 are taken.
        budget: Bytes that a chunk of similarities may take.

    Attributes:
        members: int64 [E, k + 1], the nodes of each hyperedge; the node that it was made for comes first.
        weights: float64 [E], positive.
    """

    def __init__(self, views: Sequence[Any], neighbours: int = 20, *, budget: int = 256 << 20) -> None:
        if not views:
            raise InputError("a hypergraph needs at least one view")
        check_count(neighbours, "neighbours")
        check_budget(budget, "budget")
        tables = [
            functional.normalize(float_matrix(view, f"view {place}", dtype=torch.float64), dim=1)
            for place, view in enumerate(views)
        ]
        shape = tables[0].shape
        for table in tables[1:]:
            if table.shape != shape:
                raise InputError(f"views of the shapes {tuple(shape)} and {tuple(table.shape)} share no space")
        self.num_nodes = shape[0]
        count = min(neighbours, self.num_nodes - 1)
        if count < 1:
            raise InputError("one node alone has no neighbours", remedy="give more rows")
        members, weights = [], []
        chunk = rows_per_chunk(8 * self.num_nodes, budget)
        for queries in tables:
            for targets in tables:
                for start in range(0, self.num_nodes, chunk):
                    part = queries[start : start + chunk]
                    own = torch.arange(start, start + len(part), device=part.device)
                    similarity = part @ targets.T
                    similarity.scatter_(1, own[:, None], -torch.inf)  # a node is no neighbour of its own
                    near = similarity.topk(count, dim=1)
                    members.append(torch.cat([own[:, None], near.indices], dim=1))
                    weights.append((1 + near.values.mean(dim=1)) / 2)
        self.members = torch.cat(members)
        self.weights = torch.cat(weights).clamp_min(1e-12)
        degree = torch.zeros(self.num_nodes, dtype=torch.float64, device=self.weights.device)
        spread = self.weights[:, None].expand(-1, self.members.shape[1]).reshape(-1)
        self._degree = degree.index_add_(0, self.members.reshape(-1), spread)

    def step(self, values: Tensor) -> Tensor:
        """One step of the walk: W values, float64 [N, C] for ``values`` [N, C]; rows of W sum to 1."""
        of_edges = values[self.members[:, 0]].clone()
        for column in range(1, self.members.shape[1]):  # one gather a column: [E, k + 1, C] would not fit
            of_edges += values[self.members[:, column]]
        of_edges *= (self.weights / self.members.shape[1])[:, None]
        result = torch.zeros_like(values)
        for column in range(self.members.shape[1]):
            result.index_add_(0, self.members[:, column], of_edges)
        return result / self._degree[:, None]

    def propagate(self, initial: Any, alpha: float, *, steps: int = 100) -> Tensor:
        """``(1 - alpha) (I - alpha W)^-1 Y_0``, by its series: rows that sum to 1 keep their sum.

        Args:
            initial: Y_0, [N, C].
            alpha: How far to trust the neighbours, in [0, 1); 0 gives Y_0 back.
            steps: Terms of the series; it stops when what is left is below 1e-12.

        Raises:
            InputError: Another number of rows than nodes, or an alpha outside [0, 1).
        """
        check_number(alpha, "alpha", below=1)
        check_count(steps, "steps", least=0)
        start = float_matrix(initial, "initial", device=self.members.device, dtype=torch.float64)
        if len(start) != self.num_nodes:
            raise InputError(f"{len(start)} rows of initial scores for {self.num_nodes} nodes")
        current, left = start.clone(), alpha
        for _ in range(steps):
            if left < 1e-12:
                break
            current = alpha * self.step(current) + (1 - alpha) * start
            left *= alpha
        return current
