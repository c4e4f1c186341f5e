"""From triples to a class graph: reasoning, projection, provenance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kgzsl.errors import InputError, nearest
from kgzsl.knowledge.triples import Triples
from kgzsl.knowledge.vocabulary import OWL, PROPERTY_KINDS, RDF_TYPE

if TYPE_CHECKING:
    from kgzsl.knowledge.class_graph import ClassGraph

__all__ = ["assemble", "check_projection"]


def check_projection(name: str) -> None:
    """Refuse a projection that is not known, before anything is read.

    Raises:
        InputError: No projection has this name.
    """
    from kgzsl.knowledge.projection import PROJECTIONS

    if name not in PROJECTIONS:
        close = nearest(name, PROJECTIONS)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(PROJECTIONS)}"
        raise InputError(f"no projection is called {name!r}", remedy=hint)


def assemble(
    triples: Triples,
    provenance: Mapping[str, Any],
    *,
    projection: str = "owl2vec",
    reasoning: str | None = None,
    language: str | None = "en",
    prefixes: Mapping[str, str] | None = None,
    max_added: int = 10_000_000,
    max_seconds: float = 600.0,
) -> ClassGraph:
    """The class graph of ``triples``.

    Args:
        triples: What was read.
        provenance: ``source``, ``format``, ``sha256``, ``bytes`` and what else is known of the source.
        projection: Its name.
        reasoning: ``None``, ``"rdfs"``, ``"owl2rl"``, ``"el"`` or ``"hermit"``.
        language: Preferred language of labels.
        prefixes: Prefix to namespace, as the source declares them.
        max_added: Triples that reasoning may add.
        max_seconds: Seconds that reasoning may take.

    Raises:
        InputError: The projection or the reasoning is not known, or reasoning leaves its budget.
    """
    from kgzsl.knowledge.class_graph import ClassGraph
    from kgzsl.knowledge.projection import project

    check_projection(projection)
    properties = _declared_properties(triples)
    if reasoning not in (None, "none"):
        from kgzsl.knowledge.reasoning import close as close_under

        triples = close_under(triples, str(reasoning), max_added=max_added, max_seconds=max_seconds)
    projected = project(triples, projection)
    counts = {
        "triples": len(triples),
        "nodes": len(projected.iris),
        "edges": len(projected.edge_type),
        "relations": len(projected.relations),
        "texts": projected.texts.num_texts,
    }
    settings: dict[str, Any] = {"projection": projection, "reasoning": reasoning, "language": language}
    if projected.unions:
        settings["unions"] = projected.unions
    if projected.chains:
        settings["chains"] = projected.chains
    if properties:
        settings["properties"] = properties
    return ClassGraph(
        projected.iris,
        projected.kinds,
        projected.edge_index,
        projected.edge_type,
        projected.relations,
        texts=projected.texts,
        edge_weight=projected.edge_weight,
        language=language,
        account=projected.account,
        provenance={**provenance, **settings, "prefixes": dict(prefixes or {}), "counts": counts},
    )


def _declared_properties(triples: Triples) -> dict[str, list[str]]:
    """Which IRIs are declared as object, datatype and annotation properties: most projections make no edge of it."""
    told: dict[str, list[str]] = {}
    types = triples.predicates == triples.predicate(RDF_TYPE)
    for kind in PROPERTY_KINDS:
        rows = types & (triples.objects == triples.iri_index.get(OWL + kind, -1))
        members = [triples.terms[term] for term in triples.subjects[rows].tolist() if term < triples.num_iris]
        if members:
            told[kind] = members
    return told
