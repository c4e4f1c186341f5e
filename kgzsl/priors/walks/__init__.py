"""Walks over the class graph read as sentences: RDF2Vec, OWL2Vec*."""

from kgzsl.priors.walks.documents import Documents, Lexicon
from kgzsl.priors.walks.encoder import WalkEncoder
from kgzsl.priors.walks.owl2vec_star import OWL2VecStar
from kgzsl.priors.walks.rdf2vec import RDF2Vec
from kgzsl.priors.walks.skip_gram import SkipGramLoop, SkipGramOptions
from kgzsl.priors.walks.walker import Walker

__all__ = [
    "Documents",
    "Lexicon",
    "OWL2VecStar",
    "RDF2Vec",
    "SkipGramLoop",
    "SkipGramOptions",
    "WalkEncoder",
    "Walker",
]
