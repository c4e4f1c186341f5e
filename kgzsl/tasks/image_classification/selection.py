"""Choices made on held-out seen classes: epochs, samples per class, unseen bias, ESZSL's weights."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from kgzsl import generators
from kgzsl.classifiers import recall_at_k
from kgzsl.engine import load_tree, save_tree
from kgzsl.knowledge import ClassPriors
from kgzsl.tasks.image_classification._experts import gate_to_plain
from kgzsl.tasks.image_classification._heads import rows_at_once
from kgzsl.tasks.image_classification.metrics import per_class_accuracy, seen_unseen_curve
from kgzsl.tasks.image_classification.protocol import ImageProtocol, TestScores
from kgzsl.tasks.image_classification.zero_shot_classifier import ZeroShotClassifier

if TYPE_CHECKING:
    from kgzsl.datasets import ImageFeatures
    from kgzsl.engine import Engine

__all__ = [
    "Choice",
    "Searcher",
    "ask",
    "averaged",
    "closed_form",
    "labelled_names",
    "rows_without_labels",
    "seen_margin",
    "takes_epochs",
]


_RECALL = "retrieval.recall@1"


@dataclass(frozen=True)
class Choice:
    """What was chosen for a method, and what it reached on validation classes.

    Args:
        epochs: Epochs of the generator; None keeps the recipe's.
        samples_per_class: Synthetic features of each unseen class.
        unseen_bias: Added to the scores of unseen classes.
        options: Options of the classifier.
        generator_options: Options of the generator.
        relevance: Options of the weighting of seen classes.
        prior_weight: Weight of the prior head.
        gate: The fitted gate, as plain values.
        figures: Validation figures of the choice.
    """

    epochs: int | None = None
    samples_per_class: int | None = None
    unseen_bias: float = 0.0
    options: dict[str, Any] | None = None
    generator_options: dict[str, Any] | None = None
    relevance: dict[str, Any] | None = None
    prior_weight: float | None = None
    gate: dict[str, Any] | None = None
    figures: dict[str, float] | None = None

    def bias_for(self, margin: float) -> float:
        """The bias in proportion to a model's :func:`seen_margin`, that of the model it was chosen with being known."""
        own = (self.figures or {}).get("margin", 0.0)
        return self.unseen_bias * margin / own if own > 0 and margin > 0 else self.unseen_bias

    def to_dict(self) -> dict[str, Any]:
        """Plain values; what is None is left out."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def averaged(choices: Sequence[Choice]) -> Choice:
    """The same settings, looked at on several splits: the first choice, with the mean of the figures and the biases."""
    if len(choices) == 1:
        return choices[0]
    all_figures = [choice.figures or {} for choice in choices]
    figures = {name: float(np.mean([one[name] for one in all_figures])) for name in all_figures[0]}
    return replace(choices[0], figures=figures, unseen_bias=float(np.mean([one.unseen_bias for one in choices])))


def labelled_names(data: ImageFeatures) -> tuple[Tensor, np.ndarray]:
    """Training features and class names."""
    features, names = data.train
    return features, np.asarray(names)


def takes_epochs(generator: str | None) -> bool:
    """Whether the generator called ``generator`` is trained by epochs; one in closed form is not."""
    if generator is None:
        return False
    kind: Any = generators.generators.find(generator)
    return "epochs" in inspect.signature(kind).parameters


def rows_without_labels(features: tuple[Tensor, Tensor], *, kind_known: bool) -> dict[str, Tensor]:
    """Rows of unseen and of seen classes as ``fit(..., unlabeled=)`` takes them.

    Args:
        features: Of unseen classes [Nu, D], and of seen ones [Ns, D].
        kind_known: Whether it may be known which are which.
    """
    both = torch.cat(list(features))
    return {"unseen": features[0], "any": both} if kind_known else {"any": both}


def ask(
    model: ZeroShotClassifier,
    class_names: Sequence[str],
    unseen: Sequence[str],
    features: tuple[Tensor, Tensor],
) -> TestScores:
    """What ``model`` says about rows of unseen and of seen classes; labels are not asked for."""
    of_unseen, of_seen = features
    beyond = None if model.open_ is None else model.open_.names
    return TestScores(
        zsl=model.scores(of_unseen, list(unseen)),
        gzsl_unseen=model.scores(of_unseen, list(class_names)),
        gzsl_seen=model.scores(of_seen, list(class_names)),
        unseen_bias=model.unseen_bias,
        open_unseen=None if beyond is None else _best_of(model, of_unseen, beyond),
        open_seen=None if beyond is None else _best_of(model, of_seen, beyond),
    )


def _best_of(model: ZeroShotClassifier, features: Tensor, names: Sequence[str]) -> np.ndarray:
    """The best score among ``names`` of each row, float32 [N]; a table of all of them may be larger than memory."""
    parts = torch.split(features, rows_at_once(len(names)))
    return np.concatenate([model.scores(part, list(names)).max(axis=1) for part in parts])


def seen_margin(
    model: ZeroShotClassifier, features: Tensor, class_names: Sequence[str], seen: Any, unseen: Any
) -> float:
    """How far, in the mean over training rows, the best seen class is above the best unseen one, without any bias.

    About two thousand of the rows tell it; no label is looked at.

    Args:
        model: Fitted.
        features: Training rows [N, D].
        class_names: All C classes.
        seen: Rows of ``class_names``.
        unseen: The other ones; where there are none the margin is 0.
    """
    if not len(unseen):
        return 0.0
    bias = model.unseen_bias
    model.set_params(unseen_bias=0.0)
    table = model.scores(features[:: max(1, len(features) // 2000)], list(class_names))
    model.set_params(unseen_bias=bias)
    return float((table[:, seen].max(axis=1) - table[:, unseen].max(axis=1)).mean())


class Searcher:
    """Tries settings on a validation problem.

    Args:
        data: The problem, from ``ImageProtocol.selection_data()``.
        priors: Priors of its classes (more do no harm).
        criterion: ``"zsl.top1"``, ``"gzsl.harmonic"``, ``"both"``: their mean, or ``"retrieval.recall@1"`` of the rows
            of held-out classes, where ``model.embed`` puts them.
        calibrate: Choose the bias on unseen classes as well.
        margin: Tell :func:`seen_margin` among the figures, so that the bias can be brought to another model's scores.
        gate: Rule of a gate to fit on the validation rows, in place of a bias.
        folder: Keeps the best generator so far, for resuming.
        kind_known: For a method that looks at unlabelled rows: it gets the validation rows, and this says whether it is
            told which are of unseen classes. None gives it none.
    """

    def __init__(
        self,
        data: ImageFeatures,
        priors: ClassPriors,
        *,
        criterion: str = "both",
        calibrate: bool = False,
        margin: bool = False,
        gate: str | None = None,
        folder: Path | None = None,
        kind_known: bool | None = None,
    ) -> None:
        self.data = data
        self.priors = priors.align(data.class_names)
        self.criterion = criterion
        self.calibrate = calibrate
        self.margin = margin
        self.gate = gate
        self._best_file = None if folder is None else folder / "best-on-validation.safetensors"
        self._features = (data.features[data.test_unseen_loc], data.features[data.test_seen_loc])
        self._rows = None if kind_known is None else rows_without_labels(self._features, kind_known=kind_known)

    def figures(self, model: ZeroShotClassifier) -> dict[str, float]:
        """Validation figures of a fitted model; ``unseen_bias`` is the best one where it is to be chosen.

        Where a gate is asked for, it is fitted here and stays in the model.
        """
        if self.gate is not None:
            both = torch.cat([self.data.test_unseen_loc, self.data.test_seen_loc])
            model.fit_gate(torch.cat(self._features), self.data.name_of(self.data.labels[both]), self.gate)
        scores = ask(model, self.data.class_names, self.data.unseen_names, self._features)
        bias = model.unseen_bias
        if self.calibrate:
            labels = np.asarray(self.data.labels.cpu())
            rows = np.concatenate(
                [np.asarray(self.data.test_unseen_loc.cpu()), np.asarray(self.data.test_seen_loc.cpu())]
            )
            table = np.concatenate([scores.gzsl_unseen, scores.gzsl_seen])
            bias, _ = seen_unseen_curve(table, labels[rows], np.asarray(self.data.seen.cpu())).best_bias()
        card = ImageProtocol.score_problem(self.data, replace(scores, unseen_bias=bias))
        kept = ("zsl.top1", "gzsl.seen", "gzsl.unseen", "gzsl.harmonic", "gzsl.ausuc")
        told = {}
        if self.margin:
            data = self.data
            seen, unseen = np.asarray(data.seen.cpu()), np.asarray(data.unseen.cpu())
            told["margin"] = seen_margin(model, data.train[0], data.class_names, seen, unseen)
        if self.criterion == _RECALL:
            labels = np.asarray(self.data.labels[self.data.test_unseen_loc].cpu())
            told[_RECALL] = 100.0 * recall_at_k(model.embed(self._features[0]), labels, [1])[0]
        return {**{name: card.metrics[name] for name in kept}, "unseen_bias": bias, **told}

    def value(self, figures: Mapping[str, float]) -> float:
        """What is to be as large as possible."""
        if self.criterion == "both":
            return (figures["zsl.top1"] + figures["gzsl.harmonic"]) / 2
        return figures[self.criterion]

    def generator(
        self,
        model: ZeroShotClassifier,
        *,
        samples: Sequence[int],
        every: int,
        engine: Engine,
        weights: Sequence[float] = (1.0,),
        start: Choice | None = None,
    ) -> tuple[Choice, list[dict[str, Any]]]:
        """Choose epochs, samples per class and bias: one training, looked at every ``every`` epochs.

        Epochs are compared with the first of ``samples`` and of ``weights``; then, at the best epoch, the numbers of
        samples are, then the weights of the prior head. ``start`` holds what is chosen already.

        Returns:
            The choice, and the validation figures epoch by epoch.
        """
        best: dict[str, Any] = self._kept() if engine.resume else {}
        start = start or Choice()
        model.set_params(samples_per_class=samples[0], unseen_bias=0.0 if self.calibrate else model.unseen_bias)
        if model.generator is None:
            features, names = labelled_names(self.data)
            found = self.figures(model.fit(features, names, self.priors, engine=engine, unlabeled=self._rows))
            return self.weighed(model, replace(start, **self.kept_of(model, found)), weights), []

        def look(fitted: ZeroShotClassifier, epochs: int) -> dict[str, float]:
            nonlocal best
            found = self.figures(fitted.fit_heads())
            if not best or self.value(found) > best["value"]:
                assert fitted.generator_ is not None
                state = _copied(fitted.generator_.state_dict())
                best = {"epochs": epochs, "value": self.value(found), "figures": found, "state": state}
                if self._best_file is not None:
                    save_tree(self._best_file, best)
            return {f"validation.{name}": value for name, value in found.items()}

        features, names = labelled_names(self.data)
        model.fit(
            features,
            names,
            self.priors,
            engine=engine,
            callback=look,
            callback_every_epochs=every,
            heads=False,
            unlabeled=self._rows,
        )
        assert model.generator_ is not None
        if not best:  # no epoch was asked for: the generator as it came into being
            look(model, 0)
        model.generator_.load_state_dict(best["state"])
        epochs = int(best["epochs"]) if takes_epochs(model.generator) else None
        # The figures of the best epoch again, for what a gate has learnt there.
        found = self.figures(model.fit_heads()) if self.gate is not None else best["figures"]
        chosen = replace(start, epochs=epochs, samples_per_class=samples[0], **self.kept_of(model, found))
        top = self.value(found)
        for count in samples[1:]:
            found = self.figures(model.fit_heads(count))
            if self.value(found) > top:
                top = self.value(found)
                chosen = replace(chosen, samples_per_class=count, **self.kept_of(model, found))
        if len(weights) > 1:
            model.fit_heads(chosen.samples_per_class)
        return self.weighed(model, chosen, weights), _validation_rows(model)

    def weighed(self, model: ZeroShotClassifier, chosen: Choice, weights: Sequence[float]) -> Choice:
        """The choice with the best weight of the prior head; the first of ``weights`` is the one it was made with."""
        if model.prior_head is None:
            return chosen
        chosen = replace(chosen, prior_weight=weights[0])
        top = self.value(chosen.figures or {})
        for weight in weights[1:]:
            found = self.figures(model.set_params(prior_weight=weight))
            if self.value(found) > top:
                top = self.value(found)
                chosen = replace(chosen, prior_weight=weight, **self.kept_of(model, found))
        return chosen

    def kept_of(self, model: ZeroShotClassifier, found: dict[str, float]) -> dict[str, Any]:
        """What a choice keeps of a model and its figures: bias, figures, and the gate."""
        gate = None if model.gate_ is None else gate_to_plain(model.gate_)
        return {"unseen_bias": float(found["unseen_bias"]), "figures": found, "gate": gate}

    def worth(self, model: ZeroShotClassifier) -> float:
        """The criterion of a fitted model; accuracy on unseen classes alone needs no table over all classes."""
        if self.criterion != "zsl.top1":
            return self.value(self.figures(model))
        unseen = np.asarray(self.data.unseen.cpu())
        true = np.asarray(self.data.labels[self.data.test_unseen_loc].cpu())
        predicted = unseen[model.scores(self._features[0], self.data.unseen_names).argmax(axis=1)]
        return per_class_accuracy(true, predicted, num_classes=self.data.num_classes, classes=unseen).mean

    def _kept(self) -> dict[str, Any]:
        if self._best_file is None or not self._best_file.exists():
            return {}
        return dict(load_tree(self._best_file))


def closed_form(
    searchers: Sequence[Searcher],
    models: Sequence[ZeroShotClassifier],
    grid: Mapping[str, Sequence[float]],
    start: Choice | None = None,
    weights: Sequence[float] = (1.0,),
) -> Choice:
    """Choose the weights of a classifier that is solved in closed form: those of ``grid`` that are worth most.

    Args:
        searchers: One for each validation problem; what counts is the mean over them.
        models: A classifier for each, not yet fitted.
        grid: Weight to the values to try; one that is given has one value.
        start: What is chosen already.
        weights: Of a prior head; the first is used until the others are chosen.
    """
    start = start or Choice()
    pairs = list(zip(searchers, models, strict=True))
    for searcher, model in pairs:
        model.set_params(unseen_bias=0.0 if searcher.calibrate else model.unseen_bias)
        features, names = labelled_names(searcher.data)
        model.fit(features, names, searcher.priors)
    tried = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    worth = [float(np.mean([one.worth(model.solve(**options)) for one, model in pairs])) for options in tried]
    best = tried[int(np.argmax(worth))]
    chosen = {**(start.options or {}), **{name: best[name] for name, values in grid.items() if len(values) > 1}}
    choices = []
    for searcher, model in pairs:
        found = searcher.figures(model.solve(**best))
        choice = replace(start, options=chosen, **searcher.kept_of(model, found))
        choices.append(searcher.weighed(model, choice, weights))
    return averaged(choices)


def _copied(value: Any) -> Any:
    """A deep copy of a state: the training goes on and changes its tensors in place."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_copied(inner) for inner in value)
    return value


def _validation_rows(model: ZeroShotClassifier) -> list[dict[str, Any]]:
    history = None if model.generator_ is None else model.generator_.history
    return [] if history is None else [dict(row) for row in history.rows]
