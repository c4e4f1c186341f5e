"""OBO Graphs JSON: nodes, edges and logical definitions as OWL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from kgzsl.errors import InputError
from kgzsl.knowledge._json import is_hollow
from kgzsl.knowledge.readers.obo_names import OboNames
from kgzsl.knowledge.readers.options import ReadOptions
from kgzsl.knowledge.readers.owl_emit import Note, OwlEmitter
from kgzsl.knowledge.readers.source import ByteSource
from kgzsl.knowledge.triples import TripleBuilder
from kgzsl.knowledge.vocabulary import OBO, OBO_IN_OWL, OWL, RDF_TYPE, RDFS, SUBCLASS_OF, SUBPROPERTY_OF, XSD

__all__ = ["read_obographs"]

_KINDS = {"CLASS": "Class", "INDIVIDUAL": "NamedIndividual"}
_PROPERTIES = {"ANNOTATION": "AnnotationProperty", "DATA": "DatatypeProperty", "OBJECT": "ObjectProperty"}
_PLAIN = {"is_a": SUBCLASS_OF, "subPropertyOf": SUBPROPERTY_OF, "inverseOf": OWL + "inverseOf", "type": RDF_TYPE}
_CHUNK = 1 << 20


def read_obographs(source: ByteSource, format_name: str, builder: TripleBuilder, options: ReadOptions) -> None:
    """Read every graph of the document.

    Edges between classes other than ``is_a`` become subclasses of "some relation target", as in the OWL that the
    document was made from.

    Args:
        source: The bytes, UTF-8.
        format_name: ``obographs``.
        builder: Receives the triples.
        options: Not used.

    Raises:
        InputError: No JSON, nested too deep, or a part that has another shape than the format gives it.
    """
    del format_name, options
    parts = []
    while data := source.read(_CHUNK):
        parts.append(data)
    text = b"".join(parts)
    if is_hollow(text):
        raise InputError(
            "this JSON is little but brackets",
            file=source.path,
            remedy="no OBO graph is like this: look at what wrote it",
        )
    try:
        document = json.loads(text.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise InputError(
            f"not well-formed JSON: {error.msg}",
            file=source.path,
            place=f"line {error.lineno}, column {error.colno}",
            remedy="correct that place, or fetch the file again",
        ) from error
    except UnicodeDecodeError as error:
        raise InputError("the text is not valid UTF-8", file=source.path, remedy="save the file as UTF-8") from error
    except RecursionError as error:
        raise InputError(
            "the JSON is nested too deep", file=source.path, remedy="no OBO graph is like this: look at what wrote it"
        ) from error
    graphs = document.get("graphs") if isinstance(document, dict) else None
    if not isinstance(graphs, list):
        raise InputError('this JSON has no list of "graphs"', file=source.path, remedy="give an OBO Graphs document")
    try:
        for graph in graphs:
            _Graph(OwlEmitter(builder), graph).read()
            builder.end_document()
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f"a part of the OBO graph has another shape than the format gives it ({error!r})",
            file=source.path,
            remedy="compare it with the OBO Graphs schema, or convert the ontology again: robot convert -o x.json",
        ) from error


class _Graph:
    """One graph of the document.

    Args:
        out: Receives the triples.
        graph: The JSON object.
    """

    def __init__(self, out: OwlEmitter, graph: dict[str, Any]) -> None:
        self.out = out
        self.graph = graph
        # Newer files shorten IRIs to OBO identifiers.
        self.names = OboNames(str(graph.get("id") or "unnamed"))
        self.kinds = {node["id"]: node.get("type") for node in self._parts("nodes")}

    def _parts(self, key: str) -> Iterator[dict[str, Any]]:
        for part in self.graph.get(key) or ():
            if not isinstance(part, dict):
                raise TypeError(f"{key} holds {type(part).__name__}")
            yield part

    def node(self, name: str) -> int:
        """The term of an IRI or identifier."""
        if name.startswith("_:"):
            return self.out.named_blank(name[2:])
        return self.out.iri(self.names(name))

    def read(self) -> None:
        """All of it."""
        out = self.out
        if self.graph.get("id"):
            ontology = self.node(self.graph["id"])
            out.declare(ontology, "Ontology")
            self._meta(ontology, self.graph.get("meta") or {})
        for node in self._parts("nodes"):
            self._node(node)
        for edge in self._parts("edges"):
            self._edge(edge)
        for group in self._parts("equivalentNodesSets"):
            members = [self.node(name) for name in group.get("nodeIds") or ()]
            for other in members[1:]:
                out.add(members[0], OWL + "equivalentClass", other)
        for axiom in self._parts("logicalDefinitionAxioms"):
            parts = [self.node(name) for name in axiom.get("genusIds") or ()]
            parts += [self._some(one) for one in axiom.get("restrictions") or () if one is not None]
            if parts:
                whole = parts[0] if len(parts) == 1 else out.listed("intersectionOf", parts)
                out.add(self.node(axiom["definedClassId"]), OWL + "equivalentClass", whole)
        for axiom in self._parts("domainRangeAxioms"):
            relation = self.node(axiom["predicateId"])
            for key, name in (("domainClassIds", "domain"), ("rangeClassIds", "range")):
                for target in axiom.get(key) or ():
                    out.add(relation, RDFS + name, self.node(target))
            for edge in axiom.get("allValuesFromEdges") or ():
                filler = out.restriction(self.node(edge["pred"]), "allValuesFrom", self.node(edge["obj"]))
                out.below(self.node(edge["sub"]), filler)
        for axiom in self._parts("propertyChainAxioms"):
            chain = out.sequence([self.node(name) for name in axiom.get("chainPredicateIds") or ()])
            out.add(self.node(axiom["predicateId"]), OWL + "propertyChainAxiom", chain)

    def _some(self, restriction: dict[str, Any]) -> int:
        return self.out.some(self.node(restriction["propertyId"]), self.node(restriction["fillerId"]))

    def _node(self, node: dict[str, Any]) -> None:
        out, subject, kind = self.out, self.node(node["id"]), node.get("type")
        if kind == "PROPERTY":
            out.declare(subject, _PROPERTIES.get(str(node.get("propertyType")), "ObjectProperty"))
        elif kind in _KINDS:
            out.declare(subject, _KINDS[kind])
        if node.get("lbl"):
            out.add(subject, RDFS + "label", out.text(str(node["lbl"])))
        self._meta(subject, node.get("meta") or {})

    def _edge(self, edge: dict[str, Any]) -> None:
        out, predicate = self.out, edge["pred"]
        subject, object_ = self.node(edge["sub"]), self.node(edge["obj"])
        notes = self._notes(edge.get("meta") or {})
        if predicate in _PLAIN:
            out.axiom(subject, _PLAIN[predicate], object_, notes)
        elif "INDIVIDUAL" in (self.kinds.get(edge["sub"]), self.kinds.get(edge["obj"])):
            out.axiom(subject, self.names(predicate), object_, notes)
        else:
            out.below(subject, out.some(self.node(predicate), object_), notes)

    def _meta(self, subject: int, meta: dict[str, Any]) -> None:
        out = self.out
        definition = meta.get("definition")
        if definition:
            out.axiom(subject, OBO + "IAO_0000115", out.text(str(definition["val"])), self._references(definition))
        for comment in meta.get("comments") or ():
            out.add(subject, RDFS + "comment", out.text(str(comment)))
        for subset in meta.get("subsets") or ():
            out.add(subject, OBO_IN_OWL + "inSubset", self.node(subset))
        for synonym in meta.get("synonyms") or ():
            notes = self._references(synonym)
            if synonym.get("synonymType"):
                notes = (*notes, (out.iri(OBO_IN_OWL + "hasSynonymType"), self.node(synonym["synonymType"]), ()))
            name = synonym.get("pred") or "hasRelatedSynonym"
            predicate = name if ":" in name else OBO_IN_OWL + name
            out.axiom(subject, predicate, out.text(str(synonym["val"])), notes)
        for reference in meta.get("xrefs") or ():
            out.add(subject, OBO_IN_OWL + "hasDbXref", out.text(str(reference["val"])))
        if meta.get("deprecated"):
            out.add(subject, OWL + "deprecated", out.text("true", None, XSD + "boolean"))
        if meta.get("version"):
            out.add(subject, OWL + "versionIRI", out.iri(str(meta["version"])))
        for value in meta.get("basicPropertyValues") or ():
            out.add(subject, self.names(str(value["pred"])), self._value(str(value["val"])))

    def _value(self, text: str) -> int:
        """The format writes IRIs and texts alike."""
        return (
            self.out.iri(text) if text.startswith(("http://", "https://")) and " " not in text else self.out.text(text)
        )

    def _notes(self, meta: dict[str, Any]) -> tuple[Note, ...]:
        values = meta.get("basicPropertyValues") or ()
        return tuple((self.out.iri(self.names(str(v["pred"]))), self._value(str(v["val"])), ()) for v in values)

    def _references(self, part: dict[str, Any]) -> tuple[Note, ...]:
        relation = self.out.iri(OBO_IN_OWL + "hasDbXref")
        names = [one if isinstance(one, str) else one["val"] for one in part.get("xrefs") or ()]
        return tuple((relation, self.out.text(str(name)), ()) for name in names)
