"""The ontology in ULTRA's relation graph: the edges of one graph's relations, and what is learned of their types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from kgzsl.errors import InputError, nearest
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion.checks import some_names
from kgzsl.tasks.kg_completion.inductive.fact_graph import FactGraph
from kgzsl.tasks.kg_completion.inductive.schema_meetings import SCHEMA_MEETINGS, schema_meetings

__all__ = ["SchemaEdges", "kinds_of_edges"]


def kinds_of_edges(told: bool | Sequence[str]) -> tuple[str, ...]:
    """The edge types that an option means: all of them, none, or those that it names.

    Raises:
        InputError: It names one that is none, or none at all.
    """
    if isinstance(told, bool):
        return SCHEMA_MEETINGS if told else ()
    known = ", ".join(SCHEMA_MEETINGS)
    if isinstance(told, str) or not told:
        raise InputError(f"schema_edges is {told!r}", remedy=f"give true, false, or a list of some of: {known}")
    for name in told:
        if name not in SCHEMA_MEETINGS:
            close = nearest(str(name), SCHEMA_MEETINGS)
            remedy = f"did you mean {close[0]!r}?" if close else f"choose among {known}"
            raise InputError(f"schema_edges has {name!r}, which is no type of edge", remedy=remedy)
    return tuple(name for name in SCHEMA_MEETINGS if name in told)


@dataclass(frozen=True)
class SchemaEdges:
    """Edges that an ontology adds among the R relations of a graph and their inverses.

    Args:
        relations: Names, by id.
        pairs: Edge type to int64 [2, E] over 2 R directed relations, see :func:`schema_meetings`.
    """

    relations: tuple[str, ...] = ()
    pairs: Mapping[str, Tensor] = field(default_factory=dict)

    @classmethod
    def read(cls, schema: ClassGraph, relations: Sequence[str], kinds: Sequence[str]) -> SchemaEdges:
        """What a schema says of relations, by edges of some types."""
        found = schema_meetings(schema, relations)
        return cls(tuple(relations), {name: found[name] for name in kinds})

    def grown(self, relations: Sequence[str], schema: ClassGraph | None = None) -> SchemaEdges:
        """The same edges among these relations, the old ones first; with what ``schema`` says of all of them."""
        old, more = len(self.relations), len(relations) - len(self.relations)
        pairs = {name: edges + more * (edges >= old) for name, edges in self.pairs.items()}
        if schema is not None and pairs:
            said = schema_meetings(schema, relations)
            pairs = {name: torch.unique(torch.cat([edges, said[name]], dim=1), dim=1) for name, edges in pairs.items()}
        return SchemaEdges(tuple(relations), pairs)

    def __len__(self) -> int:
        return sum(edges.shape[1] for edges in self.pairs.values())

    def on(self, device: torch.device) -> dict[str, Tensor]:
        """For ``extra_meetings`` of a graph that lives there."""
        return {name: edges.to(device) for name, edges in self.pairs.items()}

    def among(self, graph: FactGraph) -> FactGraph:
        """A graph's facts, with these edges among its relations."""
        return graph.with_meetings(self.on(graph.device)) if self.pairs else graph

    def lone(self) -> list[str]:
        """Relations that no edge joins to another."""
        ends = [torch.zeros(0, dtype=torch.int64), *(edges.flatten() for edges in self.pairs.values())]
        joined = set((torch.cat(ends) % max(1, len(self.relations))).tolist())
        return [name for number, name in enumerate(self.relations) if number not in joined]

    def counts(self) -> dict[str, int]:
        """Type to how many edges; types without any are left out."""
        return {name: edges.shape[1] for name, edges in self.pairs.items() if edges.shape[1]}

    def notes(self, learned: SchemaEdges) -> list[str]:
        """What a reader must know of these edges, where what they mean was learned by others: a sentence each."""
        if not self.pairs:
            return []
        if not len(learned):
            return [
                "the ontology joins no relations of the training graph (no axiom of two that both are in it, no domain "
                "or range in common): nothing can be learned of its edges, and the answers are those without them"
            ]
        heard = {name: count for name, count in self.counts().items() if name in learned.counts()}
        if not heard:
            return [
                "the ontology joins no relations of the graph that is asked in a way that it joins relations of the "
                "training graph: the answers are those without schema edges"
            ]
        notes = []
        deaf = [name for name in self.counts() if name not in heard]
        if deaf:
            notes.append(f"no relations of the training graph are joined by {', '.join(deaf)}: such edges say nothing")
        lone = self.lone()
        if lone:
            told = f"the ontology joins {len(lone)} of {len(self.relations)} relations to no other"
            notes.append(f"{told}: {some_names(lone)}")
        return notes
