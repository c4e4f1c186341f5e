"""Names to classifiers."""

from __future__ import annotations

from typing import Any

from kgzsl._resolver import Resolver
from kgzsl.classifiers.ale import ALE
from kgzsl.classifiers.analytic import AnalyticHead
from kgzsl.classifiers.base import Classifier
from kgzsl.classifiers.cascade import Cascade
from kgzsl.classifiers.clip import ClipZeroShot
from kgzsl.classifiers.compositional.head import CompositionalHead
from kgzsl.classifiers.conse import ConSE
from kgzsl.classifiers.deep_prototypes import DeepPrototypes
from kgzsl.classifiers.devise import DeViSE
from kgzsl.classifiers.eszsl import ESZSL
from kgzsl.classifiers.evidential_head import EvidentialHead
from kgzsl.classifiers.gda import GDA
from kgzsl.classifiers.graph_network import GraphNetworkClassifier
from kgzsl.classifiers.loki_head import LokiHead
from kgzsl.classifiers.metric_mapping import MetricMapping
from kgzsl.classifiers.multi_view import MultiViewPropagation
from kgzsl.classifiers.nearest_prior import NearestPrior
from kgzsl.classifiers.prototypes import GaussianPrototypes
from kgzsl.classifiers.sae import SAE
from kgzsl.classifiers.self_training import SelfTraining
from kgzsl.classifiers.sje import SJE
from kgzsl.classifiers.softmax import SoftmaxClassifier
from kgzsl.classifiers.view_weights import ViewWeighted

__all__ = ["classifiers", "make"]

classifiers: Resolver[Classifier] = Resolver(
    "classifier",
    Classifier,
    {
        "ale": ALE,
        "analytic": AnalyticHead,
        "cascade": Cascade,
        "clip": ClipZeroShot,
        "compositional": CompositionalHead,
        "conse": ConSE,
        "deep-prototypes": DeepPrototypes,
        "devise": DeViSE,
        "eszsl": ESZSL,
        "evidential": EvidentialHead,
        "g-acil": AnalyticHead,
        "gda": GDA,
        "graph-network": GraphNetworkClassifier,
        "loki": LokiHead,
        "metric": MetricMapping,
        "multi-view": MultiViewPropagation,
        "nearest-prior": NearestPrior,
        "prototypes": GaussianPrototypes,
        "sae": SAE,
        "self-training": SelfTraining,
        "sje": SJE,
        "softmax": SoftmaxClassifier,
        "views": ViewWeighted,
    },
)
"""The classifiers that recipes and the command line know by name."""


def make(name: str, /, **options: Any) -> Classifier:
    """Build a classifier by its short name, or by ``package.module:Class``."""
    return classifiers.make(name, **options)
