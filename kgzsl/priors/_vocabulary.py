"""Which relations are taxonomy, which say that two things differ, which only annotate; by IRI or short name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError, nearest
from kgzsl.knowledge.texts import humanise, local_name

__all__ = ["ANNOTATION", "DISJOINT", "EQUIVALENT", "HIERARCHY", "in_words", "mask_of", "resolve"]

HIERARCHY = ("subClassOf", "subPropertyOf", "broader")
"""Relations whose object is more general than their subject."""

EQUIVALENT = ("equivalentClass", "equivalentProperty", "sameAs")
"""Relations whose two ends mean the same."""

DISJOINT = ("disjointWith", "propertyDisjointWith", "disjointUnionOf", "complementOf", "differentFrom")
"""Relations that say what a thing is not."""

ANNOTATION = ("seeAlso", "isDefinedBy", "versionInfo", "imports", "inScheme", "topConceptOf")
"""Relations that say nothing about the class itself."""


def in_words(iri: str) -> str:
    """The local name of a relation as words: ``hasBodyPart`` is "has body part"."""
    words = humanise(local_name(iri)).split()
    return " ".join(word if word.isupper() and len(word) > 1 else word.lower() for word in words)


def mask_of(relations: Sequence[str], local_names: Iterable[str]) -> npt.NDArray[np.bool_]:
    """bool [R]: which relations have one of ``local_names``, whatever their namespace; case is ignored."""
    wanted = {name.lower() for name in local_names}
    return np.array([local_name(relation).lower() in wanted for relation in relations], dtype=bool)


def resolve(relations: Sequence[str], names: Iterable[str]) -> npt.NDArray[np.bool_]:
    """bool [R]: the relations a person named, by IRI or by local name.

    Raises:
        InputError: A name that no relation of the graph has, with the nearest ones.
    """
    mask = np.zeros(len(relations), dtype=bool)
    by_local: dict[str, list[int]] = {}
    for index, relation in enumerate(relations):
        by_local.setdefault(local_name(relation).lower(), []).append(index)
    for name in names:
        found = [index for index, relation in enumerate(relations) if relation == name]
        found = found or by_local.get(local_name(name).lower(), [])
        if not found:
            close = nearest(local_name(name), [local_name(relation) for relation in relations])
            raise InputError(
                f"the graph has no relation {name!r}",
                remedy=f"did you mean {', '.join(close)}?" if close else "see `kgzsl info GRAPH` for its relations",
            )
        mask[found] = True
    return mask
