"""Priors: class graphs in, class vectors out."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.priors.base import PriorEncoder, PriorWarning

if TYPE_CHECKING:
    from kgzsl.priors.again import PriorsAgain
    from kgzsl.priors.attributes import Attributes
    from kgzsl.priors.combination.auto import Auto
    from kgzsl.priors.combination.combined import Combined
    from kgzsl.priors.disentangled.encoder import Disentangled
    from kgzsl.priors.geometric.box2el import Box2EL
    from kgzsl.priors.geometric.elem import ELEm
    from kgzsl.priors.geometric.poincare import Poincare
    from kgzsl.priors.propagation.compgcn import CompGCN
    from kgzsl.priors.propagation.dgp import DGP
    from kgzsl.priors.propagation.gat import GAT
    from kgzsl.priors.propagation.gcn import GCN
    from kgzsl.priors.propagation.rgcn import RGCN
    from kgzsl.priors.propagation.sgc import SGC
    from kgzsl.priors.propagation.trgcn import TrGCN
    from kgzsl.priors.registry import encoders, make
    from kgzsl.priors.text.clip_text import ClipText
    from kgzsl.priors.text.multi_view import MultiViewText
    from kgzsl.priors.text.sentences import Text
    from kgzsl.priors.text.tfidf import TfidfText
    from kgzsl.priors.text.word_text import WordText
    from kgzsl.priors.text_aware.encoder import TextAware
    from kgzsl.priors.triples.boxe import BoxE
    from kgzsl.priors.triples.complex import ComplEx
    from kgzsl.priors.triples.distmult import DistMult
    from kgzsl.priors.triples.rotate import RotatE
    from kgzsl.priors.triples.transe import TransE
    from kgzsl.priors.triples.triplere import TripleRE
    from kgzsl.priors.walks.owl2vec_star import OWL2VecStar
    from kgzsl.priors.walks.rdf2vec import RDF2Vec

__all__ = [
    "DGP",
    "GAT",
    "GCN",
    "RGCN",
    "SGC",
    "Attributes",
    "Auto",
    "Box2EL",
    "BoxE",
    "ClassPriors",
    "ClipText",
    "Combined",
    "CompGCN",
    "ComplEx",
    "Disentangled",
    "DistMult",
    "ELEm",
    "MultiViewText",
    "OWL2VecStar",
    "Poincare",
    "PriorEncoder",
    "PriorWarning",
    "PriorsAgain",
    "RDF2Vec",
    "RotatE",
    "Text",
    "TextAware",
    "TfidfText",
    "TrGCN",
    "TransE",
    "TripleRE",
    "WordText",
    "encoders",
    "make",
]

# Fetched on first use: attribute vectors must not wait for torch.
_HOMES = {
    "PriorsAgain": "again",
    "Auto": "combination.auto",
    "ClipText": "text.clip_text",
    "Combined": "combination.combined",
    "Disentangled": "disentangled.encoder",
    "MultiViewText": "text.multi_view",
    "WordText": "text.word_text",
    "TripleRE": "triples.triplere",
    "TrGCN": "propagation.trgcn",
    "CompGCN": "propagation.compgcn",
    "RGCN": "propagation.rgcn",
    "GAT": "propagation.gat",
    "DGP": "propagation.dgp",
    "GCN": "propagation.gcn",
    "SGC": "propagation.sgc",
    "Attributes": "attributes",
    "Box2EL": "geometric.box2el",
    "BoxE": "triples.boxe",
    "ComplEx": "triples.complex",
    "DistMult": "triples.distmult",
    "ELEm": "geometric.elem",
    "OWL2VecStar": "walks.owl2vec_star",
    "Poincare": "geometric.poincare",
    "RDF2Vec": "walks.rdf2vec",
    "RotatE": "triples.rotate",
    "Text": "text.sentences",
    "TextAware": "text_aware.encoder",
    "TfidfText": "text.tfidf",
    "TransE": "triples.transe",
    "encoders": "registry",
    "make": "registry",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"kgzsl.priors.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'kgzsl.priors' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
