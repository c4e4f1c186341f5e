"""How much each seen class matters for the unseen ones: weights from distances in the class graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kgzsl._options import check_choice, check_number
from kgzsl.classifiers._graph_rows import metric_rows
from kgzsl.errors import InputError

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph

__all__ = ["class_distances", "class_relevance", "relevance", "row_relevance"]


def relevance(
    distances: Any,
    *,
    kernel: str = "exponential",
    bandwidth: float | None = None,
    gather: str = "mean",
    strength: float = 1.0,
) -> npt.NDArray[np.float64]:
    """Weights of seen classes by their distance to the unseen ones, with a mean of 1.

    Xu, Hospedales and Gong, "Multi-Task Zero-Shot Action Recognition with Prioritised Data Augmentation" (ECCV 2016),
    section 4: training data count as far as they lie where the target classes do. Here the place of a class is its
    place in the graph. Equal distances give weights of exactly 1, so nothing changes.

    Args:
        distances: [S, U], seen to unseen classes; infinite where there is no way.
        kernel: ``"exponential"``, ``exp(-d / bandwidth)``, or ``"gaussian"``, ``exp(-(d / bandwidth)^2)``.
        bandwidth: What counts as near; None takes the median of the finite, positive distances.
        gather: ``"mean"`` of the kernel over the unseen classes, or ``"nearest"``: of the nearest one alone.
        strength: Power of the weights: 0 makes them equal, 1 leaves them, more tells them further apart.

    Returns:
        float64 [S]; all 1 where no seen class reaches an unseen one.

    Raises:
        InputError: Negative or NaN distances, an unknown option, a bandwidth that is not positive, or a negative
            strength.
    """
    try:
        table = np.asarray(distances, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"distances are not numeric ({error})", remedy="give distances [seen, unseen]") from error
    if table.ndim != 2 or 0 in table.shape or np.isnan(table).any() or (table < 0).any():
        raise InputError(
            f"distances of the shape {table.shape}, or negative or NaN ones", remedy="give distances [seen, unseen]"
        )
    check_choice(kernel, "kernel", ("exponential", "gaussian"))
    check_choice(gather, "gather", ("mean", "nearest"))
    check_number(strength, "strength")
    check_number(bandwidth, "bandwidth", zero=False, instead=(None,))
    if bandwidth is None:
        usable = table[np.isfinite(table) & (table > 0)]
        bandwidth = float(np.median(usable)) if len(usable) else 1.0
    scaled = table / bandwidth
    near = np.exp(-scaled if kernel == "exponential" else -(scaled**2))
    weights = near.mean(axis=1) if gather == "mean" else near.max(axis=1)
    if not weights.max() > 0:
        return np.ones(len(table))
    weights = (weights / weights.max()) ** strength
    result: npt.NDArray[np.float64] = weights / weights.mean()
    return result


def class_relevance(
    graph: ClassGraph,
    seen: Sequence[str],
    unseen: Sequence[str],
    *,
    mapping: Mapping[str, str] | None = None,
    metric: str = "hops",
    **options: Any,
) -> dict[str, float]:
    """:func:`relevance` of each seen class by its distances to the unseen ones.

    Args:
        graph: Where the classes lie.
        seen: Names of the classes with training data.
        unseen: Names of the classes to come; their labels or samples are not needed.
        mapping: Class name -> IRI, where the names do not find their node.
        metric: See :func:`class_distances`.
        options: Of :func:`relevance`.

    Raises:
        InputError: A class that is not in the graph (the nearest are named).
    """
    rows = class_distances(graph, seen, unseen, mapping=mapping, metric=metric)
    return dict(zip(map(str, seen), relevance(rows, **options).tolist(), strict=True))


def class_distances(
    graph: ClassGraph,
    seen: Sequence[str],
    unseen: Sequence[str],
    *,
    mapping: Mapping[str, str] | None = None,
    metric: str = "hops",
) -> npt.NDArray[np.float64]:
    """How far each seen class lies from each unseen one, float64 [S, U].

    Args:
        graph: Where the classes lie.
        seen, unseen: Names.
        mapping: Class name -> IRI, where the names do not find their node.
        metric: ``"hops"``, ``"weighted"`` or ``"resistance"``, see :func:`kgzsl.knowledge.distances.distances`.

    Raises:
        InputError: A class that is not in the graph (the nearest are named), or an unknown metric.
    """
    nodes = graph.align([*seen, *unseen], mapping=mapping).require()
    rows = metric_rows(graph, nodes[: len(seen)], nodes[len(seen) :], metric)
    return np.concatenate(list(rows)).astype(np.float64)


def row_relevance(y: Any, weights: Mapping[Any, float]) -> npt.NDArray[np.float64]:
    """The weight of each row by its class, float64 [N]: for ``fit(..., sample_weight=)``.

    Raises:
        InputError: A class without a weight.
    """
    labels, inverse = np.unique(np.asarray(y), return_inverse=True)
    missing = [label for label in labels.tolist() if label not in weights]
    if missing:
        raise InputError(f"the class {missing[0]!r} has no weight", remedy="give a weight for every class with rows")
    found: npt.NDArray[np.float64] = np.array([weights[label] for label in labels.tolist()], dtype=np.float64)
    return found[inverse]
