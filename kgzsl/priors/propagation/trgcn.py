"""TrGCN over the class graph: a transformer reads the neighbourhood."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from scipy import sparse

from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.priors.base import PriorEncoder
from kgzsl.priors.propagation.encoder import PropagationEncoder
from kgzsl.priors.propagation.network import PropagationNetwork
from kgzsl.priors.propagation.operator import GraphOperator
from kgzsl.priors.propagation.transformer_layer import TransformerLayer

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph

__all__ = ["TrGCN"]


class TrGCN(PropagationEncoder):
    """The class encoder of ZSL-KG: neighbours attend to each other, and the mean of what comes out is passed on.

    Nayak and Bach, "Zero-Shot Learning with Common Sense Knowledge Graphs" (TMLR 2022): ``act(W mean_u T(x_1 ... x_k)_u
    + b)`` over the neighbours x_1 ... x_k of a class, T one transformer block without positions; see
    :class:`TransformerLayer`. Large neighbourhoods are cut to the neighbours that a random walk of
    two steps visits most; the paper counts visits of sampled walks, here the chances are computed.

    Args:
        hidden: Widths of the hidden layers.
        heads: Heads of the attention.
        pool: ``"mean"`` or ``"max"``.
        max_neighbours: Most neighbours a class reads, itself included.
        direction: ``"both"``; ``"out"`` reads along the edges; ``"in"`` against them.
        base: See :class:`PropagationEncoder`, as for the rest.
    """

    name: ClassVar[str] = "trgcn"

    def __init__(
        self,
        hidden: Sequence[int] = (512,),
        *,
        heads: int = 1,
        pool: Literal["mean", "max"] = "mean",
        max_neighbours: int = 50,
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
        if pool not in ("mean", "max"):
            raise InputError(f"pool={pool!r} is not known", remedy="choose 'mean' or 'max'")
        if max_neighbours < 1:
            raise InputError(f"max_neighbours={max_neighbours!r} is less than 1")
        GraphOperator.check("none", direction, 1.0)
        self.heads = heads
        self.pool = pool
        self.max_neighbours = max_neighbours
        self.direction = direction

    def operators(self, graph: ClassGraph) -> tuple[tuple[Any, ...], ...]:
        """In every layer: who reads whom, itself included, cut to the most visited."""
        walk = GraphOperator.of(graph, normalisation="row", direction=self.direction, self_loops=0.0).matrix
        rank = np.empty(graph.num_nodes, dtype=np.int64)
        rank[sorted(range(graph.num_nodes), key=graph.iris.__getitem__)] = np.arange(graph.num_nodes)
        pattern = _most_visited(walk, self.max_neighbours - 1, rank)
        pattern = sparse.csr_array(pattern + sparse.eye_array(graph.num_nodes, format="csr"))
        pattern.sort_indices()
        return ((pattern,),) * (len(self.hidden) + 1)

    def make_network(
        self,
        widths: Sequence[int],
        layers: Sequence[Sequence[Any]],
        *,
        generator: torch.Generator,
        device: torch.device,
        dtype: torch.dtype,
    ) -> PropagationNetwork:
        """Transformer layers."""

        def transformer(inputs: int, outputs: int, count: int) -> TransformerLayer:
            del count
            return TransformerLayer(
                inputs, outputs, heads=self.heads, pool=self.pool, generator=generator, device=device, dtype=dtype
            )

        return PropagationNetwork(
            widths,
            [len(layer) for layer in layers],
            slope=self.slope,
            dropout=self.dropout,
            make_layer=transformer,
        )


def _most_visited(walk: Any, most: int, rank: Any) -> Any:
    """The pattern of ``walk`` (rows sum to 1) with at most ``most`` entries a row: the likeliest within two steps.

    Equally likely ones are taken in the order of ``rank``.
    """
    crowded = np.flatnonzero(np.diff(walk.indptr) > most)
    keep = np.ones(walk.nnz, dtype=bool)
    for begin in range(0, len(crowded), 256):
        rows = crowded[begin : begin + 256]
        two = (walk[rows] @ walk).tocsr()
        for at, row in enumerate(rows.tolist()):
            places = np.arange(walk.indptr[row], walk.indptr[row + 1])
            neighbours = walk.indices[places]
            second = np.zeros(walk.shape[1])
            second[two.indices[two.indptr[at] : two.indptr[at + 1]]] = two.data[two.indptr[at] : two.indptr[at + 1]]
            chance = walk.data[places] + second[neighbours]
            order = np.lexsort((rank[neighbours], -np.round(chance, 12)))
            keep[places[order[most:]]] = False
    rows_of = np.repeat(np.arange(walk.shape[0]), np.diff(walk.indptr))
    return sparse.csr_array((np.ones(int(keep.sum())), (rows_of[keep], walk.indices[keep])), shape=walk.shape)
