"""Canonical correlation analysis of several views: one space in which all of them lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from kgzsl._options import check_count, check_number
from kgzsl.classifiers._inputs import float_matrix
from kgzsl.errors import InputError

__all__ = ["MultiViewCCA"]


class MultiViewCCA:
    """Directions along which V views of the same samples agree most.

    Fu et al., "Transductive Multi-view Zero-Shot Learning" (TPAMI 2015), eq. 2-3, after Gong et al. (IJCV 2014): the
    generalised eigenproblem ``C w = rho D w``, C the covariance of all views side by side, D its diagonal blocks. With
    rho in [0, V], ``(rho - 1) / (V - 1)`` is the mean correlation between the views. Coordinates are weighted by
    ``(rho / V) ** power``, so that directions on which the views disagree count little. The ridge says how far each
    view is whitened: with a small one, noise in a direction of little variance counts as much as what tells classes
    apart.

    Args:
        dim: Dimensions of the common space; None takes as many as the widest view has.
        power: Exponent of the weights; 0 weighs all directions alike.
        ridge: Added to each view's covariance, as a share of its mean variance.

    Raises:
        InputError: An option out of range.

    Attributes:
        means_: The views' means, each [D_v].
        maps_: The views' maps, each [D_v, dim], before weighting.
        correlations_: float64 [dim], mean correlations between the views, falling, in [0, 1].
        weights_: float64 [dim], in [0, 1].
    """

    def __init__(self, dim: int | None = None, power: float = 1.0, ridge: float = 0.1) -> None:
        check_count(dim, "dim", instead=(None,))
        check_number(power, "power")
        check_number(ridge, "ridge", zero=False)
        self.dim = dim
        self.power = power
        self.ridge = ridge

    def fit(self, views: Sequence[Any]) -> MultiViewCCA:
        """Learn from V views, each [N, D_v] of the same N samples.

        Raises:
            InputError: Fewer than two views, or other numbers of rows.
        """
        if len(views) < 2:
            raise InputError(f"{len(views)} views for a canonical correlation analysis", remedy="give two or more")
        tables = [float_matrix(view, f"view {place}", dtype=torch.float64) for place, view in enumerate(views)]
        if len({len(table) for table in tables}) != 1:
            raise InputError(f"views of {', '.join(str(len(table)) for table in tables)} rows", remedy="same samples")
        self.means_ = [table.mean(dim=0) for table in tables]
        whitened, whiteners = [], []
        for table, mean in zip(tables, self.means_, strict=True):
            centred = table - mean
            covariance = centred.T @ centred / len(table)
            variance = covariance.diagonal().mean().clamp_min(torch.finfo(covariance.dtype).tiny)
            covariance.diagonal().add_(self.ridge * variance)
            # D = L L', so w = L'^-1 v turns the generalised problem into an ordinary one for the whitened views.
            factor = torch.linalg.cholesky(covariance)
            identity = torch.eye(len(factor), dtype=factor.dtype, device=factor.device)
            whiteners.append(torch.linalg.solve_triangular(factor.T, identity, upper=True))
            whitened.append(centred @ whiteners[-1])
        joint = torch.cat(whitened, dim=1)
        values, vectors = torch.linalg.eigh(joint.T @ joint / len(joint))
        width = max(table.shape[1] for table in tables)
        width = width if self.dim is None else min(self.dim, joint.shape[1])
        values, vectors = values.flip(0)[:width], vectors.flip(1)[:, :width]
        self.correlations_ = ((values - 1) / (len(tables) - 1)).clamp(0, 1)
        self.weights_ = (values / len(tables)).clamp(0, 1) ** self.power
        parts = torch.split(vectors, [table.shape[1] for table in tables])
        self.maps_ = [whitener @ part for whitener, part in zip(whiteners, parts, strict=True)]
        return self

    def transform(self, rows: Any, view: int, *, mean: Tensor | None = None) -> Tensor:
        """Rows [N, D_v] of one view in the common space, float64 [N, dim].

        Args:
            rows: The rows.
            view: Which view they belong to.
            mean: What is taken off them; None: the view's mean.
        """
        if not hasattr(self, "maps_"):
            raise InputError("this MultiViewCCA is not fitted", remedy="call fit first")
        own = self.maps_[view]
        table = float_matrix(rows, "rows", columns=len(own), device=own.device, dtype=torch.float64)
        centred = table - (self.means_[view] if mean is None else mean)
        placed: Tensor = centred @ own * self.weights_
        return placed

    def state_dict(self) -> dict[str, Any]:
        """What :meth:`transform` needs."""
        return {"means": self.means_, "maps": self.maps_, "weights": self.weights_, "correlations": self.correlations_}

    def load_state_dict(self, state: Mapping[str, Any]) -> MultiViewCCA:
        """Take over what :meth:`state_dict` gave."""
        self.means_, self.maps_ = list(state["means"]), list(state["maps"])
        self.weights_, self.correlations_ = state["weights"], state["correlations"]
        return self
