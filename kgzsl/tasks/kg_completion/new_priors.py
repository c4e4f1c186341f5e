"""Priors of relations that come later, or of which the schema says nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.tasks._knowledge import OWN, filled, own_columns

__all__ = ["with_new_relations", "with_own_columns"]


def with_own_columns(priors: ClassPriors, names: Sequence[str]) -> ClassPriors:
    """The priors of ``names``; one that has none gets a column of its own: it is like itself and nothing else.

    Args:
        priors: Of some of them, and perhaps of others.
        names: Whose priors are wanted, in this order.
    """
    strange = sorted(set(names) - set(priors.names))
    if not strange:
        return priors.align(list(names))
    there, place = set(priors.names), {name: number for number, name in enumerate(names)}
    known = priors.align([name for name in names if name in there])
    # What made the others stays known: relations that come later still can be made alike.
    return own_columns(filled(known, names), [place[name] for name in strange])


def with_new_relations(
    priors: ClassPriors, names: Sequence[str], schema: ClassGraph | None, was: ClassGraph | None = None
) -> tuple[ClassPriors, list[str]]:
    """The priors with rows for new relations behind the others.

    Where the encoders that made the priors can be fitted on the schema once more, a new relation that the schema knows
    gets its vector from them; any other gets a column of its own (:func:`with_own_columns`).

    Args:
        priors: Of the relations that are there.
        names: Of the new ones.
        schema: The graph that the priors were made from, or that graph grown.
        was: In the latter case, the graph as it was.

    Returns:
        The priors, and what a reader must know, a sentence each.
    """
    made, notes = _made_again(priors, names, schema, was), []
    strange = [name for name in names if name not in made]
    if made:
        rows = np.stack([made[name] for name in names if name in made])
        # Columns of their own, which relations have that no graph knew, say nothing of others.
        rows = np.pad(rows, ((0, 0), (0, priors.dim - rows.shape[1])))
        matrix = np.concatenate([priors.matrix, rows.astype(np.float32)])
        priors = ClassPriors((*priors.names, *(name for name in names if name in made)), matrix, priors.made)
    if strange:
        notes.append(
            f"nothing says what {', '.join(strange[:5])}{' ...' if len(strange) > 5 else ''} "
            f"{'is' if len(strange) == 1 else 'are'} like: only own facts speak there"
        )
        priors = with_own_columns(priors, [*priors.names, *strange])
    return priors, notes


def _made_of_graph(priors: ClassPriors, graph: ClassGraph) -> ClassPriors:
    """Without columns of their own, and without relations that the graph does not know: others that came later, too."""
    parts, made, width = list(priors.made.get("parts", [])), priors.made, priors.dim
    known = graph.align(list(priors.names)).indices >= 0
    while parts and parts[-1]["how"].get("encoder") == OWN:
        width -= parts.pop()["dim"]
        known &= ~priors.matrix[:, width:].any(axis=1)
        made = {"encoder": " | ".join(str(part["how"].get("encoder")) for part in parts), "parts": list(parts)}
    rows = np.flatnonzero(known)
    return ClassPriors(tuple(priors.names[row] for row in rows.tolist()), priors.matrix[rows, :width], made)


def _made_again(
    priors: ClassPriors, names: Sequence[str], schema: ClassGraph | None, was: ClassGraph | None
) -> dict[str, np.ndarray]:
    """Vectors of those of ``names`` that the schema knows, by the encoders that made the others; perhaps of none."""
    from kgzsl.errors import InputError
    from kgzsl.priors import PriorsAgain

    if schema is None:
        return {}
    nodes = schema.align(list(names)).indices.tolist()
    known = [name for name, node in zip(names, nodes, strict=True) if node >= 0]
    if not known:
        return {}
    try:
        again = PriorsAgain.of(_made_of_graph(priors, was or schema), was or schema)
    except InputError:
        return {}
    if again is None or again.held:
        return {}
    return {name: again.joined(name, schema) for name in known}
