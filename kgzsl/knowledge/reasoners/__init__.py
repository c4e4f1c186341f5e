"""What follows from an ontology: EL by completion rules, OWL by HermiT, and whether property chains loop."""

from kgzsl.knowledge.reasoners.chains import looping_chains
from kgzsl.knowledge.reasoners.el import ELClassification, classify
from kgzsl.knowledge.reasoners.taxonomy import Inferred, direct_subsumptions

__all__ = ["ELClassification", "Inferred", "classify", "direct_subsumptions", "looping_chains"]
