"""What a run logs, told to programs that follow runs while they go on: TensorBoard, a CSV file, W&B, MLflow."""

from __future__ import annotations

import csv
import importlib.util
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from kgzsl.errors import InputError, nearest

__all__ = ["TRACKERS", "Tracking"]

Row = Mapping[str, Any]
# Columns of a row that say where it stands; all others are figures.
_PLACES = ("seed", "stage", "step", "epoch")

TRACKERS: Mapping[str, tuple[str, str]] = {
    "csv": ("csv", ""),
    "tensorboard": ("tensorboard", "tensorboard"),
    "wandb": ("wandb", "wandb"),
    "mlflow": ("mlflow", "mlflow"),
}
"""Name to the module it needs, and the extra of kgzsl that brings it."""


class _Tracker(Protocol):
    """One program that follows a run."""

    def log(self, place: str, step: int, figures: Mapping[str, float]) -> None:
        """Take figures of one log point; ``place`` is seed and stage."""

    def close(self, metrics: Mapping[str, float] | None) -> None:
        """Take the final metrics, None where the run did not come to its end."""


class Tracking:
    """Hands every row that a run logs to the programs that were asked for, as it is logged.

    A program that fails (its server is gone) is told of once and left out; the run goes on.

    Args:
        names: Of :data:`TRACKERS`; may be empty.
        out: The run folder: ``log.csv`` and ``tensorboard/`` go there.
        config: The recipe, for programs that keep it.
        warn: Told in one line what went wrong.

    Raises:
        InputError: There is no such program, or it is not installed.
    """

    def __init__(
        self, names: Sequence[str], out: Path, config: Mapping[str, Any], *, warn: Callable[[str], None]
    ) -> None:
        for name in names:
            _check(name)
        self._names, self._out, self._config, self._warn = tuple(dict.fromkeys(names)), out, config, warn
        self._open: dict[str, _Tracker] | None = None
        self._metrics: Mapping[str, float] | None = None

    def log(self, row: Row) -> None:
        """Hand on one row of the history, with its seed and stage."""
        figures = {
            name: float(value)
            for name, value in row.items()
            if name not in _PLACES and isinstance(value, int | float) and math.isfinite(value)
        }
        if self._names and figures:
            step = int(row.get("step", row.get("epoch", 0)) or 0)
            place = f"seed{row.get('seed', 0)}/{row.get('stage', 'run')}"
            self._each(lambda tracker: tracker.log(place, step, figures))

    def finish(self, metrics: Mapping[str, float]) -> None:
        """Keep the final figures, to be told when this closes."""
        self._metrics = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Of several ranks only the first one tells; the others never open anything.
        if self._open is not None or (self._metrics is not None and os.environ.get("LOCAL_RANK", "0") == "0"):
            self._each(lambda tracker: tracker.close(self._metrics))

    def _each(self, do: Callable[[_Tracker], None]) -> None:
        if self._open is None:
            self._open = {}
            for name in self._names:
                self._guarded(name, lambda name=name: self._opened().update({name: self._make(name)}))  # type: ignore[misc]
        for name, tracker in list(self._open.items()):
            self._guarded(name, lambda tracker=tracker: do(tracker))  # type: ignore[misc]

    def _opened(self) -> dict[str, _Tracker]:
        assert self._open is not None
        return self._open

    def _guarded(self, name: str, do: Callable[[], None]) -> None:
        try:
            do()
        except Exception as error:  # whatever a foreign program raises must not end a run of hours
            self._opened().pop(name, None)
            self._warn(f"{name} is left out from here on ({type(error).__name__}: {error})")

    def _make(self, name: str) -> _Tracker:
        return _MAKERS[name](self._out, self._config)


def _check(name: str) -> None:
    if name not in TRACKERS:
        close = nearest(name, TRACKERS)
        raise InputError(
            f"nothing called {name!r} can follow a run",
            remedy=f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(TRACKERS)}",
        )
    module, extra = TRACKERS[name]
    if importlib.util.find_spec(module) is None:
        raise InputError(f"the package {module} is not installed", remedy=f"pip install 'kgzsl[{extra}]'")


class _Csv:
    """``log.csv``: a line a figure, written through at once; a resumed run goes on with the file."""

    def __init__(self, out: Path, config: Mapping[str, Any]) -> None:  # noqa: ARG002 (recipe.yaml lies beside it)
        file = out / "log.csv"
        fresh = not file.exists()
        self._file = file.open("a", encoding="utf-8", newline="", buffering=1)
        self._writer = csv.writer(self._file, lineterminator="\n")
        if fresh:
            self._writer.writerow(("seed", "stage", "step", "name", "value"))

    def log(self, place: str, step: int, figures: Mapping[str, float]) -> None:
        seed, _, stage = place.removeprefix("seed").partition("/")
        self._writer.writerows((seed, stage, step, name, value) for name, value in figures.items())

    def close(self, metrics: Mapping[str, float] | None) -> None:
        self._writer.writerows(("", "metrics", "", name, value) for name, value in (metrics or {}).items())
        self._file.close()


class _TensorBoard:
    """Event files in ``tensorboard/``, a folder for each seed and stage."""

    def __init__(self, out: Path, config: Mapping[str, Any]) -> None:  # noqa: ARG002
        from torch.utils.tensorboard import SummaryWriter

        self._out, self._make = out / "tensorboard", SummaryWriter
        self._writers: dict[str, Any] = {}

    def _writer(self, place: str) -> Any:
        if place not in self._writers:
            self._writers[place] = self._make(str(self._out / place))
        return self._writers[place]

    def log(self, place: str, step: int, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            self._writer(place).add_scalar(name, value, step)

    def close(self, metrics: Mapping[str, float] | None) -> None:
        for name, value in (metrics or {}).items():
            self._writer("metrics").add_scalar(name, value, 0)
        for writer in self._writers.values():
            writer.close()


class _Wandb:
    """A run of Weights & Biases, under ``$WANDB_PROJECT`` or ``kgzsl``; each stage has steps of its own."""

    def __init__(self, out: Path, config: Mapping[str, Any]) -> None:
        import wandb

        project = os.environ.get("WANDB_PROJECT", "kgzsl")
        self._run = wandb.init(project=project, name=out.name, config=dict(config), dir=str(out))
        self._places: set[str] = set()

    def log(self, place: str, step: int, figures: Mapping[str, float]) -> None:
        if place not in self._places:
            self._places.add(place)
            self._run.define_metric(f"{place}/*", step_metric=f"{place}/step")
        self._run.log({f"{place}/step": step, **{f"{place}/{name}": value for name, value in figures.items()}})

    def close(self, metrics: Mapping[str, float] | None) -> None:
        self._run.summary.update(dict(metrics or {}))
        self._run.finish(exit_code=0 if metrics is not None else 1)


class _MLflow:
    """A run of MLflow, where ``$MLFLOW_TRACKING_URI`` says, under ``$MLFLOW_EXPERIMENT_NAME`` or its default."""

    def __init__(self, out: Path, config: Mapping[str, Any]) -> None:
        import mlflow

        self._mlflow = mlflow
        mlflow.start_run(run_name=out.name)
        # MLflow takes 100 parameters at a time, of 500 letters each.
        told = [(_legal(key), str(value)[:500]) for key, value in _flat(config)]
        for start in range(0, len(told), 100):
            mlflow.log_params(dict(told[start : start + 100]))

    def log(self, place: str, step: int, figures: Mapping[str, float]) -> None:
        self._mlflow.log_metrics({_legal(f"{place}/{name}"): value for name, value in figures.items()}, step=step)

    def close(self, metrics: Mapping[str, float] | None) -> None:
        if metrics:
            self._mlflow.log_metrics({_legal(name): value for name, value in metrics.items()})
        self._mlflow.end_run("FINISHED" if metrics is not None else "KILLED")


_MAKERS: Mapping[str, Callable[[Path, Mapping[str, Any]], _Tracker]] = {
    "csv": _Csv,
    "tensorboard": _TensorBoard,
    "wandb": _Wandb,
    "mlflow": _MLflow,
}


def _legal(name: str) -> str:
    """``kgc.hits@1`` as MLflow takes it: ``kgc.hits_at_1``."""
    return re.sub(r"[^\w\-. /]", "_", name.replace("@", "_at_"))


def _flat(values: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            found += _flat(value, f"{before}{key}.")
        else:
            found.append((f"{before}{key}", value))
    return found
