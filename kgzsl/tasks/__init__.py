"""The two tasks: zero-shot image classification and completion of relations that were never in training."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from kgzsl.tasks.result import ResultRow, RunResult

if TYPE_CHECKING:
    from kgzsl.tasks import image_classification, kg_completion
    from kgzsl.tasks.image_classification import ZeroShotClassifier
    from kgzsl.tasks.kg_completion import RelationCompleter

__all__ = [
    "RelationCompleter",
    "ResultRow",
    "RunResult",
    "ZeroShotClassifier",
    "image_classification",
    "kg_completion",
]

# Fetched on first use: one task must not wait for, or fail with, the other.
_HOMES = {
    "RelationCompleter": "kgzsl.tasks.kg_completion",
    "ZeroShotClassifier": "kgzsl.tasks.image_classification",
}
_SUBMODULES = {"image_classification", "kg_completion"}


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"kgzsl.tasks.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'kgzsl.tasks' has no attribute {name!r}")
