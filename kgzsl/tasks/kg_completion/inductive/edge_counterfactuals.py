"""How the score of an answer moves without an axiom that joins its relation to others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from kgzsl.knowledge import ClassGraph
from kgzsl.knowledge.vocabulary import OWL
from kgzsl.tasks.counterfactuals import Counterfactual
from kgzsl.tasks.kg_completion.inductive.edged_completer import EdgedCompleter
from kgzsl.tasks.kg_completion.inductive.schema_edges import SchemaEdges
from kgzsl.tasks.statements import Statement, statements_about, without_edge

__all__ = ["edge_statements", "without_axiom", "without_edges"]

_TRIED = 40
_INVERSE = OWL + "inverseOf"


def without_edges(
    model: EdgedCompleter, relation: int, ends: Sequence[int], schema: ClassGraph, most: int
) -> list[Counterfactual]:
    """The axioms about a relation whose edges move the score the farthest; nothing is learned anew.

    Args:
        model: It is not changed.
        relation: Its id.
        ends: The ids of head and tail.
        schema: What its edges were read from.
        most: How many are told at most.
    """
    anchor = torch.tensor([ends[0]])
    before = float(model.scores(relation, anchor)[0, ends[1]])
    found = []
    for one in edge_statements(model, model.relations_[relation], schema):
        scores = model.reading(without_axiom(schema, one.edge)).scores(relation, anchor)[0]
        after, answer = float(scores[ends[1]]), model.entities_[int(scores.argmax())]
        if abs(after - before) > 1e-5:
            found.append(Counterfactual(one.text, before, after, answer, "axiom"))
    return sorted(found, key=lambda one: -abs(one.after - one.before))[:most]


def edge_statements(model: EdgedCompleter, name: str, schema: ClassGraph) -> list[Statement]:
    """The axioms about a relation without which the model's edges are others, at most 40."""

    def edges(graph: ClassGraph) -> SchemaEdges:
        return SchemaEdges.read(graph, model.relations_, tuple(model.edges_.pairs))

    whole = edges(schema)
    found = []
    for one in statements_about(schema, name):
        smaller = edges(without_axiom(schema, one.edge))
        if any(not torch.equal(pairs, smaller.pairs[kind]) for kind, pairs in whole.pairs.items()):
            found.append(one)
    return found[:_TRIED]


def without_axiom(schema: ClassGraph, edge: int) -> ClassGraph:
    """The schema without the axiom at an edge; whose inverse a property is goes in both directions."""
    smaller, (one, other) = without_edge(schema, edge), schema.edge_index[:, edge]
    if schema.relations[int(schema.edge_type[edge])] == _INVERSE:
        # Most graphs tell both.
        same = smaller.edge_type == (smaller.relation(_INVERSE) if _INVERSE in smaller.relations else -1)
        for back in np.flatnonzero(same & (smaller.edge_index[0] == other) & (smaller.edge_index[1] == one))[:1]:
            smaller = without_edge(smaller, int(back))
    return smaller
