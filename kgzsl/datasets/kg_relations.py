"""Which relations of a file of facts are held out: what a person calls them, found and checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from kgzsl._iris import is_absolute_iri, last_part
from kgzsl.datasets.kg_names import Triple, split_from_names
from kgzsl.datasets.kg_split import KGSplit
from kgzsl.errors import InputError, nearest

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph

__all__ = ["Schema", "find_relation", "hold_out", "only_relations", "relation_names"]

Schema: TypeAlias = "Callable[[], ClassGraph | None]"
"""Gives a schema when it is asked for: reading one takes a while."""


def relation_names(given: Sequence[str] | str, what: str = "unseen_relations") -> list[str]:
    """The names in ``given``, each once: a list, a file with one a line, or names with commas between.

    In a file, empty lines and lines that begin with ``#`` and a space are passed over.

    Args:
        given: Names, a path, or text.
        what: The option, for messages.

    Raises:
        InputError: A text or a file without a name.
    """
    if not isinstance(given, str):
        return list(dict.fromkeys(given))
    file = Path(given)
    names: list[str] = []
    if _is_file(file):
        try:
            lines = file.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise InputError(f"this is not UTF-8 text ({error})", file=file, remedy="convert it to UTF-8") from error
        names = [line.strip() for line in lines if not line.startswith("# ") and line.strip() != "#"]
    else:
        names = [name.strip() for name in given.split(",")]
    names = [name for name in names if name]
    if not names:
        raise InputError(
            f"{given!r} names no relation", place=what, remedy="give names with commas between, or a file of names"
        )
    return list(dict.fromkeys(names))


def find_relation(name: str, known: Sequence[str], file: Path, schema: Schema | None = None) -> str:
    """The relation of ``known`` that ``name`` means: itself, the one that ends so behind ``#``, ``/``, or an IRI's
    ``:``, or what the schema calls so.

    Args:
        name: What somebody wrote.
        known: The relations of the facts.
        file: Where they come from, for messages.
        schema: Gives the schema with the labels of relations; asked only where nothing else finds one.

    Raises:
        InputError: None or several; the nearest are given.
    """
    if name in known:
        return name
    if not name:
        raise InputError("a relation has no name", file=file, remedy="leave it out of the list")
    # As `kgzsl complete --relation` finds one; names that are no IRIs may have such parts, too (Freebase).
    ends = ("#" + name, "/" + name)
    found = [iri for iri in known if iri.endswith(ends) or (iri.endswith(":" + name) and is_absolute_iri(iri))]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(f"{name!r} is ambiguous: {', '.join(found)}", file=file, remedy="give the whole IRI")
    labelled = _by_label(name, known, schema)
    if len(labelled) == 1:
        return labelled[0]
    if labelled:
        raise InputError(
            f"the schema calls several relations {name!r}: {', '.join(labelled)}", file=file, remedy="give the IRI"
        )
    short = list(dict.fromkeys(last_part(iri) if is_absolute_iri(iri) else re.split("[#/]", iri)[-1] for iri in known))
    close = nearest(name, [*short, *known])
    listed = ", ".join(short[:20]) + (", ..." if len(short) > 20 else "")
    hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"known: {listed}"
    raise InputError(f"no fact of this file uses the relation {name!r}", file=file, remedy=hint)


def _by_label(name: str, known: Sequence[str], schema: Schema | None) -> list[str]:
    """The relations that a schema calls so."""
    graph = None if schema is None else schema()
    if graph is None:
        return []
    found = graph.align([name], kinds=("property",))
    iris = found.ambiguous.get(name) or [graph.iris[node] for node in found.indices.tolist() if node >= 0]
    nodes = {graph.node_index[iri] for iri in iris}
    return [one for one, node in zip(known, graph.align(list(known)).indices.tolist(), strict=True) if node in nodes]


def only_relations(
    facts: Sequence[Triple], relations: Sequence[str] | None, file: Path, schema: Schema | None = None
) -> Sequence[Triple]:
    """The facts of some relations; all of them where none are named.

    Args:
        facts: (head, relation, tail) names.
        relations: What :func:`find_relation` finds, or None.
        file: Where the facts come from, for messages.
        schema: See there.

    Raises:
        InputError: There is no fact, or a relation is not found.
    """
    known = list(dict.fromkeys(fact[1] for fact in facts))
    if not known:
        raise InputError("there is no fact in it", file=file, remedy="give triples between two entities")
    if relations is None:
        return facts
    wanted = {find_relation(name, known, file, schema) for name in relations}
    return [fact for fact in facts if fact[1] in wanted]


def hold_out(
    facts: Sequence[Triple],
    unseen_relations: Sequence[str],
    valid_relations: Sequence[str],
    file: Path,
    *,
    relations: Sequence[str] | None = None,
    schema: Schema | None = None,
    **options: Any,
) -> KGSplit:
    """Deal facts out by their relation: those of unseen ones to test, of validation ones to valid, others to train.

    Args:
        facts: (head, relation, tail) names.
        unseen_relations: What :func:`find_relation` finds; may be empty.
        valid_relations: The same.
        file: Where the facts come from, for messages.
        relations: Only these count as facts. Left out: all.
        schema: See :func:`find_relation`.
        **options: Of :func:`split_from_names`.

    Raises:
        InputError: There is no fact, a relation is not found or is asked to play both parts, or none would be seen.
    """
    known = list(dict.fromkeys(fact[1] for fact in only_relations(facts, None, file)))
    unseen = {find_relation(name, known, file, schema): None for name in unseen_relations}
    valid = {find_relation(name, known, file, schema): None for name in valid_relations}
    both = [name for name in unseen if name in valid]
    if both:
        raise InputError(
            f"{both[0]!r} is to be unseen and for validation",
            file=file,
            place="valid_relations",
            remedy="put each relation on one side",
        )
    if relations is not None:
        facts = only_relations(facts, [*relations, *unseen, *valid], file, schema)
        known = list(dict.fromkeys(fact[1] for fact in facts))
    if len(unseen) + len(valid) == len(known):
        raise InputError(
            f"all {len(known)} relations would be held out, and none is left to learn from",
            file=file,
            place="unseen_relations",
            remedy="leave some of them seen",
        )
    return split_from_names(
        [fact for fact in facts if fact[1] not in unseen and fact[1] not in valid],
        [fact for fact in facts if fact[1] in valid],
        [fact for fact in facts if fact[1] in unseen],
        unseen_relations=list(unseen),
        valid_relations=list(valid),
        source=str(file),
        **options,
    )


def _is_file(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError:  # names with commas may be longer than any path
        return False
