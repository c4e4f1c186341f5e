"""What a fitted completer knows nothing of, and answers all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from kgzsl.tasks.kg_completion._axioms import says_nothing
from kgzsl.tasks.kg_completion.checks import some_names

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph
    from kgzsl.tasks.kg_completion.completer import Completer

__all__ = ["silences"]


def silences(model: Completer, relation: str, anchors: Tensor, schema: ClassGraph | None) -> list[str]:
    """Entities without a fact, and a relation that has none and that the schema does nothing but name.

    Args:
        model: A fitted one.
        relation: What is asked for.
        anchors: int64 [Q], the entities that are given.
        schema: The class graph of the relations, where there is one.

    Returns:
        One sentence each.
    """
    from kgzsl.tasks.kg_completion.ordinary import EmbeddingCompleter

    notes = []
    lonely = anchors[~torch.isin(anchors, model._known[:, [0, 2]])]
    if len(lonely):
        names = some_names([model.entities_[entity] for entity in torch.unique(lonely).tolist()])
        notes.append(f"no fact is known about {names}: what is proposed there is what the relation has everywhere")
    if relation in model.seen_:
        return notes
    if isinstance(model, EmbeddingCompleter):
        notes.append(f"{relation} has no training triple: an embedding knows nothing of it")
    elif getattr(model, "priors_", None) is None:
        notes.append(f"no fact of {relation} is known, and this run reads facts alone: only the given end speaks")
    elif schema is not None:
        if schema.align([relation]).indices[0] < 0:
            notes.append(f"{relation} is not in the schema, which says nothing of it")
        elif says_nothing(schema, relation):
            notes.append(f"the schema has no axiom and no text about {relation}: only its name was read")
    return notes
