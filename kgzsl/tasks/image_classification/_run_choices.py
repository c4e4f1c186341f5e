"""The choices of a run, on held-out seen classes alone: epochs, samples, options, gate or bias, ESZSL's weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgzsl.datasets import ImageFeatures
from kgzsl.engine import Engine
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassPriors
from kgzsl.tasks.image_classification._run_models import RunModels
from kgzsl.tasks.image_classification.protocol import ImageProtocol
from kgzsl.tasks.image_classification.search import search, split_options
from kgzsl.tasks.image_classification.selection import Choice, Searcher, averaged, closed_form
from kgzsl.tasks.image_classification.stages import Stages

if TYPE_CHECKING:
    from kgzsl.recipe import ImageRecipe

__all__ = ["ESZSL_GRID", "RunChoices"]

ESZSL_GRID: dict[str, list[float]] = {
    "gamma": [10.0**k for k in range(-3, 5)],
    "lam": [10.0**k for k in range(-3, 3)],
}


class RunChoices:
    """Makes the choices of a run; each is kept as a stage.

    Args:
        recipe: What there is to choose.
        protocol: Gives the validation problems.
        models: Makes what is tried.
        stages: Of the run.
        folder: For what is kept in the middle of a choice; None keeps nothing.
        priors_for: ``(seed, priors, number of a validation problem, its data)`` to the priors that it is tried with.
        engine_for: ``(seed, stage)`` to an engine.
        remember: Told the rows of a training's history, with its seed and stage.
    """

    def __init__(
        self,
        recipe: ImageRecipe,
        protocol: ImageProtocol,
        models: RunModels,
        stages: Stages,
        *,
        folder: Path | None,
        priors_for: Callable[[int, ClassPriors, int, ImageFeatures], ClassPriors],
        engine_for: Callable[[int, str], Engine],
        remember: Callable[[list[dict[str, Any]], int, str], None],
    ) -> None:
        self.recipe, self.protocol, self.models, self.stages = recipe, protocol, models, stages
        self.folder, self.priors_for, self.engine_for, self.remember = folder, priors_for, engine_for, remember

    def of_method(self, priors: ClassPriors, seed: int, eszsl: Choice | None = None) -> Choice:
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
        searchers = self._searchers(priors, seed, stage, calibrate=calibrate, criterion=self.recipe.criterion)

        def work() -> dict[str, Any]:
            def one(options: dict[str, Any], number: int) -> tuple[Choice, list[dict[str, Any]]]:
                split = split_options(options)
                grid = self._open_weights(split)
                if grid is not None:
                    models = [self.models.method(seed, split, eszsl) for _ in searchers]
                    return closed_form(searchers, models, grid, split, spec.prior_weight), []
                tried = [
                    part.generator(
                        self.models.method(seed, split, eszsl),
                        samples=spec.samples_per_class,
                        weights=spec.prior_weight,
                        every=protocol.evaluate_every,
                        engine=self.engine_for(seed, f"selection.{number}" if number else "selection"),
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
        self.remember(kept["history"], seed, "selection")
        return Choice(**kept["choice"])

    def of_eszsl(self, priors: ClassPriors, seed: int) -> Choice:
        """Both weights of the ESZSL beside the method, on the same validation classes."""
        found = self._searchers(priors, seed, "eszsl", calibrate=True, criterion="zsl.top1", splits=1)
        if not found:
            return Choice()

        def work() -> dict[str, Any]:
            return closed_form(found, [self.models.eszsl()], ESZSL_GRID).to_dict()

        about = f"ESZSL: selection on {len(found[0].data.unseen)} held-out classes"
        return Choice(**self.stages.do("selection.eszsl", work, about=about))

    def _open_weights(self, start: Choice) -> dict[str, list[float]] | None:
        """For ESZSL as the method: values to try for its two weights, one each that is given; None where both are."""
        if not self.recipe.is_eszsl:
            return None
        given = {**self.recipe.classifier.options, **(start.options or {})}
        if all(name in given for name in ESZSL_GRID):
            return None
        return {name: [given[name]] if name in given else values for name, values in ESZSL_GRID.items()}

    def _searchers(
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
