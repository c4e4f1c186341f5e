"""What people call relations and entities, found among the names that a run has."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from kgzsl._iris import is_absolute_iri
from kgzsl.errors import InputError
from kgzsl.knowledge.vocabulary import OWL, RDF_TYPE, RDFS

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph
    from kgzsl.tasks.kg_completion.completer import Completer

__all__ = ["answered_relation", "by_local_name", "is_iri", "own_relation", "relations_of_facts", "require_property"]

_ENDS = ("domain", "range", "subPropertyOf")
_OF_LITERALS = (
    ("DatatypeProperty", "a datatype property", "its values are literals"),
    ("AnnotationProperty", "an annotation property", "it leads to notes for readers"),
)


def is_iri(name: str) -> bool:
    """Whether a name is an IRI with an authority, or a URN."""
    return "://" in name or name.startswith("urn:")


def by_local_name(name: str, known: Iterable[str], what: str) -> str | None:
    """The one IRI of ``known`` that ends with ``name`` behind ``#``, ``/`` or ``:``; None if none.

    Raises:
        InputError: There are several.
    """
    if is_iri(name) or not name:
        return None
    ending = ("#" + name, "/" + name, ":" + name)
    found = [iri for iri in known if iri.endswith(ending) and (is_iri(iri) or is_absolute_iri(iri))]
    if len(found) > 1:
        raise InputError(
            f"{name!r} may be any of {len(found)} {what}: {', '.join(found[:5])}", remedy="give the whole name"
        )
    return found[0] if found else None


def own_relation(model: Completer, name: str, schema: ClassGraph | None) -> str | None:
    """The run's relation that ``name`` means: its name, its local name, or what the schema calls it; None if none.

    A whole IRI means no relation of another IRI, unless the schema knows it as the relation of the run.

    Args:
        model: Has the relations.
        name: What somebody wrote.
        schema: With labels and IRIs of relations.

    Raises:
        InputError: Several may be meant.
    """
    if name in model._relation_ids:
        return name
    local = by_local_name(name, model.relations_, "relations")
    if local is not None or schema is None:
        return local
    node = _node(schema, name)
    if node < 0:
        return None
    every = schema.align(list(model.relations_)).indices.tolist()
    found = [own for own, other in zip(model.relations_, every, strict=True) if other == node]
    if len(found) > 1:
        raise InputError(
            f"{name!r} may be any of {len(found)} relations: {', '.join(found[:5])}", remedy="give the run's name"
        )
    return found[0] if found else None


def answered_relation(model: Completer, name: str, schema: ClassGraph | None) -> str:
    """The run's relation that ``name`` means, for commands that answer about relations of the run alone.

    Args:
        model: Has the relations.
        name: What somebody wrote.
        schema: With labels and IRIs of relations.

    Returns:
        Its name; ``name`` itself where nothing is known of it, for the model to refuse.

    Raises:
        InputError: Several may be meant, or only the schema has it.
    """
    own = own_relation(model, name, schema)
    if (
        own is None
        and schema is not None
        and getattr(model, "TAKES_NAMES", False)
        and require_property(schema, name) is not None
    ):
        raise InputError(
            f"no fact of the run uses the relation {name!r}, which only the schema has",
            remedy=f"kgzsl complete RUN --relation {shlex.quote(name)} proposes triples of it",
        )
    return own or name


def require_property(schema: ClassGraph, name: str) -> str | None:
    """The IRI of the property that a schema calls ``name``; None where it calls nothing so.

    Raises:
        InputError: What it calls so is no property, or one whose values are no things, or several are called so.
    """
    node = _node(schema, name)
    if node < 0:
        return None
    iri = schema.iris[node]
    declared = _declared(schema, node)
    if "ObjectProperty" not in declared:
        for kind, called, values in _OF_LITERALS:
            if kind in declared:
                raise InputError(
                    f"{name!r} is {called} of the schema: {values}, and nothing can be proposed",
                    remedy="give a property that leads from thing to thing",
                )
    ends = [schema.relation(RDFS + end) for end in _ENDS if RDFS + end in schema.relations]
    leaving = schema.edge_type[schema.edge_index[0] == node].tolist()
    if schema.kind(node) == "property" or iri in schema.relations or set(leaving) & set(ends):
        return iri
    if schema.kind(node) == "other":
        return iri  # of which nothing says what it is
    kind = schema.kind(node)
    raise InputError(
        f"{name!r} is {'an' if kind[0] in 'aeiou' else 'a'} {kind} of the schema ({iri}), and no relation",
        remedy="give a property",
    )


def _declared(schema: ClassGraph, node: int) -> set[str]:
    """What OWL calls a property: of :data:`kgzsl.knowledge.vocabulary.PROPERTY_KINDS`."""
    iri = schema.iris[node]
    told = {kind for kind, members in schema.provenance.get("properties", {}).items() if iri in members}
    if RDF_TYPE in schema.relations:  # some graphs keep declarations as edges
        rows = (schema.edge_index[0] == node) & (schema.edge_type == schema.relation(RDF_TYPE))
        told |= {schema.iris[target].removeprefix(OWL) for target in schema.edge_index[1, rows].tolist()}
    return told


def relations_of_facts(
    model: Completer, triples: Iterable[tuple[str, str, str]], schema: ClassGraph | None
) -> tuple[list[tuple[str, str, str]], list[str]]:
    """Facts by the run's own names of relations, where :func:`own_relation` finds one; and what was taken for what."""
    triples = list(triples)
    meant: dict[str, str] = {}
    for name in dict.fromkeys(relation for _, relation, _ in triples):
        try:
            meant[name] = own_relation(model, name, schema) or name
        except InputError:
            meant[name] = name  # another one than any that it could be
    notes = [f"{name} in the facts is {own} of the run" for name, own in meant.items() if name != own]
    return [(head, meant[relation], tail) for head, relation, tail in triples], notes


def _node(schema: ClassGraph, name: str) -> int:
    """The node that a name means, a property before others; -1 where there is none."""
    called: Mapping[str, str] = schema.provenance.get("called", {})
    if is_iri(name):
        return schema.node_index.get(called.get(name, name), -1)
    found = schema.align([name], kinds=("property",))
    if int(found.indices[0]) < 0 and not found.ambiguous:
        found = schema.align([name])
    if found.ambiguous:
        raise InputError(
            f"the schema calls several so: {name!r} ({', '.join(found.ambiguous[name][:5])})", remedy="give the IRI"
        )
    return int(found.indices[0])
