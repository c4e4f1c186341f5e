"""Priors of attribute-object pairs from those of attributes and objects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kgzsl._options import check_choice, check_count, check_number
from kgzsl.classifiers.compositional.graph import Pair, pair_name
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors

__all__ = ["pair_priors"]


def pair_priors(
    primitives: ClassPriors,
    pairs: Sequence[Pair],
    *,
    combine: str = "concat",
    graph: ClassGraph | None = None,
    steps: int = 2,
    weight: float = 0.5,
) -> ClassPriors:
    """The prior of each pair, seen or not, for any classifier or generator that takes ``ClassPriors``.

    Args:
        primitives: Priors of all attributes and objects, by name.
        pairs: The K pairs.
        combine: ``"concat"``: attribute beside object, [K, 2 P]; ``"mean"``: their mean, [K, P]; ``"graph"``: means
            that then exchange with their neighbours in ``graph``, so that a pair also hears of pairs that share its
            attribute or object: ``x <- (1 - weight) x + weight mean(x of neighbours)``, ``steps`` times.
        graph: Of :func:`composition_graph`, for ``combine="graph"``.
        steps: How far pairs hear.
        weight: How much they take from neighbours.

    Raises:
        InputError: A primitive without a prior, an unknown way to combine, or a pair that the graph lacks.
    """
    check_choice(combine, "combine", ("concat", "mean", "graph"))
    check_count(steps, "steps", least=0)
    check_number(weight, "weight", most=1)
    if not pairs:
        raise InputError("there is no pair to make a prior for")
    rows = primitives.align(list(dict.fromkeys(name for pair in pairs for name in pair)))
    left, right = (np.stack([rows[pair[side]] for pair in pairs]) for side in (0, 1))
    names = tuple(pair_name(pair) for pair in pairs)
    made = {"encoder": "pairs", "combine": combine, "primitives": primitives.made}
    if combine == "concat":
        # Told as two parts, so that whoever reads the vectors knows where the attribute's ends.
        parts = [{"dim": primitives.dim, "how": {"encoder": kind}} for kind in ("attribute", "object")]
        return ClassPriors(names, np.concatenate([left, right], axis=1), {**made, "parts": parts})
    mean = (left + right) / 2
    if combine == "mean":
        return ClassPriors(names, mean.astype(np.float32), made)
    if graph is None:
        raise InputError("combine='graph' needs a graph", remedy="give graph=composition_graph(...)")
    return ClassPriors(names, _propagated(graph, primitives, names, mean, steps, weight).astype(np.float32), made)


def _propagated(
    graph: ClassGraph, primitives: ClassPriors, names: Sequence[str], mean: np.ndarray, steps: int, weight: float
) -> np.ndarray:
    from scipy.sparse import csr_array, diags_array

    nodes = graph.align(list(names)).require()
    table = np.zeros((graph.num_nodes, mean.shape[1]))
    given = np.zeros(graph.num_nodes, bool)
    own = graph.align(list(primitives.names)).indices
    table[own[own >= 0]], given[own[own >= 0]] = primitives.matrix[own >= 0], True
    table[nodes], given[nodes] = mean, True
    heads, tails = graph.edge_index[:, graph.similarity_edges()]
    kept = given[heads] & given[tails]  # what has no vector has nothing to say
    heads, tails = heads[kept], tails[kept]
    ends = (np.concatenate([heads, tails]), np.concatenate([tails, heads]))
    links = csr_array((np.ones(2 * len(heads)), ends), shape=(graph.num_nodes, graph.num_nodes))
    degree: np.ndarray = np.asarray(links.sum(axis=1)).ravel()
    walk = diags_array(1 / np.maximum(degree, 1)) @ links
    alone = (degree == 0)[:, None]
    for _ in range(steps):
        table = np.where(alone, table, (1 - weight) * table + weight * (walk @ table))
    return table[nodes]
