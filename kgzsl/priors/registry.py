"""Prior encoders by name."""

from __future__ import annotations

from typing import Any

from kgzsl._resolver import Resolver
from kgzsl.priors.attributes import Attributes
from kgzsl.priors.base import PriorEncoder
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

__all__ = ["encoders", "make"]

encoders: Resolver[PriorEncoder] = Resolver(
    "prior encoder",
    PriorEncoder,
    {
        "attributes": Attributes,
        "auto": Auto,
        "box2el": Box2EL,
        "boxe": BoxE,
        "clip_text": ClipText,
        "combined": Combined,
        "compgcn": CompGCN,
        "complex": ComplEx,
        "dgp": DGP,
        "disentangled": Disentangled,
        "distmult": DistMult,
        "elem": ELEm,
        "gat": GAT,
        "gcn": GCN,
        "multi_view": MultiViewText,
        "owl2vec_star": OWL2VecStar,
        "poincare": Poincare,
        "rdf2vec": RDF2Vec,
        "rgcn": RGCN,
        "rotate": RotatE,
        "sgc": SGC,
        "text": Text,
        "text_aware": TextAware,
        "tfidf": TfidfText,
        "transe": TransE,
        "trgcn": TrGCN,
        "triplere": TripleRE,
        "word_vectors": WordText,
    },
)


def make(name: str, /, **options: Any) -> PriorEncoder:
    """The prior encoder called ``name``, or the one behind an import path ``package.module:Class``.

    Args:
        name: ``"attributes"``, ``"transe"``, ...; see ``encoders.names``.
        options: Those of the encoder.

    Raises:
        InputError: An unknown name or option, with the nearest known one.
    """
    return encoders.make(name, **options)
