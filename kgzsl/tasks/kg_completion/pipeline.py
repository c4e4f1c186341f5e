"""From a recipe to a result: priors, selection on held-out seen relations, training, controls, one final score."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from kgzsl import generators
from kgzsl.datasets import KGSplit
from kgzsl.datasets.kg_labels import entity_labels
from kgzsl.engine import Engine, Row
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.tasks._data import read_kg
from kgzsl.tasks._engine import engine_of, stage_engine
from kgzsl.tasks._knowledge import build_priors, read_sources, reasons
from kgzsl.tasks.kg_completion._assemble import assemble
from kgzsl.tasks.kg_completion.candidate_rules import RULES, headline_first, make_rule, training_candidates
from kgzsl.tasks.kg_completion.checks import data_notes, told_strangers
from kgzsl.tasks.kg_completion.completer import Completer
from kgzsl.tasks.kg_completion.entity_vectors import found_vectors
from kgzsl.tasks.kg_completion.evaluation import Scorer
from kgzsl.tasks.kg_completion.known_contradictions import KnownContradictions
from kgzsl.tasks.kg_completion.link_overlap import overlap_scorer
from kgzsl.tasks.kg_completion.mappings import nearest_prototypes, ridge_prototypes
from kgzsl.tasks.kg_completion.pair_features import PairFeatures
from kgzsl.tasks.kg_completion.protocol import CompletionProtocol
from kgzsl.tasks.kg_completion.ranker_fit import RankerFit
from kgzsl.tasks.kg_completion.relation_completer import RelationCompleter, prototype_scorer
from kgzsl.tasks.result import RunResult

if TYPE_CHECKING:
    from kgzsl.recipe import CompletionRecipe

__all__ = ["CompletionRun", "run"]

Log = Callable[[str], None]
PENALTIES = [10.0**k for k in range(-4, 3)]


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
        data: The knowledge graph, where it is in memory already; else the recipe's.
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
        main, self.sources = read_sources(recipe, loaded.relations, graph_source=loaded.graph_source)
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

    def new_model(self, seed: int, **pairs: Any) -> RelationCompleter:
        """The recipe's completer, not yet fitted."""
        generator, network = self.recipe.generator, self.recipe.relation_network
        return RelationCompleter(
            None if generator is None else generator.name,
            samples=self.recipe.samples_per_relation,
            generator_options=None if generator is None else generator.options,
            pairs={**self.pairs, **pairs},
            network=None if network is None else network.name,
            network_options=None if network is None else network.options,
            seed=seed,
            device=self.recipe.train.device,
            precision=self.recipe.train.precision,
        )

    def scorers(self, seed: int, priors: ClassPriors, prefix: str, *, shuffle: int | None = None) -> dict[str, Scorer]:
        """The method and its closed-form baselines, trained with ``priors``; each chooses on validation relations.

        A relation network reads the schema too, shuffled with the seed ``shuffle`` where there is one.
        With a ranker in the recipe the generator, if there is one, is a baseline too.
        """
        ranker = self.recipe.ranker
        if ranker is not None and self.recipe.generator is None:
            return {}
        kind = "shuffled ontology" if prefix else "real ontology"
        model, chooser = self._timed(f"{prefix}train", lambda: self._fit(seed, priors, prefix, kind, shuffle))
        told = "ridge" if model.generator_ is None else "generator"
        self.chosen.setdefault(f"{prefix}{told if model.network is None else model.network}", dict(model.chosen_))
        if not prefix and seed == self.seeds[0] and ranker is None:
            self.model = model
            if self.protocol.selects:
                self.log(f"seed {seed}: calibration on held-out relations")
            # By the model of the choices, which was trained without them, and by those that are trained for it.
            judges = self._judges(seed, priors, chooser.chosen_)
            model.calibration_ = self._timed("calibration", partial(self.protocol.calibrated, chooser.scorer, judges))
            if len(self.protocol.facts) > len(model._known):
                # Those of validation relations, too: they are known, and no part of the features.
                model.set_facts(self.protocol.facts)
        found = {f"{seed}/{prefix}{'method' if ranker is None else 'generator'}": model.scorer}
        rows = priors.align(self.relations).to_tensor().to(model.features_.graph.device)
        seen = rows[model._seen]
        if model.generator_ is not None or model.network is not None:
            penalty = self._penalty(seed, chooser, rows)
            self.chosen.setdefault(f"{prefix}ridge", {"penalty": penalty})
            means = model.features_.relation_means()
            ridge = ridge_prototypes(seen, means, rows, penalty=penalty)
            found[f"{seed}/{prefix}ridge"] = prototype_scorer(model.features_, ridge, rows)
            if "nearest_prior" in self.recipe.controls and not prefix:
                found[f"{seed}/nearest_prior"] = prototype_scorer(
                    model.features_, nearest_prototypes(seen, means, rows), rows
                )
        return found

    def _fit(
        self, seed: int, priors: ClassPriors, prefix: str, kind: str, shuffle: int | None
    ) -> tuple[RelationCompleter, RelationCompleter]:
        """The final model, and the one that choices were made with, which is the same where nothing is given back."""
        protocol = self.protocol
        validate = protocol.validate if protocol.selects else None
        generator = self.recipe.generator
        by_graph = generator is not None and generators.takes_graph(generator.name, **generator.options)
        if (by_graph or self.recipe.relation_network is not None) and self.graph is None:
            raise InputError(
                f"a {'generator by the class graph' if by_graph else 'relation network'} needs a schema",
                **self.recipe.where("generator" if by_graph else "relation_network"),
                remedy="add graph: ...",
            )
        schema = self.graph if self.graph is None or shuffle is None else self.graph.shuffled(shuffle)
        train = partial(self.train, seed, priors, schema=schema)
        if not protocol.twice:
            self.log(f"seed {seed}: training, {kind}")
            model = train(protocol.final_kg, f"{prefix}train", validate=validate)
            return model, model
        self.log(f"seed {seed}: selection on held-out relations, {kind}")
        chooser = train(protocol.selection_kg, f"{prefix}selection", validate=validate)
        self.log(f"seed {seed}: training, {kind}")
        final = train(protocol.final_kg, f"{prefix}train", chosen=chooser.chosen_)
        return final, chooser

    def train(
        self,
        seed: int,
        priors: ClassPriors,
        kg: KGSplit,
        stage: str,
        *,
        schema: ClassGraph | None,
        chosen: dict[str, Any] | None = None,
        validate: Callable[[Scorer], float] | None = None,
        features: PairFeatures | None = None,
    ) -> RelationCompleter:
        """One model: it chooses by ``validate``, or trains as far as was ``chosen``.

        Args:
            seed: Of everything.
            priors: Of all relations.
            kg: What it is trained on.
            stage: Names its checkpoints and what it logs.
            schema: The schema graph, shuffled for the control.
            chosen: ``steps`` and ``epochs``, where these were chosen before.
            validate: See :meth:`CompletionProtocol.validate`.
            features: Pair features of another model that was trained on the same graph and priors.
        """
        chosen = chosen or {}
        model = self.new_model(seed, **{name: chosen[name] for name in ("steps",) if name in chosen})
        if "epochs" in chosen:
            model.set_params(generator_options={**(model.generator_options or {}), "epochs": chosen["epochs"]})
        model.fit(
            kg,
            priors,
            sides=self.protocol.sides,
            every=self._every(),
            schema=schema,
            engine=self._engine(seed, stage),
            candidates=training_candidates(kg, self.rules[0].name),
            validate=validate,
            features=features,
        )
        model.chosen_ |= chosen
        self._remember(model, seed, stage)
        return model

    def _judges(self, seed: int, priors: ClassPriors, chosen: dict[str, Any]) -> Iterator[tuple[Scorer, torch.Tensor]]:
        """Models that were trained without some seen relations each, and queries about these; one at a time."""
        folds = self.protocol.folds(self.recipe.protocol.calibration_folds)
        for number, (kg, queries) in enumerate(folds, start=1):
            self.log(f"seed {seed}: calibration, training without part {number} of {len(folds)} of the relations")
            yield (
                self.train(seed, priors, kg, f"calibration{number}", schema=self.graph, chosen=chosen).scorer,
                queries,
            )

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

    def _every(self) -> tuple[int, int]:
        epochs = 0 if self.recipe.generator is None else int(self.recipe.generator.options.get("epochs", 30))
        return max(1, self.features.steps // 4), max(1, epochs // 6)

    def _penalty(self, seed: int, model: RelationCompleter, rows: torch.Tensor) -> float:
        """The ridge penalty that does best on validation relations (0.1 where there are none)."""
        if not self.protocol.selects:
            return 0.1
        means, seen = model.features_.relation_means(), rows[model._seen]
        values = {
            penalty: self.protocol.validate(
                prototype_scorer(model.features_, ridge_prototypes(seen, means, rows, penalty=penalty), rows)
            )
            for penalty in PENALTIES
        }
        best = max(values, key=lambda penalty: values[penalty])
        self.history.append(
            {"seed": seed, "stage": "ridge", "step": 0, "penalty": best, "validation.mrr": values[best]}
        )
        return best

    def link_overlap(self, priors: ClassPriors) -> Scorer:
        """The training-free control, with the real priors and all facts that are known at the time of asking."""
        rows = priors.align(self.relations).to_tensor()
        return overlap_scorer(self.protocol.facts, len(self.entities), rows, self.engine.torch_device)

    def _engine(self, seed: int, stage: str) -> Engine:
        return stage_engine(self.engine, self.folder, seed, stage)

    def _remember(self, model: RelationCompleter, seed: int, stage: str) -> None:
        self.warnings += model.features_.notes
        for part, history in (
            ("pairs", model.features_.history),
            ("generator", None if model.generator_ is None else model.generator_.history),
            ("network", model.network_history_),
        ):
            if history is not None:
                self.history += [{"seed": seed, **row, "stage": f"{stage}.{part}"} for row in history.rows]
