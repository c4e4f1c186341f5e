"""Features in, decisions out."""

from kgzsl.classifiers.ale import ALE
from kgzsl.classifiers.analytic import AnalyticHead
from kgzsl.classifiers.base import Classifier
from kgzsl.classifiers.cascade import Cascade
from kgzsl.classifiers.cca import MultiViewCCA
from kgzsl.classifiers.conse import ConSE
from kgzsl.classifiers.devise import DeViSE
from kgzsl.classifiers.eszsl import ESZSL
from kgzsl.classifiers.evidential import Opinion, fuse, opinion_from_evidence
from kgzsl.classifiers.gating import CosmoGate, calibrated_stacking, smooth_and_mix
from kgzsl.classifiers.gda import GDA
from kgzsl.classifiers.loki import Loki
from kgzsl.classifiers.loki_classifier import LokiClassifier
from kgzsl.classifiers.multi_view import MultiViewPropagation
from kgzsl.classifiers.nearest_prior import NearestPrior
from kgzsl.classifiers.prior_classifier import PriorClassifier
from kgzsl.classifiers.propagation import Hypergraph
from kgzsl.classifiers.registry import classifiers, make
from kgzsl.classifiers.sae import SAE
from kgzsl.classifiers.self_training import SelfTraining, balanced_pseudo_labels
from kgzsl.classifiers.sje import SJE
from kgzsl.classifiers.softmax import SoftmaxClassifier

__all__ = [
    "ALE",
    "ESZSL",
    "GDA",
    "SAE",
    "SJE",
    "AnalyticHead",
    "Cascade",
    "Classifier",
    "ConSE",
    "CosmoGate",
    "DeViSE",
    "Hypergraph",
    "Loki",
    "LokiClassifier",
    "MultiViewCCA",
    "MultiViewPropagation",
    "NearestPrior",
    "Opinion",
    "PriorClassifier",
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
