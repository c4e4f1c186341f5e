"""From OBO identifiers to IRIs, as the OBO to OWL mapping (OBO 1.4, section 5.9) and the OWL API make them."""

from __future__ import annotations

import re
from urllib.parse import quote

from kgzsl.knowledge.vocabulary import OBO, PREFIXES

__all__ = ["OboNames"]

_FULL = re.compile(r"(?:https?|ftp|file)://|urn:|mailto:")
_KNOWN = ("owl", "rdf", "rdfs", "xsd", "dc", "dcterms", "skos", "foaf", "oboInOwl")
#: Where a relation such as ``part_of`` has a reference to one of these, that is its IRI.
_EQUIVALENT = ("RO", "BFO")


class OboNames:
    """Expands identifiers.

    Args:
        ontology: What the header calls the ontology.
    """

    def __init__(self, ontology: str = "unnamed") -> None:
        self.ontology = ontology
        self.spaces: dict[str, str] = {name: PREFIXES[name] for name in _KNOWN}
        self.equivalent: set[str] = set(_EQUIVALENT)
        self.shorthands: dict[str, str] = {}

    @property
    def ontology_iri(self) -> str:
        """The IRI of the ontology."""
        return self.ontology if _FULL.match(self.ontology) else f"{OBO}{self.ontology}.owl"

    def __call__(self, name: str) -> str:
        """The IRI that an identifier means."""
        known = self.shorthands.get(name)
        if known is not None:
            return known
        if _FULL.match(name):
            return name
        prefix, colon, local = name.partition(":")
        if not colon:
            base = self.ontology if _FULL.match(self.ontology) else OBO + self.ontology
            return f"{base}#{_safe(name)}"
        if prefix in self.spaces:
            return self.spaces[prefix] + _safe(local)
        # A local part with an underscore of its own could not be told from its prefix otherwise.
        return f"{OBO}{_safe(prefix)}{'#_' if '_' in local else '_'}{_safe(local)}"

    def learn(self, name: str, references: list[str]) -> str | None:
        """Take the IRI of a relation without a prefix from its references; answers with that, if there is one."""
        if ":" in name:
            return None
        for reference in references:
            prefix, colon, local = reference.partition(":")
            if colon and prefix in self.equivalent and local:
                self.shorthands[name] = self(reference)
                return self.shorthands[name]
        return None


def _safe(text: str) -> str:
    """Percent signs for what no IRI may hold."""
    return quote(text, safe="/?#[]@!$&'()*+,;=:~%.-_" + "".join(c for c in set(text) if ord(c) > 127))
