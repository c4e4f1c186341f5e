"""Features, labels and masks of any usual type, to tensors; shared by the classifiers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kgzsl._tensors import float_matrix, number_tensor
from kgzsl.errors import InputError

__all__ = [
    "check_finite",
    "check_label",
    "class_indices",
    "class_labels",
    "class_mask",
    "distributions",
    "float_matrix",
    "missing_label",
    "plain",
    "row_weights",
    "rows_per_chunk",
    "with_label",
]


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
    others = {np.asarray(classes[:1]).dtype.kind} if len(classes) else {kind}
    if kind not in "USiufb" or label != label or (others != {kind} and {kind, *others} & {"U", "S"}):
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


def row_weights(sample_weight: Any | None, rows: Tensor) -> Tensor:
    """One weight a row of ``rows``, of their type and on their device, scaled to a mean of 1; all 1 for None.

    Raises:
        InputError: Another number of weights, a negative or infinite one, or nothing but zeros.
    """
    if sample_weight is None:
        return torch.ones(len(rows), dtype=rows.dtype, device=rows.device)
    weights = number_tensor(sample_weight, "sample_weight", device=rows.device, remedy="give one weight a row")
    weights = weights.to(rows.dtype)
    positive = weights.shape == rows.shape[:1] and bool(torch.isfinite(weights).all()) and bool((weights >= 0).all())
    if not positive or not bool(weights.sum() > 0):
        raise InputError("sample_weight must hold one weight a row, none negative, not all zero")
    return weights * (len(weights) / weights.sum())


def class_mask(values: Any, what: str = "unseen_mask") -> Tensor:
    """``values`` as a mask of classes, bool [C]: True and False, or 1 and 0.

    Raises:
        InputError: Something else; numbers of classes, say, which are no mask.
    """
    remedy = "give True or False for each class"
    mask = number_tensor(values, what, remedy=remedy)
    if mask.ndim != 1 or (mask.dtype != torch.bool and not bool(((mask == 0) | (mask == 1)).all())):
        told = f"has shape {tuple(mask.shape)}" if mask.ndim != 1 else "holds other numbers than 0 and 1"
        raise InputError(f"{what} {told}", remedy=remedy)
    return mask.bool()


def distributions(
    values: Any,
    what: str = "probabilities",
    *,
    columns: int | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """``values`` [N, C] as probabilities, see :func:`float_matrix`.

    Sums are looked at to three digits, or as closely as numbers of half precision can tell.

    Raises:
        InputError: As there, or rows that are no distributions: logits, say.
    """
    given = number_tensor(values, what)
    shares = float_matrix(given, what, columns=columns, device=device, dtype=dtype)
    slack = 1e-3
    if given.is_floating_point():
        # Rounding moves each share by half of eps of it, or of the least normal number.
        kind = torch.finfo(given.dtype)
        slack = max(slack, kind.eps * (1 + shares.shape[1] * kind.tiny / 2))
    wrong = (shares < 0).any(dim=1) | ((shares.sum(dim=1) - 1).abs() > slack)
    if bool(wrong.any()):
        row = int(wrong.nonzero()[0])
        raise InputError(
            f"{what} holds no probabilities: rows must not be negative and must sum to 1",
            place=f"row {row}",
            remedy="apply a softmax",
        )
    return shares


def rows_per_chunk(bytes_per_row: int, budget: int) -> int:
    """How many rows fit in ``budget`` bytes, at least one."""
    return int(max(1, budget // max(1, bytes_per_row)))
