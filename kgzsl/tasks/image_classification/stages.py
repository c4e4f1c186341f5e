"""Finished stages of a run, kept so that an interrupted run goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kgzsl.engine import load_tree, save_tree

__all__ = ["Stages"]


class Stages:
    """Runs named stages once; their results survive in ``folder``.

    A result is made of dicts, lists, numpy arrays, tensors and plain values; arrays come back as arrays.

    Args:
        folder: Where results are kept; None keeps none.
        resume: Take results that are there. Otherwise stale ones are removed first.
        log: Told in one line what begins, what was found, and how long it took.
    """

    def __init__(self, folder: Path | None, *, resume: bool = False, log: Callable[[str], None] | None = None) -> None:
        self.folder = None if folder is None else folder / "stages"
        self.seconds: dict[str, float] = {}
        self._resume = resume
        self._log = log or _silent
        if self.folder is not None and not resume and self.folder.is_dir():
            for file in self.folder.glob("*.safetensors"):
                file.unlink()

    def log(self, line: str) -> None:
        """Tell the user one line."""
        self._log(line)

    def do(self, name: str, work: Callable[[], dict[str, Any]], *, about: str) -> dict[str, Any]:
        """The result of ``work``, or what an earlier run left under ``name``.

        Args:
            name: Of the stage; a file name.
            work: Does it.
            about: What to tell the user.
        """
        file = None if self.folder is None else self.folder / f"{name}.safetensors"
        if file is not None and self._resume and file.exists():
            kept = load_tree(file)
            self.seconds[name] = float(kept["seconds"])
            self._log(f"{about}: done before")
            return dict(_numpy(kept["result"]))
        self._log(f"{about} ...")
        start = time.perf_counter()
        result = work()
        self.seconds[name] = time.perf_counter() - start
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            save_tree(file, {"seconds": self.seconds[name], "result": _tensors(result)})
        return result


def _silent(line: str) -> None:  # noqa: ARG001
    return


def _tensors(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"__array__": torch.from_numpy(np.ascontiguousarray(value))}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {key: _tensors(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_tensors(inner) for inner in value]
    return value


def _numpy(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"__array__"}:
            return value["__array__"].numpy()
        return {key: _numpy(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_numpy(inner) for inner in value]
    return value
