"""From OWL axioms to the normal forms of EL++."""

from kgzsl.knowledge.normalising.axioms import normalise
from kgzsl.knowledge.normalising.rows import FORMS, Rows

__all__ = ["FORMS", "Rows", "normalise"]
