"""The Poincare ball: distances, and descent along its curved gradient."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from kgzsl.priors._queue import Queue
from kgzsl.priors.geometric.model import ConceptModel

__all__ = ["PoincareLoop", "PoincareModel", "poincare_distance"]

_RIM = 1e-5


def poincare_distance(u: Tensor, v: Tensor) -> Tensor:
    """Distances [...] between points [..., D] of the open unit ball (Nickel and Kiela, 2017, equation 1).

    ``arcosh(1 + 2 |u - v|^2 / ((1 - |u|^2)(1 - |v|^2)))``, written with log1p so that near points keep their digits.
    """
    gap = 2 * (u - v).square().sum(dim=-1)
    x = gap / ((1 - u.square().sum(dim=-1)) * (1 - v.square().sum(dim=-1)))
    # arcosh(1 + x) = log(1 + x + sqrt(x (x + 2))); the root has no gradient at 0.
    x = x.clamp_min(1e-14)
    return torch.log1p(x + (x * (x + 2)).sqrt())


class PoincareModel(ConceptModel):
    """A point of the ball for every concept.

    Args:
        num_concepts: C.
        dim: D.
        generator: Draws the first points, near the middle.
    """

    tables: ClassVar[tuple[str, ...]] = ("points",)

    def __init__(
        self,
        num_concepts: int,
        dim: int,
        *,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.num_concepts = num_concepts
        start = torch.rand(num_concepts, dim, generator=generator, device=device, dtype=dtype)
        self.points = nn.Parameter((start * 2 - 1) * 1e-3)

    def gaps(self, below: Tensor, above: Tensor | None = None) -> Tensor:
        """Distances [n], or [n, C] to all points: what lies above is near, and the paper ranks by it."""
        u = self.points[below]
        if above is not None:
            return poincare_distance(u, self.points[above])
        v = self.points
        inside = (1 - u.square().sum(dim=1, keepdim=True)) * (1 - v.square().sum(dim=1))
        x = (2 * torch.cdist(u, v).square() / inside).clamp_min(1e-14)
        return torch.log1p(x + (x * (x + 2)).sqrt())


class PoincareLoop:
    """Riemannian gradient descent (the engine's ``TrainingLoop``).

    For each pair (u, v): ``-log exp(-d(u, v)) / sum_n exp(-d(u, n))`` over v and points n that are not above u
    (equation 5); the gradient is scaled by ``((1 - |x|^2) / 2)^2`` and points are kept inside the ball (equation 4).
    Only the points of a batch are touched.

    Args:
        model: What is trained.
        pairs: int64 [T, 2], (below, above).
        known: int64 [K], sorted ``below * C + above`` of what is above what.
        batch_size: Pairs per step.
        negatives: Points per pair.
        lr: Step width.
        burn_in: First steps, at a tenth of ``lr``.
        generator: Draws batches and negatives.
        only: bool [C], which points move; None moves all.
    """

    hint = "lower lr"

    def __init__(
        self,
        model: PoincareModel,
        pairs: Tensor,
        known: Tensor,
        *,
        batch_size: int,
        negatives: int,
        lr: float,
        burn_in: int,
        generator: torch.Generator,
        only: Tensor | None = None,
    ) -> None:
        self.model, self._only = model, only
        self.config = {"dim": model.points.shape[1], "batch_size": batch_size, "negatives": negatives, "lr": lr}
        self._pairs, self._known = pairs, known
        self._negatives, self._lr, self._burn_in = negatives, lr, burn_in
        self._generator = generator
        self._queue = Queue(len(pairs), batch_size, generator, pairs.device)

    def loss(self, pairs: Tensor, points: Tensor, rows: Tensor, false: Tensor) -> Tensor:
        """Mean loss.

        Args:
            pairs: int64 [B, 2], rows of ``points``.
            points: Float [P, D].
            rows: int64 [B, n], rows of ``points``: the negatives.
            false: bool [B, n], which of them count.
        """
        u = points[pairs[:, 0]]
        true = poincare_distance(u, points[pairs[:, 1]])
        others = poincare_distance(u[:, None], points[rows]).masked_fill(~false, torch.inf)
        return (true + torch.logsumexp(-torch.cat([true[:, None], others], dim=1), dim=1)).mean()

    def step(self, index: int) -> dict[str, Tensor]:
        """One batch."""
        count = len(self.model.points)
        pairs = self._pairs[self._queue.next()]
        drawn = torch.randint(
            count, (len(pairs), self._negatives), generator=self._generator, device=self._generator.device
        )
        keys = pairs[:, :1] * count + drawn
        at = torch.searchsorted(self._known, keys).clamp_max(max(len(self._known) - 1, 0))
        false = (self._known[at] != keys) & (drawn != pairs[:, :1])
        used, places = torch.unique(torch.cat([pairs.flatten(), drawn.flatten()]), return_inverse=True)
        points = self.model.points.detach()[used].requires_grad_()
        pair_rows, drawn_rows = places[: pairs.numel()].view_as(pairs), places[pairs.numel() :].view_as(drawn)
        loss = self.loss(pair_rows, points, drawn_rows, false)
        # The loss is a mean; the paper steps on the gradient of each pair.
        (gradient,) = torch.autograd.grad(loss * len(pairs), points)
        lr = self._lr * (0.1 if index < self._burn_in else 1.0)
        with torch.no_grad():
            scale = ((1 - points.square().sum(dim=1, keepdim=True)) / 2).square()
            moved = points - lr * scale * gradient
            size = moved.norm(dim=1, keepdim=True)
            moved = torch.where(size >= 1, moved / size.clamp_min(1e-12) * (1 - _RIM), moved)
            if self._only is not None:
                moved = torch.where(self._only[used][:, None], moved, points)
            self.model.points.data[used] = moved
        return {"loss": loss.detach()}

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        return {
            "model": self.model.state_dict(),
            "queue": self._queue.state_dict(),
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Put back what :meth:`state_dict` gave."""
        self.model.load_state_dict(state["model"])
        self._queue.load_state_dict(state["queue"])
        self._generator.set_state(state["generator"].cpu())
