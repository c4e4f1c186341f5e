"""Why a class was answered: the nearest seen classes, what they share, and the paths between them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from kgzsl.knowledge import ClassPriors
from kgzsl.tasks.counterfactuals import Counterfactual
from kgzsl.tasks.statements import Statement

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph

__all__ = ["Explanation", "graph_path", "nearest_classes", "shared_columns"]


@dataclass(frozen=True)
class Explanation:
    """What lies behind one answer.

    Args:
        predicted: The class answered.
        probability: Its probability among the candidates, 0..1.
        is_seen: Whether it had training rows.
        runners_up: The next best classes with their probabilities.
        nearest_seen: The seen classes whose priors are most alike, with the cosine, best first.
        shared: Those classes to the prior columns (attributes) that both have; empty where columns have no names.
        paths: Those classes to the path through the class graph, as (label, relation, label) steps; empty without a
            graph.
        without: What would be answered without single statements about the class, where it was asked for.
        axioms: What the class graph says about the class itself; empty without a graph.
        uncertainty: How much is not known of the sample among all classes, where an evidential gate tells it.
    """

    predicted: str
    probability: float
    is_seen: bool
    runners_up: tuple[tuple[str, float], ...] = ()
    nearest_seen: tuple[tuple[str, float], ...] = ()
    shared: dict[str, tuple[str, ...]] = field(default_factory=dict)
    paths: dict[str, tuple[tuple[str, str, str], ...]] = field(default_factory=dict)
    without: tuple[Counterfactual, ...] = ()
    axioms: tuple[Statement, ...] = ()
    uncertainty: float | None = None

    def text(self, *, most: int = 6) -> str:
        """The explanation in a few lines; at most ``most`` statements, and attributes a class."""
        kind = "seen" if self.is_seen else "never seen in training"
        doubt = "" if self.uncertainty is None else f", uncertainty {self.uncertainty:.2f}"
        lines = [f"{self.predicted} ({self.probability:.0%}, {kind}{doubt})"]
        if self.runners_up:
            lines.append("  next: " + ", ".join(f"{name} ({share:.0%})" for name, share in self.runners_up))
        lines += [f"  said: {axiom.text}" for axiom in self.axioms[:most]]
        if len(self.axioms) > most:
            lines.append(f"  said: {len(self.axioms) - most} more")
        for name, likeness in self.nearest_seen:
            lines.append(f"  like {name} (cosine {likeness:.2f})")
            columns = self.shared.get(name, ())
            if columns:
                more = f" and {len(columns) - most} more" if len(columns) > most else ""
                lines.append(f"    both: {', '.join(columns[:most])}{more}")
            path = self.paths.get(name, ())
            if path:
                lines.append("    path: " + path[0][0] + "".join(f" -[{by}]- {end}" for _, by, end in path))
        lines += [f"  {without.text(share=True)}" for without in self.without]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, JSON-able."""
        doubt = {} if self.uncertainty is None else {"uncertainty": self.uncertainty}
        return {
            "predicted": self.predicted,
            "probability": self.probability,
            "is_seen": self.is_seen,
            "runners_up": [list(pair) for pair in self.runners_up],
            "nearest_seen": [list(pair) for pair in self.nearest_seen],
            "shared": {name: list(columns) for name, columns in self.shared.items()},
            "paths": {name: [list(step) for step in path] for name, path in self.paths.items()},
            "without": [one.to_dict() for one in self.without],
            "axioms": [one.to_dict() for one in self.axioms],
            **doubt,
        }


def nearest_classes(priors: ClassPriors, name: str, among: Sequence[str], count: int) -> list[tuple[str, float]]:
    """The ``count`` classes of ``among`` whose priors have the highest cosine with that of ``name``, best first."""
    others = [other for other in among if other != name]
    if not others or count < 1:
        return []
    unit = priors.normalised("l2")
    likeness = unit.align(others).matrix.astype(np.float64) @ unit[name].astype(np.float64)
    order = np.argsort(-likeness, kind="stable")[:count]
    return [(others[i], float(likeness[i])) for i in order]


def shared_columns(priors: ClassPriors, one: str, other: str) -> tuple[str, ...]:
    """The named columns in which both classes have a positive value, largest product first; none without names."""
    columns = priors.columns
    if columns is None:
        return ()
    a, b = priors[one], priors[other]
    both = np.flatnonzero((a > 0) & (b > 0) & priors.named)
    return tuple(columns[i] for i in both[np.argsort(-(a[both] * b[both]), kind="stable")])


def graph_path(graph: ClassGraph, start: str, end: str, *, most: int = 8) -> tuple[tuple[str, str, str], ...]:
    """A shortest path between two classes over the edges that mean likeness, in either direction.

    Args:
        graph: The class graph.
        start: Name of the first class, as ``ClassGraph.align`` takes it.
        end: Name of the last one.
        most: Longer paths are not looked for.

    Returns:
        Steps (label, relation, label); a relation followed against its direction is written ``inverse of``. Empty where
        there is no path or a class is not in the graph.
    """
    first, last = (int(i) for i in graph.align([start, end]).indices)
    if first < 0 or last < 0 or first == last:
        return ()
    kept = np.flatnonzero(graph.similarity_edges())
    source, target = graph.edge_index[0, kept], graph.edge_index[1, kept]
    ends = np.concatenate([source, target])
    order = np.argsort(ends, kind="stable")
    offsets = np.searchsorted(ends[order], np.arange(graph.num_nodes + 1))
    others = np.concatenate([target, source])[order]
    edges = np.concatenate([kept, ~kept])[order]  # ~e: edge e against its direction
    came: dict[int, tuple[int, int]] = {first: (-1, 0)}
    queue = deque([(first, 0)])
    while queue and last not in came:
        node, depth = queue.popleft()
        if depth == most:
            break
        for position in range(offsets[node], offsets[node + 1]):
            other = int(others[position])
            if other not in came:
                came[other] = (node, int(edges[position]))
                queue.append((other, depth + 1))
    if last not in came:
        return ()
    steps: list[tuple[str, str, str]] = []
    node = last
    while node != first:
        before, edge = came[node]
        relation = _local(graph.relations[int(graph.edge_type[edge if edge >= 0 else ~edge])])
        steps.append((graph.labels[before], relation if edge >= 0 else f"inverse of {relation}", graph.labels[node]))
        node = before
    return tuple(reversed(steps))


def _local(iri: str) -> str:
    for mark in "#/:":
        head, found, tail = iri.rpartition(mark)
        if found and tail and head:
            return tail
    return iri
