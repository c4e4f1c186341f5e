"""Priors from texts: what the graph says in words, read by a sentence encoder or as weighted words."""

from kgzsl.priors.text.sentence_model import SentenceModel
from kgzsl.priors.text.sentences import Text
from kgzsl.priors.text.tfidf import TfidfText
from kgzsl.priors.text.verbalise import PARTS, Verbaliser
from kgzsl.priors.text.words import Segmenter

__all__ = ["PARTS", "Segmenter", "SentenceModel", "Text", "TfidfText", "Verbaliser"]
