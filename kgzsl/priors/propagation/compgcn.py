"""CompGCN over the class graph: relations have vectors, and neighbours are composed with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch

from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.priors.base import PriorEncoder
from kgzsl.priors.propagation.composition import COMPOSITIONS, CompositionNetwork
from kgzsl.priors.propagation.encoder import PropagationEncoder
from kgzsl.priors.propagation.relation_operators import relation_operators, relations_in_use

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph

__all__ = ["CompGCN"]


class CompGCN(PropagationEncoder):
    """``h_v = act(sum_(u, r) W_dir(r) phi(x_u, z_r))`` and ``h_r = W_rel z_r`` with learnt relation vectors z.

    Vashishth et al., "Composition-based Multi-Relational Graph Convolutional Networks" (ICLR 2020): phi subtracts,
    multiplies or correlates, and weights differ for edges, inverse edges and the node itself.

    Args:
        hidden: Widths of the hidden layers.
        composition: ``"subtract"``, ``"multiply"`` or ``"correlate"``.
        normalisation: ``"all"`` (neighbours are averaged), ``"relation"`` (each relation's are) or ``"none"``.
        base: See :class:`PropagationEncoder`, as for the rest.
    """

    name: ClassVar[str] = "compgcn"

    def __init__(
        self,
        hidden: Sequence[int] = (512,),
        *,
        composition: Literal["subtract", "multiply", "correlate"] = "correlate",
        normalisation: Literal["relation", "all", "none"] = "all",
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
        if composition not in COMPOSITIONS:
            raise InputError(
                f"composition={composition!r} is not known", remedy=f"choose among {', '.join(COMPOSITIONS)}"
            )
        if normalisation not in ("relation", "all", "none"):
            raise InputError(
                f"normalisation={normalisation!r} is not known", remedy="choose 'relation', 'all' or 'none'"
            )
        self.composition = composition
        self.normalisation = normalisation

    def operators(self, graph: ClassGraph) -> tuple[tuple[Any, ...], ...]:
        """In every layer: each relation, each against its direction, and each node itself."""
        from scipy.sparse import eye_array

        _, made = relation_operators(graph, normalisation=self.normalisation)
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
    ) -> CompositionNetwork:
        """Composition layers."""
        return CompositionNetwork(
            widths,
            (len(layers[0]) - 1) // 2,
            self.composition,
            slope=self.slope,
            dropout=self.dropout,
            generator=generator,
            device=device,
            dtype=dtype,
        )
