"""Cells of the table of image methods that no recipe describes: Loki, and those that look at the test features."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from kgzsl.errors import InputError

if TYPE_CHECKING:
    from kgzsl.datasets import ImageFeatures
    from kgzsl.knowledge import ClassGraph, ClassPriors
    from kgzsl.tasks.image_classification import ZeroShotClassifier
    from kgzsl.tasks.image_classification.protocol import TestScores

__all__ = ["BESIDE", "measure_beside"]

_SAMPLES = 300  # synthetic rows of each unseen class, as in the recipes of the table
_HEAD: dict[str, Any] = {"epochs": 50, "normalise": "standard"}


@dataclass(frozen=True)
class _Setting:
    """What a cell says of how its method is run.

    Args:
        seed: Of everything.
        device: Where it computes.
        options: Of the linear generator.
    """

    seed: int
    device: torch.device
    options: Mapping[str, Any] = field(default_factory=dict)


def measure_beside(cell: Mapping[str, Any], ontology: str | None) -> dict[str, Any]:
    """Measure one method of :data:`BESIDE`: the bias on unseen classes on held-out seen classes, then the test once.

    Args:
        cell: ``dataset``, ``method``, ``seeds``, ``device`` and ``options``, of which those count that the linear
            generator has, where the method has one.
        ontology: File of the class graph, for those that read one.

    Returns:
        As :func:`kgzsl.benchmarks.images_cell.measure`.

    Raises:
        InputError: The data set or the graph it needs is not there, or the device.
    """
    from kgzsl import datasets
    from kgzsl.engine import Engine
    from kgzsl.generators import generators
    from kgzsl.knowledge import ClassGraph
    from kgzsl.tasks.image_classification._assemble import peak_memory_mb
    from kgzsl.tasks.image_classification.protocol import ImageProtocol
    from kgzsl.tasks.result import summarise_seeds

    begun = time.perf_counter()
    data = datasets.load(cell["dataset"])
    assert isinstance(data, datasets.ImageFeatures)
    if "att" not in data.priors:
        raise InputError(f"{cell['dataset']} has no priors called att")
    method = BESIDE[cell["method"]]
    graph = None if ontology is None else ClassGraph.read(_found(ontology))
    protocol = ImageProtocol(data, setting="transductive" if "transductive" in cell["method"] else "inductive")
    trial = protocol.selection_data()
    assert trial is not None
    priors = data.priors["att"].normalised("l2")
    where = Engine(device=cell.get("device", "auto"), progress=False).torch_device
    known = inspect.signature(generators.find("linear")).parameters
    options = {key: value for key, value in (cell.get("options") or {}).items() if key in known}
    answers = {}
    for seed in range(cell["seeds"]):
        setting = _Setting(seed, where, options)
        bias = _best_bias(trial, method(trial, priors, graph, setting)) if method not in _NARROW else 0.0
        answers[str(seed)] = replace(method(data, priors, graph, setting), unseen_bias=bias)
    cards = protocol.final_score(answers)
    figures = [dict(card.metrics) for card in cards.values()]
    if method in _NARROW:
        figures = [{key: value for key, value in one.items() if key.startswith("zsl.")} for one in figures]
    metrics = {key: round(value, 4) for key, value in summarise_seeds(figures).items()}
    return {"metrics": metrics, "seconds": time.perf_counter() - begun, "peak_mb": peak_memory_mb(), "chosen": {}}


def _found(ontology: str) -> str:
    """From here, or among those that ship with the project."""
    from pathlib import Path

    from kgzsl import datasets

    return ontology if Path(ontology).exists() else str(datasets.ontology_path(Path(ontology).name))


def _best_bias(trial: ImageFeatures, scores: TestScores) -> float:
    from kgzsl.tasks.image_classification.metrics import seen_unseen_curve

    rows = torch.cat([trial.test_unseen_loc, trial.test_seen_loc])
    table = np.concatenate([scores.gzsl_unseen, scores.gzsl_seen])
    bias, _ = seen_unseen_curve(table, np.asarray(trial.labels[rows]), np.asarray(trial.seen)).best_bias()
    return float(bias)


def _loki(data: ImageFeatures, priors: ClassPriors, graph: ClassGraph | None, setting: _Setting) -> TestScores:  # noqa: ARG001
    """A seen-only classifier, its argmax replaced by the Frechet mean over the taxonomy of the class graph."""
    from kgzsl.classifiers import LokiClassifier, SoftmaxClassifier
    from kgzsl.tasks.image_classification.protocol import TestScores

    if graph is None:
        raise InputError("Loki needs the data set's ontology")
    features, names = data.train
    features = features.to(setting.device)
    model = LokiClassifier(SoftmaxClassifier(**_HEAD, seed=setting.seed), graph.taxonomy(), classes=data.class_names)
    model.fit(features, np.asarray(names))
    of_unseen, of_seen = _asked(data, setting)
    every = list(data.class_names)
    return TestScores(
        _array(model.decision_function(of_unseen, data.unseen_names)),
        _array(model.decision_function(of_unseen, every)),
        _array(model.decision_function(of_seen, every)),
    )


def _cascade(data: ImageFeatures, priors: ClassPriors, graph: ClassGraph | None, setting: _Setting) -> TestScores:  # noqa: ARG001
    """LisGAN's second stage, over features that the linear generator made."""
    from kgzsl.classifiers import Cascade

    _, made, made_of = _generated(data, priors, setting)
    features, names = data.train
    both = torch.cat([features.to(made.device), made])

    def answer(rows: torch.Tensor, labels: np.ndarray, asked: torch.Tensor, wanted: list[str]) -> np.ndarray:
        head = Cascade("softmax", {**_HEAD, "seed": setting.seed}).fit(rows, labels, unlabeled=asked)
        return _columns(head.classes_, _array(head.decision_function(asked)), wanted)

    return _both(
        data,
        setting,
        lambda asked, wanted: answer(made, made_of, asked, wanted),
        lambda asked, wanted: answer(both, np.concatenate([np.asarray(names), made_of]), asked, wanted),
    )


def _self_training(data: ImageFeatures, priors: ClassPriors, graph: ClassGraph | None, setting: _Setting) -> TestScores:  # noqa: ARG001
    """Balanced pseudo-labels, the first ones from what the linear generator's classifier says."""
    from kgzsl.classifiers import SoftmaxClassifier
    from kgzsl.classifiers.self_training import SelfTraining

    model, made, made_of = _generated(data, priors, setting)
    features, names = data.train

    def answer(rows: torch.Tensor, labels: np.ndarray, asked: torch.Tensor, wanted: list[str]) -> np.ndarray:
        first = torch.from_numpy(model.predict_proba(asked, wanted))
        trained = SelfTraining(lambda: SoftmaxClassifier(**_HEAD, seed=setting.seed))
        trained.fit(rows, labels, unlabeled=asked, classes=wanted, initial=first)
        shares = _array(trained.predict_proba(asked))
        return _columns(np.asarray(trained.head_.classes_), np.log(shares.clip(min=1e-30)), wanted)

    both, labels = torch.cat([features.to(made.device), made]), np.concatenate([np.asarray(names), made_of])
    return _both(
        data,
        setting,
        lambda asked, wanted: answer(made, made_of, asked, wanted),
        lambda asked, wanted: answer(both, labels, asked, wanted),
    )


def _multi_view(data: ImageFeatures, priors: ClassPriors, graph: ClassGraph | None, setting: _Setting) -> TestScores:
    """Shipped priors, the ontology's attributes and the features aligned, then labels spread among test rows."""
    from kgzsl.classifiers import MultiViewPropagation
    from kgzsl.priors import Attributes
    from kgzsl.tasks.image_classification.protocol import TestScores

    features, names = data.train
    views = [priors.align(data.class_names)]
    if graph is not None:
        views.append(Attributes().fit(graph).priors(data.class_names).normalised("l2"))
    asked = _asked(data, setting)[0]
    model = MultiViewPropagation(device=setting.device).fit(
        features, np.asarray(names), views, unlabeled=asked, candidates="unseen"
    )
    found = _columns(model.classes_, _array(model.scores_), list(data.unseen_names))
    none = np.zeros((1, len(data.class_names)), dtype=np.float32)
    return TestScores(found, none.repeat(len(asked), axis=0), none.repeat(len(data.test_seen_loc), axis=0))


def _generated(
    data: ImageFeatures, priors: ClassPriors, setting: _Setting
) -> tuple[ZeroShotClassifier, torch.Tensor, np.ndarray]:
    """The closed-form generator's model, and features of the unseen classes with their names."""
    from kgzsl.tasks.image_classification import ZeroShotClassifier

    features, names = data.train
    model = ZeroShotClassifier(
        "linear",
        "softmax",
        samples_per_class=_SAMPLES,
        generator_options=setting.options,
        seed=setting.seed,
        device=str(setting.device),
    )
    model.fit(features, np.asarray(names), priors.align(data.class_names))
    made = torch.cat([model.synthesise(name, _SAMPLES) for name in data.unseen_names])
    return model, made, np.repeat(np.asarray(data.unseen_names), _SAMPLES)


_Answer = Callable[[torch.Tensor, list[str]], np.ndarray]


def _asked(data: ImageFeatures, setting: _Setting) -> tuple[torch.Tensor, torch.Tensor]:
    """Features of the test rows of unseen and of seen classes, on the device."""
    rows = (data.features[data.test_unseen_loc], data.features[data.test_seen_loc])
    return rows[0].to(setting.device), rows[1].to(setting.device)


def _array(values: Any) -> np.ndarray:
    return np.asarray(values.detach().cpu() if isinstance(values, torch.Tensor) else values)


def _both(data: ImageFeatures, setting: _Setting, among_unseen: _Answer, among_all: _Answer) -> TestScores:
    """Unseen test rows among unseen classes; then all test rows, of whose kind nothing is told, among all classes."""
    from kgzsl.tasks.image_classification.protocol import TestScores

    of_unseen, of_seen = _asked(data, setting)
    every = among_all(torch.cat([of_unseen, of_seen]), list(data.class_names))
    return TestScores(
        among_unseen(of_unseen, list(data.unseen_names)), every[: len(of_unseen)], every[len(of_unseen) :]
    )


def _columns(classes: Any, scores: np.ndarray, wanted: list[str]) -> np.ndarray:
    """The columns of ``scores`` for the classes ``wanted``; -inf for those that the head never met."""
    place = {str(name): column for column, name in enumerate(np.asarray(classes).tolist())}
    found = np.full((len(scores), len(wanted)), -np.inf, dtype=np.float32)
    for column, name in enumerate(wanted):
        if name in place:
            found[:, column] = scores[:, place[name]]
    return found


_Method = Callable[["ImageFeatures", "ClassPriors", "ClassGraph | None", _Setting], "TestScores"]

#: Name in the table to what answers for a problem: those that say so have looked at the test features.
BESIDE: dict[str, _Method] = {
    "Loki": _loki,
    "linear, cascade (transductive)": _cascade,
    "linear, self-training (transductive)": _self_training,
    "multi-view propagation (transductive)": _multi_view,
}
_NARROW = (_multi_view,)  # published, and affordable, for unseen classes alone
