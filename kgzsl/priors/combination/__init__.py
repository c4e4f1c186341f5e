"""Combination: priors side by side, weighted, whitened; and the choice among them."""

from kgzsl.priors.combination.auto import Auto, Judgement
from kgzsl.priors.combination.combined import Combined
from kgzsl.priors.combination.held_out_classes import HeldOutAccuracy, held_out_accuracy, zero_shot_accuracy
from kgzsl.priors.combination.probe import LinkProbe, probe_links, without_some_edges
from kgzsl.priors.combination.whitening import Whitening

__all__ = [
    "Auto",
    "Combined",
    "HeldOutAccuracy",
    "Judgement",
    "LinkProbe",
    "Whitening",
    "held_out_accuracy",
    "probe_links",
    "without_some_edges",
    "zero_shot_accuracy",
]
