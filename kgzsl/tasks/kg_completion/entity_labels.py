"""What people call entities, from the data of a run; asked for where somebody writes such a label in a question."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph
from kgzsl.knowledge.align import fold
from kgzsl.tasks.kg_completion.completer import Completer
from kgzsl.tasks.kg_completion.naming import by_local_name

__all__ = ["Labels", "by_label", "own_entity"]

Labels = Mapping[str, Sequence[str]]
"""Entity to its labels, or the other way round."""


def by_label(labels: Labels) -> dict[str, list[str]]:
    """Label, without case and marks between words, to the entities that are called so."""
    found: dict[str, dict[str, None]] = {}
    for entity, called in labels.items():
        for label in called:
            found.setdefault(fold(label), {})[entity] = None
    return {label: list(entities) for label, entities in found.items()}


def own_entity(
    model: Completer, name: str, labelled: Callable[[], Labels], schema: Callable[[], ClassGraph | None]
) -> str | None:
    """The model's entity that ``name`` means: its name, its local name, or a label of it; None if none.

    Args:
        model: Has the entities.
        name: What somebody wrote.
        labelled: Gives what :func:`by_label` made.
        schema: Gives the graph whose individuals have labels, too, where facts and schema are one.

    Raises:
        InputError: Several may be meant.
    """
    if name in model._entity_ids:
        return name
    local = by_local_name(name, model._entity_ids, "entities")
    if local is not None:
        return local
    found = [entity for entity in labelled().get(fold(name), ()) if entity in model._entity_ids]
    graph = None if found else schema()
    if graph is not None:
        meant = graph.align([name])
        iris = meant.ambiguous.get(name) or [graph.iris[node] for node in meant.indices.tolist() if node >= 0]
        found = [iri for iri in iris if iri in model._entity_ids]
    if len(found) > 1:
        raise InputError(
            f"{len(found)} entities are called {name!r}: {', '.join(found[:5])}", remedy="give the whole name"
        )
    return found[0] if found else None
