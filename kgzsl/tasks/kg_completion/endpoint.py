"""Completion over a SPARQL endpoint: its facts for the model's relations, and proposals as an update."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kgzsl.errors import InputError
from kgzsl.knowledge.sources.sparql_client import SparqlClient
from kgzsl.knowledge.sources.sparql_text import facts_query, iri_term, literal_term
from kgzsl.tasks.kg_completion.completer import Completer
from kgzsl.tasks.kg_completion.proposals import Proposal
from kgzsl.tasks.kg_completion.writing import CONFIDENCE, SCORE, STYLES, iri_of, weight_of

__all__ = ["PROPOSALS", "EndpointFacts", "proposal_updates", "read_endpoint"]

PROPOSALS = "urn:kgzsl:proposals"
"""The named graph that proposals go to, where none is given."""

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DOUBLE = "http://www.w3.org/2001/XMLSchema#double"


@dataclass(frozen=True)
class EndpointFacts:
    """What an endpoint says between the entities of a model.

    Args:
        triples: int64 [T, 3], in the model's ids.
        new: How many of them the model did not know.
        strangers: Facts of the model's relations about entities that the model does not know; they are left out.
        questions: Pages that were asked for.
    """

    triples: Tensor
    new: int
    strangers: int
    questions: int


def read_endpoint(
    model: Completer,
    client: SparqlClient,
    *,
    base: str = "urn:kgzsl:name:",
    page: int = 5000,
    max_triples: int = 1_000_000,
) -> EndpointFacts:
    """The endpoint's facts that use the model's relations, page by page in a fixed order.

    Args:
        model: Says which entities and relations.
        client: The endpoint.
        base: Put before names that are no IRIs, as for writing.
        page: Facts in an answer.
        max_triples: More are refused.

    Raises:
        InputError: The endpoint refuses, or has more facts than ``max_triples``.
    """
    entities = {iri_of(name, base): number for number, name in enumerate(model.entities_)}
    relations = {iri_of(name, base): number for number, name in enumerate(model.relations_)}
    rows: list[tuple[int, int, int]] = []
    strangers, asked, offset = 0, 0, 0
    while True:
        found = client.select(facts_query(list(relations), limit=page, offset=offset))
        asked += 1
        for row in found:
            head, tail = (entities.get(row[end].value) for end in "so")
            if head is None or tail is None:
                strangers += 1
            else:
                rows.append((head, relations[row["p"].value], tail))
        offset += len(found)
        if offset > max_triples:
            raise InputError(
                f"the endpoint has more than {max_triples:,} facts of these relations",
                file=client.url,
                remedy="raise --max-triples",
            )
        if len(found) < page:
            break
    triples = torch.tensor(rows, dtype=torch.int64).reshape(-1, 3)
    together = torch.unique(torch.cat([model._known.cpu(), triples]), dim=0)
    new = len(together) - len(torch.unique(model._known.cpu(), dim=0))
    return EndpointFacts(triples, new, strangers, asked)


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
                lines.append(f"  {node} <{_RDF}reifies> <<( {head} {relation} {tail} )>> .")
            else:
                lines.append(f"  {node} <{_RDF}type> <{_RDF}Statement> ; <{_RDF}subject> {head} ;")
                lines.append(f"    <{_RDF}predicate> {relation} ; <{_RDF}object> {tail} .")
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
