"""R-GCN over the class graph: every relation has weights of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.priors.base import PriorEncoder
from kgzsl.priors.propagation.encoder import PropagationEncoder
from kgzsl.priors.propagation.network import PropagationNetwork
from kgzsl.priors.propagation.relation_operators import relation_operators, relations_in_use
from kgzsl.priors.propagation.sparse_product import SparseProduct, gathered

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph

__all__ = ["RGCN", "RelationalLayer"]


class RelationalLayer(nn.Module):
    """``sum_r A_r X W_r + X W_0 + b`` with ``W_r = sum_b a_rb V_b``.

    Schlichtkrull et al., "Modeling Relational Data with Graph Convolutional Networks" (ESWC 2018), equations 2 and 3.
    A relation reaches few nodes, and only their rows are multiplied: a layer costs about as many of them as the graph
    has edges, not relations times nodes.

    Args:
        inputs: Width of X.
        outputs: Width of the result.
        relations: Number of matrices A_r.
        bases: Number of matrices V_b; None gives every relation its own W_r.
        generator: Draws the weights (Glorot, uniform).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        relations: int,
        *,
        bases: int | None = None,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        count = relations if bases is None else min(bases, relations)
        bound = math.sqrt(6 / (inputs + outputs))
        self.bases = nn.Parameter(torch.empty(count, inputs, outputs, device=device, dtype=dtype))
        self.own = nn.Parameter(torch.empty(inputs, outputs, device=device, dtype=dtype))
        for part in (self.bases, self.own):
            nn.init.uniform_(part, -bound, bound, generator=generator)
        self.mix: Tensor | None = None
        if bases is not None and bases < relations:
            self.mix = nn.Parameter(torch.empty(relations, count, device=device, dtype=dtype))
            bound = math.sqrt(6 / (relations + count))
            nn.init.uniform_(self.mix, -bound, bound, generator=generator)
        self.bias = nn.Parameter(torch.zeros(outputs, device=device, dtype=dtype))

    def weights(self) -> Tensor:
        """[relations, inputs, outputs]: the W_r."""
        return self.bases if self.mix is None else torch.einsum("rb,bio->rio", self.mix, self.bases)

    def forward(self, x: Tensor, products: Sequence[SparseProduct]) -> Tensor:
        """[C, inputs] to [R, outputs]; ``products`` are the A_r [R, C], then the one that picks each row itself."""
        *relations, itself = products
        total = torch.addmm(self.bias, itself(x), self.own)
        if not relations:
            return total
        read = gathered(relations, x)
        if self.mix is None:
            parts = [
                part @ weight for part, weight in zip(torch.split(read.values, read.counts), self.bases, strict=True)
            ]
            return total.index_add(0, read.rows, torch.cat(parts))
        shares = self.mix.index_select(0, read.owners)
        for share, weight in zip(shares.unbind(dim=1), self.bases, strict=True):
            spread = x.new_zeros(len(total), x.shape[1]).index_add(0, read.rows, read.values * share[:, None])
            total = torch.addmm(total, spread, weight)
        return total


class RGCN(PropagationEncoder):
    """Relational graph convolutions: ``act(sum_r A_r X W_r + X W_0 + b)`` with ``W_r = sum_b a_rb V_b``.

    Schlichtkrull et al., "Modeling Relational Data with Graph Convolutional Networks" (ESWC 2018), equations 2 and 3;
    see :class:`RelationalLayer`.

    Args:
        hidden: Widths of the hidden layers.
        bases: Shared weight matrices per layer; None gives every relation its own, either way.
        normalisation: ``"relation"`` (the paper: each relation's neighbours are averaged), ``"all"`` (all neighbours
            together) or ``"none"``.
        inverse: Whether edges are read against their direction too, as relations of their own.
        base: See :class:`PropagationEncoder`, as for the rest.
    """

    name: ClassVar[str] = "rgcn"

    def __init__(
        self,
        hidden: Sequence[int] = (512,),
        *,
        bases: int | None = 8,
        normalisation: Literal["relation", "all", "none"] = "relation",
        inverse: bool = True,
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
        if bases is not None and bases < 1:
            raise InputError(f"bases={bases!r} is less than 1")
        if normalisation not in ("relation", "all", "none"):
            raise InputError(
                f"normalisation={normalisation!r} is not known", remedy="choose 'relation', 'all' or 'none'"
            )
        self.bases = bases
        self.normalisation = normalisation
        self.inverse = inverse

    def operators(self, graph: ClassGraph) -> tuple[tuple[Any, ...], ...]:
        """In every layer: each relation, each against its direction, and each node itself."""
        from scipy.sparse import eye_array

        _, made = relation_operators(graph, normalisation=self.normalisation, inverse=self.inverse)
        return ((*made, eye_array(graph.num_nodes, format="csr")),) * (len(self.hidden) + 1)

    def relations_of(self, graph: ClassGraph) -> tuple[str, ...]:
        """Those of the similarity edges; each has weights of its own."""
        return relations_in_use(graph)

    def make_network(
        self,
        widths: Sequence[int],
        layers: Sequence[Sequence[Any]],
        *,
        generator: torch.Generator,
        device: torch.device,
        dtype: torch.dtype,
    ) -> PropagationNetwork:
        """Relational layers."""

        def relational(inputs: int, outputs: int, count: int) -> RelationalLayer:
            return RelationalLayer(
                inputs, outputs, count - 1, bases=self.bases, generator=generator, device=device, dtype=dtype
            )

        return PropagationNetwork(
            widths,
            [len(layer) for layer in layers],
            slope=self.slope,
            dropout=self.dropout,
            make_layer=relational,
        )
