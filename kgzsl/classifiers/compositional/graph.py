"""Attribute-object pairs as nodes of a class graph, and which pairs an ontology rules out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError, nearest
from kgzsl.knowledge import ClassGraph
from kgzsl.knowledge.vocabulary import NEGATIVE_RELATIONS

__all__ = ["ATTRIBUTE", "OBJECT", "TOGETHER", "Pair", "composition_graph", "feasible_pairs", "pair_name"]

Pair = tuple[str, str]
"""(attribute, object)."""

ATTRIBUTE = "urn:kgzsl:hasAttribute"
OBJECT = "urn:kgzsl:hasObject"
TOGETHER = "urn:kgzsl:occursWith"


def pair_name(pair: Pair) -> str:
    """The name of a pair's node: ``"wet dog"``."""
    return f"{pair[0]} {pair[1]}"


def composition_graph(
    attributes: Sequence[str],
    objects: Sequence[str],
    pairs: Iterable[Pair],
    *,
    triples: Iterable[tuple[str, str, str]] = (),
) -> ClassGraph:
    """A graph of primitives and pairs: attribute-object, pair-attribute and pair-object edges.

    Naeem et al., "Learning Graph Embeddings for Compositional Zero-Shot Learning" (CVPR 2021), section 3.2.

    Args:
        attributes: Their names.
        objects: Their names; none of them an attribute's.
        pairs: Which pairs are nodes, seen or not; open-world use lists all that are feasible.
        triples: What else is known of the primitives: a hierarchy of objects, disjointness of attribute and object.

    Raises:
        InputError: A pair of something that is not in the lists (the nearest are named), or one name for two things.
    """
    both = set(attributes) & set(objects)
    if both:
        raise InputError(
            f"{sorted(both)[0]!r} is an attribute and an object", remedy="give different names, e.g. with a prefix"
        )
    known = set(attributes), set(objects)
    rows: list[tuple[str, str, str]] = []
    for pair in dict.fromkeys((str(attribute), str(thing)) for attribute, thing in pairs):
        for name, names, kind in zip(pair, known, ("attribute", "object"), strict=True):
            if name not in names:
                close = nearest(name, names)
                raise InputError(
                    f"the pair {pair_name(pair)!r} has the unknown {kind} {name!r}",
                    remedy=f"did you mean {close[0]!r}?" if close else f"add it to the {kind}s",
                )
        attribute, thing = pair
        rows += [
            (pair_name(pair), ATTRIBUTE, attribute),
            (pair_name(pair), OBJECT, thing),
            (attribute, TOGETHER, thing),
        ]
    labels = {name: name for name in (*attributes, *objects)}
    return ClassGraph.from_triples([*rows, *triples], labels=labels)


def feasible_pairs(
    graph: ClassGraph,
    attributes: Sequence[str],
    objects: Sequence[str],
    *,
    mapping: Mapping[str, str] | None = None,
    known: Iterable[Pair] = (),
) -> npt.NDArray[np.bool_]:
    """bool [A, O]: pairs that no disjointness rules out.

    A pair is infeasible where the attribute, or what stands above it, is disjoint with the object, or what stands above
    that: ``:Ripe owl:disjointWith :Artefact`` rules out every ripe artefact. Ontologies also say that kinds of parts
    are disjoint, that no mark is a base form, which is nothing about what bears both: a statement that rules out one
    of the ``known`` pairs is not meant of pairs, and does not count.

    Args:
        graph: Any graph with the primitives and ``owl:disjointWith`` edges; it need not have the pairs.
        attributes: Their names.
        objects: Their names.
        mapping: Name -> IRI, where the names do not find their node.
        known: Pairs that were seen.

    Raises:
        InputError: A primitive that is not in the graph (the nearest are named).
    """
    nodes = graph.align([*attributes, *objects], mapping=mapping).require()
    above = graph.closure(nodes, reflexive=True).astype(np.int64)
    negative = np.array([name in NEGATIVE_RELATIONS for name in graph.relations], bool)
    mask = negative[graph.edge_type] if len(negative) else np.zeros(graph.num_edges, bool)
    heads, tails = graph.edge_index[:, mask]
    from scipy.sparse import csr_array

    heads, tails = np.concatenate([heads, tails]), np.concatenate([tails, heads])
    of_attributes, of_objects = above[: len(attributes)], above[len(attributes) :]
    places = {name: row for row, name in enumerate(attributes)}, {name: row for row, name in enumerate(objects)}
    seen = [[places[0][pair[0]], places[1][pair[1]]] for pair in known]
    if seen and len(heads):
        left, right = np.array(seen).T
        contradicted = (of_attributes[left][:, heads] * of_objects[right][:, tails]).sum(axis=0) > 0
        heads, tails = heads[~contradicted], tails[~contradicted]
    disjoint = csr_array((np.ones(len(heads), np.int64), (heads, tails)), shape=(graph.num_nodes, graph.num_nodes))
    clashes = of_attributes @ disjoint @ of_objects.T
    feasible: npt.NDArray[np.bool_] = clashes.toarray() == 0
    return feasible
