"""How the score of an answer moves without an axiom that joins its relation to others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from kgzsl.knowledge import ClassGraph
from kgzsl.knowledge.vocabulary import OWL
from kgzsl.tasks.counterfactuals import Counterfactual
from kgzsl.tasks.kg_completion.inductive.edged_completer import EdgedCompleter
from kgzsl.tasks.statements import statements_about, without_edge

__all__ = ["without_edges"]

_TRIED = 40
_INVERSE = "http://www.w3.org/2002/07/owl#inverseOf"


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
    anchor, name = torch.tensor([ends[0]]), model.relations_[relation]
    before = float(model.scores(relation, anchor)[0, ends[1]])
    found = []
    for one in statements_about(schema, name)[:_TRIED]:
        scores = model.reading(_without(schema, one.edge)).scores(relation, anchor)[0]
        after, answer = float(scores[ends[1]]), model.entities_[int(scores.argmax())]
        if abs(after - before) > 1e-5:
            found.append(Counterfactual(one.text, before, after, answer, "axiom"))
    return sorted(found, key=lambda one: -abs(one.after - one.before))[:most]


def _without(schema: ClassGraph, edge: int) -> ClassGraph:
    smaller, (one, other) = without_edge(schema, edge), schema.edge_index[:, edge]
    if schema.relations[int(schema.edge_type[edge])] == _INVERSE:
        # Whose inverse it is holds both ways, and most graphs tell both.
        same = smaller.edge_type == (smaller.relation(_INVERSE) if _INVERSE in smaller.relations else -1)
        for back in np.flatnonzero(same & (smaller.edge_index[0] == other) & (smaller.edge_index[1] == one))[:1]:
            smaller = without_edge(smaller, int(back))
    return smaller
