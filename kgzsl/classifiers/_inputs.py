"""Features and labels of any usual type, to tensors; shared by the classifiers."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kgzsl.errors import InputError

__all__ = [
    "check_finite",
    "check_label",
    "check_positive",
    "class_indices",
    "class_labels",
    "float_matrix",
    "missing_label",
    "plain",
    "row_weights",
    "rows_per_chunk",
    "with_label",
]


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
    if hasattr(values, "to_numpy"):
        values = values.to_numpy()
    try:
        if not isinstance(values, Tensor):
            values = np.asarray(values)
            values = values.astype(np.float64) if values.dtype.kind in "USO" else values
            values = values if values.flags.writeable else values.copy()  # tensors cannot share read-only memory
        matrix = torch.as_tensor(values, device=device).detach()  # what made it learns nothing here
        if matrix.is_complex():
            raise TypeError("complex numbers")
        matrix = matrix.to(dtype)
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} is not numeric ({error})", remedy="give a matrix of numbers [N, D]") from error
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise InputError(f"{what} has shape {tuple(matrix.shape)}", remedy="give a matrix [N, D] with at least one row")
    if columns is not None and matrix.shape[1] != columns:
        raise InputError(f"{what} has {matrix.shape[1]} columns where {columns} were expected")
    finite = torch.isfinite(matrix).all(dim=1)
    if not bool(finite.all()):
        bad = int((~finite).nonzero()[0])
        raise InputError(f"{what} holds NaN or infinite values", place=f"row {bad}", remedy="clean or drop such rows")
    return matrix


def plain(values: Any) -> np.ndarray:
    """A tensor, series, data frame or list as an array; one of objects takes the type that its values share."""
    if isinstance(values, Tensor):
        values = values.detach().cpu().numpy()
    elif hasattr(values, "to_numpy"):
        values = values.to_numpy()
    array = np.asarray(values)
    if array.dtype.kind == "O":
        kept = array.tolist()
        return array if _mixed(kept) else np.array(kept)
    return array if array.flags.writeable else array.copy()  # tensors cannot share read-only memory


def class_labels(y: Any, rows: int, what: str = "y") -> np.ndarray:
    """``y`` as an array [N]; ``what`` is what it is called in messages.

    Raises:
        InputError: Not one label a row, a label that is missing, or names beside numbers.
    """
    labels = plain(y)
    if labels.ndim != 1 or len(labels) != rows:
        raise InputError(f"{what} has shape {labels.shape} for {rows} rows of X", remedy="give one label a row")
    missing = missing_label(labels)
    if missing is not None:
        raise InputError(f"{what} has a row without a label", place=f"row {missing}", remedy="drop such rows")
    if labels.dtype.kind == "O" or (labels.dtype.kind in "US" and _mixed(y)):
        raise InputError(f"{what} has labels of several types", remedy="give all of them as names, or all as integers")
    return labels


def _mixed(values: Any) -> bool:
    """Whether a list holds both texts and other things, which numpy would make texts of."""
    if not isinstance(values, list | tuple):
        return False
    texts = {isinstance(value, str) for value in values}
    return len(texts) > 1 or any(value is None for value in values)


def missing_label(labels: np.ndarray) -> int | None:
    """The first row that has no label: None, or NaN."""
    if labels.dtype.kind == "f":
        absent = np.isnan(labels)
    elif labels.dtype.kind == "O":
        absent = np.array([value is None or value != value for value in labels.tolist()])
    else:
        return None
    return int(absent.argmax()) if absent.any() else None


def class_indices(y: Any, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """The distinct labels of ``y``, sorted, and each label's place among them (int64 [N])."""
    labels = class_labels(y, rows)
    classes, encoded = np.unique(labels, return_inverse=True)
    return classes, encoded.astype(np.int64)


def with_label(classes: np.ndarray, label: Any) -> tuple[np.ndarray, int]:
    """``classes`` with one more label at its place, and that place; a longer name is not cut to the others' length.

    Raises:
        InputError: A name among numbers, or a number among names.
    """
    check_label(classes.tolist(), label)
    place = int(np.searchsorted(classes, label))
    return np.concatenate([classes[:place], np.asarray([label]), classes[place:]]), place


def check_label(classes: Sequence[Any], label: Any) -> None:
    """Refuse to put ``label`` beside ``classes``, where one array of both would make names of numbers.

    Raises:
        InputError: A name among numbers, a number among names, or something else.
    """
    kind = np.asarray([label]).dtype.kind
    if kind not in "USiufb" or label != label or (len(classes) and (kind in "US") != isinstance(classes[0], str)):
        told, *known = np.asarray([label]).tolist() + np.asarray(classes[:1]).tolist()
        first = f" than {known[0]!r} and the others" if known else ""
        raise InputError(f"the label {told!r} is of another type{first}", remedy="give a name, or an integer")


def check_finite(learnt: Tensor, owner: str) -> None:
    """Refuse to go on with weights that a training has blown up.

    Raises:
        InputError: NaN or infinite values.
    """
    if not bool(torch.isfinite(learnt).all()):
        raise InputError(f"the training of {owner} diverged: its weights are NaN or infinite", remedy="lower lr")


def check_positive(**weights: Any) -> None:
    """Refuse weights that are no finite numbers above 0.

    Raises:
        InputError: The first such weight, by its name.
    """
    for name, value in weights.items():
        if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < float("inf"):
            raise InputError(f"{name} is {value!r}", remedy="give a positive ridge weight")


def row_weights(sample_weight: Any | None, rows: Tensor) -> Tensor:
    """One weight a row of ``rows``, of their type and on their device, scaled to a mean of 1; all 1 for None.

    Raises:
        InputError: Another number of weights, a negative or infinite one, or nothing but zeros.
    """
    if sample_weight is None:
        return torch.ones(len(rows), dtype=rows.dtype, device=rows.device)
    weights = torch.as_tensor(sample_weight, dtype=rows.dtype, device=rows.device)
    positive = weights.ndim == 1 and bool(torch.isfinite(weights).all()) and bool((weights >= 0).all())
    if len(weights) != len(rows) or not positive or not bool(weights.sum() > 0):
        raise InputError("sample_weight must hold one weight a row, none negative, not all zero")
    return weights * (len(weights) / weights.sum())


def rows_per_chunk(bytes_per_row: int, budget: int) -> int:
    """How many rows fit in ``budget`` bytes, at least one."""
    return max(1, budget // max(1, bytes_per_row))
