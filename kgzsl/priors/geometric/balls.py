"""ELEm: concepts are balls, roles are translations."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from kgzsl.errors import InputError
from kgzsl.priors.geometric.model import GeometricModel, length

__all__ = ["BallModel"]


class BallModel(GeometricModel):
    """A concept is the ball around c with radius r(c), a role the translation by a vector.

    Kulmanov, Liu-Wei, Yan and Hoehndorf, "EL Embeddings: Geometric Construction of Models for the Description Logic
    EL++" (IJCAI 2019), the loss functions of section 4; a loss of 0 at margin 0 is a model of the axioms. Centres are
    drawn to the unit sphere (:meth:`regulariser`).

    Args:
        num_concepts: C.
        num_roles: R.
        dim: D.
        margin: By how much an inclusion may fall short; what is apart must be apart by so much.
        generator: Draws the first values: centres on the unit sphere.
    """

    tables: ClassVar[tuple[str, ...]] = ("centres", "radii")
    unsaid: ClassVar[tuple[str, ...]] = ("role_inclusion", "role_chain")

    def __init__(
        self,
        num_concepts: int,
        num_roles: int,
        dim: int,
        *,
        margin: float = 0.0,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(num_concepts, num_roles, dim)
        self.margin = margin
        start = torch.randn(num_concepts, dim, generator=generator, device=device, dtype=dtype)
        self.centres = nn.Parameter(nn.functional.normalize(start, dim=1))
        radii = torch.rand(num_concepts, generator=generator, device=device, dtype=dtype)
        self.radii = nn.Parameter(0.2 * radii)
        steps = torch.randn(num_roles, dim, generator=generator, device=device, dtype=dtype)
        self.steps = nn.Parameter(0.1 * steps)

    def _ball(self, concepts: Tensor) -> tuple[Tensor, Tensor]:
        return self.centres[concepts], self.radii[concepts].abs()

    def loss(self, form: str, rows: Tensor) -> Tensor:  # noqa: D102
        ids = rows.unbind(dim=1)
        margin = self.margin
        if form == "gci0":
            return (self.gaps(ids[0], ids[1]) - margin).relu()
        if form == "gci1":
            (c, rc), (d, rd), (e, re) = (self._ball(part) for part in ids)
            return (
                (length(c - d) - rc - rd - margin).relu()
                + (length(c - e) - rc - margin).relu()
                + (length(d - e) - rd - margin).relu()
                + (torch.minimum(rc, rd) - re - margin).relu()
            )
        if form == "gci2":
            (c, rc), (d, rd) = self._ball(ids[0]), self._ball(ids[2])
            return (length(c + self.steps[ids[1]] - d) + rc - rd - margin).relu()
        if form == "gci3":
            (c, rc), (d, rd) = self._ball(ids[1]), self._ball(ids[2])
            return (length(c - self.steps[ids[0]] - d) - rc - rd - margin).relu()
        if form == "gci1_bot":
            (c, rc), (d, rd) = self._ball(ids[0]), self._ball(ids[1])
            return (rc + rd - length(c - d) + margin).relu()
        if form == "gci0_bot":
            return self.radii[ids[0]].abs()
        if form == "gci3_bot":
            return self.radii[ids[1]].abs()
        raise InputError(f"balls say nothing about {form!r}")

    def unlinked(self, rows: Tensor) -> Tensor:  # noqa: D102
        (c, rc), (d, rd) = self._ball(rows[:, 0]), self._ball(rows[:, 2])
        return (rc + rd - length(c + self.steps[rows[:, 1]] - d) + self.margin).relu()

    def gaps(self, below: Tensor, above: Tensor | None = None) -> Tensor:  # noqa: D102
        c, rc = self._ball(below)
        if above is None:
            return torch.cdist(c, self.centres) + rc[:, None] - self.radii.abs()
        d, rd = self._ball(above)
        return length(c - d) + rc - rd

    def regulariser(self) -> Tensor:
        """Mean over concepts of how far the centre is off the unit sphere."""
        return (length(self.centres) - 1).abs().mean()

    def vectors(self, concepts: Tensor) -> Tensor:  # noqa: D102
        centres, radii = self._ball(concepts)
        return torch.cat([centres, radii[:, None]], dim=1)

    def views(self) -> list[tuple[str, int]]:  # noqa: D102
        return [("centre", self.dim), ("radius", 1)]
