"""Ids of entities and relations that people give, checked before they are used as such."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from kgzsl.errors import InputError

__all__ = ["check_range", "checked_facts", "whole_ids"]


def whole_ids(given: Any, what: str) -> Tensor:
    """Tensor, array or list of whole numbers as int64.

    Raises:
        InputError: They are no whole numbers.
    """
    try:
        # Views that run backwards are no tensors.
        ids = torch.as_tensor(np.ascontiguousarray(given) if isinstance(given, np.ndarray) else given)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{what} are no ids ({error})", remedy="give whole numbers") from None
    # An empty list has no kind of its own.
    if ids.numel() and (ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool):
        raise InputError(f"{what} are {str(ids.dtype).removeprefix('torch.')}, not ids", remedy="give whole numbers")
    return ids.to(torch.int64)


def check_range(ids: Tensor, count: int, what: str) -> None:
    """Refuse ids that are not in ``0 .. count - 1``: a negative one would count from the end.

    Raises:
        InputError: One is not.
    """
    if ids.numel() and (int(ids.min()) < 0 or int(ids.max()) >= count):
        wrong = ids[(ids < 0) | (ids >= count)].flatten()[0]
        raise InputError(f"{int(wrong)} is no {what} id: there are {count}")


def checked_facts(triples: Any, entities: int, relations: int) -> Tensor:
    """Triples of ids as int64 [T, 3] on the CPU.

    Raises:
        InputError: They have another shape, are no whole numbers, or out of range.
    """
    facts = whole_ids(triples, "facts").cpu()
    if not facts.numel():
        return facts.new_zeros(0, 3)
    if facts.ndim != 2 or facts.shape[1] != 3:
        raise InputError(f"facts have the shape {tuple(facts.shape)}", remedy="give [T, 3]: head, relation, tail")
    check_range(facts[:, [0, 2]], entities, "entity")
    check_range(facts[:, 1], relations, "relation")
    return facts
