"""ULTRA as a completer: public weights, asked about any graph."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from kgzsl._options import check_budget, check_whole
from kgzsl.engine import Engine
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion.inductive.asking import (
    RELATIONS_ASIDE,
    Asked,
    put_aside,
    put_relations_aside,
    share_for_calibration,
)
from kgzsl.tasks.kg_completion.inductive.calibrations import Answered, Calibrations
from kgzsl.tasks.kg_completion.inductive.edged_completer import EdgedCompleter
from kgzsl.tasks.kg_completion.inductive.fact_graph import FactGraph
from kgzsl.tasks.kg_completion.inductive.schema_edges import SchemaEdges
from kgzsl.tasks.kg_completion.inductive.tasks import InductiveTask
from kgzsl.tasks.kg_completion.inductive.ultra import Ultra

__all__ = ["UltraCompleter"]


class UltraCompleter(EdgedCompleter):
    """Answers by ULTRA's public weights (:class:`Ultra`), from facts alone; nothing is trained.

    With ``schema_edges`` what an ontology says of relations joins them, too, beside the entities that they share.
    ULTRA's weights stay; what each type of such edges means is learned on the training graph.

    Args:
        checkpoint: Path of the weights, such as ``ultra_3g.pth``.
        head_queries: ``"direct"``, as the public code, or ``"inverse"``; see :class:`Ultra`.
        facts: What may be read: ``"given"``, ``"all"`` or ``"auto"``; see :meth:`InductiveTask.asked`.
        schema_edges: Whether the ontology joins relations, by all of :data:`SCHEMA_MEETINGS` or by a list of them.
        steps: In which the types of these edges are learned. This and the next two count for nothing else.
        batch_size: Facts in such a step; each is asked for from both ends.
        lr: Of Adam.
        calibrate: Whether to fit probabilities: some of the training graph's facts are put aside and asked for, and
            then some of its relations with all of their facts, for relations that have none where they are asked. With
            schema edges, by a second model that learned these from none of what is asked for.
        queries: At most so many facts, each time.
        others: Answers drawn beside each true one.
        seed: Decides which.
        memory_budget: Bytes that scoring may take at a time.
    """

    FORMAT = "kgzsl.ultra_completer/2"

    def __init__(
        self,
        *,
        checkpoint: str | None = None,
        head_queries: str = "direct",
        facts: str = "auto",
        schema_edges: bool | list[str] = False,
        steps: int = 60,
        batch_size: int = 8,
        lr: float = 5e-3,
        calibrate: bool = True,
        queries: int = 150,
        others: int = 500,
        seed: int = 0,
        memory_budget: int = 512 * 2**20,
    ) -> None:
        self.checkpoint, self.head_queries, self.facts = checkpoint, head_queries, facts
        self.schema_edges, self.steps, self.batch_size, self.lr = schema_edges, steps, batch_size, lr
        self.calibrate, self.queries, self.others = calibrate, queries, others
        self.seed, self.memory_budget = seed, memory_budget
        check_common(self)
        self._check_edges()

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 (scikit-learn's signature)
        """The options of the constructor."""
        names = ("checkpoint", "head_queries", "facts", "calibrate", "queries", "others", "seed", "memory_budget")
        return {name: getattr(self, name) for name in (*names, *self.EDGES)}

    def _learn(
        self, training: InductiveTask, asked: InductiveTask, schema: ClassGraph | None, engine: Engine
    ) -> Calibrations:
        learned = self._read_edges(training, asked, schema)
        self.ultra_, self.history_ = self._taught(training, learned, engine)
        if learned.pairs:
            self.chosen_ |= {"schema_edges": len(self.edges_), "schema_edges.training": len(learned)}
        if not self.calibrate:
            return Calibrations()
        facts, names = training.facts.cpu(), (training.entities, training.relations)
        told: dict[str, Any] = {"queries": self.queries, "others": self.others, "seed": engine.seed}
        aside = put_aside(facts, *names, share=share_for_calibration(len(facts)), **told)
        bare = put_relations_aside(facts, *names, share=RELATIONS_ASIDE, **told)
        ultra = self.ultra_
        if len(learned):
            ultra = self._taught_aside(training, learned, engine, (aside.graph, bare.graph))
        return Calibrations.fit(*(self._answered(ultra, one, learned) for one in (aside, bare)))

    def _answered(self, ultra: Ultra, aside: Asked, edges: SchemaEdges) -> Answered | None:
        if not len(aside):
            return None
        graph = FactGraph(aside.graph.triples.to(self.device_), aside.graph.num_entities, aside.graph.num_relations)
        graph = edges.among(graph)
        parts = []
        for rows in torch.split(torch.arange(len(aside)), 32):
            subject, relation = (x[rows].to(self.device_) for x in (aside.subject, aside.relation))
            parts.append(ultra.score(graph, subject, relation).cpu().gather(1, aside.answers[rows]))
        return aside, torch.cat(parts)

    def _score(self, graph: FactGraph, subjects: Tensor, directed: Tensor, budget: int) -> Tensor:
        return self.ultra_.score(graph, subjects, directed, budget=budget)

    def _state(self) -> dict[str, Any]:
        return {"options": self.ultra_.get_params(), "weights": self.ultra_.state_dict(), **self._edges_state()}

    def _take_state(self, state: dict[str, Any]) -> None:
        self.ultra_ = Ultra.from_params(state["options"])
        self.ultra_.load_state_dict(state["weights"])
        self.ultra_.to(self.device_)
        self._take_edges(state)


def check_common(model: Any) -> None:
    """Refuse values of the options that these completers share.

    Raises:
        InputError: One is out of range.
    """
    if model.facts not in ("auto", "given", "all"):
        raise InputError(f"facts is {model.facts!r}", remedy="choose auto, given or all")
    if getattr(model, "head_queries", "direct") not in ("direct", "inverse"):
        raise InputError(f"head_queries is {model.head_queries!r}", remedy="choose direct or inverse")
    check_whole(model, "queries", "others")
    check_budget(model.memory_budget)
