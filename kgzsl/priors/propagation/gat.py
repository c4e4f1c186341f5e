"""GAT over the class graph: a class chooses which neighbours to read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.priors.base import PriorEncoder
from kgzsl.priors.propagation.encoder import PropagationEncoder
from kgzsl.priors.propagation.network import PropagationNetwork
from kgzsl.priors.propagation.operator import GraphOperator
from kgzsl.priors.propagation.sparse_product import SparseProduct

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph

__all__ = ["GAT", "AttentionLayer"]


class AttentionLayer(nn.Module):
    """``sum_j a_ij W x_j`` with ``a_ij = softmax_j LeakyReLU(s . W x_i + t . W x_j)``, several heads.

    Velickovic et al., "Graph Attention Networks" (ICLR 2018), equations 1 to 6: heads stand side by side, or are
    averaged. A node is among its own neighbours.

    Args:
        inputs: Width of x.
        outputs: Width of the result, of all heads together where they are joined.
        heads: H.
        join: Whether heads stand side by side (``outputs`` is then a multiple of H), else they are averaged.
        slope: Of the LeakyReLU inside the attention.
        generator: Draws the weights (Glorot, uniform).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        heads: int = 1,
        *,
        join: bool = True,
        slope: float = 0.2,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if join and outputs % heads:
            raise InputError(f"a width of {outputs} cannot be shared by {heads} heads", remedy="choose a multiple")
        self.heads, self.join, self.slope = heads, join, slope
        self.size = outputs // heads if join else outputs

        def drawn(*shape: int, fans: int) -> nn.Parameter:
            made = nn.Parameter(torch.empty(*shape, device=device, dtype=dtype))
            bound = math.sqrt(6 / fans)
            nn.init.uniform_(made, -bound, bound, generator=generator)
            return made

        self.weight = drawn(inputs, heads * self.size, fans=inputs + heads * self.size)
        self.reader = drawn(heads, self.size, fans=heads + self.size)
        self.read = drawn(heads, self.size, fans=heads + self.size)
        self.bias = nn.Parameter(torch.zeros(outputs, device=device, dtype=dtype))

    def forward(self, x: Tensor, products: Sequence[SparseProduct]) -> Tensor:
        """[C, inputs] to [R, outputs].

        Args:
            x: Float [C, inputs].
            products: Two matrices [R, C]: who reads whom, and (one entry per row) who reads.
        """
        found, _ = self.attend(x, products)
        return found

    def attend(self, x: Tensor, products: Sequence[SparseProduct]) -> tuple[Tensor, Tensor]:
        """The result [R, outputs] and the attention [E, H] of the entries of ``products[0]``, row by row."""
        pattern, itself = products[0].pattern, products[1].pattern.columns
        values = (x @ self.weight).view(len(x), self.heads, self.size)
        reader, read = (values * self.reader).sum(dim=2), (values * self.read).sum(dim=2)
        scores = reader[itself][pattern.rows] + read[pattern.columns]
        attention = pattern.softmax(functional.leaky_relu(scores, self.slope))
        parts = [pattern.sum(attention[:, head], values[:, head]) for head in range(self.heads)]
        joined = torch.cat(parts, dim=1) if self.join else torch.stack(parts).mean(dim=0)
        return joined + self.bias, attention


class GAT(PropagationEncoder):
    """Graph attention along the edges: ``sum_j a_ij W x_j``, ``a_ij = softmax_j LeakyReLU(s . W x_i + t . W x_j)``.

    Velickovic et al., "Graph Attention Networks" (ICLR 2018), equations 1 to 6; see :class:`AttentionLayer`.

    Args:
        hidden: Widths of the hidden layers, all heads together.
        heads: Heads of each layer; the last layer averages them.
        direction: ``"both"``; ``"out"`` reads along the edges; ``"in"`` against them.
        base: See :class:`PropagationEncoder`, as for the rest.
    """

    name: ClassVar[str] = "gat"

    def __init__(
        self,
        hidden: Sequence[int] = (512,),
        *,
        heads: int = 4,
        direction: Literal["both", "out", "in"] = "both",
        base: str | PriorEncoder | ClassPriors = "tfidf",
        base_options: dict[str, Any] | None = None,
        epochs: int = 300,
        lr: float = 1e-3,
        weight_decay: float = 5e-4,
        dropout: float = 0.5,
        slope: float = 0.2,
        mask: float = 0.5,
        normalise: bool = True,
        seed: int | None = None,
    ) -> None:
        super().__init__(
            hidden,
            base=base,
            base_options=base_options,
            epochs=epochs,
            lr=lr,
            weight_decay=weight_decay,
            dropout=dropout,
            slope=slope,
            mask=mask,
            normalise=normalise,
            seed=seed,
        )
        if heads < 1:
            raise InputError(f"heads={heads!r} is less than 1")
        if any(width % heads for width in hidden):
            raise InputError(f"hidden={list(hidden)!r} cannot be shared by {heads} heads", remedy="choose multiples")
        GraphOperator.check("none", direction, 1.0)
        self.heads = heads
        self.direction = direction

    def operators(self, graph: ClassGraph) -> tuple[tuple[Any, ...], ...]:
        """In every layer: who reads whom, itself included, and who reads."""
        from scipy.sparse import eye_array

        pattern = GraphOperator.of(graph, normalisation="none", direction=self.direction).matrix
        return ((pattern, eye_array(graph.num_nodes, format="csr")),) * (len(self.hidden) + 1)

    def make_network(
        self,
        widths: Sequence[int],
        layers: Sequence[Sequence[Any]],
        *,
        generator: torch.Generator,
        device: torch.device,
        dtype: torch.dtype,
    ) -> PropagationNetwork:
        """Attention layers; the last one averages its heads."""
        left = len(layers)

        def attention(inputs: int, outputs: int, count: int) -> AttentionLayer:
            nonlocal left
            del count
            left -= 1
            return AttentionLayer(
                inputs, outputs, self.heads, join=left > 0, generator=generator, device=device, dtype=dtype
            )

        return PropagationNetwork(
            widths,
            [len(layer) for layer in layers],
            slope=self.slope,
            dropout=self.dropout,
            make_layer=attention,
        )
