"""DGP: dense propagation from descendants and from ancestors, grouped by distance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.knowledge.vocabulary import SUBCLASS_OF
from kgzsl.priors.base import PriorEncoder
from kgzsl.priors.propagation.encoder import PropagationEncoder

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph

__all__ = ["DGP"]


class DGP(PropagationEncoder):
    """Every class reads all its descendants, then all its ancestors, with a weight for each distance.

    Kampffmeyer et al., "Rethinking Knowledge Graph Propagation for Zero-Shot Learning" (CVPR 2019), equations 3 to 5:
    ``H = sum_k a_k U_k act( sum_k d_k D_k X W_d ) W_a`` with U_k and D_k the row-normalised links to ancestors and
    descendants k edges away, and a, d softmaxes of learnt weights of their own (the attentive propagation that ADGPM
    names). With more hidden layers the two directions take turns.

    Args:
        hidden: Widths of the hidden layers.
        groups: K: distances 0 (the class itself) to K, the last for all that is as far or farther.
        weights: ``"learnt"``, or ``"equal"`` (each distance 1 / (K + 1)).
        relation: Which relation (or relations) leads upwards.
        base: See :class:`PropagationEncoder`, as for the rest.
    """

    name: ClassVar[str] = "dgp"

    def __init__(
        self,
        hidden: Sequence[int] = (512,),
        *,
        groups: int = 4,
        weights: Literal["learnt", "equal"] = "learnt",
        relation: str | Sequence[str] = SUBCLASS_OF,
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
        if groups < 1:
            raise InputError(f"groups={groups!r} is less than 1", remedy="the paper has 4")
        if weights not in ("learnt", "equal"):
            raise InputError(f"weights={weights!r} is not known", remedy="choose 'learnt' or 'equal'")
        self.groups = groups
        self.weights = weights
        self.relation = relation
        self.learnt_groups = weights == "learnt"

    def operators(self, graph: ClassGraph) -> tuple[tuple[Any, ...], ...]:
        """Descendants first, then ancestors, in turn; K + 1 matrices per layer."""
        dense = graph.dense(groups=self.groups, relation=self.relation)
        if not dense.num_links:
            raise InputError(
                "the class graph has no hierarchy to propagate along", remedy="name its relation with relation="
            )
        down, up = dense.down, dense.up
        return tuple(down if number % 2 == 0 else up for number in range(len(self.hidden) + 1))
