"""Disentangled ontology embeddings: one component of a class's vector for each aspect of the relations."""

from kgzsl.priors.disentangled.encoder import Disentangled
from kgzsl.priors.disentangled.model import DisentangledModel
from kgzsl.priors.disentangled.scorer import DisentangledScorer

__all__ = ["Disentangled", "DisentangledModel", "DisentangledScorer"]
