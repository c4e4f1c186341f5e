"""Features in, decisions out."""

from kgzsl.classifiers.ale import ALE
from kgzsl.classifiers.analytic import AnalyticHead
from kgzsl.classifiers.base import Classifier
from kgzsl.classifiers.cascade import Cascade
from kgzsl.classifiers.cca import MultiViewCCA
from kgzsl.classifiers.clip import ClipZeroShot
from kgzsl.classifiers.compositional import CompositionalClassifier
from kgzsl.classifiers.conse import ConSE
from kgzsl.classifiers.deep_prototypes import DeepPrototypes
from kgzsl.classifiers.devise import DeViSE
from kgzsl.classifiers.eszsl import ESZSL
from kgzsl.classifiers.evidential import Opinion, fuse, opinion_from_evidence
from kgzsl.classifiers.evidential_gate import EvidentialGate
from kgzsl.classifiers.evidential_head import EvidentialHead
from kgzsl.classifiers.gated_experts import Calibration, GatedExperts, calibrate
from kgzsl.classifiers.gating import CosmoGate, calibrated_stacking, smooth_and_mix
from kgzsl.classifiers.gda import GDA
from kgzsl.classifiers.graph_network import GraphNetworkClassifier
from kgzsl.classifiers.loki import Loki
from kgzsl.classifiers.loki_classifier import LokiClassifier
from kgzsl.classifiers.loki_head import LokiHead
from kgzsl.classifiers.metric_mapping import MetricMapping
from kgzsl.classifiers.multi_view import MultiViewPropagation
from kgzsl.classifiers.nearest_prior import NearestPrior
from kgzsl.classifiers.prior_classifier import PriorClassifier
from kgzsl.classifiers.propagation import Hypergraph
from kgzsl.classifiers.prototypes import GaussianPrototypes
from kgzsl.classifiers.registry import classifiers, make
from kgzsl.classifiers.relevance import class_distances, class_relevance, relevance, row_relevance
from kgzsl.classifiers.retrieval import k_means, normalised_mutual_information, recall_at_k
from kgzsl.classifiers.sae import SAE
from kgzsl.classifiers.self_training import SelfTraining, balanced_pseudo_labels
from kgzsl.classifiers.sje import SJE
from kgzsl.classifiers.softmax import SoftmaxClassifier
from kgzsl.classifiers.view_weights import ViewWeighted

__all__ = [
    "ALE",
    "ESZSL",
    "GDA",
    "SAE",
    "SJE",
    "AnalyticHead",
    "Calibration",
    "Cascade",
    "Classifier",
    "ClipZeroShot",
    "CompositionalClassifier",
    "ConSE",
    "CosmoGate",
    "DeViSE",
    "DeepPrototypes",
    "EvidentialGate",
    "EvidentialHead",
    "GatedExperts",
    "GaussianPrototypes",
    "GraphNetworkClassifier",
    "Hypergraph",
    "Loki",
    "LokiClassifier",
    "LokiHead",
    "MetricMapping",
    "MultiViewCCA",
    "MultiViewPropagation",
    "NearestPrior",
    "Opinion",
    "PriorClassifier",
    "SelfTraining",
    "SoftmaxClassifier",
    "ViewWeighted",
    "balanced_pseudo_labels",
    "calibrate",
    "calibrated_stacking",
    "class_distances",
    "class_relevance",
    "classifiers",
    "fuse",
    "k_means",
    "make",
    "normalised_mutual_information",
    "opinion_from_evidence",
    "recall_at_k",
    "relevance",
    "row_relevance",
    "smooth_and_mix",
]
