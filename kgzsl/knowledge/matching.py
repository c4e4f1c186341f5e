"""Which nodes of two graphs mean the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError, nearest
from kgzsl.knowledge.operations import relation_mask
from kgzsl.knowledge.vocabulary import OWL, SKOS

if TYPE_CHECKING:
    from kgzsl.knowledge.class_graph import ClassGraph

__all__ = ["EVIDENCE", "GraphAlignment", "match_graphs"]

_SAME = (OWL + "sameAs", OWL + "equivalentClass", OWL + "equivalentProperty", SKOS + "exactMatch")
_Candidates = Iterator[tuple[Sequence[int], Sequence[int]]]


@dataclass(frozen=True)
class GraphAlignment:
    """Pairs of nodes, one from each graph; no node is in two pairs.

    Args:
        pairs: int64 [2, M]: nodes of the first graph over nodes of the second.
        matched_by: The evidence for each pair.
        ambiguous: Evidence -> groups (nodes of the first, nodes of the second) that it could not tell apart.
    """

    pairs: npt.NDArray[np.int64]
    matched_by: tuple[str, ...]
    ambiguous: dict[str, list[tuple[tuple[int, ...], tuple[int, ...]]]]

    def summary(self) -> list[str]:
        """Lines for a person."""
        lines = [f"{self.matched_by.count(how)} pairs by {how}" for how in dict.fromkeys(self.matched_by)]
        return lines + [f"{len(groups)} open by {how}: several answer" for how, groups in self.ambiguous.items()]


def match_graphs(
    first: ClassGraph, second: ClassGraph, *, by: Sequence[str] = ("iri", "sameAs", "wnid", "label")
) -> GraphAlignment:
    """Find the nodes of two graphs that mean the same, the surest evidence first.

    A node that one kind of evidence has matched is out of reach for the next. Where several nodes answer to one
    another, none of them is taken.

    Args:
        first: A graph.
        second: Another.
        by: Kinds of evidence, in this order. ``iri``: the same IRI. ``sameAs``: owl:sameAs, an equivalence or
            skos:exactMatch in either graph. ``wnid``: the same WordNet 3.0 offset. ``label``: the same label, without
            regard to case, spaces and hyphens, between nodes of one kind.

    Raises:
        InputError: A kind of evidence that is not known.
    """
    for how in by:
        if how not in EVIDENCE:
            close = nearest(how, EVIDENCE)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(EVIDENCE)}"
            raise InputError(f"no evidence is called {how!r}", remedy=hint)
    partner = np.full(first.num_nodes, -1, np.int64)
    taken = np.zeros(second.num_nodes, bool)
    found: list[tuple[int, int, str]] = []
    ambiguous: dict[str, list[tuple[tuple[int, ...], tuple[int, ...]]]] = {}
    for how in by:
        for left, right in EVIDENCE[how](first, second):
            here = tuple(node for node in left if partner[node] < 0)
            there = tuple(node for node in right if not taken[node])
            if len(here) == 1 and len(there) == 1:
                partner[here[0]] = there[0]
                taken[there[0]] = True
                found.append((here[0], there[0], how))
            elif here and there:
                ambiguous.setdefault(how, []).append((here, there))
    found.sort()
    pairs = np.array([(a, b) for a, b, _ in found], np.int64).reshape(-1, 2).T
    return GraphAlignment(pairs, tuple(how for _, _, how in found), ambiguous)


def _by_iri(first: ClassGraph, second: ClassGraph) -> _Candidates:
    for node, iri in enumerate(first.iris):
        other = second.node_index.get(iri)
        if other is not None:
            yield (node,), (other,)


def _by_same_as(first: ClassGraph, second: ClassGraph) -> _Candidates:
    """Links out of either graph, gathered into groups so that a node with two partners is seen as such."""
    left: dict[int, set[int]] = {}
    right: dict[int, set[int]] = {}
    for graph, swapped in ((first, False), (second, True)):
        near, far = (second, first) if swapped else (first, second)
        for ends in graph.edge_index[:, relation_mask(graph, _SAME)].T.tolist():
            for one, other in (ends, ends[::-1]):
                match = far.node_index.get(near.iris[other])
                if match is not None:
                    a, b = (match, one) if swapped else (one, match)
                    left.setdefault(a, set()).add(b)
                    right.setdefault(b, set()).add(a)
    seen: set[int] = set()
    for start in sorted(left):
        if start in seen:
            continue
        here: set[int] = {start}
        there: set[int] = set()
        stack = [start]
        while stack:
            for partner in left[stack.pop()] - there:
                there.add(partner)
                stack += right[partner] - here
                here |= right[partner]
        seen |= here
        yield sorted(here), sorted(there)


def _by_wnid(first: ClassGraph, second: ClassGraph) -> _Candidates:
    for offset, nodes in first.name_index.wnids.items():
        yield nodes, second.name_index.wnids.get(offset, ())


def _by_label(first: ClassGraph, second: ClassGraph) -> _Candidates:
    for name, nodes in first.name_index.folded_labels.items():
        others = second.name_index.folded_labels.get(name, ())
        for kind in sorted({int(first.kinds[node]) for node in nodes}):
            yield (
                [node for node in nodes if first.kinds[node] == kind],
                [node for node in others if second.kinds[node] == kind],
            )


#: Kinds of evidence, and the groups of nodes that each brings together.
EVIDENCE: dict[str, Callable[[ClassGraph, ClassGraph], _Candidates]] = {
    "iri": _by_iri,
    "sameAs": _by_same_as,
    "wnid": _by_wnid,
    "label": _by_label,
}
