"""Cells of the table of image methods on retrieval and clustering: in which space unseen classes lie together."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from kgzsl.tasks.image_classification.protocol import ImageProtocol
    from kgzsl.tasks.image_classification.stages import Stages

__all__ = ["RETRIEVAL", "RETRIEVAL_RUN", "measure_retrieval", "retrieval_recipe"]

_Map = Callable[[Tensor], Tensor]
_SETTINGS: dict[str, Any] = {"start": "principal", "lr": 1e-3}  # of every metric mapping
_TRAINED = {"dim": [128, 512], "epochs": [1, 4], **{name: [value] for name, value in _SETTINGS.items()}}


@dataclass(frozen=True)
class _Way:
    """How a space is made of training rows.

    Args:
        learn: From features [N, D], labels int64 [N], options and a seed to a map of rows; None is a recipe's.
        grid: Options to the values to try on held-out seen classes.
    """

    learn: Callable[[Tensor, Tensor, Mapping[str, Any], int], _Map] | None
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)


def _plain(features: Tensor, labels: Tensor, options: Mapping[str, Any], seed: int) -> _Map:  # noqa: ARG001
    """The features as they are."""
    return lambda rows: rows


def _centred(features: Tensor, labels: Tensor, options: Mapping[str, Any], seed: int) -> _Map:  # noqa: ARG001
    """About the training rows' mean, brought to length 1."""
    mean = features.mean(dim=0)
    return lambda rows: functional.normalize(rows - mean, dim=1)


def _whitened(features: Tensor, labels: Tensor, options: Mapping[str, Any], seed: int) -> _Map:  # noqa: ARG001
    """The ``dim`` first principal components, each brought to variance 1, and rows to length 1."""
    mean = features.mean(dim=0)
    away = (features - mean).double()
    values, axes = torch.linalg.eigh(away.T @ away / len(away))
    kept = axes[:, -options["dim"] :] / values[-options["dim"] :].clamp_min(1e-12).sqrt()
    return lambda rows: functional.normalize((rows - mean) @ kept.float(), dim=1)


def _whitened_within(features: Tensor, labels: Tensor, options: Mapping[str, Any], seed: int) -> _Map:  # noqa: ARG001
    """``(S + shrinkage tr(S)/D I)^-1/2 (x - m)`` brought to length 1, S the covariance of rows within classes."""
    mean = features.mean(dim=0)
    rows = features.double()
    counts = torch.bincount(labels)
    means = torch.zeros(len(counts), rows.shape[1], dtype=rows.dtype, device=rows.device).index_add_(0, labels, rows)
    within = rows - (means / counts.clamp_min(1)[:, None])[labels]
    spread = within.T @ within / len(within)
    values, axes = torch.linalg.eigh(spread)
    unit = options["shrinkage"] * spread.diagonal().mean().clamp_min(1e-12)
    scaled = axes / (values.clamp_min(0) + unit).sqrt()
    return lambda rows: functional.normalize((rows - mean) @ scaled.float(), dim=1)


def _metric(features: Tensor, labels: Tensor, options: Mapping[str, Any], seed: int) -> _Map:
    """:class:`kgzsl.classifiers.MetricMapping`."""
    from kgzsl.classifiers import MetricMapping

    return MetricMapping(**options, seed=seed).fit(features, labels.cpu().numpy()).transform


#: The one that is a run of a recipe, whose head also sees rows that its generator made of unseen classes.
RETRIEVAL_RUN = "metric head of a run"
#: Name in the table to how the space is made.
RETRIEVAL: dict[str, _Way] = {
    "features as they are": _Way(_plain),
    "features, centred": _Way(_centred),
    "whitened": _Way(_whitened, {"dim": [32, 64, 128, 256, 512]}),
    "whitened within classes": _Way(_whitened_within, {"shrinkage": [0.1, 1.0, 10.0]}),
    "metric mapping": _Way(_metric, _TRAINED),
    "metric mapping, energy confusion": _Way(_metric, {**_TRAINED, "confusion": [3.0, 10.0, 30.0]}),
    RETRIEVAL_RUN: _Way(None),
}
_SEARCH = {"classifier.confusion": [0.0, 10.0]}


def retrieval_recipe(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe of a generator and a metric head, with what it is chosen by and scored on replaced by retrieval."""
    asked = {"retrieval": True, "criterion": "retrieval.recall@1", "search": _SEARCH}
    head = {**recipe["classifier"], **_SETTINGS, "dim": 512, "epochs": 4}
    return {**recipe, "classifier": head, "protocol": {**recipe["protocol"], **asked}}


def measure_retrieval(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Choose options by Recall@1 of held-out seen classes, learn from all seen ones, look at the unseen ones once.

    Args:
        cell: ``dataset``, ``method`` (of those that no recipe describes), ``seeds``, ``device``, ``options`` in place
            of those that are searched, and ``folder``, where what was done before lies.

    Returns:
        As :func:`kgzsl.benchmarks.images_cell.measure`.

    Raises:
        InputError: The data set is not there, or the device.
    """
    from kgzsl import datasets
    from kgzsl.engine import Engine
    from kgzsl.tasks.image_classification._assemble import peak_memory_mb
    from kgzsl.tasks.image_classification.protocol import ImageProtocol
    from kgzsl.tasks.image_classification.retrieval import Space
    from kgzsl.tasks.image_classification.stages import Stages
    from kgzsl.tasks.result import summarise_seeds

    data = datasets.load(cell["dataset"])
    assert isinstance(data, datasets.ImageFeatures)
    way = RETRIEVAL[cell["method"]]
    protocol = ImageProtocol(data)
    where = Engine(device=cell.get("device", "auto"), progress=False).torch_device
    stages = Stages(Path(cell["folder"]) if cell.get("folder") else None, resume=True)
    given = cell.get("options") or {}
    grid = {name: [given[name]] if name in given else values for name, values in way.grid.items()}
    chosen = _chosen(way, grid, protocol, stages, where)
    told = {name: value for name, value in chosen.items() if name in grid}
    features, labels = protocol.train
    asked = protocol.test_features[0]
    spaces = {}
    for seed in range(cell["seeds"]):

        def work(seed: int = seed) -> dict[str, Any]:
            return {"points": _mapped(way, features, torch.from_numpy(labels), told, seed, asked, where)}

        spaces[str(seed)] = Space(stages.do(f"seed{seed}", work, about=f"seed {seed}")["points"], seed)
    begun = time.perf_counter()
    protocol.final_score({}, spaces)
    metrics = {key: round(value, 4) for key, value in summarise_seeds(list(protocol.retrieval.values())).items()}
    seconds = sum(stages.seconds.values()) + time.perf_counter() - begun  # of what was done before, too
    shown = {name: value for name, value in chosen.items() if name not in grid or len(way.grid[name]) > 1}
    return {"metrics": metrics, "seconds": seconds, "peak_mb": peak_memory_mb(), "chosen": shown}


def _chosen(
    way: _Way, grid: Mapping[str, Sequence[Any]], protocol: ImageProtocol, stages: Stages, where: torch.device
) -> dict[str, Any]:
    """The best options, and ``recall@1`` of the held-out classes with them, in percent."""
    from kgzsl.classifiers import recall_at_k

    trial = protocol.selection_data()
    assert trial is not None
    features, labels = trial.rows(trial.trainval_loc)
    asked, true = trial.rows(trial.test_unseen_loc)
    best: dict[str, Any] = {}
    for number, values in enumerate(itertools.product(*grid.values())):
        options = dict(zip(grid, values, strict=True))

        def work(options: dict[str, Any] = options) -> dict[str, Any]:
            points = _mapped(way, features, labels.cpu(), options, 0, asked, where)
            return {"recall": 100.0 * recall_at_k(points, np.asarray(true.cpu()), [1])[0]}

        found = stages.do(f"choice{number}", work, about=str(options))["recall"]
        if found > best.get("recall@1", -1.0):
            best = {**options, "recall@1": round(found, 4)}
    return best


def _mapped(
    way: _Way,
    features: Tensor,
    labels: Tensor,
    options: Mapping[str, Any],
    seed: int,
    asked: Tensor,
    where: torch.device,
) -> np.ndarray:
    assert way.learn is not None
    space = way.learn(features.to(where), labels.to(where), options, seed)
    return np.asarray(space(asked.to(where)).cpu(), dtype=np.float32)
