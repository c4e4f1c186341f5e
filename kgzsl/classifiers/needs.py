"""What a classifier asks for besides features and labels, read off its constructor and its ``fit``."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from kgzsl.classifiers.registry import classifiers

__all__ = ["needs_graph", "takes_graph", "takes_priors", "takes_unlabeled"]


def takes_priors(name: str) -> bool:
    """Whether the classifier called ``name`` answers from priors (ESZSL), without a training row of each class."""
    return "priors" in _fit_of(name)


def takes_unlabeled(name: str) -> bool:
    """Whether the classifier called ``name`` looks at unlabelled rows: it is transductive, and must be given some."""
    return "unlabeled" in _fit_of(name)


def takes_graph(name: str) -> bool:
    """Whether the classifier called ``name`` reads the class graph itself (a graph network, Loki)."""
    return "graph" in inspect.signature(classifiers.find(name)).parameters


def needs_graph(name: str, options: Mapping[str, Any]) -> bool:
    """Whether it cannot do without the class graph; Loki by the distance of priors can."""
    return takes_graph(name) and options.get("metric") != "priors"


def _fit_of(name: str) -> Any:
    kind: Any = classifiers.find(name)
    return inspect.signature(kind.fit).parameters
