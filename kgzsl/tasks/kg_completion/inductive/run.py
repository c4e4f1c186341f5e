"""From a recipe with an inductive ranker to a result: learning on one graph, controls, one final score on another."""

from __future__ import annotations

import time
import warnings
from typing import Any

import torch

from kgzsl.datasets import KGSplit
from kgzsl.datasets.kg_labels import entity_labels
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.tasks._begun import begin
from kgzsl.tasks._data import read_kg
from kgzsl.tasks._knowledge import build_priors, read_sources
from kgzsl.tasks.kg_completion.checks import data_notes, told_strangers
from kgzsl.tasks.kg_completion.evaluation import Scorer
from kgzsl.tasks.kg_completion.inductive.completer import InductiveCompleter
from kgzsl.tasks.kg_completion.inductive.edged_completer import WHERE_CHECKPOINTS_ARE, no_ontology
from kgzsl.tasks.kg_completion.inductive.protocol import InductiveProtocol
from kgzsl.tasks.kg_completion.inductive.rankers import inductive_rankers
from kgzsl.tasks.kg_completion.inductive.tasks import InductiveTask
from kgzsl.tasks.kg_completion.known_contradictions import KnownContradictions
from kgzsl.tasks.kg_completion.link_overlap import overlap_scorer
from kgzsl.tasks.kg_completion.ordinary.controls import popularity
from kgzsl.tasks.kg_completion.ranker_run import RankerRun

__all__ = ["InductiveRun"]


class InductiveRun(RankerRun):
    """One run of inductive completion; arguments as for :func:`kgzsl.tasks.kg_completion.run`."""

    model: InductiveCompleter | None = None

    def _prepare(self, data: KGSplit | None) -> None:
        self.kind = inductive_rankers()[self.ranker.name]
        self.options = self._options()
        loaded = read_kg(self.recipe, data)
        self.training = InductiveTask.training(loaded)
        self.task = InductiveTask.asked(loaded, str(self.options.get("facts", "auto")))
        self._names = tuple(dict.fromkeys([*self.training.relations, *self.task.relations]))
        main, self.sources = read_sources(
            self.recipe, self._names, graph_source=loaded.graph_source, in_name_order=True
        )
        begin(self.folder, loaded, [one.graph for one in (main, *self.sources)], resume=self._resume)
        first = main if main.graph is not None else next((one for one in self.sources if one.graph is not None), main)
        self.graph = first.kept(self._names)
        if self.options.get("schema_edges") and self.graph is None:
            raise no_ontology(**self.recipe.where("ranker", "schema_edges"))
        asked = self.task.to_kg(loaded)
        self.protocol = InductiveProtocol(asked, self._rules(asked), **self._protocol_options())
        self.data_name, self.entities, self.relations = loaded.name, self.task.entities, self.task.relations
        self.labels = entity_labels(loaded)
        self.contradicting = KnownContradictions.read(
            asked, self.graph, facts_called="facts of the graph that is asked"
        )
        odd = data_notes(asked, self.graph)
        self.notes = [*loaded.notes, *self._account(loaded), *odd, *self.contradicting.notes()]
        trained = set(self.training.relations)
        self.seen_names = [name for name in self.relations if name in trained]
        self.unseen_names = [name for name in self.relations if name not in trained]

    def _options(self) -> dict[str, Any]:
        """The ranker's options, with the place of the checkpoint."""
        options = dict(self.ranker.options)
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

    def _account(self, kg: KGSplit) -> list[str]:
        """What is asked about, beside what was learned from."""
        task, trained = self.task, set(self.training.entities)
        new = sum(name not in trained for name in task.entities)
        kinds = set(task.relations) - set(self.training.relations)
        note = f"asked about {len(task.entities):,} entities, {new:,} of them not in training, and "
        note += f"{len(task.relations)} relations, {len(kinds)} of them not in training; {len(task.facts):,} facts read"
        both = len(kg.support) and len(task.facts) > len(kg.support)
        return [note + (", those of training among them" if both or not len(kg.support) else "")]

    def _scorers(self) -> dict[str, Scorer]:
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
            if "shuffled" in controls and (priors is not None or self.options.get("schema_edges")):
                schema = None if self.graph is None else self.graph.shuffled(seed + 1)
                wrong = None if self.kind.READS_PRIORS == "never" else self._made(seed, shuffle=seed + 1)
                scorers[f"{seed}/shuffled.method"] = self._fit(seed, wrong, schema, "shuffled.").scorer
        return scorers

    def _made(self, seed: int, *, shuffle: int | None = None) -> ClassPriors | None:
        """Priors of the relations of both graphs; one that a prior's graph lacks is like itself and nothing else."""
        if not self.recipe.priors:
            return None
        self.log(f"seed {seed}: {'priors' if shuffle is None else 'shuffled priors'}")
        begun = time.perf_counter()
        engine = self._engine(seed, "priors" if shuffle is None else "shuffled-priors")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            made = build_priors(
                self.recipe, self._names, {}, self.sources, engine=engine, shuffle=shuffle, strangers=True
            )
        if shuffle is None:
            self.warnings += [str(warning.message) for warning in caught if issubclass(warning.category, UserWarning)]
            if self.priors is None:
                self.notes += told_strangers(self.recipe, self._names, self.sources)
        self._spent("priors", begun)
        return made

    def _fit(self, seed: int, priors: ClassPriors | None, schema: ClassGraph | None, prefix: str) -> InductiveCompleter:
        self.log(f"seed {seed}: learning, {'shuffled ontology' if prefix else 'real ontology'}")
        stage = f"{prefix}ranker"
        engine = self._engine(seed, stage)
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
        self._remember(seed, stage, model.history_, model.chosen_)
        return model

    def _link_overlap(self, priors: ClassPriors | None) -> Scorer:
        """The training-free control; without priors every relation that links a pair counts alike."""
        rows = torch.ones(len(self.relations), 1)
        if priors is not None:
            rows = priors.align(list(self.relations)).to_tensor()
        return overlap_scorer(self.task.facts, len(self.entities), rows)
