"""What informed ULTRA is told of a graph besides its facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.tasks.kg_completion._ranks import rank_of_names
from kgzsl.tasks.kg_completion.evidence.facts import FactEvidence
from kgzsl.tasks.kg_completion.evidence.kinds import EntityKinds
from kgzsl.tasks.kg_completion.evidence.names import NameTable

__all__ = ["Surroundings"]


@dataclass(frozen=True)
class Surroundings:
    """What is known about a graph's entities and relations, besides its facts.

    Args:
        entities: Their names, by id.
        relations: Their names, by id.
        priors: Of all relations: what schema and texts say of them.
        schema: For kinds that domain and range allow; None where there is none.
        use_names: Whether names of entities are evidence.
        kinds: Of the entities, where they are known already; else names and ``schema`` tell them.
        meetings: Edges of the relation graph beyond how relations meet in facts, where ULTRA reads some.
    """

    entities: Sequence[str]
    relations: Sequence[str]
    priors: ClassPriors
    schema: ClassGraph | None = None
    use_names: bool = True
    kinds: EntityKinds | None = None
    meetings: Mapping[str, Tensor] = field(default_factory=dict)

    def evidence(self, triples: Tensor) -> tuple[FactEvidence, FactEvidence]:
        """For tail queries and for head queries of a graph with these facts."""
        kinds = self.kinds or EntityKinds.read(self.entities, self.relations, self.schema)
        names = (NameTable(self.entities), NameTable(self.entities, size=0)) if self.use_names else None
        rows = self.priors.align(list(self.relations)).to_tensor()
        size, rank = len(self.entities), rank_of_names(self.entities)
        tail, head = (
            FactEvidence(triples, size, rows, kinds, names, turned=turned, dim=32, rank=rank)
            for turned in (False, True)
        )
        return tail, head
