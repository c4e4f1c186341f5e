"""What a reader must know about a knowledge graph and its schema before trusting figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from kgzsl.datasets import KGSplit
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks._knowledge import Source, strangers_of
from kgzsl.tasks.kg_completion._axioms import silent_node

if TYPE_CHECKING:
    from kgzsl.recipe import CompletionRecipe

__all__ = ["data_notes", "some_names", "told_strangers"]

_NAMED = 5


def data_notes(kg: KGSplit, schema: ClassGraph | None, called: tuple[str, ...] | None = None) -> list[str]:
    """Unseen relations of which nothing is said, and test triples that the schema tells; nothing is changed.

    Args:
        kg: The knowledge graph.
        schema: Its class graph; None says nothing.
        called: What the schema calls each relation, where that is not its name.

    Returns:
        One sentence each.
    """
    if schema is None:
        return []
    names = kg.relations if called is None else called
    nodes = schema.align(list(names)).indices.tolist()
    absent, bare = [], []
    for relation in kg.unseen_relations.tolist():
        node = nodes[relation]
        if node < 0:
            absent.append(kg.relations[relation])
        elif silent_node(schema, node):
            bare.append(kg.relations[relation])
    notes = []
    if absent:
        notes.append(
            f"{len(absent)} unseen relations are not in the schema, which says nothing of them: {some_names(absent)}"
        )
    if bare:
        notes.append(f"{len(bare)} unseen relations have no axiom and no text in the schema: {some_names(bare)}")
    return notes + _told_already(kg, schema, names)


def told_strangers(recipe: CompletionRecipe, names: Sequence[str], sources: Sequence[Source]) -> list[str]:
    """Relations that the graph of a prior lacks: nothing of that prior speaks of them."""
    made = [one for spec, one in zip(recipe.priors, sources, strict=True) if spec.name != "file"]
    absent = strangers_of(names, made)
    if not absent:
        return []
    alone = len(made) == len(sources)
    return [
        f"{len(absent)} of {len(names)} relations are not in the schema: they are like themselves and nothing else"
        f"{'' if alone else ', but for what the priors of files say'}: {some_names(absent)}"
    ]


def _told_already(kg: KGSplit, schema: ClassGraph, names: tuple[str, ...]) -> list[str]:
    """Test triples that are edges of the schema, as where facts and schema are one file."""
    wanted = {
        schema.relation(names[relation]): relation
        for relation in kg.unseen_relations.tolist()
        if names[relation] in schema.relations
    }
    if not wanted:
        return []
    nodes = torch.from_numpy(schema.align(list(kg.entities)).indices)
    test = kg.test.cpu()
    count = 0
    for kind, relation in wanted.items():
        told = set(map(tuple, schema.edge_index[:, schema.edge_type == kind].T.tolist()))
        asked = nodes[test[test[:, 1] == relation][:, (0, 2)]].tolist()
        count += sum(tuple(pair) in told for pair in asked)
    if not count:
        return []
    return [
        f"{count} test triples are in the schema too, so class vectors made of its edges may know them; `kgzsl pack` "
        "writes a schema without them"
    ]


def some_names(names: list[str]) -> str:
    """The first few of them, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
