"""What edges of a schema say, node by node: the same walks for kinds, domains, disjointness and silence."""

from __future__ import annotations

from collections.abc import Mapping

from kgzsl.knowledge import ClassGraph

__all__ = ["closure", "objects_of", "says_nothing", "silent_node"]


def objects_of(schema: ClassGraph, iri: str) -> dict[int, set[int]]:
    """Subject to objects of all edges of one relation, as nodes; empty where the schema does not have it."""
    found: dict[int, set[int]] = {}
    if iri in schema.relations:
        rows = schema.edge_type == schema.relation(iri)
        for subject, target in schema.edge_index[:, rows].T.tolist():
            found.setdefault(subject, set()).add(target)
    return found


def closure(parents: Mapping[int, set[int]], node: int) -> set[int]:
    """The node and all that it leads to; nothing for a node below 0, which is none."""
    if node < 0:
        return set()
    found, waiting = {node}, [node]
    while waiting:
        for parent in parents.get(waiting.pop(), ()):
            if parent not in found:
                found.add(parent)
                waiting.append(parent)
    return found


def says_nothing(schema: ClassGraph, relation: str) -> bool:
    """Whether a schema names a relation and has neither an axiom nor a text about it."""
    node = int(schema.align([relation]).indices[0])
    return node >= 0 and silent_node(schema, node)


def silent_node(schema: ClassGraph, node: int) -> bool:
    """Whether a node has neither an edge nor a text."""
    return not schema.texts.get(node) and not bool((schema.edge_index == node).any())
