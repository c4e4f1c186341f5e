"""Graph convolutions whose layers compute the needed rows only, on the cheaper side first."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from kgzsl.priors.propagation.sparse_product import SparseProduct

__all__ = ["PropagationLayer", "PropagationNetwork"]

# One multiplication inside a sparse product takes about as long as this many inside a dense one (memory against
# arithmetic); only the order of two products hangs on it, never a value.
_SPARSE_COST = 8


class PropagationLayer(nn.Module):
    """``sum_k a_k A_k X W + b`` with fixed sparse matrices A_k.

    One matrix is the layer of Kipf and Welling (ICLR 2017); several, with learnt weights, the distance groups of DGP
    (Kampffmeyer et al., CVPR 2019: a = softmax).

    Args:
        inputs: Width of X.
        outputs: Width of the result.
        groups: Number of matrices.
        learnt: Whether the weights of the groups are learnt; else each is 1 / groups.
        generator: Draws W (Glorot and Bengio, 2010, uniform).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        groups: int = 1,
        *,
        learnt: bool = False,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.groups = groups
        bound = math.sqrt(6 / (inputs + outputs))
        self.weight = nn.Parameter(torch.empty(inputs, outputs, device=device, dtype=dtype))
        nn.init.uniform_(self.weight, -bound, bound, generator=generator)
        self.bias = nn.Parameter(torch.zeros(outputs, device=device, dtype=dtype))
        mix = torch.zeros(groups, device=device, dtype=dtype)
        self.mix: Tensor | None = nn.Parameter(mix) if learnt and groups > 1 else None

    def shares(self) -> Tensor:
        """[groups]: how much each matrix counts; they sum to 1."""
        if self.mix is None:
            return self.weight.new_full((self.groups,), 1 / self.groups)
        return self.mix.softmax(dim=0)

    def forward(self, x: Tensor, products: Sequence[SparseProduct]) -> Tensor:
        """[C, inputs] to [R, outputs]; ``products`` are the A_k [R, C]."""
        if self.propagates_first(products):
            return torch.addmm(self.bias, self._spread(x, products), self.weight)
        return self._spread(x @ self.weight, products) + self.bias

    def propagates_first(self, products: Sequence[SparseProduct]) -> bool:
        """Whether ``(A X) W`` costs less than ``A (X W)``."""
        inputs, outputs = self.weight.shape
        (after, before), entries = products[0].shape, sum(product.nnz for product in products)
        first = _SPARSE_COST * entries * inputs + after * inputs * outputs
        return first <= _SPARSE_COST * entries * outputs + before * inputs * outputs

    def _spread(self, x: Tensor, products: Sequence[SparseProduct]) -> Tensor:
        if len(products) == 1:
            return products[0](x)
        shares = self.shares()
        return torch.stack([share * product(x) for share, product in zip(shares, products, strict=True)]).sum(dim=0)


class PropagationNetwork(nn.Module):
    """Layers with LeakyReLU and dropout between them; the last one is linear.

    Args:
        widths: Input, hidden and output widths; one layer between two of them.
        groups: Matrices per layer.
        learnt: Whether the weights of the groups are learnt.
        slope: Of LeakyReLU; 1 makes the network linear.
        dropout: Share of the inputs of each layer but the first that is dropped in training.
        make_layer: Makes each layer from its two widths and its number of matrices, for networks of other layers;
            a layer is called with its inputs [C, widths[l]] and its products [R, C].
        generator: Draws the weights.
    """

    def __init__(
        self,
        widths: Sequence[int],
        groups: Sequence[int] | None = None,
        *,
        learnt: bool = False,
        slope: float = 0.2,
        dropout: float = 0.0,
        make_layer: Callable[[int, int, int], nn.Module] | None = None,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        counts = groups or [1] * (len(widths) - 1)
        self.widths, self.slope, self.dropout = tuple(widths), slope, dropout

        def plain(inputs: int, outputs: int, count: int) -> nn.Module:
            return PropagationLayer(
                inputs, outputs, count, learnt=learnt, generator=generator, device=device, dtype=dtype
            )

        make = make_layer or plain
        self.layers = nn.ModuleList(make(a, b, n) for a, b, n in zip(widths[:-1], widths[1:], counts, strict=True))

    def forward(
        self, x: Tensor, products: Sequence[Sequence[SparseProduct]], *, generator: torch.Generator | None = None
    ) -> Tensor:
        """From the rows that the first layer reads to the rows of the last.

        Args:
            x: Float [n_0, widths[0]].
            products: Per layer, its matrices.
            generator: Draws what is dropped (in training mode only).
        """
        for number, (layer, own) in enumerate(zip(self.layers, products, strict=True)):
            if number:
                x = self.between(x, generator)
            x = layer(x, own)
        return x

    def between(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """What happens between two layers: LeakyReLU, and dropout in training mode."""
        x = functional.leaky_relu(x, self.slope)
        if self.training and self.dropout:
            kept = torch.rand(x.shape, generator=generator, device=x.device, dtype=x.dtype) >= self.dropout
            x = x * kept / (1 - self.dropout)
        return x
