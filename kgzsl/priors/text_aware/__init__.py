"""Ontology embedding by structure and text in one space."""

from kgzsl.priors.text_aware.encoder import TextAware
from kgzsl.priors.text_aware.model import TextAwareModel
from kgzsl.priors.text_aware.scorer import TERMS, TextAwareScorer

__all__ = ["TERMS", "TextAware", "TextAwareModel", "TextAwareScorer"]
