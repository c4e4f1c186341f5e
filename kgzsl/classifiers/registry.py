"""Names to classifiers."""

from __future__ import annotations

from typing import Any

from kgzsl._resolver import Resolver
from kgzsl.classifiers.analytic import AnalyticHead
from kgzsl.classifiers.base import Classifier
from kgzsl.classifiers.eszsl import ESZSL
from kgzsl.classifiers.gda import GDA
from kgzsl.classifiers.softmax import SoftmaxClassifier

__all__ = ["classifiers", "make"]

classifiers: Resolver[Classifier] = Resolver(
    "classifier",
    Classifier,
    {"softmax": SoftmaxClassifier, "eszsl": ESZSL, "gda": GDA, "analytic": AnalyticHead, "g-acil": AnalyticHead},
)
"""The classifiers that recipes and the command line know by name."""


def make(name: str, /, **options: Any) -> Classifier:
    """Build a classifier by its short name, or by ``package.module:Class``."""
    return classifiers.make(name, **options)
