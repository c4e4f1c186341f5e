"""kgzsl: zero-shot classification and knowledge-graph completion, from ontologies and knowledge graphs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from kgzsl.errors import InputError

if TYPE_CHECKING:
    from kgzsl.datasets import ImageFeatures, KGSplit
    from kgzsl.knowledge import ClassGraph, ClassPriors
    from kgzsl.tasks import RelationCompleter, ZeroShotClassifier

__version__: str

__all__ = [
    "ClassGraph",
    "ClassPriors",
    "ImageFeatures",
    "InputError",
    "KGSplit",
    "RelationCompleter",
    "ZeroShotClassifier",
    "__version__",
]

# Names are fetched on first use: parsing an ontology must not wait for torch.
_HOMES = {
    "ClassGraph": "kgzsl.knowledge",
    "ClassPriors": "kgzsl.knowledge",
    "ImageFeatures": "kgzsl.datasets",
    "KGSplit": "kgzsl.datasets",
    "RelationCompleter": "kgzsl.tasks",
    "ZeroShotClassifier": "kgzsl.tasks",
}
_SUBMODULES = {
    "classifiers",
    "datasets",
    "engine",
    "generators",
    "knowledge",
    "priors",
    "recipe",
    "report",
    "tasks",
    "export",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name in _SUBMODULES:
        return importlib.import_module(f"kgzsl.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'kgzsl' has no attribute {name!r}")


def _version() -> str:
    """What the installed distribution says, which has it from git."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version("kgzsl")
    except PackageNotFoundError:
        found = "0+unknown"  # the folder on a path, not installed
    globals()["__version__"] = found
    return found


def __dir__() -> list[str]:
    return sorted({*__all__, *_SUBMODULES})
