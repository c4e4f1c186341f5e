"""Short forms for assertions about class graphs."""

from __future__ import annotations

from kgzsl import ClassGraph
from kgzsl.knowledge.texts import local_name


def edges(graph: ClassGraph) -> set[tuple[str, str, str]]:
    """Edges by local names; a path of relations keeps its slash."""
    return {
        (
            local_name(graph.iris[s]),
            "/".join(local_name(r) for r in _steps(graph.relations[k])),
            local_name(graph.iris[o]),
        )
        for s, o, k in zip(*graph.edge_index.tolist(), graph.edge_type.tolist(), strict=True)
    }


def _steps(relation: str) -> list[str]:
    return (
        [("http" + part).rstrip("/") for part in relation.split("http") if part] if "http" in relation else [relation]
    )


def row(graph: ClassGraph, kind: str) -> tuple[int, int, int, int]:
    """(axioms, edges, used, dropped) of a kind in the account; zeros where it has none."""
    for entry in graph.account.rows:
        if entry.kind == kind:
            return entry.axioms, entry.edges, entry.used, sum(entry.dropped.values())
    return 0, 0, 0, 0
