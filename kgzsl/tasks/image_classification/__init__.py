"""Zero-shot and generalized zero-shot image classification."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kgzsl.tasks.image_classification.explanation import Explanation
    from kgzsl.tasks.image_classification.pipeline import run
    from kgzsl.tasks.image_classification.protocol import ImageProtocol
    from kgzsl.tasks.image_classification.zero_shot_classifier import ZeroShotClassifier

__all__ = ["Explanation", "ImageProtocol", "ZeroShotClassifier", "run"]

_HOMES = {
    "Explanation": "explanation",
    "ImageProtocol": "protocol",
    "ZeroShotClassifier": "zero_shot_classifier",
    "run": "pipeline",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
