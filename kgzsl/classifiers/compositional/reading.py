"""The parts of classes, read off a class graph or a table."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from kgzsl._feature_files import cells_of
from kgzsl.classifiers.compositional.graph import Pair
from kgzsl.errors import InputError, nearest
from kgzsl.knowledge import ClassGraph

__all__ = ["KINDS", "REMEDY", "pairs_in_graph", "pairs_in_table", "parts_in_graph", "telling_relation"]

KINDS = ("attribute", "object")
REMEDY = "leave such classes out of the data set, or tell the parts in a table: class,attribute,object"


def pairs_in_graph(
    graph: ClassGraph, classes: Sequence[str], relations: tuple[str, str], called: Sequence[str]
) -> tuple[list[Pair], dict[str, str]]:
    """The pair of each class, and the IRI of each part; see :meth:`Compositions.from_graph`.

    Args:
        graph: The graph.
        classes: Names of the classes, for messages.
        relations: What leads to the attribute, and to the object.
        called: What the graph calls the classes.

    Raises:
        InputError: As told there.
    """
    nodes = graph.align(list(called)).require()
    sides = [_ends(graph, nodes, classes, told, kind) for told, kind in zip(relations, KINDS, strict=True)]
    used = {node: graph.labels[node] or graph.iris[node] for side in sides for node in side}
    labels = list(used.values())
    names = {node: label if labels.count(label) == 1 else graph.iris[node] for node, label in used.items()}
    pairs = [(names[left], names[right]) for left, right in zip(*sides, strict=True)]
    return pairs, {names[node]: graph.iris[node] for node in used}


def pairs_in_table(path: Path, classes: Collection[str]) -> dict[str, Pair]:
    """Class -> pair, of a table; see :meth:`Compositions.from_table`.

    Raises:
        InputError: As told there, but for classes that are not in it.
    """
    if not path.is_file():
        raise InputError("there is no such file", file=path, remedy="check the path")
    header, *rows = cells_of(path) or [[]]
    columns = [cell.strip().lower() for cell in header]
    wanted = ("class", *KINDS)
    missing = [name for name in wanted if name not in columns]
    if missing:
        raise InputError(
            f"the table has no column {missing[0]!r}",
            file=path,
            place="line 1",
            remedy=f"begin with the line {','.join(wanted)}",
        )
    places = [columns.index(name) for name in wanted]
    found: dict[str, Pair] = {}
    for line, row in enumerate(rows, start=2):
        name, left, right = (row[at].strip() if at < len(row) else "" for at in places)
        problem = f"the class {name!r} is there for the second time" if name in found else None
        if name in classes and not (left and right):
            problem = f"the class {name!r} has no {KINDS[bool(left)]}"
        if problem is not None:
            raise InputError(
                problem, file=path, place=f"line {line}", remedy="give each class one line, with both parts"
            )
        found[name] = left, right
    return found


def parts_in_graph(graph: ClassGraph, told: str, kind: str) -> tuple[str, dict[int, set[int]]]:
    """The relation of the graph that ``told`` means, and where it leads to from each node that has it.

    Raises:
        InputError: There is no such relation, or several may be meant.
    """
    relation = _relation(graph, told, kind)
    return relation, _ends_of(graph, relation)


def telling_relation(graph: ClassGraph, nodes: Sequence[int], may: Sequence[Collection[int]]) -> str | None:
    """The relation that leads from each class to one node alone, which its part may be; by its end where that tells it.

    Args:
        graph: Has classes and parts.
        nodes: The classes.
        may: For each of them, the nodes that its part may be.

    Returns:
        None where there is no such relation.
    """
    names = [name.replace("#", "/").rsplit("/", 1)[-1] for name in graph.relations]
    for relation, name in zip(graph.relations, names, strict=True):
        ends = _ends_of(graph, relation)
        if all(
            len(own := ends.get(node, set())) == 1 and own <= set(parts) for node, parts in zip(nodes, may, strict=True)
        ):
            return name if names.count(name) == 1 else relation
    return None


def _ends_of(graph: ClassGraph, relation: str) -> dict[int, set[int]]:
    """Where the relation leads to, from each node that has it."""
    ends: dict[int, set[int]] = {}
    for head, tail in graph.edge_index[:, graph.edge_type == graph.relations.index(relation)].T.tolist():
        ends.setdefault(head, set()).add(tail)
    return ends


def _ends(graph: ClassGraph, nodes: np.ndarray, classes: Sequence[str], told: str, kind: str) -> list[int]:
    """The one node that the relation leads to from each class, by number."""
    ends = _ends_of(graph, _relation(graph, told, kind))
    found = []
    for node, name in zip(nodes.tolist(), classes, strict=True):
        own = ends.get(node, set())
        if len(own) != 1:
            many = ", ".join(sorted(graph.labels[end] or graph.iris[end] for end in own))
            has = f"several of {told!r} ({many}), not one {kind}" if own else f"no {told!r}, and so no {kind}"
            wrong = sum(len(ends.get(other, ())) != 1 for other in nodes.tolist())
            more = f"; so {wrong - 1} more" if wrong > 1 else ""
            raise InputError(f"the class {name!r} has {has}{more}", remedy=REMEDY)
        found.append(next(iter(own)))
    return found


def _relation(graph: ClassGraph, told: str, kind: str) -> str:
    """The relation of the graph that ``told`` means: its IRI, the end of it, or its label."""
    if told in graph.relations:
        return told
    ends = {name: name.replace("#", "/").rsplit("/", 1)[-1] for name in graph.relations}
    labels = {name: graph.labels[graph.node_index[name]] for name in graph.relations if name in graph.node_index}
    found = [name for name in graph.relations if told in (ends[name], labels.get(name))]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(f"{told!r} may be {' or '.join(found)}", remedy="give the IRI")
    close, every = nearest(told, ends.values()), ", ".join(sorted(ends.values()))
    raise InputError(
        f"the class graph has no relation {told!r} that would lead to the {kind}",
        remedy=f"did you mean {' or '.join(map(repr, close))}?" if close else f"it has {every}",
    )
