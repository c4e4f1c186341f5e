"""An inductive data set as two graphs with ids of their own: one to learn on, one to answer about."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kgzsl.datasets import KGSplit
from kgzsl.errors import InputError
from kgzsl.tasks.kg_completion.inductive.fact_graph import FactGraph

__all__ = ["InductiveTask"]


@dataclass(frozen=True)
class InductiveTask:
    """What is asked about an inference graph.

    Args:
        entities: Names, by id.
        relations: Names, by id.
        facts: int64 [T, 3], what may be read.
        valid: int64 [V, 3].
        test: int64 [S, 3].
    """

    entities: tuple[str, ...]
    relations: tuple[str, ...]
    facts: Tensor
    valid: Tensor
    test: Tensor

    @classmethod
    def inference(cls, kg: KGSplit) -> InductiveTask:
        """The graph given at test time, with the entities and relations of facts, validation and test triples.

        Raises:
            InputError: The data have no such graph.
        """
        if not len(kg.support):
            raise InputError("this data set has no graph that is given at test time", file=kg.source)
        return cls._of(kg, kg.support, kg.valid, kg.test)

    @classmethod
    def training(cls, kg: KGSplit) -> InductiveTask:
        """The training graph; nothing is asked about it."""
        return cls._of(kg, kg.train, kg.train[:0], kg.train[:0])

    @classmethod
    def _of(cls, kg: KGSplit, facts: Tensor, valid: Tensor, test: Tensor) -> InductiveTask:
        together = torch.cat([facts, valid, test])
        entities, place = torch.unique(together[:, [0, 2]], return_inverse=True)
        relations, kind = torch.unique(together[:, 1], return_inverse=True)
        renamed = torch.stack([place[:, 0], kind, place[:, 1]], dim=1)
        parts = torch.split(renamed, [len(facts), len(valid), len(test)])
        return cls(
            tuple(kg.entities[i] for i in entities.tolist()), tuple(kg.relations[i] for i in relations.tolist()), *parts
        )

    @property
    def known(self) -> Tensor:
        """Every triple whose answers are filtered."""
        return torch.cat([self.facts, self.valid, self.test])

    def graph(self, *, extra_meetings: dict[str, Tensor] | None = None) -> FactGraph:
        """The facts, ready for message passing."""
        return FactGraph(self.facts, len(self.entities), len(self.relations), extra_meetings=extra_meetings)
