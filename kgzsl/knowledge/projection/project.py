"""Projections by name."""

from __future__ import annotations

from collections.abc import Callable

from kgzsl.errors import InputError, nearest
from kgzsl.knowledge.projection.edges import Projected
from kgzsl.knowledge.projection.owl2vec import project_owl2vec
from kgzsl.knowledge.projection.taxonomy import project_taxonomy
from kgzsl.knowledge.projection.w3c import project_w3c
from kgzsl.knowledge.triples import Triples

__all__ = ["PROJECTIONS", "project"]

#: Name -> function from triples to the parts of a class graph.
PROJECTIONS: dict[str, Callable[[Triples], Projected]] = {
    "owl2vec": project_owl2vec,
    "taxonomy": project_taxonomy,
    "w3c": project_w3c,
}


def project(triples: Triples, name: str) -> Projected:
    """Apply the projection ``name``.

    Raises:
        InputError: No projection has this name.
    """
    if name not in PROJECTIONS:
        close = nearest(name, PROJECTIONS)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(PROJECTIONS)}"
        raise InputError(f"no projection is called {name!r}", remedy=hint)
    return PROJECTIONS[name](triples)
