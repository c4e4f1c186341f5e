"""From a recipe to a result: priors, selection on held-out seen classes, training, controls, one final score."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kgzsl import generators
from kgzsl._feature_files import read_features
from kgzsl.classifiers.needs import needs_graph, takes_graph
from kgzsl.datasets import ImageFeatures
from kgzsl.engine import Engine, Row
from kgzsl.errors import InputError
from kgzsl.generators import CollapseWarning
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.tasks._data import read_images
from kgzsl.tasks._engine import engine_of, stage_engine
from kgzsl.tasks._knowledge import build_priors, chooses_by_features, read_sources, reasons
from kgzsl.tasks.image_classification._assemble import assemble
from kgzsl.tasks.image_classification._experts import gate_from
from kgzsl.tasks.image_classification._relevance import asked_relevance
from kgzsl.tasks.image_classification.protocol import ImageProtocol, TestScores
from kgzsl.tasks.image_classification.search import search, split_options
from kgzsl.tasks.image_classification.selection import (
    Choice,
    Searcher,
    ask,
    averaged,
    closed_form,
    rows_without_labels,
    seen_margin,
    takes_epochs,
)
from kgzsl.tasks.image_classification.stages import Stages
from kgzsl.tasks.image_classification.zero_shot_classifier import ZeroShotClassifier
from kgzsl.tasks.result import RunResult

if TYPE_CHECKING:
    from kgzsl.recipe import ImageRecipe

__all__ = ["ImageRun", "run"]

Log = Callable[[str], None]
ESZSL_GRID: dict[str, list[float]] = {
    "gamma": [10.0**k for k in range(-3, 5)],
    "lam": [10.0**k for k in range(-3, 3)],
}


def run(
    recipe: ImageRecipe,
    *,
    data: ImageFeatures | None = None,
    out: Path | None = None,
    resume: bool = False,
    progress: bool | str = "auto",
    log: Log | None = None,
    on_log: Callable[[Row], None] | None = None,
) -> RunResult:
    """Run an image classification recipe: the method, its baseline and its controls, over all seeds.

    Nothing but the last step sees a test label: epochs, samples per class, the bias on unseen classes and ESZSL's
    weights are chosen on held-out seen classes; then everything is trained again on all seen classes, asked about the
    test features, and scored at once. Methods that look at unlabelled rows look at those of the held-out classes while
    choices are made.

    Args:
        recipe: What to do.
        data: The data set, where it is in memory already; else the recipe's.
        out: The run folder; finished stages and checkpoints are kept under ``out/checkpoint``. None keeps none.
        resume: Go on with what ``out/checkpoint`` has.
        progress: Progress of the trainings: ``"auto"``, True, ``"lines"``, False.
        log: Told in one line what begins and ends.
        on_log: Told every row that a training logs as it is logged, with its seed and stage.

    Raises:
        InputError: Bad data, priors or options; nothing is left half-written.
        KeyboardInterrupt: Stopped by the user; ``resume=True`` goes on.
    """
    return ImageRun(recipe, data=data, out=out, resume=resume, progress=progress, log=log, on_log=on_log).go()


class ImageRun:
    """One run of an image recipe; see :func:`run`. Its steps can be called one by one."""

    def __init__(
        self,
        recipe: ImageRecipe,
        *,
        data: ImageFeatures | None = None,
        out: Path | None = None,
        resume: bool = False,
        progress: bool | str = "auto",
        log: Log | None = None,
        on_log: Callable[[Row], None] | None = None,
    ) -> None:
        self.recipe = recipe
        self.start = time.perf_counter()
        self.seeds = recipe.protocol.seed_list
        self.folder = None if out is None else Path(out) / "checkpoint"
        self.stages = Stages(self.folder, resume=resume, log=log)
        self.engine = engine_of(recipe, self.folder, resume=resume, progress=progress, on_log=on_log)
        loaded = read_images(recipe, data)
        main, self.sources = read_sources(
            recipe, loaded.class_names, graph_source=loaded.graph_source, other_names=loaded.class_info
        )
        first = main if main.graph is not None else next((one for one in self.sources if one.graph is not None), main)
        self.graph = first.kept(loaded.class_names)
        self.protocol = ImageProtocol(
            loaded,
            validation=recipe.protocol.validation,
            seed=self.seeds[0],
            fraction=recipe.protocol.fraction,
            splits=recipe.protocol.splits,
            hits=recipe.protocol.hits,
            setting=recipe.setting,
        )
        self.unlabelled = None if recipe.unlabeled is None else self._read_unlabelled(loaded.dim)
        self.shipped = dict(loaded.priors)
        self.data_name, self.notes, self.backbone = loaded.name, list(loaded.notes), loaded.backbone
        self.unseen_names, self.seen_names = loaded.unseen_names, loaded.seen_names
        self.warnings: list[str] = []
        self.history: list[dict[str, Any]] = []
        self.model: ZeroShotClassifier | None = None
        self.priors: ClassPriors | None = None
        self._priors_of_parts: dict[tuple[int, int], ClassPriors] = {}

    def _read_unlabelled(self, dim: int) -> dict[str, Any]:
        """What ``fit(..., unlabeled=)`` of the final training is given; selection has rows of its own."""
        spec = self.recipe.unlabeled
        assert spec is not None
        if spec.is_test:
            return rows_without_labels(self.protocol.test_features, kind_known=spec.kind_known)
        file = self.recipe.find_file(spec.source, "unlabeled", "source")
        rows, _ = read_features(file, dim=dim, key=spec.key)
        return {"unseen" if spec.kind_known else "any": rows}

    def go(self) -> RunResult:
        """All of it."""
        scores: dict[str, TestScores] = {}
        choices: dict[str, Choice] = {}
        for seed in self.seeds:
            priors = self.make_priors(seed)
            if self.priors is None:
                self.priors = priors
                for why in reasons(priors):
                    self.stages.log(why)
                    self.notes.append(why)
            first = seed == self.seeds[0]
            if first and (self.wants_eszsl or self.recipe.classifier.prior_head == "eszsl"):
                choices["eszsl"] = self.choose_eszsl(priors)
            if first or self.recipe.protocol.selection == "per-seed":
                choices["generator"] = self.choose_generator(priors, seed, choices.get("eszsl"))
            scores.update(self.answers(seed, priors, choices, ""))
            if "shuffled" in self.recipe.controls:
                with warnings.catch_warnings():
                    # A shuffled graph says little about some classes, and the same about others: that is the point.
                    warnings.simplefilter("ignore")
                    wrong = self.make_priors(seed, shuffle=seed + 1)
                    scores.update(self.answers(seed, wrong, choices, "shuffled."))
        self.stages.log("scoring")
        cards = self.protocol.final_score(scores)
        return assemble(self, cards, choices)

    @property
    def wants_eszsl(self) -> bool:
        """Whether ESZSL stands beside the method: as a control, or as a candidate for the answer."""
        asked = "eszsl" in self.recipe.controls or self.recipe.answer == "best"
        return asked and not self.recipe.is_eszsl

    def make_priors(
        self, seed: int, *, shuffle: int | None = None, part: tuple[int, ImageFeatures] | None = None
    ) -> ClassPriors:
        """The priors of all classes, real or (with a seed for it) of the shuffled graph; kept as a stage.

        Args:
            seed: Of encoders that learn.
            shuffle: Seed of the shuffled graph.
            part: A validation problem and its number: encoders that choose by features are shown its training rows
                alone, and not those of the classes that it holds out.
        """

        def work() -> dict[str, Any]:
            engine = self._engine(seed, kind.replace(" ", "-"))
            made = build_priors(
                self.recipe,
                self.protocol.class_names,
                self.shipped,
                self.sources,
                engine=engine,
                shuffle=shuffle,
                observed=self.protocol.train if part is None else self._training_rows(part[1]),
            )
            return {"matrix": np.array(made.matrix), "names": list(made.names), "made": json.dumps(made.made)}

        kind = "priors" if shuffle is None else "shuffled priors"
        if part is not None:
            kind = f"priors of validation {part[0]}"
        name = f"{kind.replace(' ', '-')}.seed{seed}"
        with warnings.catch_warnings(record=shuffle is None) as caught:
            kept = self.stages.do(name, work, about=f"seed {seed}: {kind}")
        for warning in caught or []:
            self.warnings.append(str(warning.message))
        return ClassPriors(tuple(kept["names"]), kept["matrix"], json.loads(kept["made"]))

    def _training_rows(self, data: ImageFeatures) -> tuple[Any, Any]:
        """Training features of a validation problem, and their classes as rows of all classes."""
        features, labels = data.rows(data.trainval_loc)
        place = {name: row for row, name in enumerate(self.protocol.class_names)}
        return features, np.array([place[name] for name in data.class_names])[np.asarray(labels.cpu())]

    def priors_for(self, seed: int, priors: ClassPriors, number: int, data: ImageFeatures) -> ClassPriors:
        """The priors that choices on the validation problem ``data`` are made with.

        They are ``priors``, unless an encoder chooses by features: then it must not see those of the held-out classes.
        """
        if self.protocol.oracle or not chooses_by_features(self.recipe, self.shipped):
            return priors
        if (seed, number) not in self._priors_of_parts:
            self._priors_of_parts[seed, number] = self.make_priors(seed, part=(number, data))
        return self._priors_of_parts[seed, number]

    def new_model(
        self, seed: int, choice: Choice | None = None, eszsl: Choice | None = None, *, shuffle: int | None = None
    ) -> ZeroShotClassifier:
        """The recipe's classifier, not yet fitted; with what was chosen, and ESZSL's weights for a prior head.

        A classifier or generator that reads the class graph gets it, shuffled with the seed ``shuffle`` where that is
        given.

        Raises:
            InputError: It reads the class graph, and there is none.
        """
        recipe, choice = self.recipe, choice or Choice()
        name = None if recipe.generator is None else recipe.generator.name
        options = {} if recipe.generator is None else dict(recipe.generator.options)
        options.update(choice.generator_options or {})
        if choice.epochs is not None and takes_epochs(name):
            options["epochs"] = choice.epochs
        if name is not None and generators.takes_graph(name, **options):
            options["graph"] = self._read_graph(f"the generator {name!r}", "generator", shuffle)
        spec = recipe.classifier
        weight = choice.prior_weight
        classifier_options = {**spec.options, **(choice.options or {})}
        if takes_graph(spec.name) and (self.graph is not None or needs_graph(spec.name, classifier_options)):
            classifier_options["graph"] = self._read_graph(f"the classifier {spec.name!r}", "classifier", shuffle)
        model = ZeroShotClassifier(
            name,
            spec.name,
            samples_per_class=spec.samples_per_class[0],
            real_per_class=spec.real_per_class,
            balanced=spec.balanced,
            unseen_bias=spec.unseen_bias if isinstance(spec.unseen_bias, float) else 0.0,
            prior_head=spec.prior_head,
            prior_weight=spec.prior_weight[0] if weight is None else weight,
            prior_options=eszsl.options if eszsl is not None and spec.prior_head == "eszsl" else None,
            generator_options=options,
            classifier_options=classifier_options,
            relevance=asked_relevance(recipe, choice.relevance, self.graph, shuffle),
            seed=seed,
            device=recipe.train.device,
            precision=recipe.train.precision,
        )
        model.backbone_ = self.backbone
        return model

    def _read_graph(self, who: str, key: str, shuffle: int | None) -> ClassGraph:
        if self.graph is None:
            raise InputError(f"{who} needs a class graph", **self.recipe.where(key), remedy="give graph: {source: ...}")
        return self.graph if shuffle is None else self.graph.shuffled(shuffle)

    def new_eszsl(self, choice: Choice | None = None) -> ZeroShotClassifier:
        """The ESZSL beside a method, not yet fitted; what the recipe says of its classifier is none of its business."""
        options = None if choice is None else choice.options
        return ZeroShotClassifier(None, "eszsl", classifier_options=options, device=self.recipe.train.device)

    def searchers(
        self, priors: ClassPriors, seed: int, stage: str, *, calibrate: bool, criterion: str, splits: int | None = None
    ) -> list[Searcher]:
        """Try settings, one on each of the validation problems (the first ``splits``); none where nothing is selected.

        Args:
            priors: Of the final training; those of a problem may differ, see :meth:`priors_for`.
            seed: Of the run.
            stage: Which choice it is.
            calibrate, criterion: See :class:`Searcher`.
            splits: How many of the problems; None is all.
        """
        parts = self.protocol.selection_splits()[:splits]
        return [
            self._searcher(self.priors_for(seed, priors, number, data), stage, calibrate, criterion, data)
            for number, data in enumerate(parts)
        ]

    def _searcher(
        self, priors: ClassPriors, stage: str, calibrate: bool, criterion: str, data: ImageFeatures
    ) -> Searcher:
        folder = None if self.folder is None else self.folder / stage
        own = stage != "eszsl"
        spec = self.recipe.unlabeled if own else None
        return Searcher(
            data,
            priors,
            criterion=criterion,
            calibrate=calibrate,
            margin=self.recipe.classifier.unseen_bias == "margin",
            gate=self.recipe.classifier.gate if own else None,
            folder=folder,
            kind_known=None if spec is None else spec.kind_known,
        )

    def choose_generator(self, priors: ClassPriors, seed: int, eszsl: Choice | None = None) -> Choice:
        """Epochs, samples per class, searched options, gate or bias of the method, on validation classes."""
        spec, protocol = self.recipe.classifier, self.recipe.protocol
        calibrate = spec.calibrated
        stage = f"selection.seed{seed}"
        if protocol.validation == "none":
            several = len(spec.samples_per_class) > 1 or len(spec.prior_weight) > 1 or protocol.search
            if calibrate or several or spec.gate is not None:
                raise InputError(
                    "there are choices to make (samples_per_class, unseen_bias, prior_weight, gate, search), but "
                    "protocol.validation is 'none'",
                    **self.recipe.where("protocol", "validation"),
                    remedy="give one number each, or validation: held-out-classes",
                )
            bias = spec.unseen_bias if isinstance(spec.unseen_bias, float) else 0.0
            return Choice(samples_per_class=spec.samples_per_class[0], unseen_bias=bias)
        searchers = self.searchers(priors, seed, stage, calibrate=calibrate, criterion=self.recipe.criterion)

        def work() -> dict[str, Any]:
            def one(options: dict[str, Any], number: int) -> tuple[Choice, list[dict[str, Any]]]:
                split = split_options(options)
                grid = self._open_weights(split)
                if grid is not None:
                    models = [self.new_model(seed, split, eszsl) for _ in searchers]
                    return closed_form(searchers, models, grid, split, spec.prior_weight), []
                tried = [
                    part.generator(
                        self.new_model(seed, split, eszsl),
                        samples=spec.samples_per_class,
                        weights=spec.prior_weight,
                        every=protocol.evaluate_every,
                        engine=self._engine(seed, f"selection.{number}" if number else "selection"),
                        start=split,
                    )
                    for part in searchers
                ]
                return averaged([choice for choice, _ in tried]), tried[0][1]

            chosen, rows = search(one, protocol.search, protocol.trials, searchers[0].value, seed=seed)
            return {"choice": chosen.to_dict(), "history": rows}

        times = f", {protocol.splits} splits" if protocol.splits > 1 else ""
        about = f"seed {seed}: selection on {len(searchers[0].data.unseen)} held-out classes{times}"
        kept = self.stages.do(stage, work, about=about)
        self._remember(kept["history"], seed, "selection")
        return Choice(**kept["choice"])

    def _open_weights(self, start: Choice) -> dict[str, list[float]] | None:
        """For ESZSL as the method: values to try for its two weights, one each that is given; None where both are."""
        if not self.recipe.is_eszsl:
            return None
        given = {**self.recipe.classifier.options, **(start.options or {})}
        if all(name in given for name in ESZSL_GRID):
            return None
        return {name: [given[name]] if name in given else values for name, values in ESZSL_GRID.items()}

    def choose_eszsl(self, priors: ClassPriors) -> Choice:
        """Both weights of the ESZSL beside the method, on the same validation classes."""
        found = self.searchers(priors, self.seeds[0], "eszsl", calibrate=True, criterion="zsl.top1", splits=1)
        if not found:
            return Choice()

        def work() -> dict[str, Any]:
            return closed_form(found, [self.new_eszsl()], ESZSL_GRID).to_dict()

        about = f"ESZSL: selection on {len(found[0].data.unseen)} held-out classes"
        return Choice(**self.stages.do("selection.eszsl", work, about=about))

    def answers(self, seed: int, priors: ClassPriors, choices: dict[str, Choice], prefix: str) -> dict[str, TestScores]:
        """What the method and ESZSL say about the test features, trained on all seen classes with ``priors``."""
        features, labels = self.protocol.train
        names = np.asarray(self.protocol.class_names)[labels]
        kind = "shuffled ontology" if prefix else "real ontology"
        answers: dict[str, TestScores] = {}

        def asked(model: ZeroShotClassifier) -> dict[str, Any]:
            scores = ask(model, self.protocol.class_names, self.unseen_names, self.protocol.test_features)
            return {"zsl": scores.zsl, "gzsl_unseen": scores.gzsl_unseen, "gzsl_seen": scores.gzsl_seen}

        def train() -> dict[str, Any]:
            choice = choices["generator"]
            wrong = seed + 1 if prefix else None
            model = self.new_model(seed, choice, choices.get("eszsl"), shuffle=wrong)
            if choice.samples_per_class is not None:
                model.set_params(samples_per_class=choice.samples_per_class)
            model.set_params(unseen_bias=choice.unseen_bias)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", CollapseWarning)
                engine = self._engine(seed, f"{prefix}train")
                model.fit(features, names, priors, engine=engine, unlabeled=self.unlabelled)
            model.set_params(unseen_bias=self._bias(model, choice))
            if choice.gate is not None:
                model.gate_ = gate_from(choice.gate)
            told = [] if prefix else [str(one.message) for one in caught]  # a shuffled graph is meant to do badly
            if not prefix and seed == self.seeds[0]:
                self._keep_model(model)
            history = getattr(model.generator_, "history", None)
            rows = [] if history is None else [dict(row) for row in history.rows]
            return {**asked(model), "unseen_bias": model.unseen_bias, "history": rows, "warnings": told}

        kept = self.stages.do(f"{prefix}generator.seed{seed}", train, about=f"seed {seed}: training, {kind}")
        self._remember(kept.pop("history"), seed, f"{prefix}train")
        self.warnings.extend(kept.pop("warnings"))
        kept.setdefault("unseen_bias", choices["generator"].unseen_bias)
        answers[f"{seed}/{prefix}generator"] = TestScores(**kept)
        if self.wants_eszsl:

            def baseline() -> dict[str, Any]:
                model = self.new_eszsl(choices["eszsl"]).fit(features, names, priors)
                return {**asked(model), "unseen_bias": self._bias(model, choices["eszsl"])}

            kept = self.stages.do(f"{prefix}eszsl.seed{seed}", baseline, about=f"seed {seed}: ESZSL, {kind}")
            bias = kept.pop("unseen_bias", choices["eszsl"].unseen_bias)
            answers[f"{seed}/{prefix}eszsl"] = TestScores(**kept)
            answers[f"{seed}/{prefix}eszsl_calibrated"] = TestScores(**kept, unseen_bias=bias)
        return answers

    def _bias(self, model: ZeroShotClassifier, choice: Choice) -> float:
        """The bias that was chosen, for a model of all seen classes."""
        if self.recipe.classifier.unseen_bias != "margin":
            return choice.unseen_bias
        asked = self.protocol
        return choice.bias_for(seen_margin(model, asked.train[0], asked.class_names, asked.seen, asked.unseen))

    def _engine(self, seed: int, stage: str) -> Engine:
        return stage_engine(self.engine, self.folder, seed, stage)

    def _remember(self, rows: list[dict[str, Any]], seed: int, stage: str) -> None:
        self.history.extend({"seed": seed, **row, "stage": stage} for row in rows)

    def _keep_model(self, model: ZeroShotClassifier) -> None:
        self.model = model
        if self.folder is not None:
            model.save(self.folder / "model")

    def fitted_model(self) -> ZeroShotClassifier | None:
        """The model of the first seed: in memory, else from the checkpoint of an earlier run."""
        if self.model is None and self.folder is not None and (self.folder / "model").is_dir():
            self.model = ZeroShotClassifier.load(self.folder / "model", device=self.recipe.train.device)
        if self.model is not None:
            self.model.backbone_ = self.backbone
        return self.model
