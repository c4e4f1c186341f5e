"""From a recipe to a result: priors, selection on held-out seen classes, training, controls, one final score."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kgzsl._feature_files import read_features
from kgzsl.datasets import ImageFeatures
from kgzsl.engine import Engine, Row
from kgzsl.generators import CollapseWarning
from kgzsl.knowledge import ClassPriors
from kgzsl.tasks._begun import begin
from kgzsl.tasks._data import read_images
from kgzsl.tasks._engine import engine_of, stage_engine
from kgzsl.tasks._knowledge import build_priors, chooses_by_features, read_sources, reasons
from kgzsl.tasks.image_classification._assemble import assemble
from kgzsl.tasks.image_classification._experts import gate_from
from kgzsl.tasks.image_classification._pairs import RunPairs
from kgzsl.tasks.image_classification._run_choices import RunChoices
from kgzsl.tasks.image_classification._run_models import RunModels
from kgzsl.tasks.image_classification._run_spaces import RunSpaces
from kgzsl.tasks.image_classification.protocol import ImageProtocol, TestScores
from kgzsl.tasks.image_classification.search import require_sampler
from kgzsl.tasks.image_classification.selection import Choice, ask, rows_without_labels, seen_margin
from kgzsl.tasks.image_classification.stages import Stages
from kgzsl.tasks.image_classification.zero_shot_classifier import ZeroShotClassifier
from kgzsl.tasks.result import RunResult

if TYPE_CHECKING:
    from kgzsl.recipe import ImageRecipe

__all__ = ["ImageRun", "run"]

Log = Callable[[str], None]


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
        if not resume:  # else the choice may have been made already
            require_sampler(recipe.protocol.search, recipe.protocol.trials)
        self.seeds = recipe.protocol.seed_list
        self.folder = None if out is None else Path(out) / "checkpoint"
        self.stages = Stages(self.folder, resume=resume, log=log)
        self.engine = engine_of(recipe, self.folder, resume=resume, progress=progress, on_log=on_log)
        loaded = read_images(recipe, data)
        main, self.sources = read_sources(
            recipe, loaded.class_names, graph_source=loaded.graph_source, other_names=loaded.class_info
        )
        begin(self.folder, loaded, [one.graph for one in (main, *self.sources)], resume=resume)
        first = main if main.graph is not None else next((one for one in self.sources if one.graph is not None), main)
        self.graph = first.kept(loaded.class_names)
        self.pairs = None if recipe.compositions is None else RunPairs(recipe, loaded, main, self.sources)
        if self.pairs is not None:
            self.graph = self.pairs.kept(first, loaded.class_names)
        self.protocol = ImageProtocol(
            loaded,
            validation=recipe.protocol.validation,
            seed=self.seeds[0],
            fraction=recipe.protocol.fraction,
            splits=recipe.protocol.splits,
            hits=recipe.protocol.hits,
            setting=recipe.setting,
            pairs=None if self.pairs is None else self.pairs.figures(loaded),
        )
        self.spaces = RunSpaces(recipe, self.protocol.test_features[0])
        self.unlabelled = None if recipe.unlabeled is None else self._read_unlabelled(loaded.dim)
        self.shipped = dict(loaded.priors)
        self.data_name, self.notes, self.backbone = loaded.name, list(loaded.notes), loaded.backbone
        self.unseen_names, self.seen_names = loaded.unseen_names, loaded.seen_names
        if self.pairs is not None:
            self.notes.extend(self.pairs.notes(self.seen_names))
        self._primitives: dict[tuple[int, int | None], ClassPriors] = {}
        self.warnings: list[str] = []
        self.history: list[dict[str, Any]] = []
        self.model: ZeroShotClassifier | None = None
        self.priors: ClassPriors | None = None
        self._priors_of_parts: dict[tuple[int, int], ClassPriors] = {}
        self.models = RunModels(recipe, self.graph, self.backbone)
        self.choices = RunChoices(
            recipe,
            self.protocol,
            self.models,
            self.stages,
            folder=self.folder,
            priors_for=self.priors_for,
            engine_for=self._engine,
            remember=self._remember,
        )

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
                choices["eszsl"] = self.choices.of_eszsl(priors, seed)
            if first or self.recipe.protocol.selection == "per-seed":
                choices["generator"] = self.choices.of_method(priors, seed, choices.get("eszsl"))
            scores.update(self.answers(seed, priors, choices, ""))
            if "shuffled" in self.recipe.controls:
                with warnings.catch_warnings():
                    # A shuffled graph says little about some classes, and the same about others: that is the point.
                    warnings.simplefilter("ignore")
                    wrong = self.make_priors(seed, shuffle=seed + 1)
                    scores.update(self.answers(seed, wrong, choices, "shuffled."))
        self.stages.log("scoring")
        self.spaces.add_controls(self.seeds, chance="chance" in self.recipe.controls)
        self.notes += self.spaces.notes
        cards = self.protocol.final_score(scores, self.spaces.spaces)
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

        Those of pairs are made from what the graph says of their parts; a shuffled graph tells the wrong parts too.

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
                self.protocol.class_names if self.pairs is None else self.pairs.parts,
                self.shipped,
                self.sources if self.pairs is None else self.pairs.sources,
                engine=engine,
                shuffle=shuffle,
                observed=self._observed(part),
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
        made = ClassPriors(tuple(kept["names"]), kept["matrix"], json.loads(kept["made"]))
        if self.pairs is None:
            return made
        self._primitives[seed, shuffle] = made
        return self.pairs.of_classes(made, shuffle)

    def _observed(self, part: tuple[int, ImageFeatures] | None) -> tuple[Any, Any] | None:
        """What encoders that choose by features are shown; nothing where priors are those of parts of classes."""
        if self.pairs is not None:
            return None
        return self.protocol.train if part is None else self._training_rows(part[1])

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

    def answers(self, seed: int, priors: ClassPriors, choices: dict[str, Choice], prefix: str) -> dict[str, TestScores]:
        """What the method and ESZSL say about the test features, trained on all seen classes with ``priors``."""
        features, labels = self.protocol.train
        names = np.asarray(self.protocol.class_names)[labels]
        kind = "shuffled ontology" if prefix else "real ontology"
        answers: dict[str, TestScores] = {}

        def asked(model: ZeroShotClassifier) -> dict[str, Any]:
            scores = ask(model, self.protocol.class_names, self.unseen_names, self.protocol.test_features)
            told = ("zsl", "gzsl_unseen", "gzsl_seen", "open_unseen", "open_seen")
            given = {name: getattr(scores, name) for name in told if getattr(scores, name) is not None}
            return {**given, **self.spaces.of(model)}

        wrong = seed + 1 if prefix else None

        def open_up(model: ZeroShotClassifier) -> None:
            if self.pairs is not None:
                self.pairs.open_up(model, self._primitives[seed, wrong])

        def train() -> dict[str, Any]:
            choice = choices["generator"]
            model = self.models.method(seed, choice, choices.get("eszsl"), shuffle=wrong)
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
            open_up(model)
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
        self.spaces.take(f"{seed}/{prefix}generator", seed, kept)
        answers[f"{seed}/{prefix}generator"] = TestScores(**kept)
        if self.wants_eszsl:

            def baseline() -> dict[str, Any]:
                model = self.models.eszsl(choices["eszsl"]).fit(features, names, priors)
                bias = self._bias(model, choices["eszsl"])
                open_up(model)
                return {**asked(model), "unseen_bias": bias}

            kept = self.stages.do(f"{prefix}eszsl.seed{seed}", baseline, about=f"seed {seed}: ESZSL, {kind}")
            bias = kept.pop("unseen_bias", choices["eszsl"].unseen_bias)
            self.spaces.take(f"{seed}/{prefix}eszsl", seed, kept)
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
