"""What a class that joins a trained encoder differs by from training again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors

__all__ = ["EXACT", "Growth", "against_training_again", "came_from", "grown_priors", "same_relations"]

Float = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Growth:
    """How what was added without retraining compares with retraining.

    Args:
        difference: Distance between the new classes' vectors and those that retraining gives, over the length of the
            latter (the largest of the new classes); 0 where nothing is trained; None where it was not asked for.
        bound: What ``difference`` cannot exceed; how it is known is said by each encoder's ``add_class``.
        moved: The same distance for the old classes, on average: what retraining changes in any case.
    """

    difference: float | None = None
    bound: float | None = None
    moved: float | None = None


EXACT = Growth(0.0, 0.0, 0.0)
"""Of encoders that train nothing: a class added is what a new fit gives."""


def against_training_again(old: Float, old_again: Float, new: Float, new_again: Float) -> Growth:
    """Compare the vectors of a grown encoder with those of one that was trained again.

    Two trainings may differ by a turn of the space and its size, which no user of the vectors sees; so the second is
    first laid over the first by the best turn and scale of the old classes (orthogonal Procrustes, Schonemann 1966).
    The bound is the triangle inequality: two vectors are at most as far apart as they are long together.

    Args:
        old: Float [n, D], the old classes in the grown encoder.
        old_again: Float [n, E], the same in the one trained again; E may differ from D.
        new: Float [k, D], the new classes.
        new_again: Float [k, E].
    """
    size = max(old.shape[1], old_again.shape[1])
    old, old_again, new, new_again = (
        np.pad(part.astype(np.float64), ((0, 0), (0, size - part.shape[1])))
        for part in (old, old_again, new, new_again)
    )
    left, values, right = np.linalg.svd(old_again.T @ old)
    turn = left @ right * (values.sum() / max(float((old_again**2).sum()), 1e-300))
    old_again, new_again = old_again @ turn, new_again @ turn
    length = np.maximum(np.linalg.norm(new_again, axis=1), 1e-12)
    gap = np.linalg.norm(new - new_again, axis=1) / length
    bound = (np.linalg.norm(new, axis=1) + length) / length
    moved = np.linalg.norm(old - old_again, axis=1) / np.maximum(np.linalg.norm(old_again, axis=1), 1e-12)
    return Growth(float(gap.max()), float(bound.max()), float(moved.mean()))


def grown_priors(found: ClassPriors, growth: Growth) -> ClassPriors:
    """``found``, with what is known of its growth in ``made["growth"]``."""
    return ClassPriors(found.names, found.matrix, {**found.made, "growth": asdict(growth)})


def came_from(before: Iterable[str], after: Iterable[str]) -> npt.NDArray[np.int64]:
    """int64 [N]: where each IRI of ``after`` stood in ``before``; -1 for new ones.

    Raises:
        InputError: One of ``before`` is gone.
    """
    place = {name: number for number, name in enumerate(before)}
    names = tuple(after)
    gone = set(place) - set(names)
    if gone:
        raise InputError(
            f"the graph no longer has {sorted(gone)[0]!r}", remedy="add to the graph, and take nothing away"
        )
    return np.array([place.get(name, -1) for name in names], dtype=np.int64)


def same_relations(after: Iterable[str], before: Iterable[str]) -> None:
    """See that the relations ``after`` were all there ``before``.

    Raises:
        InputError: One of them was not.
    """
    known = set(before)
    for relation in after:
        if relation not in known:
            raise InputError(
                f"the relation {relation!r} was not there when the encoder was trained",
                remedy="fit the encoder again",
            )
