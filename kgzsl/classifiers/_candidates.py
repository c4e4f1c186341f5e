"""Class priors and candidate classes, as zero-shot classifiers take them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kgzsl.classifiers._inputs import class_labels, float_matrix, plain
from kgzsl.errors import InputError, nearest

__all__ = ["candidate_rows", "frame_names", "label_rows", "one_prior", "prior_matrix"]


def frame_names(priors: Any) -> list[str] | None:
    """The class names that index a data frame of priors; None where there are none.

    Raises:
        InputError: A name that stands there twice.
    """
    if not hasattr(priors, "to_numpy") or not hasattr(priors, "index"):
        return None
    names: list[Any] = priors.index.tolist()
    if not names or not all(isinstance(name, str) for name in names):
        return None
    if len(set(names)) != len(names):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise InputError(f"priors have two rows of {twice!r}", remedy="give each class one row")
    return names


def prior_matrix(priors: Any, device: torch.device) -> tuple[np.ndarray, Tensor]:
    """Names [C] and rows float64 [C, P] of ``priors``: a ``ClassPriors``, a data frame that class names index, or a
    bare matrix whose names are 0..C-1."""
    names = frame_names(priors) or getattr(priors, "names", None)
    matrix = float_matrix(getattr(priors, "matrix", priors), "priors", device=device, dtype=torch.float64)
    return (np.arange(len(matrix)) if names is None else np.array(names)), matrix


def one_prior(prior: Any, columns: int, device: torch.device) -> Tensor:
    """The row of one class, float32 [1, P], of a vector or a table of one row.

    Raises:
        InputError: More rows than one, another P, NaN.
    """
    row = float_matrix(np.atleast_2d(plain(prior)), "prior", columns=columns, device=device)
    if len(row) != 1:
        raise InputError(f"the prior of one class has {len(row)} rows", remedy="give one row, and call once a class")
    return row


def label_rows(y: Any, names: np.ndarray, what: str = "y") -> np.ndarray:
    """The row of each label among the prior names, int64 [N].

    Raises:
        InputError: No list of labels, a row without one, or a label without a prior; the nearest names are given.
    """
    given = plain(y)
    if given.ndim != 1:
        raise InputError(f"{what} has shape {given.shape}", remedy="give one label a row")
    labels, inverse = np.unique(class_labels(y, len(given), what), return_inverse=True)
    rows = {name: row for row, name in enumerate(names.tolist())}
    missing = [label for label in labels.tolist() if label not in rows]
    if missing:
        close = nearest(str(missing[0]), [str(name) for name in names])
        raise InputError(
            f"{len(missing)} classes have no prior: {', '.join(map(str, missing[:5]))}",
            remedy=f"did you mean {close[0]!r}?" if close else "give a prior for every class that has samples",
        )
    found: np.ndarray = np.array([rows[label] for label in labels.tolist()], dtype=np.int64)[inverse]
    return found


def candidate_rows(candidates: str | Sequence[Any], names: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Rows of the classes that may be answered: ``"all"``, ``"seen"``, ``"unseen"`` or a list of names.

    Raises:
        InputError: An unknown word or name, or no class at all.
    """
    if isinstance(candidates, str):
        masks = {"all": np.ones_like(seen), "seen": seen, "unseen": ~seen}
        if candidates not in masks:
            raise InputError(
                f"candidates is {candidates!r}", remedy="choose all, seen, unseen, or give a list of names"
            )
        chosen: np.ndarray = np.flatnonzero(masks[candidates])
    else:
        if not isinstance(candidates, Iterable):
            raise InputError(
                f"candidates is {candidates!r}", remedy="choose all, seen, unseen, or give a list of names"
            )
        listed = plain(candidates if hasattr(candidates, "__len__") else list(candidates))
        chosen = label_rows(listed, names, "the list of candidates") if len(listed) else np.zeros(0, dtype=np.int64)
    if not len(chosen):
        raise InputError("there is no candidate class to answer with", remedy="check the candidates and the priors")
    return chosen
