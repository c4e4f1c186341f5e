"""Informed ULTRA as a completer: ULTRA's public weights beside what ontology, texts and names say."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from kgzsl.engine import Engine
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion.evidence.kinds import EntityKinds
from kgzsl.tasks.kg_completion.inductive.asking import put_aside, put_relations_aside
from kgzsl.tasks.kg_completion.inductive.calibrations import Calibrations
from kgzsl.tasks.kg_completion.inductive.edged_completer import EdgedCompleter
from kgzsl.tasks.kg_completion.inductive.fact_graph import FactGraph
from kgzsl.tasks.kg_completion.inductive.informed import InformedUltra
from kgzsl.tasks.kg_completion.inductive.surroundings import Surroundings
from kgzsl.tasks.kg_completion.inductive.tasks import InductiveTask
from kgzsl.tasks.kg_completion.inductive.ultra import Ultra
from kgzsl.tasks.kg_completion.inductive.ultra_completer import check_common

__all__ = ["InformedCompleter"]


class InformedCompleter(EdgedCompleter):
    """Answers by a weighted sum of ULTRA's score and of evidence (:class:`InformedUltra`); on the CPU.

    The weights, and the probabilities, are learned on facts of the training graph that are put aside: each on its own.

    Args:
        checkpoint: Path of ULTRA's weights, such as ``ultra_3g.pth``.
        head_queries: ``"direct"``, as the public code, or ``"inverse"``; see :class:`Ultra`.
        facts: What may be read: ``"given"``, ``"all"`` or ``"auto"``; see :meth:`InductiveTask.asked`.
        schema_edges: Whether ULTRA's part reads the ontology's edges among relations; this and the next three as in
            :class:`UltraCompleter`.
        steps: In which the types of these edges are learned.
        batch_size: Facts in such a step.
        lr: Of Adam.
        use_names: Whether names of entities are evidence.
        share: Of the training graph's facts to put aside.
        queries: At most so many of them are asked for to learn the weights, and at most half as many others for the
            probabilities.
        others: Entities drawn beside each true answer.
        penalty: Weight of the squared length of the standardised weights. The training graph alone asks for less than
            another graph bears: the default was chosen on validation triples of the inference graphs of InGram NL-0,
            NL-75 and NL-100.
        check_queries: Facts given of the graph that is asked are put aside, at most so many, to check whether the
            weights hold there, and to mend them if not; 0 leaves them as the training graph has them.
        bare_queries: Facts of relations of the training graph that are put aside whole and asked for, at most so many,
            to learn weights for relations without facts, or with few; 0 learns none, and then such relations have no
            probabilities.
        calibrate: Whether to fit probabilities.
        seed: Decides which facts are put aside.
        memory_budget: Bytes that scoring may take at a time.
    """

    FORMAT = "kgzsl.informed_completer/2"
    READS_PRIORS = "must"

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
        use_names: bool = True,
        share: float = 0.25,
        queries: int = 300,
        others: int = 500,
        penalty: float = 0.4,
        check_queries: int = 150,
        bare_queries: int = 150,
        calibrate: bool = True,
        seed: int = 0,
        memory_budget: int = 512 * 2**20,
    ) -> None:
        self.checkpoint, self.head_queries, self.facts, self.use_names = checkpoint, head_queries, facts, use_names
        self.schema_edges, self.steps, self.batch_size, self.lr = schema_edges, steps, batch_size, lr
        self.share, self.queries, self.others = share, queries, others
        self.penalty, self.calibrate = penalty, calibrate
        self.check_queries, self.bare_queries = check_queries, bare_queries
        self.seed, self.memory_budget = seed, memory_budget
        check_common(self)
        self._check_edges()
        self._new(Ultra(1, 1))

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 (scikit-learn's signature)
        """The options of the constructor."""
        names = (
            "checkpoint", "head_queries", "facts", "use_names", "share", "queries", "others", "penalty",
            "check_queries", "bare_queries", "calibrate", "seed", "memory_budget",
        )  # fmt: skip
        return {name: getattr(self, name) for name in (*names, *self.EDGES)}

    def _new(self, ultra: Ultra, **changes: Any) -> InformedUltra:
        options = {
            name: getattr(self, name)
            for name in ("share", "queries", "others", "penalty", "check_queries", "bare_queries", "seed")
        }
        return InformedUltra(ultra, **{**options, **changes})

    def _learn(
        self, training: InductiveTask, asked: InductiveTask, schema: ClassGraph | None, engine: Engine
    ) -> Calibrations:
        self.device_ = torch.device("cpu")
        assert self._training_priors is not None
        kinds = EntityKinds.read(training.entities, training.relations, schema, types=training.types)
        edges = self._read_edges(training, asked, schema)
        ultra, self.history_ = self._taught(training, edges, engine)
        around = Surroundings(
            training.entities,
            training.relations,
            self._training_priors,
            schema,
            self.use_names,
            kinds=kinds,
            meetings=edges.pairs,
        )
        facts = training.facts.cpu()
        # What is asked for to learn the weights is not what probabilities are fitted on.
        there = max(1, int(self.share * len(facts)))
        queries = min(self.queries, max(1, there * 2 // 3)) if self.calibrate else self.queries
        # Weights and probabilities are by an ULTRA that did not learn its edges from what is asked for them.
        second = ultra
        if len(edges):
            second = self._taught_aside(training, edges, engine, self._left(training, engine.seed))
        self.informed_ = self._new(second, queries=queries, seed=engine.seed).fit(facts, around)
        self.informed_.ultra = ultra
        if asked is not training:
            self.informed_.adapt(asked.facts.cpu(), self._around())
        self.chosen_ = {
            "weight_of_ultra": self.informed_.weights()["ultra"],
            "loss": self.informed_.loss_,
            "trust": self.informed_.trust_,
            **({"schema_edges": len(self.edges_), "schema_edges.training": len(edges)} if edges.pairs else {}),
        }
        if not self.calibrate:
            return Calibrations()
        self.informed_.about(around).ultra = second
        aside = put_aside(
            facts,
            training.entities,
            training.relations,
            share=self.share,
            queries=-(-queries // 2),
            others=self.others,
            seed=engine.seed,
            skip=queries,
        )
        parts = [
            self.informed_.score(aside.graph, aside.subject[rows], aside.relation[rows]).gather(1, aside.answers[rows])
            for rows in torch.split(torch.arange(len(aside)), 32)
        ]
        self.informed_.ultra = ultra
        return Calibrations.fit((aside, torch.cat(parts)) if parts else None, self.informed_.bare_answered_)

    def _left(self, training: InductiveTask, seed: int) -> list[FactGraph]:
        """The training graph without the facts that :class:`InformedUltra` asks for to learn its weights."""
        facts, names = training.facts.cpu(), (training.entities, training.relations)
        told: dict[str, Any] = {"share": self.share, "queries": 1, "others": 1, "seed": seed}
        found = [put_aside(facts, *names, **told).graph]
        return [*found, put_relations_aside(facts, *names, **told).graph] if self.bare_queries else found

    def _around(self) -> Surroundings:
        assert self.priors_ is not None
        return Surroundings(
            self.entities_,
            self.relations_,
            self.priors_,
            None,
            self.use_names,
            kinds=self.kinds_,
            meetings=self.edges_.pairs,
        )

    def _told(self) -> None:
        # Copies of a completer share it until they are told of something else.
        self.informed_ = copy.copy(self.informed_).about(self._around())

    def _score(self, graph: FactGraph, subjects: Tensor, directed: Tensor, budget: int) -> Tensor:
        return self.informed_.score(graph, subjects, directed, budget=budget)

    def _state(self) -> dict[str, Any]:
        return {**self.informed_.state_dict(), **self._edges_state()}

    def _take_state(self, state: dict[str, Any]) -> None:
        self.device_ = torch.device("cpu")
        self.informed_ = self._new(Ultra(1, 1)).load_state_dict(state)
        self._take_edges(state)
