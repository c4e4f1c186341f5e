"""Sources with a shape of their own: WordNet, ConceptNet, Wikidata dumps, stores and SPARQL endpoints."""

from kgzsl.knowledge.sources.conceptnet import STOP_RELATIONS, read_conceptnet
from kgzsl.knowledge.sources.oxigraph_store import fill_store, read_store
from kgzsl.knowledge.sources.sparql import read_sparql
from kgzsl.knowledge.sources.wikidata import read_wikidata
from kgzsl.knowledge.sources.wordnet import first_senses, read_wordnet

__all__ = [
    "STOP_RELATIONS",
    "fill_store",
    "first_senses",
    "read_conceptnet",
    "read_sparql",
    "read_store",
    "read_wikidata",
    "read_wordnet",
]
