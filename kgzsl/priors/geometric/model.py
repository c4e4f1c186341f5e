"""What a geometric embedding of EL++ promises: a loss for each normal form, 0 where the axiom holds."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

__all__ = ["ConceptModel", "GeometricModel", "length"]


class ConceptModel(nn.Module):
    """A model with tables of which every row is a concept's."""

    tables: ClassVar[tuple[str, ...]] = ()
    """Names of the parameters [C, ...] with a row per concept."""

    num_concepts: int

    def grown(self, places: npt.NDArray[np.int64], beside: Any) -> Self:
        """A copy with rows for more concepts.

        Args:
            places: int64 [C], the old row of each concept; -1 for new ones.
            beside: SciPy CSR [C, C], rows sum to 1 or are empty: the old concepts in whose middle a new one starts; in
                the middle of all where there are none.
        """
        made = copy.deepcopy(self)
        made.num_concepts = len(places)
        new, lonely = places < 0, np.diff(beside.indptr) == 0
        for name in self.tables:
            old = getattr(self, name).detach()
            rows = old.cpu().double().numpy()
            rows = np.where(new.reshape(-1, *[1] * (rows.ndim - 1)), rows.mean(axis=0), rows[np.maximum(places, 0)])
            rows[new & ~lonely] = (beside @ rows)[new & ~lonely]
            setattr(made, name, nn.Parameter(torch.from_numpy(rows).to(old)))
        return made

    def move_only(self, chosen: npt.NDArray[np.bool_]) -> list[Any]:
        """Let training move the rows of ``chosen`` (bool [C]) alone; returns handles, to be removed after it."""
        self.requires_grad_(False)
        handles = []
        for name in self.tables:
            table = getattr(self, name).requires_grad_(True)
            keep = torch.from_numpy(chosen).to(table).view(-1, *[1] * (table.ndim - 1))
            # A row whose gradient is always 0 is never moved by Adam.
            handles.append(table.register_hook(lambda gradient, keep=keep: gradient * keep))
        return handles


class GeometricModel(ConceptModel, ABC):
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
