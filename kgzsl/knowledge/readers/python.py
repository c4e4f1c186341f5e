"""Graphs that live in Python already: networkx, rdflib, and tables of pandas."""

from __future__ import annotations

from typing import Any

from kgzsl.errors import InputError
from kgzsl.knowledge.readers.options import ReadOptions
from kgzsl.knowledge.triples import TripleBuilder
from kgzsl.knowledge.vocabulary import RDFS, WEIGHT, XSD

__all__ = ["read_object"]

_REIFIES = "http://www.w3.org/1999/02/22-rdf-syntax-ns#reifies"


def read_object(source: Any, builder: TripleBuilder, options: ReadOptions) -> dict[str, Any]:
    """Triples of a networkx graph, an rdflib graph or data set, or a pandas table; answers with the provenance."""
    module = type(source).__module__.partition(".")[0]
    kinds = {base.__module__.partition(".")[0] for base in type(source).__mro__} | {module}
    if "rdflib" in kinds:
        _read_rdflib(source, builder)
        return {"source": "rdflib graph", "format": "rdflib", "sha256": None, "bytes": None}
    if "networkx" in kinds:
        _read_networkx(source, builder)
        return {"source": "networkx graph", "format": "networkx", "sha256": None, "bytes": None}
    if "pandas" in kinds and hasattr(source, "itertuples"):
        from kgzsl.knowledge.readers.delimited import read_rows

        rows = ([_cell(value) for value in row] for row in source.itertuples(index=False, name=None))
        read_rows([str(name) for name in source.columns], rows, builder, options)
        return {"source": "pandas table", "format": "pandas", "sha256": None, "bytes": None}
    raise InputError(
        f"a graph cannot be read from {type(source).__name__}",
        remedy="give paths, a networkx or rdflib graph or a pandas table; triples of strings go to from_triples",
    )


def _cell(value: Any) -> str:
    return "" if value is None or value != value else str(value)  # NaN is what pandas has for an empty cell


def _read_rdflib(graph: Any, builder: TripleBuilder) -> None:
    from rdflib import BNode, Literal

    def code(term: Any) -> int:
        if isinstance(term, Literal):
            datatype = None if term.datatype is None or term.language else str(term.datatype)
            return builder.literal(str(term), term.language, None if datatype == XSD + "string" else datatype)
        return builder.blank(str(term)) if isinstance(term, BNode) else builder.iri(str(term))

    triples = graph.quads() if hasattr(graph, "quads") else graph
    for statement in triples:
        subject, predicate, object_ = statement[:3]
        builder.add(code(subject), code(predicate), code(object_))
    builder.prefixes.update({prefix: str(namespace) for prefix, namespace in graph.namespaces()})


def _read_networkx(graph: Any, builder: TripleBuilder) -> None:
    """Nodes by ``str``; the relation of an edge is its ``relation``, ``type`` or ``label``, or a multigraph's key."""
    multi = graph.is_multigraph()
    label = builder.iri(RDFS + "label")
    comment = builder.iri(RDFS + "comment")
    for node, data in graph.nodes(data=True):
        subject = builder.iri(str(node))
        for key, predicate in (("label", label), ("comment", comment), ("description", comment), ("text", comment)):
            if isinstance(data.get(key), str):
                builder.add(subject, predicate, builder.literal(data[key]))
    reifies, weight_iri = builder.iri(_REIFIES), builder.iri(WEIGHT)
    edges = graph.edges(keys=True, data=True) if multi else ((u, v, None, d) for u, v, d in graph.edges(data=True))
    for number, (head, tail, key, data) in enumerate(edges):
        name = next((data[k] for k in ("relation", "type", "label") if isinstance(data.get(k), str)), None)
        if name is None:
            name = key if isinstance(key, str) else "related"
        parts = builder.iri(str(head)), builder.iri(name), builder.iri(str(tail))
        builder.add(*parts)
        if isinstance(data.get("weight"), (int, float)):
            statement = builder.blank(f"weight{number}")
            builder.add(statement, reifies, builder.quote(*parts))
            builder.add(statement, weight_iri, builder.literal(repr(float(data["weight"])), None, XSD + "double"))
