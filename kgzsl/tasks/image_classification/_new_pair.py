"""A pair that joins a finished run, found by what a class graph says of its parts."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kgzsl.classifiers.compositional import Compositions, pair_name
from kgzsl.errors import InputError

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph
    from kgzsl.tasks.image_classification.zero_shot_classifier import ZeroShotClassifier

__all__ = ["pair_of"]


def pair_of(graph: ClassGraph, name: str, spec: Mapping[str, Any] | None, model: ZeroShotClassifier) -> str | None:
    """What the open world of ``model`` calls the class ``name``, by what the graph says of its parts.

    Args:
        graph: Has the class and its two parts.
        name: Its name or IRI.
        spec: ``compositions`` of the recipe; None where classes are no pairs.
        model: The run's.

    Returns:
        None where no relation of the graph tells the parts.

    Raises:
        InputError: The class has no such parts, or nothing that the model may answer is made of them.
    """
    if not spec or not spec.get("attribute") or not spec.get("object"):
        return None
    told = Compositions.from_graph(graph, [name], (spec["attribute"], spec["object"]))
    (pair,) = told.pairs
    # A part goes by its IRI where its label is that of another part too.
    ways = itertools.product(*((part, told.iris[part]) for part in pair))
    found = [wanted for left, right in ways if (wanted := pair_name((left, right))) in (model.open_ or ())]
    if not found:
        raise InputError(
            f"{name!r} is {pair[0]!r} and {pair[1]!r}, which the run's open world does not have",
            remedy="it is a class already, is ruled out, or has a part that no class has: run the recipe again",
        )
    return found[0]
