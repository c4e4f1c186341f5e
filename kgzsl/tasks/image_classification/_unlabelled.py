"""The one door to unlabelled rows: what comes through it, and who may be given it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kgzsl import generators
from kgzsl.classifiers.needs import takes_unlabeled
from kgzsl.errors import InputError
from kgzsl.tasks.image_classification._inputs import as_features

__all__ = ["Unlabelled", "as_unlabelled", "check_use", "looks"]

_KINDS = ("unseen", "any")


@dataclass(frozen=True)
class Unlabelled:
    """Features without labels, at least one of both.

    Args:
        unseen: Rows [M, D] that are known to be of unseen classes.
        any: Rows [M, D] of any class.
    """

    unseen: Tensor | None = None
    any: Tensor | None = None

    @property
    def of_unseen(self) -> Tensor:
        """What those look at who ask about unseen classes alone."""
        rows = self.any if self.unseen is None else self.unseen
        assert rows is not None
        return rows

    @property
    def of_any(self) -> Tensor:
        """What those look at who ask about all classes."""
        rows = self.unseen if self.any is None else self.any
        assert rows is not None
        return rows

    def to(self, device: torch.device) -> Unlabelled:
        """The same on ``device``."""
        return Unlabelled(*(None if rows is None else rows.to(device) for rows in (self.unseen, self.any)))

    def state_dict(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {kind: getattr(self, kind) for kind in _KINDS}


def as_unlabelled(given: Any, *, dim: int) -> Unlabelled:
    """What was handed to ``fit(..., unlabeled=)``.

    Args:
        given: A matrix [M, D], or ``{"unseen": matrix, "any": matrix}`` with one or both.
        dim: D.

    Raises:
        InputError: Labels beside the rows, an unknown kind, no rows, or rows that do not fit.
    """
    if isinstance(given, tuple) or hasattr(given, "labels"):
        raise InputError(
            "unlabelled rows came with something beside them, which may be their labels",
            remedy="give the features alone: unlabeled=X",
        )
    if not isinstance(given, Mapping):
        return Unlabelled(any=_rows(given, "unlabeled", dim))
    kinds = {str(kind): rows for kind, rows in given.items() if rows is not None}
    unknown = [kind for kind in kinds if kind not in _KINDS]
    if unknown or not kinds:
        raise InputError(
            f"unlabeled says {unknown[0]!r}" if unknown else "unlabeled is empty",
            remedy='give a matrix, or {"unseen": rows of unseen classes, "any": rows of any class}; never labels',
        )
    return Unlabelled(**{kind: _rows(rows, f"unlabeled, {kind}", dim) for kind, rows in kinds.items()})


def _rows(given: Any, what: str, dim: int) -> Tensor:
    if isinstance(given, tuple):
        raise InputError(f"{what}: a pair, whose second half may be labels", remedy="give the features alone")
    try:
        rows = as_features(given, dim=dim)
    except InputError as error:
        raise InputError(f"{what}: {error.problem}", place=error.place, remedy=error.remedy) from None
    if not len(rows):
        raise InputError(f"{what}: there are no rows", remedy="give at least one, or leave unlabeled out")
    return rows


def looks(generator: str | None, classifier: str) -> list[str]:
    """Which of the two look at unlabelled rows, spoken: ``["the generator 'f-vaegan'"]``."""
    found = [] if generator is None or not generators.takes_unlabeled(generator) else [f"the generator {generator!r}"]
    return [*found, *([f"the classifier {classifier!r}"] if takes_unlabeled(classifier) else [])]


def check_use(generator: str | None, classifier: str, prior_head: str | None, *, given: bool) -> None:
    """Refuse unlabelled rows that nothing looks at, and parts that look at some and are given none.

    Raises:
        InputError: Either of both, or a prior head that looks at unlabelled rows.
    """
    if prior_head is not None and takes_unlabeled(prior_head):
        raise InputError(f"the prior head {prior_head!r} looks at unlabelled rows", remedy="give eszsl")
    if takes_unlabeled(classifier) and not given:
        raise InputError(
            f"the classifier {classifier!r} looks at unlabelled rows, and there are none",
            remedy="give fit(..., unlabeled=X)",
        )
    if given and not looks(generator, classifier):
        raise InputError(
            f"nothing looks at the unlabelled rows: neither the generator {generator!r} nor the classifier "
            f"{classifier!r}",
            remedy="leave unlabeled out, or choose cascade, self-training, multi-view, f-vaegan or tf-vaegan",
        )
