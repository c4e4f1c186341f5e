"""An inductive data set as two graphs with ids of their own: one to learn on, one to answer about."""

from __future__ import annotations

from collections.abc import Mapping
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
        types: Entity name to the names of its classes, where the data tell them.
    """

    entities: tuple[str, ...]
    relations: tuple[str, ...]
    facts: Tensor
    valid: Tensor
    test: Tensor
    types: Mapping[str, tuple[str, ...]] | None = None

    @classmethod
    def inference(cls, kg: KGSplit) -> InductiveTask:
        """The graph given at test time, with the entities and relations of its facts and of test triples.

        Validation triples about others are of the training graph, and left out.

        Raises:
            InputError: The data have no such graph.
        """
        if not len(kg.support):
            raise InputError("this data set has no graph that is given at test time", file=kg.source)
        there = torch.cat([kg.support, kg.test])
        ours = torch.isin(kg.valid[:, [0, 2]], there[:, [0, 2]]).all(dim=1) & torch.isin(kg.valid[:, 1], there[:, 1])
        return cls._of(kg, kg.support, kg.valid[ours], kg.test)

    @classmethod
    def asked(cls, kg: KGSplit, facts: str = "auto") -> InductiveTask:
        """What is asked about after training: :meth:`inference`, with the training graph's facts where they are known.

        Args:
            kg: The data.
            facts: What may be read: ``"given"``, the graph given at test time alone; ``"all"``, the training graph's
                facts too; ``"auto"``, all where both graphs share an entity or there is one graph alone, else given.

        Raises:
            InputError: An unknown choice, or the given graph alone of data that have none.
        """
        if facts not in ("auto", "given", "all"):
            raise InputError(f"facts is {facts!r}", remedy="choose auto, given or all")
        if facts == "auto":
            shared = torch.isin(kg.support[:, [0, 2]], kg.train[:, [0, 2]])
            facts = "all" if bool(shared.any()) or not len(kg.support) else "given"
        if facts == "given":
            return cls.inference(kg)
        return cls._of(kg, torch.cat([kg.train, kg.support]), kg.valid, kg.test)

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
        facts, valid, test = torch.split(renamed, [len(facts), len(valid), len(test)])
        return cls(
            tuple(kg.entities[i] for i in entities.tolist()),
            tuple(kg.relations[i] for i in relations.tolist()),
            facts=facts,
            valid=valid,
            test=test,
            types=kg.types,
        )

    def to_kg(self, like: KGSplit) -> KGSplit:
        """The same as a data set: its training triples are the facts; name, schema and classes are ``like``'s."""
        entities = {name: number for number, name in enumerate(self.entities)}
        candidates = None
        if like.candidates is not None:
            relations = {name: number for number, name in enumerate(self.relations)}
            candidates = {
                relations[like.relations[relation]]: torch.tensor(
                    [entities[like.entities[i]] for i in ids.tolist() if like.entities[i] in entities]
                )
                for relation, ids in like.candidates.items()
                if like.relations[relation] in relations
            }
        return KGSplit(
            self.entities,
            self.relations,
            train=self.facts,
            valid=self.valid,
            test=self.test,
            candidates=candidates,
            graph_source=like.graph_source,
            name=like.name,
            notes=like.notes,
            source=like.source,
            types=like.types,
        )

    @property
    def known(self) -> Tensor:
        """Every triple whose answers are filtered."""
        return torch.cat([self.facts, self.valid, self.test])

    def graph(self, *, extra_meetings: dict[str, Tensor] | None = None) -> FactGraph:
        """The facts, ready for message passing."""
        return FactGraph(self.facts, len(self.entities), len(self.relations), extra_meetings=extra_meetings)
