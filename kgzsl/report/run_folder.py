"""A run folder: one run's recipe, numbers, model and report, each file whole or absent."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgzsl._files import atomic_directory, atomic_file, atomic_text
from kgzsl.errors import InputError
from kgzsl.report.tables import read_columns, read_rows, write_columns, write_rows

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph, ClassPriors
    from kgzsl.tasks.result import RunResult

__all__ = ["RunFolder", "plain"]

_RECIPE, _METRICS = "recipe.yaml", "metrics.json"
_GRAPH, _CONTRADICTIONS, _LABELS = "graph.npz", "contradictions.csv", "labels.json"
# What a run may put into its folder. Only these are ever removed.
_FILES = (
    _METRICS,  # first: without it a half-removed folder reads as unfinished
    "history.csv",
    "log.csv",
    "predictions.csv",
    "predictions.parquet",
    "priors.safetensors",
    "environment.json",
    "report.html",
    _CONTRADICTIONS,
    _LABELS,
    "begun.json",
    "result.json",
    "arrays.safetensors",
    _GRAPH,
)
_FOLDERS = ("checkpoint", "model", "tensorboard")


class RunFolder:
    """The files of one run.

    ======================  ==================================================================================
    ``recipe.yaml``         the recipe, resolved: every default written out
    ``metrics.json``        one flat object of numbers; its presence says that the run is complete
    ``history.csv``         losses and validation figures by seed, stage and step
    ``predictions.csv``     (or ``.parquet``) the answers on the test set
    ``priors.safetensors``  the class vectors that were used
    ``model.safetensors``   the fitted model, with ``model.json`` beside it
    ``graph.npz``           the class graph
    ``contradictions.csv``  training triples that the schema speaks against, where there are any
    ``labels.json``         what the data call entities, where they do
    ``begun.json``          fingerprints of the data and the class graph, for ``--resume``
    ``checkpoint/``         what ``--resume`` goes on from
    ``result.json``         table rows, selection record and verdicts; ``arrays.safetensors`` holds the plots' numbers
    ``report.html``         the page for people
    ``environment.json``    versions, device, threads, commit, command, seeds, date
    ======================  ==================================================================================

    Args:
        path: The folder. It is neither made nor read here: see :meth:`prepare` and :meth:`open`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def __repr__(self) -> str:
        state = "complete" if self.complete else "unfinished" if self.exists else "absent"
        return f"RunFolder({str(self.path)!r}, {state})"

    # ---------------------------------------------------------------------------------------------------- opening

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> RunFolder:
        """The run folder at ``path``.

        Raises:
            InputError: There is no run folder there.
        """
        folder = cls(path)
        if not folder.exists:
            what = "is not a run folder: it has no recipe.yaml" if folder.path.exists() else "does not exist"
            raise InputError(f"this {what}", file=folder.path, remedy="give the --out folder of a `kgzsl run`")
        return folder

    @classmethod
    def prepare(
        cls,
        path: str | os.PathLike[str],
        recipe: Mapping[str, Any],
        *,
        resume: bool = False,
        overwrite: bool = False,
    ) -> RunFolder:
        """Make ``path`` ready for a run of ``recipe``; nothing that is not a run's own is ever removed.

        Args:
            path: An absent folder, an empty one, or a run folder.
            recipe: The resolved recipe, as plain values.
            resume: Go on from the checkpoint of an unfinished run of the same recipe.
            overwrite: Start anew, whatever run was here.

        Raises:
            InputError: ``path`` holds something else than a run; a run of another recipe; or a run of the same recipe,
                finished or not, and neither ``resume`` nor ``overwrite`` says what to do with it.
        """
        folder = cls(path)
        if folder.path.exists() and not folder.path.is_dir():
            raise InputError("this is a file, and a run needs a folder", file=path, remedy="choose another --out")
        if folder.exists:
            folder._admit(recipe, resume=resume, overwrite=overwrite)
        elif folder.path.is_dir() and any(folder.path.iterdir()):
            raise InputError(
                "this folder is not empty and holds no run",
                file=path,
                remedy="choose another --out; nothing was touched",
            )
        elif resume:
            raise InputError("there is no run here to resume", file=path, remedy="leave out --resume to start one")
        if not folder.exists:
            import yaml

            text = yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True, width=120)
            atomic_text(folder.path / _RECIPE, text)
        return folder

    def _admit(self, recipe: Mapping[str, Any], *, resume: bool, overwrite: bool) -> None:
        changed = [] if overwrite else _differences(_essence(self.recipe), _essence(recipe))
        if overwrite:
            self.clear()
        elif changed:
            raise InputError(
                f"this folder holds a run of another recipe ({'; '.join(changed[:3])})",
                file=self.path,
                remedy="choose another --out, or --overwrite to replace it",
            )
        elif not resume:
            state, remedy = ("a finished run", "--overwrite") if self.complete else ("an unfinished run", "--resume")
            doing = "to run it again" if self.complete else "to go on with it (or --overwrite to start anew)"
            raise InputError(
                f"this folder holds {state} of this recipe", file=self.path, remedy=f"add {remedy} {doing}"
            )

    def clear(self) -> None:
        """Remove the files of the run that was here, and nothing else."""
        (self.path / _METRICS).unlink(missing_ok=True)
        for name in (*_FILES, _RECIPE):
            (self.path / name).unlink(missing_ok=True)
        for file in self.path.glob("model.*"):
            if file.is_file():
                file.unlink()
        for name in _FOLDERS:
            shutil.rmtree(self.path / name, ignore_errors=True)

    def forget_unless_begun(self) -> None:
        """Remove a run that failed before it had anything worth to go on from, and its folder if that is then empty."""
        if any(file.is_file() for file in self.checkpoint.rglob("*")):
            return
        self.clear()
        if not any(self.path.iterdir()):
            self.path.rmdir()

    # ---------------------------------------------------------------------------------------------------- reading

    @property
    def exists(self) -> bool:
        """Whether a run was begun here."""
        return (self.path / _RECIPE).is_file()

    @property
    def complete(self) -> bool:
        """Whether the run came to its end."""
        return self.exists and (self.path / _METRICS).is_file()

    @property
    def checkpoint(self) -> Path:
        """Where the run keeps what it needs to go on."""
        return self.path / "checkpoint"

    @property
    def report(self) -> Path:
        """The page for people."""
        return self.path / "report.html"

    @property
    def recipe(self) -> dict[str, Any]:
        """The resolved recipe, as plain values."""
        import yaml

        file = self._need(_RECIPE)
        try:
            found = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InputError(
                f"this recipe cannot be read ({error})", file=file, remedy="run again with --overwrite"
            ) from None
        return found if isinstance(found, dict) else {}

    @property
    def metrics(self) -> dict[str, float]:
        """The flat numbers of metrics.json."""
        found: dict[str, float] = self._json(_METRICS)
        return found

    @property
    def environment(self) -> dict[str, Any]:
        """What the run ran on."""
        return self._json("environment.json")

    @property
    def details(self) -> dict[str, Any]:
        """What result.json keeps: table rows, selection, verdicts, warnings."""
        return self._json("result.json")

    def history(self) -> list[dict[str, Any]]:
        """The rows of history.csv."""
        return read_rows(self._need("history.csv"))

    def predictions(self) -> dict[str, list[Any]]:
        """The columns of predictions.csv or predictions.parquet."""
        parquet = self.path / "predictions.parquet"
        return read_columns(parquet if parquet.is_file() else self._need("predictions.csv"))

    def priors(self) -> ClassPriors:
        """The class vectors of the run."""
        from kgzsl.knowledge import ClassPriors

        return ClassPriors.load(self._need("priors.safetensors"))

    def graph(self) -> ClassGraph | None:
        """The class graph of the run, if it had one."""
        from kgzsl.knowledge import ClassGraph

        file = self.path / _GRAPH
        return ClassGraph.load(file) if file.is_file() else None

    def contradictions(self) -> list[dict[str, str]]:
        """The rows of contradictions.csv; none where the run has no such file."""
        import csv

        file = self.path / _CONTRADICTIONS
        if not file.is_file():
            return []
        with file.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))

    def labels(self) -> dict[str, list[str]]:
        """What the data call entities; none where they call them nothing."""
        return self._json(_LABELS) if (self.path / _LABELS).is_file() else {}

    def result(self) -> RunResult:
        """The result, without the fitted model."""
        from safetensors.numpy import load_file

        from kgzsl.tasks.result import ResultRow, RunResult

        kept = self.details
        kept["rows"] = [
            ResultRow(**{**row, "values": {key: tuple(pair) for key, pair in row["values"].items()}})
            for row in kept["rows"]
        ]
        arrays = self.path / "arrays.safetensors"
        priors = self.path / "priors.safetensors"
        return RunResult(
            **kept,
            recipe=self.recipe,
            history=self.history(),
            predictions=self.predictions(),
            arrays=load_file(arrays) if arrays.is_file() else {},
            priors=self.priors() if priors.is_file() else None,
            model=None,
            graph=self.graph(),
            contradictions=self.contradictions(),
            labels=self.labels(),
        )

    def _need(self, name: str) -> Path:
        file = self.path / name
        if not file.is_file():
            remedy = (
                "this run is not finished: go on with `kgzsl run ... --resume`" if not self.complete else "run it again"
            )
            raise InputError(f"{name} is missing", file=self.path, remedy=remedy)
        return file

    def _json(self, name: str) -> dict[str, Any]:
        file = self._need(name)
        try:
            found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"this is not JSON ({error})", file=file, remedy="run again with --overwrite") from None
        return found

    # ---------------------------------------------------------------------------------------------------- writing

    def write(self, result: RunResult, environment: Mapping[str, Any], *, parquet: bool = False) -> None:
        """Write the whole result; ``metrics.json`` comes last, so that a complete folder is one that has it.

        Args:
            result: What the task gave.
            environment: What :func:`kgzsl.report.record_environment` gave.
            parquet: Write the predictions as Parquet instead of CSV.

        Raises:
            InputError: The disk is full or not writable. No file is left half-written.
        """
        from kgzsl.report.html import render

        write_rows(self.path / "history.csv", result.history)
        write_columns(self.path / ("predictions.parquet" if parquet else "predictions.csv"), result.predictions)
        if result.priors is not None:
            result.priors.save(self.path / "priors.safetensors")
        if result.graph is not None:
            result.graph.save(self.path / _GRAPH)
        if result.contradictions:
            write_rows(self.path / _CONTRADICTIONS, result.contradictions)
        if result.labels:
            self.write_json(_LABELS, result.labels)
        if result.model is not None:
            self._write_model(result.model)
        self._write_details(result)
        self.write_json("environment.json", environment)
        atomic_text(self.report, render(result, environment))
        self.write_json(_METRICS, result.to_metrics())

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Write ``value`` as JSON; a number that is not finite becomes null."""
        atomic_text(self.path / name, json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n")

    def _write_details(self, result: RunResult) -> None:
        from dataclasses import asdict

        import numpy as np
        from safetensors.numpy import save_file

        if result.arrays:
            with atomic_file(self.path / "arrays.safetensors") as temporary:
                save_file({name: np.ascontiguousarray(array) for name, array in result.arrays.items()}, temporary)
        names = "task dataset metrics per_seed columns headlines selection names seen unseen verdicts warnings "
        names += "seconds peak_memory_mb"
        kept = {name: getattr(result, name) for name in names.split()}
        self.write_json("result.json", {**kept, "rows": [asdict(row) for row in result.rows]})

    def _write_model(self, model: Any) -> None:
        """Let the model save itself into a folder of its own, then move what it wrote beside the rest."""
        with atomic_directory(self.path / "model") as temporary:
            model.save(temporary)
        for file in sorted((self.path / "model").iterdir()):
            file.replace(self.path / file.name)
        (self.path / "model").rmdir()


def plain(value: Any) -> Any:
    """JSON values: tuples to lists, numpy numbers to Python's, numbers that are not finite to None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, bool | str | int) or value is None:
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)


def _essence(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """What makes a run another one; device and checkpoints do not."""
    return {key: value for key, value in recipe.items() if key not in ("train", "notes")}


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Where two recipes differ, as ``key: old -> new``."""
    found: list[str] = []
    for key in dict.fromkeys([*old, *new]):
        before, after = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += _differences(before, after, f"{prefix}{key}.")
        elif plain(before) != plain(after):
            found.append(f"{prefix}{key}: {before!r} there, {after!r} here")
    return found
