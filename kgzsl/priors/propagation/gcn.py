"""GCN over the class graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.priors.base import PriorEncoder
from kgzsl.priors.propagation.encoder import PropagationEncoder
from kgzsl.priors.propagation.operator import GraphOperator

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph

__all__ = ["GCN"]


class GCN(PropagationEncoder):
    """Graph convolutions ``act(S X W + b)`` along the edges of the class graph.

    Kipf and Welling (ICLR 2017); with :meth:`regress` on classifier weights it is GCNZ (Wang et al., "Zero-Shot
    Recognition via Semantic Embeddings and Knowledge Graphs", CVPR 2018), which has six layers (widths 2048, 2048,
    1024, 1024, 512); two layers do better (SGCN of Kampffmeyer et al., CVPR 2019).

    Args:
        hidden: Widths of the hidden layers.
        normalisation: ``"symmetric"``, ``"row"`` (a random walk; SGCN) or ``"none"``.
        direction: ``"both"``; ``"out"`` reads along the edges; ``"in"`` against them.
        self_loops: Weight with which a node reads itself.
        base: See :class:`PropagationEncoder`, as for the rest.
    """

    name: ClassVar[str] = "gcn"

    def __init__(
        self,
        hidden: Sequence[int] = (512,),
        *,
        normalisation: Literal["symmetric", "row", "none"] = "symmetric",
        direction: Literal["both", "out", "in"] = "both",
        self_loops: float = 1.0,
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
        GraphOperator.check(normalisation, direction, self_loops)
        self.normalisation = normalisation
        self.direction = direction
        self.self_loops = self_loops

    def operators(self, graph: ClassGraph) -> tuple[tuple[Any, ...], ...]:
        """The same normalised adjacency in every layer."""
        made = GraphOperator.of(
            graph, normalisation=self.normalisation, direction=self.direction, self_loops=self.self_loops
        )
        return ((made.matrix,),) * (len(self.hidden) + 1)
