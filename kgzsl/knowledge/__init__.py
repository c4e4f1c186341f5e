"""Knowledge: ontologies and knowledge graphs in, class graphs out."""

from kgzsl.knowledge.account import Account, AccountRow
from kgzsl.knowledge.align import Alignment
from kgzsl.knowledge.class_graph import ClassGraph
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.knowledge.texts import NodeText
from kgzsl.knowledge.vocabulary import KINDS, NEGATIVE_RELATIONS, RDF_TYPE, SUBCLASS_OF, SUBPROPERTY_OF, WEIGHT

__all__ = [
    "KINDS",
    "NEGATIVE_RELATIONS",
    "RDF_TYPE",
    "SUBCLASS_OF",
    "SUBPROPERTY_OF",
    "WEIGHT",
    "Account",
    "AccountRow",
    "Alignment",
    "ClassGraph",
    "ClassPriors",
    "NodeText",
]
