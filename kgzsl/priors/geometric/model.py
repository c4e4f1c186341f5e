"""What a geometric embedding of EL++ promises: a loss for each normal form, 0 where the axiom holds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

__all__ = ["GeometricModel", "length"]


class GeometricModel(nn.Module, ABC):
    """Regions for concepts, and something that takes one region to another for roles.

    Args:
        num_concepts: C.
        num_roles: R.
        dim: D, the dimensions of the space.
    """

    unsaid: ClassVar[tuple[str, ...]] = ()
    """Normal forms about which the model says nothing."""

    def __init__(self, num_concepts: int, num_roles: int, dim: int) -> None:
        super().__init__()
        self.num_concepts, self.num_roles, self.dim = num_concepts, num_roles, dim

    @abstractmethod
    def loss(self, form: str, rows: Tensor) -> Tensor:
        """How far each axiom is from holding.

        Args:
            form: A normal form that is not in :attr:`unsaid`.
            rows: int64 [n, columns].

        Returns:
            [n], at least 0; 0 where the axiom holds in the embedding.
        """

    @abstractmethod
    def unlinked(self, rows: Tensor) -> Tensor:
        """Loss [n] of the negative axioms C ⋢ ∃r.D, int64 [n, 3]."""

    @abstractmethod
    def gaps(self, below: Tensor, above: Tensor | None = None) -> Tensor:
        """How far C stands out of D, at most 0 where C ⊑ D holds.

        Args:
            below: int64 [n], C.
            above: int64 [n], one D for each C; None takes all concepts.

        Returns:
            [n], or [n, C] for all concepts.
        """

    def regulariser(self) -> Tensor:
        """A scalar that is added to the loss; 0 where the model has none."""
        return next(self.parameters()).new_zeros(())

    @abstractmethod
    def vectors(self, concepts: Tensor) -> Tensor:
        """What is known of ``concepts`` (int64 [n]), as rows."""

    @abstractmethod
    def views(self) -> list[tuple[str, int]]:
        """The parts of a row of :meth:`vectors`, and their widths."""


def length(vectors: Tensor) -> Tensor:
    """Euclidean lengths [...] of ``vectors`` [..., D]; the gradient at 0 is 0."""
    square = vectors.square().sum(dim=-1)
    return torch.where(square > 0, square.clamp_min(1e-24).sqrt(), square)
