"""From a recipe with an inductive ranker to a result: learning on one graph, controls, one final score on another."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from kgzsl.datasets import KGSplit
from kgzsl.engine import Row, placed
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.tasks._data import read_kg
from kgzsl.tasks._engine import engine_of
from kgzsl.tasks._knowledge import Source, build_priors, read_sources
from kgzsl.tasks.kg_completion._assemble import assemble
from kgzsl.tasks.kg_completion.candidate_rules import CandidateRule, headline_first, make_rule
from kgzsl.tasks.kg_completion.checks import data_notes, some_names
from kgzsl.tasks.kg_completion.evaluation import Scorer
from kgzsl.tasks.kg_completion.inductive.completer import InductiveCompleter
from kgzsl.tasks.kg_completion.inductive.protocol import InductiveProtocol
from kgzsl.tasks.kg_completion.inductive.rankers import inductive_rankers
from kgzsl.tasks.kg_completion.inductive.tasks import InductiveTask
from kgzsl.tasks.kg_completion.inductive.ultra_completer import WHERE_CHECKPOINTS_ARE
from kgzsl.tasks.kg_completion.link_overlap import LinkOverlap
from kgzsl.tasks.kg_completion.new_priors import with_own_columns
from kgzsl.tasks.kg_completion.ordinary.controls import popularity
from kgzsl.tasks.kg_completion.ordinary.type_rules import range_rule, type_rule
from kgzsl.tasks.kg_completion.pair_graph import relation_arcs
from kgzsl.tasks.result import RunResult

if TYPE_CHECKING:
    from kgzsl.recipe import CompletionRecipe

__all__ = ["InductiveRun"]

Log = Callable[[str], None]


class InductiveRun:
    """One run of inductive completion; arguments as for :func:`kgzsl.tasks.kg_completion.run`."""

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
        self.kind = inductive_rankers()[recipe.ranker.name]
        self.options = self._options()
        loaded = read_kg(recipe, data)
        self.training = InductiveTask.training(loaded)
        self.task = InductiveTask.asked(loaded, str(self.options.get("facts", "auto")))
        self._names = tuple(dict.fromkeys([*self.training.relations, *self.task.relations]))
        main, self.sources = read_sources(recipe, self._names, graph_source=loaded.graph_source)
        first = main if main.graph is not None else next((one for one in self.sources if one.graph is not None), main)
        self.graph = first.kept(self._names)
        asked = self.task.to_kg(loaded)
        given = recipe.protocol.memory_budget
        budget = {} if given is None else {"budget": given}
        self.protocol = InductiveProtocol(
            asked,
            self._rules(asked),
            validation=recipe.protocol.validation,
            sides=recipe.protocol.sides,
            filtered=recipe.protocol.filtered,
            seed=self.seeds[0],
            **budget,
        )
        self.data_name, self.entities, self.relations = loaded.name, self.task.entities, self.task.relations
        self.notes = [*loaded.notes, *self._account(loaded), *data_notes(asked, self.graph)]
        trained = set(self.training.relations)
        self.seen_names = [name for name in self.relations if name in trained]
        self.unseen_names = [name for name in self.relations if name not in trained]
        self.warnings: list[str] = []
        self.history: list[dict[str, Any]] = []
        self.chosen: dict[str, Any] = {}
        self.model: InductiveCompleter | None = None
        self.priors: ClassPriors | None = None

    def _options(self) -> dict[str, Any]:
        """The ranker's options, with the place of the checkpoint."""
        ranker = self.recipe.ranker
        assert ranker is not None
        options = dict(ranker.options)
        if options.get("checkpoint") is not None:
            try:
                found = self.recipe.find_file(str(options["checkpoint"]), "ranker", "checkpoint")
            except InputError as error:
                raise InputError(
                    error.problem, file=error.file, place=error.place, remedy=WHERE_CHECKPOINTS_ARE
                ) from None
            options["checkpoint"] = str(found)
        if self.recipe.protocol.memory_budget is not None:
            options["memory_budget"] = self.recipe.protocol.memory_budget
        return options

    def _rules(self, kg: KGSplit) -> list[CandidateRule]:
        made = {
            "given": make_rule("given", kg),
            "type": type_rule(kg),
            "range": range_rule(kg, self.graph),
            "all": make_rule("all", kg),
        }
        where = self.recipe.where("protocol", "candidates")
        hint = ", or give the classes of entities: dataset: {types: FILE}"
        return headline_first(made, self.recipe.protocol.candidates, where, hint)

    def _account(self, kg: KGSplit) -> list[str]:
        """What is asked about, beside what was learned from."""
        task, trained = self.task, set(self.training.entities)
        new = sum(name not in trained for name in task.entities)
        kinds = set(task.relations) - set(self.training.relations)
        note = f"asked about {len(task.entities):,} entities, {new:,} of them not in training, and "
        note += f"{len(task.relations)} relations, {len(kinds)} of them not in training; {len(task.facts):,} facts read"
        both = len(kg.support) and len(task.facts) > len(kg.support)
        return [note + (", those of training among them" if both or not len(kg.support) else "")]

    def go(self) -> RunResult:
        """All of it."""
        scorers: dict[str, Scorer] = {}
        controls, facts, size = self.recipe.controls, self.task.facts, len(self.entities)
        for seed in self.seeds:
            priors = self._made(seed)
            if self.priors is None:
                self.priors = priors
            model = self._fit(seed, priors, self.graph, "")
            if self.model is None:
                self.model = model
                self.notes += model.notes_
            scorers[f"{seed}/method"] = model.scorer
            if "popularity" in controls:
                scorers[f"{seed}/popularity"] = popularity(facts, size)
            if "link_overlap" in controls:
                scorers[f"{seed}/link_overlap"] = self._link_overlap(priors)
            if "shuffled" in controls and priors is not None:
                schema = None if self.graph is None else self.graph.shuffled(seed + 1)
                wrong = self._made(seed, shuffle=seed + 1)
                scorers[f"{seed}/shuffled.method"] = self._fit(seed, wrong, schema, "shuffled.").scorer
        self.log("scoring the test triples")
        begun = time.perf_counter()
        found = self.protocol.final_score(scorers, top=10)
        self.seconds["scoring"] = time.perf_counter() - begun
        return assemble(self, found)

    def _made(self, seed: int, *, shuffle: int | None = None) -> ClassPriors | None:
        """Priors of the relations of both graphs; one that a prior's graph lacks is like itself and nothing else."""
        if not self.recipe.priors:
            return None
        self.log(f"seed {seed}: {'priors' if shuffle is None else 'shuffled priors'}")
        begun = time.perf_counter()
        absent = set()
        for source in self.sources:
            if source.graph is not None:
                nodes = source.graph.align(source.called).indices.tolist()
                absent |= {name for name, node in zip(self._names, nodes, strict=True) if node < 0}
        known = [name for name in self._names if name not in absent]
        if not known:
            raise InputError(
                "the graph of the priors has none of the relations",
                **self.recipe.where("graph"),
                remedy="see kgzsl info, or map names to IRIs with graph: {mapping: ...}",
            )
        kept = [name not in absent for name in self._names]
        sources = [
            Source(one.graph, tuple(called for called, keep in zip(one.called, kept, strict=True) if keep))
            for one in self.sources
        ]
        engine = replace(self.engine, _fabric=self.engine.fabric, _names={}, seed=seed, checkpoint=None)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            made = build_priors(self.recipe, known, {}, sources, engine=engine, shuffle=shuffle)
        if shuffle is None:
            self.warnings += [str(warning.message) for warning in caught if issubclass(warning.category, UserWarning)]
            if absent and self.priors is None:
                names = some_names([name for name in self._names if name in absent])
                self.notes.append(
                    f"{len(absent)} of {len(self._names)} relations are not in the schema: they are like themselves "
                    f"and nothing else: {names}"
                )
        self._spent("priors", begun)
        return with_own_columns(made, self._names) if absent else made

    def _fit(self, seed: int, priors: ClassPriors | None, schema: ClassGraph | None, prefix: str) -> InductiveCompleter:
        self.log(f"seed {seed}: learning, {'shuffled ontology' if prefix else 'real ontology'}")
        name = f"{prefix}ranker"
        folder = None if self.folder is None else self.folder / f"{name}.seed{seed}"
        on_log = placed(self.engine.on_log, seed, name)
        engine = replace(
            self.engine, _fabric=self.engine.fabric, _names={}, seed=seed, checkpoint=folder, on_log=on_log
        )
        options = {"seed": seed, **self.options}
        if prefix:
            options["calibrate"] = False  # only the model that is kept is asked for probabilities
        begun = time.perf_counter()
        model: InductiveCompleter = self.kind(**options)
        if model.READS_PRIORS == "never":
            priors = None
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*[Ss]parse CSR.*")
            model.fit(self.training, self.task, priors=priors, schema=schema, engine=engine)
        self._spent(f"{prefix}train", begun)
        self.history += [{"seed": seed, **row, "stage": name} for row in model.history_.rows]
        self.chosen.setdefault(name, dict(model.chosen_))
        return model

    def _link_overlap(self, priors: ClassPriors | None) -> Scorer:
        """The training-free control; without priors every relation that links a pair counts alike."""
        arcs, known = relation_arcs(self.task.facts, len(self.entities), len(self.relations))
        rows = torch.ones(len(self.relations), 1)
        if priors is not None:
            rows = priors.align(list(self.relations)).to_tensor()
        rule = LinkOverlap(arcs, rows[known])
        return lambda relation, anchors, side: rule.scores(rows[relation], anchors, side=side)

    def _spent(self, stage: str, begun: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - begun

    def log(self, line: str) -> None:
        """Tell the user one line."""
        if self._log is not None:
            self._log(line)
