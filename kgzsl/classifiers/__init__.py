"""Features in, decisions out."""

from kgzsl.classifiers.analytic import AnalyticHead
from kgzsl.classifiers.base import Classifier
from kgzsl.classifiers.eszsl import ESZSL
from kgzsl.classifiers.evidential import Opinion, fuse, opinion_from_evidence
from kgzsl.classifiers.gating import CosmoGate, calibrated_stacking, smooth_and_mix
from kgzsl.classifiers.gda import GDA
from kgzsl.classifiers.loki import Loki
from kgzsl.classifiers.registry import classifiers, make
from kgzsl.classifiers.self_training import SelfTraining, balanced_pseudo_labels
from kgzsl.classifiers.softmax import SoftmaxClassifier

__all__ = [
    "ESZSL",
    "GDA",
    "AnalyticHead",
    "Classifier",
    "CosmoGate",
    "Loki",
    "Opinion",
    "SelfTraining",
    "SoftmaxClassifier",
    "balanced_pseudo_labels",
    "calibrated_stacking",
    "classifiers",
    "fuse",
    "make",
    "opinion_from_evidence",
    "smooth_and_mix",
]
