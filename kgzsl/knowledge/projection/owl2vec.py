"""From OWL to edges between named things: no blank node is left, and no axiom is lost without a word."""

from __future__ import annotations

import numpy as np

from kgzsl.knowledge.projection.axioms import project_axioms
from kgzsl.knowledge.projection.context import Context
from kgzsl.knowledge.projection.edges import Projected
from kgzsl.knowledge.projection.facts import project_facts
from kgzsl.knowledge.projection.groups import project_groups
from kgzsl.knowledge.projection.repair import repair
from kgzsl.knowledge.projection.statements import project_statements
from kgzsl.knowledge.triples import Triples
from kgzsl.knowledge.vocabulary import OWL, RDF_TYPE

__all__ = ["project_owl2vec"]


def project_owl2vec(triples: Triples, only: frozenset[str] | None = None) -> Projected:
    """Edges between named things, after OWL2Vec* (Chen et al., Machine Learning 110, 2021, section 4.1).

    - ``A ⊑ B`` gives (A, subClassOf, B). ``A ⊑ ∃r.B``, ``∀``, ``≥``, ``≤`` (not 0), exact cardinality give (A, r, B),
      has-value gives (A, r, b), a nested restriction a path (A, r/s, B).
    - Intersections split; ``A ≡ B ⊔ C`` puts B and C below A, ``A ⊑ B ⊔ C`` gives (A, owl:unionOf, B). Fillers that are
      unions or intersections count one by one. Named equivalents link both ways.
    - Domain D and range R of r give (r, rdfs:domain, D), (r, rdfs:range, R) and (D, r, R). Sub-properties, inverses,
      chains, keys and characteristics are edges at properties; the order of a chain's links is kept beside them.
    - Disjointness in all its forms is an edge of its own type, and so is ``A ⊑ ¬B``.
    - Individuals link to their classes and to each other. Texts go to their nodes.
    - A number that a property gives is the weight of an edge to the property: ``:cat :furry 0.9`` is (cat, furry,
      furry) with weight 0.9. Any triple can have a weight, as ``kgzsl:weight`` of an RDF 1.2 annotation, an
      rdf:Statement or an owl:Axiom.

    Args:
        triples: The source.
        only: Relations to keep; ``None``: all.
    """
    context = Context(repair(triples))
    _header(context)
    project_groups(context)
    project_axioms(context)
    project_statements(context)
    project_facts(context)
    _leftovers(context)
    return context.out.build(only=only)


def _header(context: Context) -> None:
    """Set aside what is said about the ontology itself."""
    triples, structure = context.triples, context.structure
    type_id = triples.predicate(RDF_TYPE)
    target = triples.iri_index.get(OWL + "Ontology", -1)
    if type_id < 0 or target < 0:
        return
    named = triples.subjects[(triples.predicates == type_id) & (triples.objects == target)]
    rows = np.flatnonzero(np.isin(triples.subjects, named))
    imports = rows[triples.predicates[rows] == triples.predicate(OWL + "imports")]
    count = structure.claim(imports.tolist())
    context.out.ledger.dropped("Import", "names another ontology, which imports= reads", count, count)
    rows = rows[~structure.claimed[rows]]
    count = structure.claim(rows.tolist())
    context.out.ledger.dropped("Ontology header", "about the ontology itself", count, count)


def _leftovers(context: Context) -> None:
    """Every triple that no axiom claimed, dropped by name."""
    triples, structure, ledger = context.triples, context.structure, context.out.ledger
    rows = np.flatnonzero(~structure.claimed)
    if not len(rows):
        return
    subjects, objects = triples.subjects[rows], triples.objects[rows]
    structural = np.isin(triples.predicates[rows], context.structural_ids)
    quoted = (subjects >= triples.first_quoted) | (objects >= triples.first_quoted)
    blank_subject = (subjects >= triples.num_iris) & ~quoted
    shapes = (
        ("a part of an expression that no axiom uses", structural),
        ("about a quoted triple", ~structural & quoted),
        ("about an anonymous individual", ~structural & blank_subject),
        ("points at an anonymous individual", ~structural & ~quoted & ~blank_subject),
    )
    for reason, mask in shapes:
        count = int(mask.sum())
        ledger.dropped("Other", reason, count, count)
    structure.claimed[rows] = True
