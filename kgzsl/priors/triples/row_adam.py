"""Adam over a large table of which a step touches few rows, at the cost of these rows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

__all__ = ["RowAdam"]

_REACH = 256
"""Steps without a gradient after which a row no longer moves: its mean has fallen by 0.9 ** 256, 2e-12."""

_CHUNK = 1 << 22
"""Numbers of the table that are brought up to date at a time."""


class RowAdam:
    """Adam (Kingma and Ba, ICLR 2015, algorithm 1) that leaves rows alone until they are read.

    Dense Adam moves every row in every step: without a gradient, by what is left of the mean of earlier ones. Here a
    row makes up for the steps that it missed when it is fetched. With ``a_s = lr_s sqrt(1 - b2^s) / (1 - b1^s)`` and a
    row's mean m and mean square v of step t, step ``t + j`` would have moved it by

        ``a_(t+j) b1^j m / (sqrt(b2^j v) + eps sqrt(1 - b2^(t+j)))``,

    which but for eps is ``m / sqrt(v)`` times a number that depends on t and j alone. The sum of these numbers over all
    steps since t is kept for every t, and so is the mean of what multiplies eps. So the table is that of dense Adam up
    to rounding, and to ``(eps / sqrt(v)) ** 2`` where gradients are as small as eps. ``torch.optim.SparseAdam`` skips
    the missed steps instead, so that rows that are seldom touched learn several times more slowly than by Adam.

    Rows, their mean and their mean square are read and written; beside them there are two numbers for each step of the
    run, and the step of each row.

    Args:
        table: Float [N, D], what is trained.
        lr: Learning rate; an attribute, which may be set before each step.
        steps: Steps of the whole run; further ones are possible.
        betas: Decay of the mean and of the mean square.
        eps: Added to the root of the mean square.
    """

    def __init__(
        self,
        table: nn.Parameter,
        lr: float,
        *,
        steps: int = 0,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        self.table, self.lr = table, lr
        self._betas, self._eps = betas, eps
        device = table.device
        self._mean, self._square = torch.zeros_like(table.detach()), torch.zeros_like(table.detach())
        self._last = torch.zeros(len(table), dtype=torch.int64, device=device)
        self._done = 0
        # How far a row has to go that was last touched in step t, in units of mean / root of mean square; and the same
        # with each step weighted by what it multiplies eps by.
        self._ahead = torch.zeros(2, steps + 1, dtype=torch.float64, device=device)
        fall = torch.arange(_REACH, 0, -1, dtype=torch.float64, device=device)
        self._fall = torch.stack([(betas[0] / betas[1] ** 0.5) ** fall, (betas[0] / betas[1]) ** fall])
        self._held: tuple[Tensor, list[Tensor]] | None = None

    @torch.no_grad()
    def fetch(self, rows: Tensor) -> None:
        """Bring ``rows`` (int64 [n], distinct) up to date; to be called before they are read, and before a step."""
        self._release()
        parts = [part.index_select(0, rows) for part in (self.table, self._mean, self._square)]
        self._catch_up(self._last.index_select(0, rows), *parts)
        self.table.index_copy_(0, rows, parts[0])
        self._last.index_fill_(0, rows, self._done)
        self._held = rows, parts

    @torch.no_grad()
    def step(self, gradient: Tensor) -> None:
        """One step.

        Args:
            gradient: Float [n, D], of the rows that were fetched; that of all others is 0.

        Raises:
            RuntimeError: No rows were fetched since the last step.
        """
        if self._held is None:
            raise RuntimeError("fetch the rows first")
        rows, (values, mean, square) = self._held
        self._done += 1
        done, (first, second) = self._done, self._betas
        rest = (1 - second**done) ** 0.5
        rate = self.lr * rest / (1 - first**done)
        low = max(0, done - _REACH)
        if done >= self._ahead.shape[1]:
            self._ahead = torch.cat([self._ahead, torch.zeros_like(self._ahead)], dim=1)
        for ahead, fall, weight in zip(self._ahead, self._fall, (rate, rate * rest), strict=True):
            ahead[low:done].add_(fall[_REACH - done + low :], alpha=weight)
        adam(
            [values],
            [gradient],
            [mean],
            [square],
            [],
            [torch.full((), done - 1.0, device=values.device)],
            fused=True,
            amsgrad=False,
            beta1=first,
            beta2=second,
            lr=self.lr,
            weight_decay=0.0,
            eps=self._eps,
            maximize=False,
        )
        self.table.index_copy_(0, rows, values)
        self._last.index_fill_(0, rows, done)
        self._release()

    @torch.no_grad()
    def settle(self) -> None:
        """Bring all rows up to date; to be called before the table is read as a whole."""
        self._release()
        size = max(1, _CHUNK // max(1, self.table.shape[1]))
        for start in range(0, len(self.table), size):
            some = slice(start, start + size)
            self._catch_up(self._last[some], self.table[some], self._mean[some], self._square[some])
        self._last.fill_(self._done)

    def _catch_up(self, last: Tensor, values: Tensor, mean: Tensor, square: Tensor) -> None:
        """The steps from ``last`` (int64 [n]) on, without a gradient; in place."""
        first, second = self._betas
        missed = (self._done - last).double()
        way, weighted = self._ahead[:, last]
        eps = torch.where(way > 0, self._eps * weighted / way, self._eps).to(values.dtype)[:, None]
        # The powers of what decays are kept from becoming so small that they are slow to compute with.
        kept = torch.where(missed > _REACH, 0.0, first**missed)
        values.addcdiv_(mean * way.to(values.dtype)[:, None], square.sqrt().add_(eps), value=-1.0)
        mean.mul_(kept.to(values.dtype)[:, None])
        square.mul_((second**missed).to(values.dtype)[:, None])

    def _release(self) -> None:
        """Write the moments of the rows that were fetched last."""
        if self._held is not None:
            rows, (_, mean, square) = self._held
            self._mean.index_copy_(0, rows, mean)
            self._square.index_copy_(0, rows, square)
            self._held = None

    def state_dict(self) -> dict[str, Any]:
        """Everything but the table."""
        self._release()
        return {
            "mean": self._mean, "square": self._square, "last": self._last, "ahead": self._ahead, "done": self._done,
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Put back what :meth:`state_dict` gave."""
        self._held = None
        for name in ("mean", "square", "last", "ahead"):
            setattr(self, f"_{name}", torch.as_tensor(state[name]).to(getattr(self, f"_{name}")).clone())
        self._done = int(state["done"])
