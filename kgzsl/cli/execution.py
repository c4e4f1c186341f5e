"""A recipe run into its folder: what ``kgzsl run`` and ``kgzsl demo`` share."""

from __future__ import annotations

import contextlib
import importlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kgzsl.cli.console import Console
from kgzsl.errors import InputError
from kgzsl.report import RunFolder, record_environment
from kgzsl.report.tracking import Tracking

if TYPE_CHECKING:
    from kgzsl.recipe import Recipe
    from kgzsl.tasks.result import RunResult

__all__ = ["execute", "read_recipe"]


def read_recipe(
    path: Path,
    overrides: Sequence[str] = (),
    *,
    priors: str | None = None,
    seeds: int | None = None,
    device: str | None = None,
    devices: int | None = None,
    precision: str | None = None,
    memory_budget: str | None = None,
    unseen_relations: str | Sequence[str] | None = None,
) -> Recipe:
    """The recipe at ``path`` with what the command line changes.

    ``priors`` names priors as ``kgzsl compare --priors`` does: ``auto``, ``attributes+text``, ``{name: transe}``.
    ``unseen_relations`` goes to the reader of the data set: names with commas between, or a file of them.

    Raises:
        InputError: The recipe, or an override, is not in order.
    """
    from kgzsl.cli.grid import choices
    from kgzsl.recipe import Recipe

    if priors is not None:
        chosen = choices([priors])
        if len(chosen) != 1 or chosen[0] is None:
            raise InputError(
                f"--prior {priors} is not one choice", remedy="join priors by +, or use kgzsl compare --priors"
            )
        overrides = [*overrides, f"priors={json.dumps(chosen[0])}"]
    given = {
        "protocol.seeds": seeds,
        "train.device": device,
        "train.devices": devices,
        "train.precision": precision,
        "protocol.memory_budget": memory_budget,
        "dataset.unseen_relations": None if unseen_relations is None else json.dumps(unseen_relations),
    }
    # After --set, so that the option of its own wins over a general one.
    return Recipe.read(path, [*overrides, *(f"{key}={value}" for key, value in given.items() if value is not None)])


def execute(
    recipe: Recipe,
    out: Path,
    console: Console,
    *,
    resume: bool = False,
    overwrite: bool = False,
    parquet: bool = False,
    command: Sequence[str] | None = None,
    track: Sequence[str] = (),
) -> tuple[RunResult, RunFolder]:
    """Run ``recipe`` and write its folder.

    Args:
        recipe: What to run.
        out: The run folder.
        console: Where progress goes.
        resume: Go on from the checkpoints that are there.
        overwrite: Replace the run that was there.
        parquet: Write predictions as Parquet.
        command: What to record as the command line; ``sys.argv`` by default.
        track: Programs that follow the run, see :data:`kgzsl.report.tracking.TRACKERS`.

    Returns:
        The result, and the folder that now holds it.

    Raises:
        InputError: Something in recipe, data or folder is not in order.
        KeyboardInterrupt: Interrupted; the folder can be resumed.
    """
    tracking = Tracking(track, out, recipe.to_dict(), warn=console.note)
    fresh = not RunFolder(out).exists or overwrite
    existed = out.exists()
    try:
        folder = RunFolder.prepare(out, recipe.to_dict(), resume=resume, overwrite=overwrite)
    except InputError:
        if not existed:
            with contextlib.suppress(OSError):
                out.rmdir()  # a full disk leaves an empty folder behind
        raise
    if folder.complete and resume:
        console.note(f"{out} is complete already")
        return folder.result(), folder
    seeds = recipe.protocol.seed_list  # type: ignore[attr-defined]
    begun = time.perf_counter()
    task = importlib.import_module(f"kgzsl.tasks.{recipe.task}")
    try:
        with tracking:
            result: RunResult = task.run(
                recipe,
                out=folder.path,
                resume=resume,
                progress=console.progress,
                log=console.note,
                on_log=tracking.log if track else None,
            )
            tracking.finish(result.to_metrics())
    except Exception:
        if fresh:  # whatever went wrong, the mended recipe must not find its folder taken
            folder.forget_unless_begun()
        raise
    result.seconds.setdefault("total", time.perf_counter() - begun)
    facts = record_environment(
        command=command, seeds=seeds, device=recipe.train.device, precision=recipe.train.precision
    )
    folder.write(result, facts, parquet=parquet)
    return result, folder
