"""Triple embeddings: scorers, their training and their ranking."""

from kgzsl.priors.triples.boxe import BoxE, BoxEScorer
from kgzsl.priors.triples.complex import ComplEx, ComplExScorer
from kgzsl.priors.triples.constraints import TypeConstraints
from kgzsl.priors.triples.distmult import DistMult, DistMultScorer
from kgzsl.priors.triples.encoder import TripleEncoder
from kgzsl.priors.triples.losses import self_adversarial_loss, softmax_loss
from kgzsl.priors.triples.model import TripleModel
from kgzsl.priors.triples.ranking import RankingResult, rank_triples
from kgzsl.priors.triples.rotate import RotatE, RotatEScorer
from kgzsl.priors.triples.scorer import TripleScorer
from kgzsl.priors.triples.stopping import EarlyStopping
from kgzsl.priors.triples.training import TripleLoop, TripleOptions
from kgzsl.priors.triples.transe import TransE, TransEScorer
from kgzsl.priors.triples.triplere import TripleRE, TripleREScorer

__all__ = [
    "BoxE",
    "BoxEScorer",
    "ComplEx",
    "ComplExScorer",
    "DistMult",
    "DistMultScorer",
    "EarlyStopping",
    "RankingResult",
    "RotatE",
    "RotatEScorer",
    "TransE",
    "TransEScorer",
    "TripleEncoder",
    "TripleLoop",
    "TripleModel",
    "TripleOptions",
    "TripleRE",
    "TripleREScorer",
    "TripleScorer",
    "TypeConstraints",
    "rank_triples",
    "self_adversarial_loss",
    "softmax_loss",
]
