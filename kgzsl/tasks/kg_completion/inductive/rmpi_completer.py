"""RMPI as a completer: subgraph reasoning that is trained on one graph and asked about another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from kgzsl.engine import Engine
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion._ranks import rank_of_names
from kgzsl.tasks.kg_completion.inductive.asking import (
    RELATIONS_ASIDE,
    Asked,
    put_aside,
    put_relations_aside,
    share_for_calibration,
)
from kgzsl.tasks.kg_completion.inductive.calibrations import Answered, Calibrations
from kgzsl.tasks.kg_completion.inductive.completer import InductiveCompleter
from kgzsl.tasks.kg_completion.inductive.fact_graph import FactGraph
from kgzsl.tasks.kg_completion.inductive.rmpi import Rmpi
from kgzsl.tasks.kg_completion.inductive.tasks import InductiveTask
from kgzsl.tasks.kg_completion.inductive.ultra_completer import check_common
from kgzsl.tasks.ranking import model_share

__all__ = ["RmpiCompleter"]

_TRAINED = ("dim", "layers", "attention", "surroundings", "epochs", "batch_size", "negatives", "margin", "lr")


class RmpiCompleter(InductiveCompleter):
    """Answers by the relations in the subgraph around each candidate triple (:class:`Rmpi`).

    With priors a relation's vector comes from what schema and text say of it. Without, relations that training did not
    show have vectors that are drawn by their names.

    Args:
        dim: Numbers per relation.
        layers: Of message passing; subgraphs have as many hops.
        attention: Whether relations count by how they fit the target's.
        surroundings: Whether the one-hop surroundings count.
        epochs: Passes over the training triples.
        batch_size: Triples in a step.
        negatives: Corrupted triples beside each.
        margin: Of the ranking loss.
        lr: Of Adam.
        facts: What may be read: ``"given"``, ``"all"`` or ``"auto"``; see :meth:`InductiveTask.asked`.
        calibrate: Whether to fit probabilities: a second network, trained in half of the epochs without some of the
            relations and some facts of the others, is asked for these.
        queries: At most so many facts of either kind.
        others: Answers drawn beside each true one.
        seed: Of weights, batches, corrupted triples, vectors of unseen relations.
        memory_budget: Bytes that scoring may take at a time.
    """

    FORMAT = "kgzsl.rmpi_completer/2"
    READS_PRIORS = "may"

    def __init__(
        self,
        *,
        dim: int = 32,
        layers: int = 2,
        attention: bool = True,
        surroundings: bool = True,
        epochs: int = 10,
        batch_size: int = 64,
        negatives: int = 4,
        margin: float = 10.0,
        lr: float = 2e-3,
        facts: str = "auto",
        calibrate: bool = True,
        queries: int = 150,
        others: int = 100,
        seed: int = 0,
        memory_budget: int = 512 * 2**20,
    ) -> None:
        self.dim, self.layers, self.attention, self.surroundings = dim, layers, attention, surroundings
        self.epochs, self.batch_size, self.negatives, self.margin, self.lr = epochs, batch_size, negatives, margin, lr
        self.facts, self.calibrate, self.queries, self.others = facts, calibrate, queries, others
        self.seed, self.memory_budget = seed, memory_budget
        check_common(self)
        self._new()

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 (scikit-learn's signature)
        """The options of the constructor."""
        names = (*_TRAINED, "facts", "calibrate", "queries", "others", "seed", "memory_budget")
        return {name: getattr(self, name) for name in names}

    def _new(self, **changes: Any) -> Rmpi:
        return Rmpi(**{**{name: getattr(self, name) for name in _TRAINED}, "seed": self.seed, **changes})

    def _learn(
        self, training: InductiveTask, asked: InductiveTask, schema: ClassGraph | None, engine: Engine
    ) -> Calibrations:
        del asked, schema
        facts, entities, relations = _by_name(training)
        options: dict[str, Any] = {"priors": self._training_priors}
        self.rmpi_ = self._new(seed=engine.seed).fit(facts, len(entities), relations, engine=engine, **options)
        self.history_ = self.rmpi_.history_
        if not self.calibrate:
            return Calibrations()
        told: dict[str, Any] = {"queries": self.queries, "others": self.others, "seed": engine.seed}
        bare = put_relations_aside(facts, entities, relations, share=RELATIONS_ASIDE, **told)
        rest = bare.graph.triples
        aside = put_aside(rest, entities, relations, share=share_for_calibration(len(rest)), **told)
        if not len(aside.graph.triples):
            return Calibrations()
        folder = None if engine.checkpoint is None else engine.checkpoint.with_name(engine.checkpoint.name + ".aside")
        second = self._new(seed=engine.seed, epochs=-(-self.epochs // 2)).fit(
            aside.graph.triples,
            len(entities),
            relations,
            engine=engine.apart(checkpoint=folder, on_log=None),
            **options,
        )

        def answered(asked: Asked) -> Answered | None:
            if not len(asked):
                return None
            scores = second.score_triples(aside.graph, asked.triples(), budget=model_share(self.memory_budget_))
            return asked, scores.view(asked.answers.shape)

        return Calibrations.fit(answered(aside), answered(bare))

    def _told(self) -> None:
        self.rmpi_.about(self.relations_, priors=self.priors_, draw=True)

    def _grow_priors(self, relations: Sequence[str], schema: ClassGraph | None, was: ClassGraph | None) -> list[str]:
        if self.priors_ is None:
            return []
        old = self.priors_.dim
        notes = super()._grow_priors(relations, schema, was)
        if self.priors_.dim > old:
            # The network takes priors of a fixed length: relations of which nothing is said are drawn by name.
            matrix = self.priors_.matrix
            kept = [row for row in range(len(matrix)) if not matrix[row, old:].any()]
            names = [self.priors_.names[row] for row in kept]
            self.priors_ = type(self.priors_)(tuple(names), matrix[kept, :old])
        return notes

    def _score(self, graph: FactGraph, subjects: Tensor, directed: Tensor, budget: int) -> Tensor:
        del budget  # a cache's worth would be too little for subgraphs
        return self.rmpi_.score(graph, subjects, directed, budget=model_share(self.memory_budget_))

    def _state(self) -> dict[str, Any]:
        return self.rmpi_.state_dict()

    def _take_state(self, state: dict[str, Any]) -> None:
        self.rmpi_ = self._new().load_state_dict(state, self.priors_)


def _by_name(task: InductiveTask) -> tuple[Tensor, tuple[str, ...], tuple[str, ...]]:
    """Facts, entities and relations numbered by name, so that their order in the data leaves no trace."""
    rank, kind = rank_of_names(task.entities), rank_of_names(task.relations)
    facts = task.facts.cpu()
    facts = torch.stack([rank[facts[:, 0]], kind[facts[:, 1]], rank[facts[:, 2]]], dim=1)
    return torch.unique(facts, dim=0), tuple(sorted(task.entities)), tuple(sorted(task.relations))
