"""What runs of a ranker beside the pair features have in common: set-up, candidate rules, stages, the final score."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgzsl.datasets import KGSplit
from kgzsl.engine import Engine, History, Row
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.tasks._engine import engine_of, stage_engine
from kgzsl.tasks.kg_completion._assemble import assemble
from kgzsl.tasks.kg_completion.candidate_rules import CandidateRule, headline_first, make_rule
from kgzsl.tasks.kg_completion.evaluation import Scorer
from kgzsl.tasks.kg_completion.known_contradictions import KnownContradictions
from kgzsl.tasks.kg_completion.ordinary.type_rules import range_rule, type_rule
from kgzsl.tasks.kg_completion.proposing import ProposingCompleter
from kgzsl.tasks.result import RunResult

if TYPE_CHECKING:
    from kgzsl.recipe import CompletionRecipe
    from kgzsl.tasks.kg_completion.ordinary.protocol import OrdinaryProtocol

__all__ = ["Log", "RankerRun"]

Log = Callable[[str], None]


class RankerRun(ABC):
    """One run of a recipe with a ranker of its own; arguments as for :func:`kgzsl.tasks.kg_completion.run`."""

    protocol: OrdinaryProtocol
    graph: ClassGraph | None
    model: ProposingCompleter | None = None
    data_name: str
    entities: Sequence[str]
    relations: Sequence[str]
    seen_names: list[str]
    unseen_names: list[str]
    notes: list[str]
    contradicting: KnownContradictions
    labels: dict[str, list[str]]

    def __init__(
        self,
        recipe: CompletionRecipe,
        *,
        data: KGSplit | None = None,
        out: Path | None = None,
        resume: bool = False,
        progress: bool | str = "auto",
        log: Log | None = None,
        on_log: Callable[[Row], None] | None = None,
    ) -> None:
        assert recipe.ranker is not None
        self.recipe, self.ranker = recipe, recipe.ranker
        self.start = time.perf_counter()
        self.seeds = recipe.protocol.seed_list
        self.seconds: dict[str, float] = {}
        self.folder = None if out is None else Path(out) / "checkpoint"
        self._log = log
        self.engine = engine_of(recipe, self.folder, resume=resume, progress=progress, on_log=on_log)
        self._resume = resume
        self.warnings: list[str] = []
        self.history: list[dict[str, Any]] = []
        self.chosen: dict[str, Any] = {}
        self.priors: ClassPriors | None = None
        self._prepare(data)

    @abstractmethod
    def _prepare(self, data: KGSplit | None) -> None:
        """Read the data; set what is declared above, but the model."""

    @abstractmethod
    def _scorers(self) -> dict[str, Scorer]:
        """The method and its controls, of every seed, trained."""

    def go(self) -> RunResult:
        """All of it."""
        scorers = self._scorers()
        self.log("scoring the test triples")
        begun = time.perf_counter()
        found = self.protocol.final_score(scorers, top=10)
        self.seconds["scoring"] = time.perf_counter() - begun
        known = self.protocol.known
        if self.model is not None and len(known) > len(self.protocol.facts):
            # From now on these are known, too: they are no proposals, and what follows from them does.
            self.model.set_facts(known)
        return assemble(self, found)

    def _protocol_options(self) -> dict[str, Any]:
        """What the recipe says of the protocol, as its constructor takes it."""
        told, given = self.recipe.protocol, self.recipe.protocol.memory_budget
        budget = {} if given is None else {"budget": given}
        return {
            "validation": told.validation,
            "sides": told.sides,
            "filtered": told.filtered,
            "negatives": told.negatives,
            "seed": self.seeds[0],
            **budget,
        }

    def _rules(self, kg: KGSplit, called: Sequence[str] | None = None) -> list[CandidateRule]:
        """The recipe's candidate rule first; ``called`` are the relations' names in the graph."""
        made = {
            "given": make_rule("given", kg),
            "type": type_rule(kg),
            "range": range_rule(kg, self.graph, called),
            "all": make_rule("all", kg),
        }
        where = self.recipe.where("protocol", "candidates")
        hint = ", or give the classes of entities: dataset: {types: FILE}"
        return headline_first(made, self.recipe.protocol.candidates, where, hint)

    def _engine(self, seed: int, stage: str) -> Engine:
        return stage_engine(self.engine, self.folder, seed, stage)

    def _remember(self, seed: int, stage: str, history: History, chosen: Mapping[str, Any]) -> None:
        self.history += [{"seed": seed, **row, "stage": stage} for row in history.rows]
        self.chosen.setdefault(stage, dict(chosen))

    def _spent(self, stage: str, begun: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - begun

    def log(self, line: str) -> None:
        """Tell the user one line."""
        if self._log is not None:
            self._log(line)
