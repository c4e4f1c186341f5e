"""The fitted model of a run folder, whichever task it was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kgzsl._sizes import bytes_of
from kgzsl.cli.options import listed
from kgzsl.errors import InputError
from kgzsl.report.run_folder import RunFolder

__all__ = ["feature_dim", "load_model", "parse_candidates"]


def load_model(run: Path, device: str, memory_budget: str | None = None) -> tuple[str, Any, RunFolder]:
    """The task, the model and the folder of a run; ``memory_budget`` is what a completion model's scoring may take.

    Raises:
        InputError: There is no finished run, it kept no model, or the budget is no size.
    """
    budget = None if memory_budget is None else bytes_of(memory_budget)
    folder = RunFolder.open(run)
    if not folder.complete:
        raise InputError("this run is not finished", file=run, remedy="go on with it: kgzsl run ... --resume")
    task = str(folder.recipe.get("task"))
    if task == "image_classification":
        from kgzsl.tasks import ZeroShotClassifier

        return task, ZeroShotClassifier.load(run, device=device), folder
    if task == "kg_completion":
        from kgzsl.tasks.kg_completion.loading import load_completer

        model = load_completer(run, device=device)
        return task, model if budget is None else model.limit_memory(budget), folder
    raise InputError(f"the run is of the task {task!r}, which this kgzsl does not know", file=run)


def feature_dim(model: Any) -> int:
    """D, the length of the feature vectors that an image model takes."""
    return int(getattr(model, "n_features_in_", None) or model._dim)


_KINDS = ("all", "unseen", "seen", "open")


def parse_candidates(options: Sequence[str] | None) -> str | Sequence[str]:
    """``all``, ``unseen``, ``seen``, ``open``, a file with a name a line, or names with commas between; all of them.

    Raises:
        InputError: A file is empty or cannot be read, or a kind of candidates stands beside names.
    """
    given = listed(options)
    if given is None or given in _KINDS:
        return given or "all"
    if not isinstance(given, str):
        kind = next((name for name in given if name in _KINDS), None)
        if kind is not None:
            raise InputError(f"--candidates {kind} stands beside others", remedy="give one of them")
        return given
    path = Path(given)
    if path.is_file():
        try:
            names = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        except UnicodeDecodeError:
            raise InputError("this is not a UTF-8 text", file=path, remedy="write one candidate a line") from None
        if not names:
            raise InputError("there are no candidates in it", file=path, remedy="write one candidate a line")
        return names
    return [part.strip() for part in given.split(",") if part.strip()]
