"""Classes that are an attribute and an object together: wet dog, ripe tomato."""

from kgzsl.classifiers.compositional.classifier import CompositionalClassifier
from kgzsl.classifiers.compositional.compositions import Compositions
from kgzsl.classifiers.compositional.graph import composition_graph, feasible_pairs, pair_name
from kgzsl.classifiers.compositional.head import CompositionalHead
from kgzsl.classifiers.compositional.mixing import mix_minorities
from kgzsl.classifiers.compositional.priors import pair_priors

__all__ = [
    "CompositionalClassifier",
    "CompositionalHead",
    "Compositions",
    "composition_graph",
    "feasible_pairs",
    "mix_minorities",
    "pair_name",
    "pair_priors",
]
