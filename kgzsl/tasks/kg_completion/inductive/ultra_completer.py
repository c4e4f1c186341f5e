"""ULTRA as a completer: public weights, asked about any graph."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from kgzsl.engine import Engine
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion._options import check_budget, check_whole
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
from kgzsl.tasks.kg_completion.inductive.tasks import InductiveTask
from kgzsl.tasks.kg_completion.inductive.ultra import Ultra

__all__ = ["WHERE_CHECKPOINTS_ARE", "UltraCompleter", "read_ultra"]

WHERE_CHECKPOINTS_ARE = (
    "get ultra_3g.pth from https://github.com/DeepGraphLearning/ULTRA (folder ckpts) and give its path as checkpoint"
)


def read_ultra(checkpoint: str | None, head_queries: str) -> Ultra:
    """The public weights.

    Raises:
        InputError: There are none, with what to do.
    """
    if checkpoint is None:
        raise InputError("there is no checkpoint of ULTRA", remedy=WHERE_CHECKPOINTS_ARE)
    try:
        return Ultra.from_checkpoint(checkpoint, head_queries=head_queries)
    except InputError as error:
        raise InputError(error.problem, file=error.file, place=error.place, remedy=WHERE_CHECKPOINTS_ARE) from error


class UltraCompleter(InductiveCompleter):
    """Answers by ULTRA's public weights (:class:`Ultra`), from facts alone; nothing is trained.

    Args:
        checkpoint: Path of the weights, such as ``ultra_3g.pth``.
        head_queries: ``"direct"``, as the public code, or ``"inverse"``; see :class:`Ultra`.
        facts: What may be read: ``"given"``, ``"all"`` or ``"auto"``; see :meth:`InductiveTask.asked`.
        calibrate: Whether to fit probabilities: some of the training graph's facts are put aside and asked for, and
            then some of its relations with all of their facts, for relations that have none where they are asked.
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
        calibrate: bool = True,
        queries: int = 150,
        others: int = 500,
        seed: int = 0,
        memory_budget: int = 512 * 2**20,
    ) -> None:
        self.checkpoint, self.head_queries, self.facts = checkpoint, head_queries, facts
        self.calibrate, self.queries, self.others = calibrate, queries, others
        self.seed, self.memory_budget = seed, memory_budget
        check_common(self)

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 (scikit-learn's signature)
        """The options of the constructor."""
        names = ("checkpoint", "head_queries", "facts", "calibrate", "queries", "others", "seed", "memory_budget")
        return {name: getattr(self, name) for name in names}

    def _learn(
        self, training: InductiveTask, asked: InductiveTask, schema: ClassGraph | None, engine: Engine
    ) -> Calibrations:
        del asked, schema
        self.ultra_ = read_ultra(self.checkpoint, self.head_queries).to(self.device_)
        if not self.calibrate:
            return Calibrations()
        facts, names = training.facts.cpu(), (training.entities, training.relations)
        told: dict[str, Any] = {"queries": self.queries, "others": self.others, "seed": engine.seed}
        return Calibrations.fit(
            self._answered(put_aside(facts, *names, share=share_for_calibration(len(facts)), **told)),
            self._answered(put_relations_aside(facts, *names, share=RELATIONS_ASIDE, **told)),
        )

    def _answered(self, aside: Asked) -> Answered | None:
        if not len(aside):
            return None
        graph = FactGraph(aside.graph.triples.to(self.device_), aside.graph.num_entities, aside.graph.num_relations)
        parts = []
        for rows in torch.split(torch.arange(len(aside)), 32):
            subject, relation = (x[rows].to(self.device_) for x in (aside.subject, aside.relation))
            parts.append(self.ultra_.score(graph, subject, relation).cpu().gather(1, aside.answers[rows]))
        return aside, torch.cat(parts)

    def _score(self, graph: FactGraph, subjects: Tensor, directed: Tensor, budget: int) -> Tensor:
        return self.ultra_.score(graph, subjects, directed, budget=budget)

    def _state(self) -> dict[str, Any]:
        return {"options": self.ultra_.get_params(), "weights": self.ultra_.state_dict()}

    def _take_state(self, state: dict[str, Any]) -> None:
        self.ultra_ = Ultra.from_params(state["options"])
        self.ultra_.load_state_dict(state["weights"])
        self.ultra_.to(self.device_)


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
