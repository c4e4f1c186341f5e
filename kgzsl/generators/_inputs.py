"""What generators are given, to tensors: training data, weights of rows, priors and features to answer for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from kgzsl._options import check_count, check_kind
from kgzsl._tensors import number_tensor
from kgzsl.engine import Engine
from kgzsl.errors import InputError

__all__ = ["asked_rows", "check_draw", "table_of", "training_data", "training_engine", "unequal_weights"]


def training_data(features: Any, labels: Any, priors: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Features [N, D], labels int64 [N] and priors [C, P] as tensors, of which a generator can learn.

    Raises:
        InputError: The first thing that is wrong, with its place.
    """
    features, priors = number_tensor(features, "features"), number_tensor(priors, "priors")
    labels = number_tensor(labels, "labels", remedy="give the row of priors of each row of features, an integer")
    if features.ndim != 2 or priors.ndim != 2 or labels.shape != features.shape[:1]:
        raise InputError(
            f"features {tuple(features.shape)}, labels {tuple(labels.shape)}, priors {tuple(priors.shape)} do not fit",
            remedy="give features [N, D], labels [N] and priors [C, P]",
        )
    if len(features) == 0:
        raise InputError("there are no training features", remedy="give at least one row of a seen class")
    whole = not labels.is_floating_point() and labels.dtype != torch.bool
    if not whole or bool(((labels < 0) | (labels >= len(priors))).any()):
        raise InputError(
            f"labels must be integers in 0..{len(priors) - 1}", remedy="number the classes as the priors' rows"
        )
    _check_finite(features, "features")
    _check_finite(priors, "priors")
    return features, labels.long(), priors


def training_engine(engine: Engine | None) -> Engine:
    """``engine``, or a silent one.

    Raises:
        InputError: Something else.
    """
    check_kind(engine, "engine", Engine, 'an Engine, such as Engine(device="cpu")')
    return engine or Engine(progress=False)


def unequal_weights(sample_weight: Any, features: Tensor) -> Tensor | None:
    """Weights of the rows of ``features``, float64 [N] with a mean of 1 on their device; None for equal ones.

    Raises:
        InputError: Another number of weights, negative or infinite ones, or nothing but zeros.
    """
    if sample_weight is None:
        return None
    weights = number_tensor(sample_weight, "sample_weight", device=features.device, remedy="give one weight a row")
    weights = weights.to(torch.float64)
    if weights.shape != features.shape[:1] or not bool(torch.isfinite(weights).all() and (weights >= 0).all()):
        raise InputError("sample_weight must hold one weight a row, none negative or infinite")
    if not bool(weights.any()):
        raise InputError("sample_weight is 0 for every row", remedy="give some class a weight")
    return None if bool((weights == weights[0]).all()) else weights / weights.mean()


def asked_rows(prior_rows: Any, width: int) -> Tensor:
    """Priors [R, P] that a generator for ``width`` numbers is asked for.

    Raises:
        InputError: Another shape, NaN or infinite values.
    """
    rows = number_tensor(prior_rows, "priors", remedy="give a matrix of numbers [R, P]")
    if rows.ndim != 2 or rows.shape[1] != width:
        raise InputError(f"priors of shape {tuple(rows.shape)} do not fit a generator for {width}-d")
    _check_finite(rows, "priors")
    return rows


def check_draw(n: Any, generator: Any) -> None:
    """Refuse what is no number of samples, and no random state.

    Raises:
        InputError: One of them is not.
    """
    check_count(n, "n", least=0)
    check_kind(generator, "generator", torch.Generator, "a torch.Generator")


def table_of(features: Any, width: int, what: str = "features") -> Tensor:
    """Features (or ``what`` they are) [N, ``width``], for a generator that knows such.

    Raises:
        InputError: Another shape, NaN or infinite values.
    """
    table = number_tensor(features, what)
    if table.ndim != 2 or table.shape[1] != width:
        raise InputError(f"{what} of shape {tuple(table.shape)} do not fit a generator of {width}-d ones")
    _check_finite(table, what)
    return table


def _check_finite(table: Tensor, what: str) -> None:
    bad = ~torch.isfinite(table).all(dim=1)
    if bool(bad.any()):
        raise InputError(
            f"{what} hold NaN or infinite values",
            place=f"row {int(bad.nonzero()[0, 0])} ({int(bad.sum())} rows in all)",
            remedy="remove or repair these rows",
        )
