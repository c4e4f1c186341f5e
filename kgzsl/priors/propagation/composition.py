"""Layers in which what a node reads is composed with the relation it reads along."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from kgzsl.priors.propagation.network import PropagationNetwork
from kgzsl.priors.propagation.sparse_product import SparseProduct, gathered

__all__ = ["COMPOSITIONS", "CompositionLayer", "CompositionNetwork", "compose"]

COMPOSITIONS = ("subtract", "multiply", "correlate")
"""``x - z``, ``x * z``, and the circular correlation ``(x ⋆ z)_k = sum_i x_i z_(i + k)`` of HolE."""


def compose(x: Tensor, z: Tensor, how: str, counts: Tensor) -> Tensor:
    """The sum of compositions of neighbours with their relation.

    All three are linear in x, so sums over neighbours come first.

    Args:
        x: [R, D], the neighbours of each row, weighted and summed.
        z: [D] or [R, D], the relation.
        how: One of :data:`COMPOSITIONS`.
        counts: [R, 1], the weights of the neighbours, summed.
    """
    if how == "subtract":
        return x - counts * z
    if how == "multiply":
        return x * z
    found: Tensor = torch.fft.irfft(torch.fft.rfft(x).conj() * torch.fft.rfft(z), n=x.shape[1])
    return found


class CompositionLayer(nn.Module):
    """``sum_(u, r) W_dir(r) phi(x_u, z_r)`` over out-going, in-coming and own edges.

    Args:
        inputs: Width of x and z.
        outputs: Width of the results.
        how: One of :data:`COMPOSITIONS`.
        generator: Draws the weights (Glorot, uniform).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        how: str,
        *,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.how = how
        bound = math.sqrt(6 / (inputs + outputs))
        self.out, self.into, self.own, self.relation = (
            nn.Parameter(torch.empty(inputs, outputs, device=device, dtype=dtype)) for _ in range(4)
        )
        for part in (self.out, self.into, self.own, self.relation):
            nn.init.uniform_(part, -bound, bound, generator=generator)
        self.bias = nn.Parameter(torch.zeros(outputs, device=device, dtype=dtype))

    def forward(self, x: Tensor, z: Tensor, products: Sequence[SparseProduct]) -> tuple[Tensor, Tensor]:
        """Nodes [C, inputs] and relations [2K + 1, inputs] to [R, outputs] and [2K + 1, outputs].

        ``products`` are the K relations, the K against their direction, and the one that picks each row itself.
        """
        count = (len(products) - 1) // 2
        ones = x.new_ones(len(x), 1)
        total: Tensor = self.bias
        for weight, group in (
            (self.out, slice(0, count)),
            (self.into, slice(count, 2 * count)),
            (self.own, slice(2 * count, None)),
        ):
            if not products[group]:
                continue
            found = gathered(products[group], x)
            degrees = gathered(products[group], ones).values
            along = z[group].index_select(0, found.owners)
            parts = compose(found.values, along, self.how, degrees) if len(found.rows) else found.values
            read = x.new_zeros(products[0].shape[0], x.shape[1]).index_add(0, found.rows, parts)
            total = total + read @ weight
        return total, z @ self.relation


class CompositionNetwork(PropagationNetwork):
    """Composition layers; relations have vectors of their own that are carried from layer to layer.

    Args:
        widths: Input, hidden and output widths.
        relations: K.
        how: One of :data:`COMPOSITIONS`.
        slope: Of LeakyReLU between layers.
        dropout: Share of hidden values dropped in training.
        generator: Draws the weights and the relations.
    """

    def __init__(
        self,
        widths: Sequence[int],
        relations: int,
        how: str,
        *,
        slope: float = 0.2,
        dropout: float = 0.0,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        def layer(inputs: int, outputs: int, count: int) -> CompositionLayer:
            del count
            return CompositionLayer(inputs, outputs, how, generator=generator, device=device, dtype=dtype)

        super().__init__(widths, slope=slope, dropout=dropout, make_layer=layer)
        self.start = nn.Parameter(torch.empty(2 * relations + 1, widths[0], device=device, dtype=dtype))
        bound = math.sqrt(6 / sum(self.start.shape))
        nn.init.uniform_(self.start, -bound, bound, generator=generator)

    def forward(
        self, x: Tensor, products: Sequence[Sequence[SparseProduct]], *, generator: torch.Generator | None = None
    ) -> Tensor:
        """As :meth:`PropagationNetwork.forward`."""
        z: Tensor = self.start
        for number, (layer, own) in enumerate(zip(self.layers, products, strict=True)):
            if number:
                x = self.between(x, generator)
            x, z = layer(x, z, own)
        return x
