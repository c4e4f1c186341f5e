"""From a recipe to a result: priors, selection on held-out seen relations, training, controls, one final score."""

from __future__ import annotations

import itertools
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgzsl.datasets import KGSplit
from kgzsl.datasets.kg_labels import entity_labels
from kgzsl.engine import Engine, Row
from kgzsl.knowledge import ClassPriors
from kgzsl.tasks._begun import begin
from kgzsl.tasks._data import read_kg
from kgzsl.tasks._engine import engine_of, stage_engine
from kgzsl.tasks._knowledge import build_priors, read_sources, reasons
from kgzsl.tasks.kg_completion._assemble import assemble
from kgzsl.tasks.kg_completion.candidate_rules import RULES, headline_first, make_rule
from kgzsl.tasks.kg_completion.checks import data_notes, told_strangers
from kgzsl.tasks.kg_completion.completer import Completer
from kgzsl.tasks.kg_completion.entity_vectors import found_vectors
from kgzsl.tasks.kg_completion.evaluation import Scorer
from kgzsl.tasks.kg_completion.generator_fit import GeneratorFit
from kgzsl.tasks.kg_completion.known_contradictions import KnownContradictions
from kgzsl.tasks.kg_completion.link_overlap import overlap_scorer
from kgzsl.tasks.kg_completion.mappings import mean_prototypes, nearest_prototypes, ridge_prototypes
from kgzsl.tasks.kg_completion.pair_features import PairFeatures
from kgzsl.tasks.kg_completion.protocol import CompletionProtocol
from kgzsl.tasks.kg_completion.ranker_fit import RankerFit
from kgzsl.tasks.kg_completion.relation_completer import prototype_scorer
from kgzsl.tasks.result import RunResult

if TYPE_CHECKING:
    from kgzsl.recipe import CompletionRecipe

__all__ = ["CompletionRun", "run"]

Log = Callable[[str], None]


def run(
    recipe: CompletionRecipe,
    *,
    data: KGSplit | None = None,
    out: Path | None = None,
    resume: bool = False,
    progress: bool | str = "auto",
    log: Log | None = None,
    on_log: Callable[[Row], None] | None = None,
) -> RunResult:
    """Run a completion recipe: the method, its baselines and its controls, over all seeds.

    Nothing but the last step sees a test triple: the steps of the pair features, the epochs of the generator and the
    penalty of the closed-form map are chosen on held-out seen relations.

    Args:
        recipe: What to do.
        data: The knowledge graph, where it is in memory already; else the recipe's. The run numbers it by name: ask the
            result's model by names, or by the numbers of ``data.in_name_order()``.
        out: The run folder; checkpoints are kept under ``out/checkpoint``. None keeps none.
        resume: Go on with what ``out/checkpoint`` has.
        progress: Progress of the trainings: ``"auto"``, True, ``"lines"``, False.
        log: Told in one line what begins.
        on_log: Told every row that a training logs as it is logged, with its seed and stage.

    Raises:
        InputError: Bad data, priors or options; nothing is left half-written.
        KeyboardInterrupt: Stopped by the user; ``resume=True`` goes on.
    """
    if recipe.ordinary:
        from kgzsl.tasks.kg_completion.ordinary.run import OrdinaryRun

        ordinary = OrdinaryRun(recipe, data=data, out=out, resume=resume, progress=progress, log=log, on_log=on_log)
        return ordinary.go()
    if recipe.inductive:
        from kgzsl.tasks.kg_completion.inductive.run import InductiveRun

        inductive = InductiveRun(recipe, data=data, out=out, resume=resume, progress=progress, log=log, on_log=on_log)
        return inductive.go()
    return CompletionRun(recipe, data=data, out=out, resume=resume, progress=progress, log=log, on_log=on_log).go()


class CompletionRun:
    """One run of a completion recipe; see :func:`run`. Its steps can be called one by one."""

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
        self.recipe = recipe
        self.start = time.perf_counter()
        self.seeds = recipe.protocol.seed_list
        self.seconds: dict[str, float] = {}
        self.folder = None if out is None else Path(out) / "checkpoint"
        self._log = log
        self.engine = engine_of(recipe, self.folder, resume=resume, progress=progress, on_log=on_log)
        loaded = read_kg(recipe, data)
        budget = recipe.protocol.memory_budget
        self.pairs = {**recipe.pairs} if budget is None else {**recipe.pairs, "memory_budget": budget}
        self.pairs |= found_vectors(recipe)
        self.features = PairFeatures(**self.pairs)
        main, self.sources = read_sources(
            recipe, loaded.relations, graph_source=loaded.graph_source, in_name_order=True
        )
        begin(self.folder, loaded, [one.graph for one in (main, *self.sources)], resume=resume)
        first = main if main.graph is not None else next((one for one in self.sources if one.graph is not None), main)
        self.graph = first.kept(loaded.relations)
        made = {name: make_rule(name, loaded, schema=self.graph) for name in RULES}
        self.rules = headline_first(made, recipe.protocol.candidates, recipe.where("protocol", "candidates"))
        self.protocol = CompletionProtocol(
            loaded,
            self.rules,
            validation=recipe.protocol.validation,
            sides=recipe.protocol.sides,
            filtered=recipe.protocol.filtered,
            seed=self.seeds[0],
            fraction=recipe.protocol.fraction,
            splits=recipe.protocol.splits,
            negatives=recipe.protocol.negatives,
            budget=self.features.memory_budget,
        )
        self.data_name = loaded.name
        self.labels = entity_labels(loaded)
        self.contradicting = KnownContradictions.read(loaded, main.graph, main.called)
        odd = data_notes(loaded, main.graph, main.called)
        self.notes = [*loaded.notes, *odd, *self.contradicting.notes()]
        if recipe.ranker is not None and recipe.protocol.calibration_folds:
            self.notes.append(f"calibration_folds counts for nothing here: {recipe.ranker.name} has folds of its own")
        elif recipe.protocol.splits > 1 and recipe.protocol.calibration_folds:
            self.notes.append("calibration_folds counts for nothing here: the trainings of splits tell confidences")
        if isinstance(self.features.entity_vectors, dict) and "path" in self.features.entity_vectors:
            self.notes.append(
                "entity vectors of a file do not tell which triples they were trained on: figures are fair only if no "
                "test triple was among them"
            )
        self.entities, self.relations = loaded.entities, loaded.relations
        self.seen_names, self.unseen_names = (
            loaded.names_of(loaded.seen_relations),
            loaded.names_of(loaded.unseen_relations),
        )
        self.warnings: list[str] = []
        self.history: list[dict[str, Any]] = []
        self.chosen: dict[str, Any] = {}
        self.model: Completer | None = None
        self.fit_generator = GeneratorFit(
            recipe, self.protocol, self.graph, self.pairs,
            engine=self._engine, log=self.log, history=self.history, warnings=self.warnings,
        )  # fmt: skip
        self.fit_ranker = RankerFit(recipe, self.protocol, self.graph, self._engine, self.log, self.history)
        self.priors: ClassPriors | None = None

    def go(self) -> RunResult:
        """All of it."""
        scorers: dict[str, Scorer] = {}
        for seed in self.seeds:
            priors = self._timed("priors", partial(self.make_priors, seed))
            if self.priors is None:
                self.priors = priors
                self.notes += told_strangers(self.recipe, self.relations, self.sources)
                for why in reasons(priors):
                    self.log(why)
                    self.notes.append(why)
            scorers |= self.ranked(seed, priors, "") | self.scorers(seed, priors, "")
            if "link_overlap" in self.recipe.controls and getattr(self.recipe.ranker, "name", None) != "link_overlap":
                scorers[f"{seed}/link_overlap"] = self.link_overlap(priors)
            if "shuffled" in self.recipe.controls:
                with warnings.catch_warnings():
                    # A shuffled graph says little about some relations: that is the point.
                    warnings.simplefilter("ignore")
                    wrong = self._timed("priors", partial(self.make_priors, seed, shuffle=seed + 1))
                scorers |= self.ranked(seed, wrong, "shuffled.", shuffle=seed + 1)
                if self.recipe.ranker is None:
                    scorers |= self.scorers(seed, wrong, "shuffled.", shuffle=seed + 1)
        self.log("scoring the test triples")
        found = self._timed("scoring", lambda: self.protocol.final_score(scorers, top=10, report=self._reporter()))
        return assemble(self, found)

    def _reporter(self, seconds: float = 10.0) -> Callable[[int, int], None]:
        """Logs how far the scoring is, at most every ``seconds``."""
        last = time.perf_counter()

        def tell(done: int, total: int) -> None:
            nonlocal last
            if time.perf_counter() - last >= seconds:
                last = time.perf_counter()
                self.log(f"scored {done:,} of {total:,} queries")

        return tell

    def log(self, line: str) -> None:
        """Tell the user one line."""
        if self._log is not None:
            self._log(line)

    def _timed(self, stage: str, work: Callable[[], Any]) -> Any:
        begun = time.perf_counter()
        result = work()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - begun
        return result

    def make_priors(self, seed: int, *, shuffle: int | None = None) -> ClassPriors:
        """The priors of all relations, real or (with a seed for it) of the shuffled graph."""
        self.log(f"seed {seed}: {'priors' if shuffle is None else 'shuffled priors'}")
        engine = self._engine(seed, "priors" if shuffle is None else "shuffled-priors")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            made = build_priors(
                self.recipe,
                self.relations,
                {},
                self.sources,
                engine=engine,
                shuffle=shuffle,
                strangers=True,
            )
        if shuffle is None:
            self.warnings += [str(warning.message) for warning in caught if issubclass(warning.category, UserWarning)]
        return made

    def scorers(self, seed: int, priors: ClassPriors, prefix: str, *, shuffle: int | None = None) -> dict[str, Scorer]:
        """The method and its closed-form baselines, trained with ``priors``; each chooses on validation relations.

        A relation network reads the schema too, shuffled with the seed ``shuffle`` where there is one.
        With a ranker in the recipe the generator, if there is one, is a baseline too.
        """
        ranker = self.recipe.ranker
        if ranker is not None and self.recipe.generator is None:
            return {}
        keeps = not prefix and seed == self.seeds[0] and ranker is None
        fit = partial(self.fit_generator, seed, priors, prefix, shuffle=shuffle, judged=keeps)
        fitted = self._timed(f"{prefix}train", fit)
        model = fitted.model
        told = "ridge" if model.generator_ is None else "generator"
        self.chosen.setdefault(f"{prefix}{told if model.network is None else model.network}", dict(model.chosen_))
        if keeps:
            self.model = model
            if self.protocol.selects:
                self.log(f"seed {seed}: calibration on held-out relations")
            # By the models of the choices, which were trained without them, and by those that are trained for it.
            judges = itertools.chain(fitted.judges, self.fit_generator.judges(seed, priors, fitted.chosen))
            model.calibration_ = self._timed("calibration", partial(self.protocol.calibrated, judges))
            if len(self.protocol.facts) > len(model._known):
                # Those of validation relations, too: they are known, and no part of the features.
                model.set_facts(self.protocol.facts)
        found = {f"{seed}/{prefix}{'method' if ranker is None else 'generator'}": model.scorer}
        rows = priors.align(self.relations).to_tensor().to(model.features_.graph.device)
        seen = rows[model._seen]
        if model.generator_ is not None or model.network is not None:
            self.chosen.setdefault(f"{prefix}ridge", {"penalty": fitted.penalty})
            means = model.features_.relation_means()
            ridge = ridge_prototypes(seen, means, rows, penalty=fitted.penalty)
            found[f"{seed}/{prefix}ridge"] = prototype_scorer(model.features_, ridge, rows)
            if "nearest_prior" in self.recipe.controls and not prefix:
                found[f"{seed}/nearest_prior"] = prototype_scorer(
                    model.features_, nearest_prototypes(seen, means, rows), rows
                )
            if "mean_prototype" in self.recipe.controls and not prefix:
                found[f"{seed}/mean_prototype"] = prototype_scorer(model.features_, mean_prototypes(means, rows), rows)
        return found

    def ranked(self, seed: int, priors: ClassPriors, prefix: str, *, shuffle: int | None = None) -> dict[str, Scorer]:
        """The recipe's ranker, trained with ``priors``; nothing where there is none."""
        ranker = self.recipe.ranker
        if ranker is None:
            return {}
        model, chosen = self._timed(f"{prefix}train", partial(self.fit_ranker, seed, priors, prefix, shuffle=shuffle))
        self.chosen.setdefault(f"{prefix}ranker", dict(chosen))
        if not prefix and seed == self.seeds[0]:
            self.model = model
        return {f"{seed}/{prefix}method": model.scorer}

    def link_overlap(self, priors: ClassPriors) -> Scorer:
        """The training-free control, with the real priors and all facts that are known at the time of asking."""
        rows = priors.align(self.relations).to_tensor()
        return overlap_scorer(self.protocol.facts, len(self.entities), rows, self.engine.torch_device)

    def _engine(self, seed: int, stage: str) -> Engine:
        return stage_engine(self.engine, self.folder, seed, stage)
