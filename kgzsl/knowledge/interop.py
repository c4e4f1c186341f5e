"""Class graphs for other libraries: networkx, rdflib, PyTorch Geometric."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kgzsl.knowledge.texts import NodeText
from kgzsl.knowledge.vocabulary import KINDS, RDFS, SKOS, WEIGHT, XSD

if TYPE_CHECKING:
    from kgzsl.knowledge.class_graph import ClassGraph

__all__ = ["to_networkx", "to_pyg", "to_rdflib"]

_PROPERTY_OF = {
    "label": RDFS + "label",
    "comment": RDFS + "comment",
    **{
        name: SKOS + name
        for name in ("prefLabel", "altLabel", "hiddenLabel", "definition", "scopeNote", "example", "note")
    },
    "description": "http://purl.org/dc/terms/description",
    "title": "http://purl.org/dc/terms/title",
}


def to_networkx(graph: ClassGraph) -> Any:
    """See ``ClassGraph.to_networkx``."""
    import networkx

    made = networkx.MultiDiGraph()
    for node, iri in enumerate(graph.iris):
        made.add_node(iri, label=graph.labels[node], kind=graph.kind(node))
    heads, tails = graph.edge_index.tolist()
    weights = [1.0] * graph.num_edges if graph.edge_weight is None else graph.edge_weight.tolist()
    negative = (~graph.similarity_edges()).tolist()
    rows = zip(heads, tails, graph.edge_type.tolist(), weights, negative, strict=True)
    for head, tail, kind, weight, differs in rows:
        name = graph.relations[kind]
        made.add_edge(graph.iris[head], graph.iris[tail], key=name, relation=name, weight=weight, negative=differs)
    return made


def to_rdflib(graph: ClassGraph) -> Any:
    """See ``ClassGraph.to_rdflib``."""
    import rdflib

    made = rdflib.Graph()

    def term(name: str) -> Any:
        if name.startswith("_:"):
            return rdflib.BNode(name[2:])
        if "\0" in name:
            from kgzsl.knowledge.triples import split_literal

            text, language, datatype = split_literal(name)
            return rdflib.Literal(text, lang=language, datatype=datatype)
        return rdflib.URIRef(name if ":" in name else "urn:kgzsl:name:" + _quote(name))

    nodes = [term(iri) for iri in graph.iris]
    relations = [term(name) for name in graph.relations]
    heads, tails = graph.edge_index.tolist()
    weights = None if graph.edge_weight is None else graph.edge_weight.tolist()
    for number, (head, tail, kind) in enumerate(zip(heads, tails, graph.edge_type.tolist(), strict=True)):
        made.add((nodes[head], relations[kind], nodes[tail]))
        if weights is not None and weights[number] != 1:
            statement = rdflib.BNode(f"weight{number}")
            made.add((statement, rdflib.RDF.type, rdflib.RDF.Statement))
            made.add((statement, rdflib.RDF.subject, nodes[head]))
            made.add((statement, rdflib.RDF.predicate, relations[kind]))
            made.add((statement, rdflib.RDF.object, nodes[tail]))
            made.add((statement, rdflib.URIRef(WEIGHT), rdflib.Literal(str(weights[number]), datatype=XSD + "double")))
    for node in graph.texts:
        for text in graph.texts[node]:
            made.add((nodes[node], rdflib.URIRef(_property(text)), rdflib.Literal(text.text, lang=text.language)))
    return made


def _property(text: NodeText) -> str:
    if text.property in _PROPERTY_OF:
        return _PROPERTY_OF[text.property]
    if text.property.endswith("Synonym"):
        kind = text.property
        return f"http://www.geneontology.org/formats/oboInOwl#has{kind[0].upper()}{kind[1:]}"
    return text.property if ":" in text.property else RDFS + "comment"


def _quote(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="")


def to_pyg(graph: ClassGraph) -> Any:
    """See ``ClassGraph.to_pyg``."""
    import torch
    from torch_geometric.data import Data

    data = Data(
        edge_index=torch.from_numpy(graph.edge_index.copy()),
        edge_type=torch.from_numpy(graph.edge_type.copy()),
        num_nodes=graph.num_nodes,
    )
    data.kind = torch.from_numpy(graph.kinds.astype("int64"))
    data.similarity = torch.from_numpy(graph.similarity_edges())
    if graph.edge_weight is not None:
        data.edge_weight = torch.from_numpy(graph.edge_weight.copy())
    data.iris, data.labels, data.relations, data.kind_names = graph.iris, graph.labels, graph.relations, KINDS
    return data
