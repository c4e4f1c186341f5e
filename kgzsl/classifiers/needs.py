"""What a classifier asks for besides features and labels, read off its constructor and its ``fit``."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from kgzsl.classifiers.prior_classifier import PriorClassifier
from kgzsl.classifiers.registry import classifiers

__all__ = ["answers_open", "needs_graph", "reads_pairs", "takes_graph", "takes_priors", "takes_unlabeled"]


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


def reads_pairs(name: str) -> bool:
    """Whether it takes a class for a pair by the two parts of its prior, so that a recipe must say what they are."""
    return bool(getattr(classifiers.find(name), "of_pairs", False))


def answers_open(name: str) -> bool:
    """Whether the classifier called ``name`` can answer more classes than it was made with, from their priors."""
    return issubclass(classifiers.find(name), PriorClassifier)


def _fit_of(name: str) -> Any:
    kind: Any = classifiers.find(name)
    return inspect.signature(kind.fit).parameters
