"""Readers: from files and Python graphs to integer triples."""

from kgzsl.knowledge.readers.options import ReadOptions
from kgzsl.knowledge.readers.reading import Reading, read_triples

__all__ = ["ReadOptions", "Reading", "read_triples"]
