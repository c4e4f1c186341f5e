"""Prioritised augmentation: seen classes count as far as they lie near the unseen ones."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kgzsl import classifiers
from kgzsl._options import check_choice
from kgzsl.classifiers import class_distances, relevance
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.knowledge.distances import DISTANCES

if TYPE_CHECKING:
    from kgzsl.recipe import ImageRecipe

__all__ = ["asked_relevance", "class_weights", "needs_graph", "require_weights", "takes_weights"]

_NEAREST = 1e-6  # two distances closer than this are one


def takes_weights(kind: Any) -> bool:
    """Whether ``fit`` of a classifier (a name or a class) or a generator takes a weight for each row."""
    kind = classifiers.classifiers.find(kind) if isinstance(kind, str) else kind
    parameters = inspect.signature(kind.fit).parameters
    # A generator may hand on what its base takes (f-VAEGAN does).
    passed_on = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values())
    return bool(passed_on or "sample_weight" in parameters)


def require_weights(part: str, name: Any, kind: Any = None) -> None:
    """Refuse a classifier or generator whose ``fit`` takes no weights of rows.

    Args:
        part: Which of the two, for the message.
        name: Its name.
        kind: It, or its class, where the name alone does not find it.

    Raises:
        InputError: It takes none.
    """
    if not takes_weights(name if kind is None else kind):
        others = "choose eszsl, nearest-prior, ale, sje or devise, or " if part == "classifier" else ""
        raise InputError(f"the {part} {name!r} takes no weights of rows", remedy=f"{others}leave relevance out")


def asked_relevance(
    recipe: ImageRecipe, chosen: Mapping[str, Any] | None, graph: ClassGraph | None, shuffle: int | None
) -> dict[str, Any] | None:
    """What a recipe asks for, with the options that were ``chosen`` by a search, and the graph it goes by.

    Args:
        recipe: Its ``relevance`` may be None; then the answer is.
        chosen: Options in place of the recipe's.
        graph: The class graph.
        shuffle: Seed of a shuffled graph in its place.

    Raises:
        InputError: The metric needs a graph, and there is none.
    """
    if recipe.relevance is None:
        return None
    options = {**recipe.relevance.model_dump(exclude_none=True), **(chosen or {})}
    if not needs_graph(options):
        return options
    if graph is None:
        raise InputError(
            f"relevance by {options['metric']} needs a class graph",
            **recipe.where("relevance"),
            remedy="give graph: {source: ...}, or metric: priors",
        )
    return {**options, "graph": graph if shuffle is None else graph.shuffled(shuffle)}


def needs_graph(options: Mapping[str, Any]) -> bool:
    """Whether the distances are those of the class graph."""
    return bool(options.get("metric", "hops") != "priors")


def class_weights(
    options: Mapping[str, Any], priors: ClassPriors, is_seen: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Weights of the seen classes with a mean of 1, 0 for the unseen ones: float64 [C].

    Args:
        options: Of :func:`kgzsl.classifiers.relevance`, and ``metric`` (``"hops"``, ``"weighted"``, ``"resistance"`` of
            ``graph``, or ``"priors"``: one minus the cosine of the priors), ``taxonomy``, ``graph``.
        priors: All classes.
        is_seen: bool [C].

    Raises:
        InputError: No graph for a metric that needs one, a class that is not in it, an unknown option.
    """
    given = dict(options)
    metric, graph, upwards = given.pop("metric", "hops"), given.pop("graph", None), given.pop("taxonomy", False)
    check_choice(metric, "metric of relevance", (*DISTANCES, "priors"))
    weights = is_seen.astype(np.float64)
    if is_seen.all() or not is_seen.any():
        return weights
    seen, unseen = ([priors.names[i] for i in np.flatnonzero(kind)] for kind in (is_seen, ~is_seen))
    if metric == "priors":
        unit = priors.normalised("l2")
        cosine = unit.align(seen).matrix.astype(np.float64) @ unit.align(unseen).matrix.astype(np.float64).T
        distances = np.clip(1.0 - cosine, 0.0, None)
    elif graph is None:
        raise InputError(
            f"relevance by {metric} needs a class graph", remedy="give graph: {source: ...}, or metric: priors"
        )
    else:
        distances = class_distances(graph.taxonomy() if upwards else graph, seen, unseen, metric=metric)
    found = relevance(distances, **given)
    if len(found) > 1 and given.get("strength", 1.0) and np.ptp(found) < _NEAREST:
        warnings.warn(
            "relevance weighs all seen classes alike: by this metric they are equally far from the unseen ones; "
            "taxonomy: true keeps to the edges that lead upwards, metric: resistance counts all ways",
            stacklevel=2,
        )
    weights[is_seen] = found
    return weights
