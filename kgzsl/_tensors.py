"""Numbers of any usual kind as tensors, and names as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kgzsl.errors import InputError

__all__ = ["float_matrix", "number_tensor", "rank_of_names"]


def number_tensor(
    values: Any, what: str, *, device: torch.device | str | None = None, remedy: str = "give a matrix of numbers [N, D]"
) -> Tensor:
    """``values`` (tensor, array, data frame, nested list) as a tensor of real numbers, in their own type.

    Args:
        values: The numbers; texts are read as numbers.
        what: What they are called in messages: ``"X"``.
        device: Where the result lives; None leaves a tensor where it is.
        remedy: What to give instead of something else.

    Raises:
        InputError: No numbers, or complex ones.
    """
    if hasattr(values, "to_numpy"):
        values = values.to_numpy()
    try:
        if not isinstance(values, Tensor):
            values = np.asarray(values)
            values = values.astype(np.float64) if values.dtype.kind in "USO" else values
            values = values if values.flags.writeable else values.copy()  # tensors cannot share read-only memory
        tensor: Tensor = torch.as_tensor(values, device=device).detach()  # what made it learns nothing here
        if tensor.is_complex():
            raise TypeError("complex numbers")
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} is not numeric ({error})", remedy=remedy) from error
    return tensor


def float_matrix(
    values: Any,
    what: str,
    *,
    columns: int | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """``values`` (tensor, array, data frame, nested list) as a finite floating matrix.

    Args:
        values: [N, D].
        what: What it is called in messages: ``"X"``.
        columns: The D that is asked for; None takes any.
        device: Where the result lives; None leaves a tensor where it is.
        dtype: Type of the result.

    Raises:
        InputError: Not a matrix, no rows, another D, NaN or infinite values (the first bad row is named), or a CUDA
            device where there is none.
    """
    if device is not None and torch.device(device).type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device is {str(device)!r}, but torch finds no CUDA GPU", remedy="leave it out, or give cpu")
    matrix = number_tensor(values, what, device=device).to(dtype)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise InputError(f"{what} has shape {tuple(matrix.shape)}", remedy="give a matrix [N, D] with at least one row")
    if columns is not None and matrix.shape[1] != columns:
        raise InputError(f"{what} has {matrix.shape[1]} columns where {columns} were expected")
    finite = torch.isfinite(matrix).all(dim=1)
    if not bool(finite.all()):
        bad = int((~finite).nonzero()[0])
        raise InputError(f"{what} holds NaN or infinite values", place=f"row {bad}", remedy="clean or drop such rows")
    return matrix


def rank_of_names(names: Sequence[str]) -> Tensor:
    """int64 [N], the place of each name among all of them, sorted."""
    order = torch.tensor(sorted(range(len(names)), key=names.__getitem__), dtype=torch.int64)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order))
    return rank
