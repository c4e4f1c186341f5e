"""The class graph, seen and unseen marked: a round taxonomy to look at, and what each class is said to be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from kgzsl.knowledge.texts import local_name
from kgzsl.report.figures.svg import Canvas, number
from kgzsl.report.figures.taxonomy_layout import TreeLayout, primary_parents, radial_layout

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph, ClassPriors

__all__ = ["GraphView", "class_graph_view"]

_TAXONOMIC = ("subClassOf", "subPropertyOf", "broader", "type")
_VOCABULARIES = (
    "http://www.w3.org/2002/07/owl#",
    "http://www.w3.org/2000/01/rdf-schema#",
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
)
_STATES = ("other", "seen", "unseen")
_MOST_AXIOMS = 24
_TEXT = 240
_OUT = 22.0


@dataclass(frozen=True)
class GraphView:
    """A drawing of the class graph and what its script knows.

    Args:
        svg: The drawing.
        data: For the script: JSON values.
        caption: What is shown and what is left out.
        rows: One for each unseen class: ``name``, ``parents``, ``axioms`` and ``near`` as texts.
    """

    svg: str
    data: dict[str, Any]
    caption: str
    rows: list[dict[str, str]] = field(default_factory=list)


def class_graph_view(
    graph: ClassGraph,
    seen: Sequence[str],
    unseen: Sequence[str],
    *,
    priors: ClassPriors | None = None,
    scores: Mapping[str, float] | None = None,
    errors: Mapping[str, Sequence[tuple[str, float]]] | None = None,
    noun: str = "classes",
    most: int = 2000,
) -> GraphView | None:
    """Draw the taxonomy over the seen and unseen classes.

    Args:
        graph: The class graph.
        seen: Names of the seen classes or relations.
        unseen: Names of the unseen ones.
        priors: Gives each class its nearest seen classes.
        scores: Unseen class to its score.
        errors: Unseen class to what it was taken for: (name, share).
        noun: What the classes are: "classes" or "relations".
        most: At most so many classes are drawn: all unseen ones first.

    Returns:
        None when no class is in the graph.
    """
    names = [*unseen, *seen]
    rows = np.asarray(graph.align(names).indices)
    state: dict[int, int] = {}
    called: dict[int, str] = {}
    for position, (name, row) in enumerate(zip(names, rows.tolist(), strict=True)):
        if row >= 0 and row not in state and len(state) < most:
            state[row] = 2 if position < len(unseen) else 1
            called[row] = name
    if not state:
        return None
    parents = _parents(graph)
    labels = {node: graph.labels[node] for node in {*state, *_above(state, parents)}}
    layout = radial_layout(list(state), primary_parents(list(state), parents), labels)
    _push_out(layout, state)
    index = {node: position for position, node in enumerate(layout.order)}
    near = _nearest_seen(priors, called, state)
    axioms, others = _axioms(graph, index)
    data = {
        "relations": [local_name(iri) for iri in graph.relations],
        "others": others,
        "radius": round(layout.radius, 1),
        "nodes": [
            _node(graph, node, layout, state, called, axioms, near, index, scores or {}, errors or {})
            for node in layout.order
        ],
    }
    missing = len(set(names)) - len(state)
    caption = f"{sum(v == 1 for v in state.values())} seen and {sum(v == 2 for v in state.values())} unseen {noun}"
    caption += f" under {len(layout.order) - len(state)} ancestors; "
    caption += f"the whole graph has {graph.num_nodes} nodes and {graph.num_edges} edges."
    if missing:
        caption += f" {missing} {noun} are not drawn: they are not in the graph, or beyond the {most} that have room."
    parent = {node: [labels.get(p, graph.labels[p]) for p in parents.get(node, ())] for node in state}
    table = [
        {
            "name": called[node],
            "label": graph.labels[node],
            "parents": ", ".join(parent[node]),
            "axioms": "; ".join(_spoken(axiom, data, others) for axiom in axioms[node][:8]),
            "near": ", ".join(f"{called[other]} ({cosine:.2f})" for other, cosine in near.get(node, [])[:3]),
        }
        for node in state
        if state[node] == 2
    ]
    return GraphView(_draw(layout, state, labels, primary_parents(list(state), parents), caption), data, caption, table)


def _parents(graph: ClassGraph) -> dict[int, list[int]]:
    """Node to its parents by the taxonomic relations; ``rdf:type`` counts only where nothing else says."""
    found: dict[int, list[int]] = {}
    kinds = {kind: [i for i, iri in enumerate(graph.relations) if local_name(iri) == kind] for kind in _TAXONOMIC}
    for kind in _TAXONOMIC:
        fresh: dict[int, list[int]] = {}
        mask = np.isin(graph.edge_type, kinds[kind])
        for child, parent in graph.edge_index[:, mask].T.tolist():
            vocabulary = graph.iris[parent].startswith(
                _VOCABULARIES
            )  # owl:Thing and owl:FunctionalProperty tell nothing
            if child != parent and not vocabulary and (kind != "type" or child not in found):
                fresh.setdefault(child, []).append(parent)
        for child, above in fresh.items():
            found.setdefault(child, []).extend(p for p in dict.fromkeys(above) if p not in found.get(child, ()))
    return found


def _above(nodes: Mapping[int, int], parents: Mapping[int, Sequence[int]]) -> set[int]:
    reached: set[int] = set()
    stack = list(nodes)
    while stack:
        for parent in parents.get(stack.pop(), ()):
            if parent not in reached:
                reached.add(parent)
                stack.append(parent)
    return reached


def _axioms(graph: ClassGraph, index: Mapping[int, int]) -> tuple[dict[int, list[tuple[int, int]]], list[str]]:
    """For each drawn node its edges as (relation, object): a drawn object by its index, another as ``-1 - row``."""
    others: list[str] = []
    known: dict[int, int] = {}
    found: dict[int, list[tuple[int, int]]] = {node: [] for node in index}
    mask = np.isin(graph.edge_index[0], np.fromiter(index, dtype=np.int64))
    for edge in np.flatnonzero(mask).tolist():
        subject, thing = (int(row) for row in graph.edge_index[:, edge])
        if len(found[subject]) >= _MOST_AXIOMS:
            continue
        if thing in index:
            target = index[thing]
        else:
            if thing not in known:
                known[thing] = len(others)
                others.append(graph.labels[thing])
            target = -1 - known[thing]
        found[subject].append((int(graph.edge_type[edge]), target))
    return found, others


def _push_out(layout: TreeLayout, state: Mapping[int, int]) -> None:
    """Unseen leaves stand out from the rim, so that they are found at a glance."""
    for node, kind in state.items():
        x, y = layout.position[node]
        if kind == 2 and layout.leaves[node] == 1 and math.hypot(x, y) > layout.radius * 0.95:
            layout.position[node] = (x * (1 + _OUT / layout.radius), y * (1 + _OUT / layout.radius))


def _nearest_seen(
    priors: ClassPriors | None, called: Mapping[int, str], state: Mapping[int, int], count: int = 5
) -> dict[int, list[tuple[int, float]]]:
    """For each class the seen classes with the highest cosine of class vectors, itself left out."""
    if priors is None:
        return {}
    have = set(priors.names)
    nodes = [node for node, name in called.items() if name in have]
    seen = [node for node in nodes if state[node] == 1]
    if not nodes or not seen:
        return {}
    rows = {name: row for row, name in enumerate(priors.names)}
    unit = np.asarray(priors.matrix, dtype=np.float64)
    unit = unit / np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    cosine = unit[[rows[called[node]] for node in nodes]] @ unit[[rows[called[node]] for node in seen]].T
    found = {}
    for line, node in enumerate(nodes):
        best = [i for i in np.argsort(-cosine[line], kind="stable")[: count + 1].tolist() if seen[i] != node][:count]
        found[node] = [(seen[i], float(cosine[line, i])) for i in best]
    return found


def _node(
    graph: ClassGraph,
    node: int,
    layout: TreeLayout,
    state: Mapping[int, int],
    called: Mapping[int, str],
    axioms: Mapping[int, Sequence[tuple[int, int]]],
    near: Mapping[int, Sequence[tuple[int, float]]],
    index: Mapping[int, int],
    scores: Mapping[str, float],
    errors: Mapping[str, Sequence[tuple[str, float]]],
) -> dict[str, Any]:
    name = called.get(node, graph.labels[node])
    x, y = layout.position[node]
    entry: dict[str, Any] = {
        "n": name,
        "x": round(x, 1),
        "y": round(y, 1),
        "s": state.get(node, 0),
        "i": graph.iris[node],
    }
    if graph.labels[node] != name:
        entry["l"] = graph.labels[node]
    if node in state:
        text = " ".join(graph.node_text(node).split())
        if text and text not in (name, graph.labels[node]):
            entry["t"] = text[: _TEXT - 1] + "…" if len(text) > _TEXT else text
    if axioms[node]:
        entry["a"] = [list(axiom) for axiom in axioms[node]]
    if node in near:
        entry["p"] = [[index[other], round(cosine, 3)] for other, cosine in near[node]]
    if name in scores:
        entry["v"] = round(float(scores[name]), 3)
    if errors.get(name):
        entry["e"] = [[other, round(float(share), 3)] for other, share in errors[name][:5]]
    return entry


def _spoken(axiom: tuple[int, int], data: Mapping[str, Any], others: Sequence[str]) -> str:
    relation, target = axiom
    thing = others[-1 - target] if target < 0 else data["nodes"][target].get("l", data["nodes"][target]["n"])
    return f"{data['relations'][relation]} {thing}"


def _draw(
    layout: TreeLayout, state: Mapping[int, int], labels: Mapping[int, str], parent: Mapping[int, int], caption: str
) -> str:
    room = layout.radius + 150.0
    canvas = Canvas("class-graph", 2 * room, 2 * room, "The class graph, seen and unseen classes marked", caption)
    canvas.add('<g id="cg-links">')
    for node in layout.order:
        if node in parent and parent[node] in layout.position:
            canvas.add(_link(layout, parent[node], node, room))
    canvas.add('</g><g id="cg-extra"></g><g id="cg-nodes">')
    # Zero-length strokes that do not scale: a mark is as large on the screen at every zoom. Unseen ones lie on top.
    for position in sorted(range(len(layout.order)), key=lambda place: state.get(layout.order[place], 0)):
        node = layout.order[position]
        x, y = layout.position[node]
        kind = _STATES[state.get(node, 0)]
        canvas.add(f'<path data-i="{position}" class="n {kind}" d="M{number(x + room)} {number(y + room)}h.01"/>')
    canvas.add('</g><g id="cg-labels">')
    for position, node in enumerate(layout.order):
        canvas.add(_name(layout, node, position, labels.get(node, ""), _STATES[state.get(node, 0)], room))
    canvas.add("</g>")
    return canvas.render("graph")


def _link(layout: TreeLayout, above: int, below: int, room: float) -> str:
    (x0, y0), (x1, y1) = layout.position[above], layout.position[below]
    middle = (math.hypot(x0, y0) + math.hypot(x1, y1)) / 2
    start, end = layout.angle[above], layout.angle[below]
    points = (
        (x0, y0),
        (middle * math.cos(start), middle * math.sin(start)),
        (middle * math.cos(end), middle * math.sin(end)),
    )
    (a, b), (c, d), (e, f) = ((x + room, y + room) for x, y in points)
    return (
        f'<path class="link" d="M{number(a)} {number(b)}C{number(c)} {number(d)} {number(e)} {number(f)} '
        f'{number(x1 + room)} {number(y1 + room)}"/>'
    )


def _name(layout: TreeLayout, node: int, position: int, label: str, kind: str, room: float) -> str:
    x, y = layout.position[node]
    angle = math.degrees(layout.angle[node])
    flipped = 90 < angle % 360 < 270
    inner = layout.leaves[node] > 1 or math.hypot(x, y) < layout.radius * 0.9
    shift, anchor = (-7, "end") if flipped else (7, "start")
    turn = angle + 180 if flipped else angle
    size = f' data-leaves="{layout.leaves[node]}"' if inner else ""
    short = label if len(label) <= 34 else label[:33] + "…"
    css = f"name {kind}{' inner' if inner else ''}"
    return (
        f'<text data-i="{position}" class="{css}"{size} text-anchor="{anchor}" transform="translate({number(x + room)} '
        f'{number(y + room)})rotate({number(turn)})" x="{shift}" y="3">{escape(short)}</text>'
    )
