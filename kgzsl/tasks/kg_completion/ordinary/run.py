"""From a recipe with ``ranker: embedding`` to a result: training, controls, one final score."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgzsl.datasets import KGSplit
from kgzsl.engine import Row, placed
from kgzsl.knowledge import ClassPriors
from kgzsl.tasks._data import read_kg
from kgzsl.tasks._engine import engine_of
from kgzsl.tasks._knowledge import read_sources
from kgzsl.tasks.kg_completion._assemble import assemble
from kgzsl.tasks.kg_completion.candidate_rules import CandidateRule, headline_first, make_rule
from kgzsl.tasks.kg_completion.checks import data_notes
from kgzsl.tasks.kg_completion.evaluation import Scorer
from kgzsl.tasks.kg_completion.ordinary.controls import popularity, rules_alone, shuffled_triples
from kgzsl.tasks.kg_completion.ordinary.embedding_completer import EmbeddingCompleter
from kgzsl.tasks.kg_completion.ordinary.protocol import OrdinaryProtocol
from kgzsl.tasks.kg_completion.ordinary.type_rules import range_rule, type_rule
from kgzsl.tasks.result import RunResult

if TYPE_CHECKING:
    from kgzsl.recipe import CompletionRecipe

__all__ = ["OrdinaryRun"]

Log = Callable[[str], None]


class OrdinaryRun:
    """One run of ordinary completion; arguments as for :func:`kgzsl.tasks.kg_completion.run`."""

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
        self.recipe = recipe
        self.start = time.perf_counter()
        self.seeds = recipe.protocol.seed_list
        self.seconds: dict[str, float] = {}
        self.folder = None if out is None else Path(out) / "checkpoint"
        self._log = log
        self.engine = engine_of(recipe, self.folder, resume=resume, progress=progress, on_log=on_log)
        loaded = read_kg(recipe, data)
        given = recipe.protocol.memory_budget
        self.budget = {} if given is None else {"budget": given}
        main, _ = read_sources(recipe, loaded.relations, graph_source=loaded.graph_source)
        self.graph, self._called = main.graph, main.called
        self.protocol = OrdinaryProtocol(
            loaded,
            self._rules(loaded),
            validation=recipe.protocol.validation,
            sides=recipe.protocol.sides,
            filtered=recipe.protocol.filtered,
            seed=self.seeds[0],
            **self.budget,
        )
        self.data_name, self.entities, self.relations = loaded.name, loaded.entities, loaded.relations
        self.notes = [*loaded.notes, *data_notes(loaded, main.graph, main.called)]
        strange = len(loaded.unseen_relations)
        if strange:
            self.notes.append(
                f"{strange} relations of test have no training triple: an embedding knows nothing of them"
            )
        self.seen_names = loaded.names_of(loaded.seen_relations)
        self.unseen_names = loaded.names_of(loaded.unseen_relations)
        self.warnings: list[str] = []
        self.history: list[dict[str, Any]] = []
        self.chosen: dict[str, Any] = {}
        self.model: EmbeddingCompleter | None = None
        self.priors: ClassPriors | None = None

    def _rules(self, kg: KGSplit) -> list[CandidateRule]:
        made = {
            "given": make_rule("given", kg),
            "type": type_rule(kg),
            "range": range_rule(kg, self.graph, self._called),
            "all": make_rule("all", kg),
        }
        where = self.recipe.where("protocol", "candidates")
        hint = ", or give the classes of entities: dataset: {types: FILE}"
        return headline_first(made, self.recipe.protocol.candidates, where, hint)

    def go(self) -> RunResult:
        """All of it."""
        scorers: dict[str, Scorer] = {}
        kg, controls = self.protocol.final_kg, self.recipe.controls
        for seed in self.seeds:
            model = self._fit(seed, kg, "")
            if self.model is None:
                self.model = model
            scorers[f"{seed}/method"] = model.scorer
            if "popularity" in controls:
                scorers[f"{seed}/popularity"] = popularity(kg.train, kg.num_entities)
            if "rules" in controls and not model.rules_.empty:
                scorers[f"{seed}/rules"] = rules_alone(model.rules_, kg.num_entities)
            if "shuffled" in controls:
                scorers[f"{seed}/shuffled.method"] = self._fit(seed, shuffled_triples(kg, seed + 1), "shuffled.").scorer
        self.log("scoring the test triples")
        begun = time.perf_counter()
        found = self.protocol.final_score(scorers, top=10)
        self.seconds["scoring"] = time.perf_counter() - begun
        return assemble(self, found)

    def _fit(self, seed: int, kg: KGSplit, prefix: str) -> EmbeddingCompleter:
        assert self.recipe.ranker is not None
        self.log(f"seed {seed}: training, {'shuffled' if prefix else 'real'} triples")
        folder = None if self.folder is None else self.folder / f"{prefix}embedding.seed{seed}"
        on_log = placed(self.engine.on_log, seed, f"{prefix}embedding")
        engine = replace(
            self.engine, _fabric=self.engine.fabric, _names={}, seed=seed, checkpoint=folder, on_log=on_log
        )
        begun = time.perf_counter()
        budget = {f"memory_{name}": value for name, value in self.budget.items()}
        model = EmbeddingCompleter(**{"seed": seed, **self.recipe.ranker.options, **budget})
        model.fit(
            kg,
            schema=self.graph,
            called=self._called,
            validate=self.protocol.validate if self.protocol.selects else None,
            engine=engine,
        )
        stage = f"{prefix}train"
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - begun
        self.history += [{"seed": seed, **row, "stage": f"{prefix}embedding"} for row in model.history_.rows]
        self.chosen.setdefault(f"{prefix}embedding", dict(model.chosen_))
        return model

    def log(self, line: str) -> None:
        """Tell the user one line."""
        if self._log is not None:
            self._log(line)
