"""Ridge regression of classes on classes, and what it misses of a class that it was not given."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["choose_ridge", "leave_one_out"]

_GRID = tuple(10.0 ** (k / 2) for k in range(-8, 5))


def leave_one_out(gram: Tensor, targets: Tensor, penalty: float) -> Tensor:
    """What ridge regression with ``penalty`` misses of each target when it is fitted without it, exactly.

    With H = (K + penalty I)^-1 the residual of row i, left out, is (H Y)_i / H_ii.

    Args:
        gram: K [C, C].
        targets: Y [C, D].
        penalty: Above 0.

    Returns:
        Targets minus predictions [C, D].
    """
    identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    inverse = torch.linalg.inv(gram + penalty * identity)
    missed: Tensor = torch.mm(inverse, targets) / inverse.diagonal()[:, None]
    return missed


def choose_ridge(gram: Tensor, targets: Tensor, ridge: float | str) -> tuple[float, dict[float, float], Tensor]:
    """The ridge to use, in units of the kernel's mean diagonal.

    Args:
        gram: K [C, C].
        targets: Y [C, D].
        ridge: A weight, or ``"auto"``: the one of a grid whose left-out error is least.

    Returns:
        The weight; for each weight tried its left-out error over the targets' mean square; what the chosen one misses.
    """
    grid: Sequence[float] = _GRID if isinstance(ridge, str) else (float(ridge),)
    size, unit = float(gram.diagonal().mean()), float(targets.square().mean()) or 1.0
    missed = {one: leave_one_out(gram, targets, one * size) for one in grid}
    errors = {one: float(rest.square().mean()) / unit for one, rest in missed.items()}
    best = min(errors, key=lambda one: errors[one])
    return best, errors, missed[best]
