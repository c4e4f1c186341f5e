"""What a classifier asks for besides features and labels, read off its constructor and its ``fit``."""

from __future__ import annotations

import inspect
from typing import Any

from kgzsl.classifiers.registry import classifiers

__all__ = ["takes_graph", "takes_priors", "takes_unlabeled"]


def takes_priors(name: str) -> bool:
    """Whether the classifier called ``name`` answers from priors (ESZSL), without a training row of each class."""
    return "priors" in _fit_of(name)


def takes_unlabeled(name: str) -> bool:
    """Whether the classifier called ``name`` looks at unlabelled rows: it is transductive, and must be given some."""
    return "unlabeled" in _fit_of(name)


def takes_graph(name: str) -> bool:
    """Whether the classifier called ``name`` reads the class graph itself (a graph network)."""
    return "graph" in inspect.signature(classifiers.find(name)).parameters


def _fit_of(name: str) -> Any:
    kind: Any = classifiers.find(name)
    return inspect.signature(kind.fit).parameters
