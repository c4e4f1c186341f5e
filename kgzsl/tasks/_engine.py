"""The engine that a recipe asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kgzsl.engine import Engine, Row, placed

if TYPE_CHECKING:
    from kgzsl.recipe import CompletionRecipe, ImageRecipe

__all__ = ["engine_of", "stage_engine"]


def engine_of(
    recipe: ImageRecipe | CompletionRecipe,
    checkpoint: Path | None,
    *,
    resume: bool,
    progress: bool | str,
    on_log: Callable[[Row], None] | None,
) -> Engine:
    """Made as ``train:`` says, with the first seed; without a folder for checkpoints there is nothing to resume."""
    return Engine(
        device=recipe.train.device,
        precision=recipe.train.precision,
        devices=recipe.train.devices,
        capture=recipe.train.capture,
        seed=recipe.protocol.seed_list[0],
        checkpoint=checkpoint,
        checkpoint_every=recipe.train.checkpoint_every,
        resume=resume and checkpoint is not None,
        progress=progress,
        on_log=on_log,
    )


def stage_engine(engine: Engine, folder: Path | None, seed: int, stage: str) -> Engine:
    """The engine of one stage of a run: its seed, its checkpoints in ``folder``, what it logs under its name."""
    checkpoint = None if folder is None else folder / f"{stage}.seed{seed}"
    return engine.apart(seed=seed, checkpoint=checkpoint, on_log=placed(engine.on_log, seed, stage))
