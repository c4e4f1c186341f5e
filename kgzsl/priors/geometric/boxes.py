"""Box2EL: concepts are boxes, roles are a head box and a tail box, and concepts bump each other."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from kgzsl.errors import InputError
from kgzsl.priors.geometric.model import GeometricModel, length

__all__ = ["BoxModel"]

Box = tuple[Tensor, Tensor]


class BoxModel(GeometricModel):
    """A concept is a box and a bump, a role a head box and a tail box; C ⊑ ∃r.D when C bumped by D lies in the head.

    Jackermeier, Chen and Horrocks, "Dual Box Embeddings for the Description Logic EL++" (WWW 2024). A box is its
    centre and its offset (half its side, never negative).

    Args:
        num_concepts: C.
        num_roles: R.
        dim: D.
        margin: By how much an inclusion may fall short.
        distance: How far apart the boxes of a negative axiom should be.
        bumps: Weight of the mean length of bumps in :meth:`regulariser`.
        generator: Draws the first values.
    """

    tables: ClassVar[tuple[str, ...]] = ("centres", "offsets", "bumps")
    unsaid: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        num_concepts: int,
        num_roles: int,
        dim: int,
        *,
        margin: float = 0.0,
        distance: float = 2.0,
        bumps: float = 0.05,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(num_concepts, num_roles, dim)
        self.margin, self.distance, self.bump_weight = margin, distance, bumps

        def table(rows: int) -> nn.Parameter:
            start = torch.rand(rows, dim, generator=generator, device=device, dtype=dtype) * 2 - 1
            return nn.Parameter(nn.functional.normalize(start, dim=1))

        self.centres, self.offsets, self.bumps = table(num_concepts), table(num_concepts), table(num_concepts)
        self.head_centres, self.head_offsets = table(num_roles), table(num_roles)
        self.tail_centres, self.tail_offsets = table(num_roles), table(num_roles)

    def _box(self, concepts: Tensor, bump: Tensor | None = None) -> Box:
        centres = self.centres[concepts]
        return centres if bump is None else centres + self.bumps[bump], self.offsets[concepts].abs()

    def _head(self, roles: Tensor) -> Box:
        return self.head_centres[roles], self.head_offsets[roles].abs()

    def _tail(self, roles: Tensor) -> Box:
        return self.tail_centres[roles], self.tail_offsets[roles].abs()

    def _inside(self, small: Box, large: Box) -> Tensor:
        return length((_protrusion(small, large) - self.margin).relu())

    def loss(self, form: str, rows: Tensor) -> Tensor:  # noqa: D102
        ids = rows.unbind(dim=1)
        if form == "gci0":
            return self._inside(self._box(ids[0]), self._box(ids[1]))
        if form == "gci1":
            (c, oc), (d, od) = self._box(ids[0]), self._box(ids[1])
            low, high = torch.maximum(c - oc, d - od), torch.minimum(c + oc, d + od)
            both = ((low + high) / 2, (high - low).abs() / 2)
            # The second term keeps the two boxes from parting, which would make the axiom empty.
            return self._inside(both, self._box(ids[2])) + length((low - high).relu())
        if form == "gci2":
            c, role, d = ids
            first = self._inside(self._box(c, d), self._head(role))
            return (first + self._inside(self._box(d, c), self._tail(role))) / 2
        if form == "gci3":
            role, c, d = ids
            centre, offset = self._head(role)
            return self._inside((centre - self.bumps[c], offset), self._box(d))
        if form == "gci1_bot":
            return length((-_distance(self._box(ids[0]), self._box(ids[1])) - self.margin).relu())
        if form == "gci0_bot":
            return length(self.offsets[ids[0]])
        if form == "gci3_bot":
            return length(self.head_offsets[ids[0]])
        if form == "role_inclusion":
            first = self._inside(self._head(ids[0]), self._head(ids[1]))
            return (first + self._inside(self._tail(ids[0]), self._tail(ids[1]))) / 2
        if form == "role_chain":
            first = self._inside(self._head(ids[0]), self._head(ids[2]))
            return (first + self._inside(self._tail(ids[1]), self._tail(ids[2]))) / 2
        raise InputError(f"boxes say nothing about {form!r}")

    def unlinked(self, rows: Tensor) -> Tensor:  # noqa: D102
        c, role, d = rows.unbind(dim=1)
        first = length((_distance(self._box(c, d), self._head(role)) + self.margin).relu())
        second = length((_distance(self._box(d, c), self._tail(role)) + self.margin).relu())
        return (self.distance - first).square() + (self.distance - second).square()

    def gaps(self, below: Tensor, above: Tensor | None = None) -> Tensor:  # noqa: D102
        centre, offset = self._box(below)
        if above is not None:
            return _protrusion((centre, offset), self._box(above)).amax(dim=1)
        everything = (self.centres, self.offsets.abs())
        worst = torch.full((len(below), self.num_concepts), -torch.inf, device=centre.device, dtype=centre.dtype)
        # One dimension at a time: [n, C, D] would be too large.
        for one in range(self.dim):
            columns = [part[:, one] for part in (centre, offset, *everything)]
            c, oc, d, od = columns[0][:, None], columns[1][:, None], columns[2], columns[3]
            worst = torch.maximum(worst, (c - d).abs() + oc - od)
        return worst

    def regulariser(self) -> Tensor:
        """The weighted mean length of the bumps."""
        return self.bump_weight * length(self.bumps).mean()

    def vectors(self, concepts: Tensor) -> Tensor:  # noqa: D102
        return torch.cat([*self._box(concepts), self.bumps[concepts]], dim=1)

    def views(self) -> list[tuple[str, int]]:  # noqa: D102
        return [("centre", self.dim), ("offset", self.dim), ("bump", self.dim)]


def _distance(one: Box, other: Box) -> Tensor:
    """Per dimension how far two boxes are apart, negative where they overlap."""
    return (one[0] - other[0]).abs() - one[1] - other[1]


def _protrusion(small: Box, large: Box) -> Tensor:
    """Per dimension how far ``small`` stands out of ``large``, negative where it is inside."""
    return (small[0] - large[0]).abs() + small[1] - large[1]
