"""Completion over a SPARQL endpoint: its facts for a model's relations, and proposals as an update."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from kgzsl.datasets.kg_rdf import is_own_class
from kgzsl.errors import InputError
from kgzsl.knowledge.sources.sparql_client import SparqlClient, is_last_page
from kgzsl.knowledge.sources.sparql_text import DEFAULT_GRAPH, facts_query, iri_term, is_iri_term, literal_term
from kgzsl.knowledge.vocabulary import RDF, RDF_TYPE, XSD
from kgzsl.tasks.kg_completion.proposals import Proposal
from kgzsl.tasks.kg_completion.writing import CONFIDENCE, SCORE, STYLES, iri_of, weight_of

__all__ = ["PROPOSALS", "EndpointFacts", "proposal_updates", "read_endpoint"]

PROPOSALS = "urn:kgzsl:proposals"
"""The named graph that proposals go to, where none is given."""

_DOUBLE = XSD + "double"


@dataclass(frozen=True)
class EndpointFacts:
    """What an endpoint says with some relations.

    Args:
        triples: (head, relation, tail) IRIs, each once, in the endpoint's order.
        types: IRI of each end that has a class to the IRIs of its classes.
        graphs: The graphs that were read; none: all.
    """

    triples: tuple[tuple[str, str, str], ...]
    types: dict[str, tuple[str, ...]]
    graphs: tuple[str, ...] = ()

    def source(self) -> str:
        """What was read, for people."""
        if not self.graphs:
            return "the endpoint, default graph and named ones"
        named = ", ".join("the default one" if graph == DEFAULT_GRAPH else graph for graph in self.graphs)
        return f"the endpoint, of its graphs {named} alone"


def read_endpoint(
    client: SparqlClient,
    relations: Sequence[str],
    *,
    graphs: Sequence[str] = (),
    page: int = 5000,
    batch: int = 500,
    max_triples: int = 1_000_000,
) -> EndpointFacts:
    """The endpoint's facts that use some relations and the classes of their ends, page by page in a fixed order.

    Args:
        client: The endpoint.
        relations: IRIs.
        graphs: IRIs of the named graphs to read, ``"default"`` among them for the default graph; none given, all.
        page: Rows in an answer.
        batch: Entities whose classes are asked for at once.
        max_triples: More facts, or more classes of a batch, are refused.

    Raises:
        InputError: The endpoint refuses, a graph is no IRI, or there are more facts than ``max_triples``.
    """

    def rows(wanted: Sequence[str], subjects: Sequence[str] | None) -> list[tuple[str, str, str]]:
        found: list[tuple[str, str, str]] = []
        while True:
            query = facts_query(wanted, subjects=subjects, graphs=graphs, limit=page, offset=len(found))
            some = client.select(query)
            found += [(row["s"].value, row["p"].value, row["o"].value) for row in some]
            if len(found) > max_triples:
                what = "facts of these relations" if subjects is None else f"classes of {len(subjects)} entities"
                raise InputError(
                    f"the endpoint has more than {max_triples:,} {what}", file=client.url, remedy="raise --max-triples"
                )
            if is_last_page(len(some), page):
                return found

    triples = tuple(rows(relations, None))
    # Some stores have names that no query can ask for.
    ends = list(dict.fromkeys(end for head, _, tail in triples for end in (head, tail) if is_iri_term(end)))
    types: dict[str, tuple[str, ...]] = {}
    for start in range(0, len(ends), batch):
        for entity, _, kind in rows([RDF_TYPE], ends[start : start + batch]):
            if is_own_class(kind):
                types[entity] = (*types.get(entity, ()), kind)
    return EndpointFacts(triples, types, tuple(graphs))


def proposal_updates(
    proposals: Sequence[Proposal],
    *,
    graph: str = PROPOSALS,
    style: str = "reified",
    base: str = "urn:kgzsl:name:",
    size: int = 500,
) -> list[str]:
    """Proposals as SPARQL 1.1 updates: each described, with its confidence, in a named graph; no fact is stated.

    The node of a proposal is an IRI made of its triple, and its old confidence is taken out first: the same proposal
    written twice is there once, with the newer confidence.

    Args:
        proposals: Best first.
        graph: IRI of the named graph.
        style: ``"reified"`` (rdf:Statement) or ``"star"`` (rdf:reifies and a triple term, RDF 1.2).
        base: Put before names that are no IRIs, percent-encoded.
        size: Proposals in one update.

    Raises:
        InputError: An unknown style, or a graph that is no IRI.
    """
    if style not in STYLES:
        raise InputError(f"the style is {style!r}", remedy=f"choose {' or '.join(STYLES)}")
    where = iri_term(graph)
    weights = " ".join(map(iri_term, (CONFIDENCE, SCORE)))
    iri_term(base)
    updates = []
    for start in range(0, len(proposals), size):
        part = proposals[start : start + size]
        nodes = [_node(one, base) for one in part]
        lines = [f"DELETE {{ GRAPH {where} {{ ?node ?weight ?old }} }}"]
        lines.append(f"WHERE {{ VALUES ?node {{ {' '.join(nodes)} }} VALUES ?weight {{ {weights} }}")
        lines.append(f"  GRAPH {where} {{ ?node ?weight ?old }} }} ;")
        lines.append(f"INSERT DATA {{ GRAPH {where} {{")
        for one, node in zip(part, nodes, strict=True):
            head, relation, tail = _terms(one, base)
            if style == "star":
                lines.append(f"  {node} <{RDF}reifies> <<( {head} {relation} {tail} )>> .")
            else:
                lines.append(f"  {node} <{RDF}type> <{RDF}Statement> ; <{RDF}subject> {head} ;")
                lines.append(f"    <{RDF}predicate> {relation} ; <{RDF}object> {tail} .")
            kind, weight = weight_of(one)
            value = literal_term(f"{weight:.6f}")
            lines.append(f"  {node} {iri_term(kind)} {value}^^<{_DOUBLE}> .")
        lines.append("} }")
        updates.append("\n".join(lines) + "\n")
    return updates


def _terms(one: Proposal, base: str) -> tuple[str, ...]:
    return tuple(iri_term(iri_of(name, base)) for name in (one.head, one.relation, one.tail))


def _node(one: Proposal, base: str) -> str:
    key = hashlib.sha256("\n".join(_terms(one, base)).encode("utf-8")).hexdigest()
    return iri_term(f"urn:kgzsl:proposal:{key[:32]}")
