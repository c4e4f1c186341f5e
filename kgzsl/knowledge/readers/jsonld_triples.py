"""From the expanded form of a JSON-LD document to triples."""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from typing import Any

from kgzsl.knowledge.triples import TripleBuilder
from kgzsl.knowledge.vocabulary import RDF, RDF_TYPE, XSD

__all__ = ["JsonLdTriples"]

_NO_PROPERTY = frozenset({"@id", "@type", "@graph", "@reverse", "@included", "@index"})
#: From here on a number is written as a double, whole or not.
_LARGE = 10**21


class JsonLdTriples:
    """Numbers the terms and writes the triples down as codes, all graphs into one.

    Args:
        builder: Numbers the terms.
        lenient: Whether IRIs are taken without a check.
    """

    def __init__(self, builder: TripleBuilder, *, lenient: bool = False) -> None:
        self._builder = builder
        self._lenient = lenient
        self._codes: list[int] = []
        self._fresh = 0
        self._known: dict[str, int | None] = {}
        self._muted = False
        self.dropped = 0

    def codes(self, expanded: list[Any]) -> list[int]:
        """Three codes for each triple of a document in expanded form."""
        for node in expanded:
            self._node(node)
        return self._codes

    def _node(self, node: dict[str, Any]) -> int | None:
        """Write down what a node says; answers with its code, ``None`` where its name is no valid IRI."""
        subject = self._name(node["@id"]) if "@id" in node else self._new()
        for name in node.get("@type", ()):
            self._add(subject, self._builder.iri(RDF_TYPE), self._name(name))
        for property_, values in node.items():
            if property_ in _NO_PROPERTY:
                continue
            predicate = self._predicate(property_)
            for value in values:
                self._add(subject, predicate, self._value(value))
        for property_, values in node.get("@reverse", {}).items():
            predicate = self._predicate(property_)
            for value in values:
                self._add(self._value(value), predicate, subject)
        for inner in node.get("@included", ()):
            self._node(inner)
        if "@graph" in node:
            # Graphs are merged, save those whose name is no valid IRI.
            muted, self._muted = self._muted, subject is None
            for inner in node["@graph"]:
                if "@value" not in inner and "@list" not in inner:
                    self._node(inner)
            self._muted = muted
        return subject

    def _add(self, subject: int | None, predicate: int | None, object_: int | None) -> None:
        if subject is None or predicate is None or object_ is None or self._muted:
            self.dropped += 1
        else:
            self._codes += (subject, predicate, object_)

    def _value(self, value: dict[str, Any]) -> int | None:
        if "@value" in value:
            return self._literal(value)
        return self._list(value["@list"]) if "@list" in value else self._node(value)

    def _list(self, values: list[Any]) -> int:
        """A list; where an item is left out, its place stays without ``rdf:first``, as the rules have it."""
        iri = self._builder.iri
        head = before = None
        for value in values:
            cell = self._new()
            if before is None:
                head = cell
            else:
                self._add(before, iri(RDF + "rest"), cell)
            self._add(cell, iri(RDF + "first"), self._value(value))
            before = cell
        if head is None or before is None:
            return iri(RDF + "nil")
        self._add(before, iri(RDF + "rest"), iri(RDF + "nil"))
        return head

    def _new(self) -> int:
        # No name of a blank node in a document holds a space.
        self._fresh += 1
        return self._builder.blank(f"new {self._fresh}")

    def _predicate(self, name: str) -> int | None:
        """Blank nodes as properties are no RDF."""
        return None if name.startswith("_:") else self._name(name)

    def _name(self, name: str | None) -> int | None:
        """The code of an IRI or a blank node."""
        if name is None:
            return None
        if name.startswith("_:"):
            return self._builder.blank(name[2:])
        if name not in self._known:
            valid = _is_iri(name) if not self._lenient else re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", name) is not None
            self._known[name] = self._builder.iri(name) if valid else None
        return self._known[name]

    def _literal(self, value: dict[str, Any]) -> int | None:
        content, datatype = value["@value"], value.get("@type")
        language = value.get("@language")
        if datatype == "@json":
            from c14n.Canonicalize import canonicalize

            return self._builder.literal(canonicalize(content).decode("utf-8"), None, RDF + "JSON")
        if isinstance(content, bool):
            content, datatype = "true" if content else "false", datatype or XSD + "boolean"
        elif isinstance(content, (int, float)):
            if content % 1 or abs(content) >= _LARGE or datatype == XSD + "double":
                content, datatype = _double(content), datatype or XSD + "double"
            else:
                content, datatype = str(int(content)), datatype or XSD + "integer"
        if language is not None:
            tag = _language(language)
            return self._builder.literal(content, tag) if tag else None
        if datatype is not None and not (self._lenient or _is_iri(datatype)):
            return None
        return self._builder.literal(content, None, None if datatype == XSD + "string" else datatype)


def _is_iri(name: str) -> bool:
    import pyoxigraph

    try:
        pyoxigraph.NamedNode(name)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=1024)
def _language(tag: str) -> str | None:
    """The tag in lower case, ``None`` where it is none."""
    import pyoxigraph

    try:
        return pyoxigraph.Literal("", language=tag).language
    except ValueError:
        return None


def _double(value: float) -> str:
    """The canonical form of ``xsd:double``: one digit before the point, at least one behind, no zeros at the ends."""
    if abs(value) > sys.float_info.max:
        return "INF" if value > 0 else "-INF"
    mantissa, _, exponent = f"{value:.15E}".partition("E")
    mantissa = mantissa.rstrip("0")
    return f"{mantissa}{'0' if mantissa.endswith('.') else ''}E{int(exponent)}"
