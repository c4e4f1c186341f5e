"""A transformer over the neighbourhood of a node, as an aggregator."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from kgzsl.errors import InputError
from kgzsl.priors.propagation.edge_sum import EdgePattern
from kgzsl.priors.propagation.sparse_product import SparseProduct

__all__ = ["TransformerLayer"]

_BUDGET = 1 << 16


class TransformerLayer(nn.Module):
    """``W pool_u T(x_1 ... x_k)_u + b``: neighbours attend to each other before they are pooled.

    Nayak and Bach, "Zero-Shot Learning with Common Sense Knowledge Graphs" (TMLR 2022): T is one transformer block
    (self-attention, then two dense layers, each with a residual and layer normalisation) without positions, so the
    order of neighbours means nothing; the mean of its outputs is mapped to the next layer's width.

    Args:
        inputs: Width of x.
        outputs: Width of the result.
        heads: Heads of the attention.
        attention: Width of queries, keys and values, all heads together; None is half of ``inputs``.
        feedforward: Width between the two dense layers; None is half of ``inputs``.
        pool: ``"mean"`` or ``"max"``.
        generator: Draws the weights (Glorot, uniform).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        heads: int = 1,
        attention: int | None = None,
        feedforward: int | None = None,
        pool: str = "mean",
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        width = attention or max(inputs // 2, 1)
        between = feedforward or max(inputs // 2, 1)
        width += -width % heads
        if pool not in ("mean", "max"):
            raise InputError(f"pool={pool!r} is not known", remedy="choose 'mean' or 'max'")
        self.heads, self.pool = heads, pool

        def drawn(rows: int, columns: int) -> nn.Parameter:
            made = nn.Parameter(torch.empty(rows, columns, device=device, dtype=dtype))
            bound = math.sqrt(6 / (rows + columns))
            nn.init.uniform_(made, -bound, bound, generator=generator)
            return made

        def zeros(size: int) -> nn.Parameter:
            return nn.Parameter(torch.zeros(size, device=device, dtype=dtype))

        self.queries, self.keys, self.values = (drawn(inputs, width) for _ in range(3))
        self.join = drawn(width, inputs)
        self.up, self.up_bias = drawn(inputs, between), zeros(between)
        self.down, self.down_bias = drawn(between, inputs), zeros(inputs)
        self.after_attention = nn.LayerNorm(inputs, device=device, dtype=dtype)
        self.after_dense = nn.LayerNorm(inputs, device=device, dtype=dtype)
        self.weight, self.bias = drawn(inputs, outputs), zeros(outputs)

    def forward(self, x: Tensor, products: Sequence[SparseProduct]) -> Tensor:
        """[C, inputs] to [R, outputs]; ``products[0]`` says who reads whom, each node itself included."""
        pattern = products[0].pattern
        # Neighbourhoods of about the same size are read together, so that little is padded.
        counts = pattern.starts.diff()
        order = torch.argsort(counts, stable=True)
        projected = [x @ weight for weight in (self.queries, self.keys, self.values)]
        pooled = []
        at = 0
        sizes = counts[order].tolist()
        while at < len(sizes):
            end = at + 1
            while end < len(sizes) and (end + 1 - at) * max(sizes[end], 1) <= _BUDGET:
                end += 1
            pooled.append(self._block(x, projected, pattern, order[at:end], max(sizes[end - 1], 1)))
            at = end
        back = torch.empty_like(order)
        back[order] = torch.arange(len(order), device=order.device)
        found = torch.cat(pooled)[back] if pooled else x.new_zeros(0, x.shape[1])
        return torch.addmm(self.bias, found, self.weight)

    def _block(self, x: Tensor, projected: list[Tensor], pattern: EdgePattern, rows: Tensor, most: int) -> Tensor:
        """Pooled neighbourhoods [len(rows), inputs] of rows with at most ``most`` neighbours."""
        starts, counts = pattern.starts[rows], pattern.starts[rows + 1] - pattern.starts[rows]
        places = torch.arange(most, device=x.device)
        real = places < counts[:, None]
        columns = pattern.columns[(starts[:, None] + places).clamp_max(max(len(pattern) - 1, 0))]
        columns = columns.masked_fill(~real, 0)
        q, k, v = (part[columns].view(*columns.shape, self.heads, -1).transpose(1, 2) for part in projected)
        read = functional.scaled_dot_product_attention(q, k, v, attn_mask=real[:, None, None, :])
        told: Tensor = self.after_attention(x[columns] + read.transpose(1, 2).flatten(2) @ self.join)
        dense = functional.relu(told @ self.up + self.up_bias) @ self.down + self.down_bias
        told = self.after_dense(told + dense)
        if self.pool == "max":
            return told.masked_fill(~real[:, :, None], -torch.inf).amax(dim=1)
        return (told * real[:, :, None]).sum(dim=1) / counts[:, None]
