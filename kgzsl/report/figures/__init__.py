"""Drawings of the report, as small SVG."""

from kgzsl.report.figures.class_graph import GraphView, class_graph_view
from kgzsl.report.figures.confusion import confused_pairs, confusion_matrix
from kgzsl.report.figures.curves import seen_unseen_curve, training_curves
from kgzsl.report.figures.feature_map import feature_map
from kgzsl.report.figures.svg import Figure

__all__ = [
    "Figure",
    "GraphView",
    "class_graph_view",
    "confused_pairs",
    "confusion_matrix",
    "feature_map",
    "seen_unseen_curve",
    "training_curves",
]
