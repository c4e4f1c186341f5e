"""Priors from texts: what the graph says in words, read by a sentence encoder or as weighted words."""

from kgzsl.priors.text.clip_text import ClipText
from kgzsl.priors.text.clip_tower import OpenClipTower, TextTower
from kgzsl.priors.text.multi_view import MultiViewText
from kgzsl.priors.text.prompts import Prompts
from kgzsl.priors.text.sentence_model import SentenceModel
from kgzsl.priors.text.sentences import Text
from kgzsl.priors.text.tfidf import TfidfText
from kgzsl.priors.text.verbalise import PARTS, Verbaliser
from kgzsl.priors.text.views import Views
from kgzsl.priors.text.word_text import WordText
from kgzsl.priors.text.word_vectors import WordVectors
from kgzsl.priors.text.words import Segmenter

__all__ = [
    "PARTS",
    "ClipText",
    "MultiViewText",
    "OpenClipTower",
    "Prompts",
    "Segmenter",
    "SentenceModel",
    "Text",
    "TextTower",
    "TfidfText",
    "Verbaliser",
    "Views",
    "WordText",
    "WordVectors",
]
