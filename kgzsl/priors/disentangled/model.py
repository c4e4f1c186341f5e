"""Components projected from one vector per node, as they are or after reading the neighbours of their own relation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from kgzsl.priors.disentangled.scorer import DisentangledScorer
from kgzsl.priors.propagation.sparse_product import SparseProduct
from kgzsl.priors.triples.model import TripleModel

__all__ = ["DisentangledModel"]


class DisentangledModel(TripleModel):
    """``x = tanh(e W + b)`` cut into K components of F numbers; optionally each reads its relation's neighbours.

    With ``neighbours`` (the aggregated form) component k of a node becomes
    ``tanh(mean(x_k, x_k of the neighbours by the relations of k, each less the component's own step))``.

    Args:
        scorer: Of K components.
        num_nodes: N.
        which: int64 [R], the component of each relation.
        width: Numbers per node before the projection.
        neighbours: Per component a SciPy CSR matrix [N, N], who reads whom; None is the relation-aware form.
        independence: Weight of the penalty on what two components of a node tell about each other.
        inverse: See :class:`TripleModel`.
        generator: Draws the first values.
    """

    which: Tensor

    def __init__(
        self,
        scorer: DisentangledScorer,
        num_nodes: int,
        which: Tensor,
        *,
        width: int = 100,
        neighbours: Sequence[Any] | None = None,
        independence: float = 0.0,
        inverse: bool = False,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        nn.Module.__init__(self)
        self.scorer = scorer
        self.num_nodes, self.num_relations, self.inverse = num_nodes, len(which), inverse
        self.independence = independence
        self.components, self.size = scorer.components, scorer.size
        rows = len(which) * (2 if inverse else 1)
        self.nodes = nn.Parameter(torch.empty(num_nodes, width, device=device, dtype=dtype))
        self.relations = nn.Parameter(torch.empty(rows, scorer.relation_size, device=device, dtype=dtype))
        self.projection = nn.Parameter(torch.empty(width, scorer.dim, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(scorer.dim, device=device, dtype=dtype))
        self.steps = nn.Parameter(torch.zeros(self.components, self.size, device=device, dtype=dtype))
        self.register_buffer("which", which.to(device), persistent=False)
        self.set_neighbours(neighbours)
        self.reset_parameters(generator)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw fresh parameters."""
        self.scorer.start(self.nodes, self.relations, generator)
        nn.init.normal_(self.nodes, std=1.0, generator=generator)
        nn.init.normal_(self.projection, std=1 / math.sqrt(len(self.projection)), generator=generator)
        with torch.no_grad():
            self.relations[:, -1] = self.which.repeat(len(self.relations) // len(self.which)).to(self.relations)

    def set_neighbours(self, neighbours: Sequence[Any] | None) -> None:
        """Take ``neighbours``, see the class."""
        device, dtype = self.nodes.device, self.nodes.dtype
        self._products: list[SparseProduct] | None = None
        if neighbours is not None:
            self._products = [SparseProduct(one, device=device, dtype=dtype) for one in neighbours]

    def vectors(self, nodes: Tensor | None = None) -> Tensor:
        """The components [M, K F] of ``nodes`` (int64 [M]; None: all N)."""
        if self._products is None:
            chosen = self.nodes if nodes is None else self.rows(nodes)
            return torch.tanh(torch.addmm(self.bias, chosen, self.projection))
        x = torch.tanh(torch.addmm(self.bias, self.nodes, self.projection)).view(-1, self.components, self.size)
        read = []
        for one, (product, step) in enumerate(zip(self._products, self.steps, strict=True)):
            count = product(x.new_ones(len(x), 1))
            read.append(torch.tanh((x[:, one] + product(x[:, one]) - count * step) / (1 + count)))
        whole = torch.cat(read, dim=1)
        return whole if nodes is None else whole[nodes]

    @property
    def reads_few(self) -> bool:
        """Not where neighbours are read."""
        return self._products is None

    def extra_loss(self, vectors: Tensor) -> Tensor | None:
        """The mean square of the correlation between numbers of different components (HSIC with linear kernels)."""
        if not self.independence or len(vectors) < 2 or self.components < 2:
            return None
        centred = vectors - vectors.mean(dim=0)
        centred = centred / centred.square().mean(dim=0).clamp_min(1e-6).sqrt()
        table = (centred.T @ centred / len(vectors)).square()
        sums = table.view(self.components, self.size, self.components, self.size).sum(dim=(1, 3))
        other = sums.sum() - sums.diagonal().sum()
        return self.independence * other / (self.size**2 * self.components * (self.components - 1))
