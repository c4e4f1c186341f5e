"""A round tree of classes: leaves on the rim, ancestors inside, so that hundreds of classes have room for a name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["TreeLayout", "primary_parents", "radial_layout"]

_SPACING = 12.0  # px between neighbours on the rim, enough for a name of 9 px
_RING = 56.0  # px between generations, at least


@dataclass(frozen=True)
class TreeLayout:
    """Where the nodes of a forest lie.

    Args:
        radius: Of the rim, in px.
        position: Node to (x, y), the centre of the circle at the origin.
        angle: Node to its direction in radians, clockwise from the right.
        order: The nodes in drawing order, parents first.
        leaves: Node to the number of leaves at or below it.
    """

    radius: float
    position: dict[int, tuple[float, float]]
    angle: dict[int, float]
    order: list[int]
    leaves: dict[int, int]


def primary_parents(nodes: Sequence[int], parents: Mapping[int, Sequence[int]]) -> dict[int, int]:
    """One parent for each of ``nodes`` and of the ancestors so reached: the deepest, then the first given.

    Args:
        nodes: Where to begin.
        parents: Node to its parents; may have cycles, which are cut.

    Returns:
        Child to parent; roots are absent.
    """
    depth: dict[int, int] = {}

    def measure(start: int) -> None:
        stack = [(start, iter(parents.get(start, ())))]
        path = {start}
        while stack:
            node, rest = stack[-1]
            following = next((p for p in rest if p not in depth and p not in path), None)
            if following is not None:
                path.add(following)
                stack.append((following, iter(parents.get(following, ()))))
                continue
            stack.pop()
            path.discard(node)
            depth[node] = 1 + max((depth[p] for p in parents.get(node, ()) if p in depth), default=-1)

    chosen: dict[int, int] = {}
    for start in nodes:
        node, chain = start, {start}
        while node not in chosen:
            if node not in depth:
                measure(node)
            able = [p for p in parents.get(node, ()) if p not in chain and not _leads_to(p, node, chosen)]
            if not able:
                break
            chosen[node] = max(able, key=lambda p: depth.get(p, 0))
            node = chosen[node]
            chain.add(node)
    return chosen


def _leads_to(node: int, goal: int, chosen: Mapping[int, int]) -> bool:
    while node in chosen:
        node = chosen[node]
        if node == goal:
            return True
    return False


def radial_layout(nodes: Sequence[int], parent: Mapping[int, int], labels: Mapping[int, str]) -> TreeLayout:
    """Lay the forest of ``nodes`` and their ancestors out on a disc.

    Args:
        nodes: The nodes that must be there.
        parent: Child to parent, without cycles.
        labels: Orders siblings.
    """
    everyone = dict.fromkeys(nodes)
    for node in list(everyone):
        while node in parent:
            node = parent[node]
            everyone.setdefault(node)
    children: dict[int | None, list[int]] = {}
    for node in everyone:
        children.setdefault(parent.get(node), []).append(node)
    for siblings in children.values():
        siblings.sort(key=lambda node: (bool(children.get(node)), labels.get(node, ""), node))

    order: list[int] = []
    depth: dict[int, int] = {}
    stack = [(node, 0) for node in reversed(children.get(None, []))]
    while stack:
        node, level = stack.pop()
        order.append(node)
        depth[node] = level
        stack += [(child, level + 1) for child in reversed(children.get(node, []))]

    place: dict[int, float] = {}
    cursor = 0.0
    previous: int | None = None
    for node in order:
        if not children.get(node):
            cursor += 1.0 if previous is None or parent.get(previous) == parent.get(node) else 1.8
            place[node] = cursor
            previous = node
    leaves: dict[int, int] = {}
    for node in reversed(order):
        below = children.get(node, [])
        leaves[node] = sum(leaves[child] for child in below) or 1
        if below:
            place[node] = sum(place[child] * leaves[child] for child in below) / leaves[node]

    deepest = max(depth.values(), default=0)
    single = len(children.get(None, [])) == 1
    rings = max(1, deepest if single else deepest + 1)
    turn = cursor + 1.8
    radius = max(_RING * rings + 40.0, turn * _SPACING / (2 * math.pi))
    position, angle = {}, {}
    for node in order:
        level = depth[node] if single else depth[node] + 1
        r = radius if not children.get(node) else radius * level / rings * 0.86
        if single and level == 0:
            r = 0.0
        a = 2 * math.pi * place[node] / turn - math.pi / 2
        angle[node] = a
        position[node] = (r * math.cos(a), r * math.sin(a))
    return TreeLayout(radius, position, angle, order, leaves)
