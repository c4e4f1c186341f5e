"""Training a propagation network so that its rows meet given vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from kgzsl.errors import InputError
from kgzsl.priors.propagation.needed_rows import NeededRows
from kgzsl.priors.propagation.network import PropagationNetwork
from kgzsl.priors.propagation.sparse_product import SparseProduct

__all__ = ["RegressionLoop", "RegressionOptions"]


@dataclass(frozen=True)
class RegressionOptions:
    """How a propagation network is trained.

    Args:
        lr: Adam's learning rate.
        weight_decay: L2 penalty inside Adam, as GCNZ and DGP have it.
        normalise: Whether rows are brought to length 1 before they are compared.
        mask: Share of the compared rows whose own input is hidden in each step.
    """

    lr: float = 1e-3
    weight_decay: float = 5e-4
    normalise: bool = True
    mask: float = 0.0

    def __post_init__(self) -> None:
        if self.lr <= 0:
            raise InputError(f"lr={self.lr!r} is not positive")
        if self.weight_decay < 0:
            raise InputError(f"weight_decay={self.weight_decay!r} is negative")
        if not 0 <= self.mask <= 1:
            raise InputError(f"mask={self.mask!r} is not a share from 0 to 1")


class RegressionLoop:
    """One step is one epoch: all compared rows, the mean square error of Wang et al. (CVPR 2018, equation 4).

    ``L = 1/(2M) sum_i |w_i - v_i|^2`` over the M compared rows; only they and what they read are computed. With a
    mask the compared rows are those hidden, so that they must be told from their neighbours (Hou et al., KDD 2022).

    Args:
        network: What is trained, on the device and in the type of ``x``.
        layers: Per layer, its operators as SciPy CSR [N, N].
        rows: int64 [M], the nodes whose results are compared.
        x: Float [N, D], the input of all nodes.
        targets: Float [M, T].
        options: How.
        generator: Draws dropout and masks.
        all_rows: Compute every row of every layer (for comparison: the values are the same).
    """

    hint = "lower lr"

    def __init__(
        self,
        network: PropagationNetwork,
        layers: Sequence[Sequence[Any]],
        rows: npt.NDArray[np.int64],
        x: Tensor,
        targets: Tensor,
        options: RegressionOptions,
        *,
        generator: torch.Generator,
        all_rows: bool = False,
    ) -> None:
        self.network = network
        self.options = options
        widths = list(network.widths)
        self.config = {"widths": widths, "rows": len(rows), "dropout": network.dropout, **asdict(options)}
        self.needed = NeededRows.of(layers, None if all_rows else rows)
        self.products = [
            [SparseProduct(matrix, device=x.device, dtype=x.dtype) for matrix in layer]
            for layer in self.needed.matrices
        ]
        inputs = torch.from_numpy(self.needed.rows[0]).to(x.device)
        self._x = x if all_rows else x[inputs]
        self._targets = functional.normalize(targets, dim=1) if options.normalise else targets
        wanted = torch.from_numpy(rows).to(x.device)
        self._pick = wanted if all_rows else None
        self._place = torch.full((len(x),), -1, dtype=torch.int64, device=x.device)
        self._place[inputs] = torch.arange(len(inputs), device=x.device)
        self._place = self._place[wanted]  # where the input of a compared row stands; -1: nothing reads it
        self._generator = generator
        self._optimizer = torch.optim.Adam(
            network.parameters(), lr=options.lr, weight_decay=options.weight_decay, fused=True
        )

    def loss(self) -> Tensor:
        """The loss of this epoch, with its graph."""
        x, hidden = self._x, None
        if self.options.mask:
            hidden = torch.rand(len(self._place), generator=self._generator, device=x.device) < self.options.mask
            at = self._place[hidden & (self._place >= 0)]
            x = x.index_fill(0, at, 0.0)
        found: Tensor = self.network(x, self.products, generator=self._generator)
        if self._pick is not None:
            found = found[self._pick]
        if self.options.normalise:
            found = functional.normalize(found, dim=1)
        gaps = (found - self._targets).square().sum(dim=1) / 2
        mean: Tensor = gaps.mean() if hidden is None else (gaps * hidden).sum() / hidden.sum().clamp_min(1)
        return mean

    def step(self, index: int) -> dict[str, Tensor]:
        """One epoch."""
        del index
        self.network.train()
        self._optimizer.zero_grad(set_to_none=True)
        loss = self.loss()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return {"loss": loss.detach()}

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Put back what :meth:`state_dict` gave."""
        self.network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._generator.set_state(state["generator"].cpu())
