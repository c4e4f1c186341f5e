"""Facts that arrived after training, for a model that is asked about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import torch

from kgzsl._iris import is_absolute_iri, last_part
from kgzsl.errors import InputError, nearest
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion.checks import some_names
from kgzsl.tasks.kg_completion.evidence.kinds import Types
from kgzsl.tasks.kg_completion.known_contradictions import KnownContradictions
from kgzsl.tasks.kg_completion.naming import (
    is_iri,
    own_relation,
    relations_of_facts,
    require_property,
)
from kgzsl.tasks.kg_completion.proposing import ProposingCompleter
from kgzsl.tasks.kg_completion.writing import iri_of

__all__ = ["NewFacts", "named_types", "names_of_iris", "require_relation", "take_facts"]

Triple = tuple[str, str, str]


@dataclass(frozen=True)
class NewFacts:
    """What facts brought.

    Args:
        facts: How many distinct ones there are.
        known: How many of them the model knew already.
        entities: Names that it did not know.
        relations: The same.
        notes: What a reader must know, a sentence each.
    """

    facts: int
    known: int
    entities: tuple[str, ...]
    relations: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def lines(self, source: str = "the file") -> list[str]:
        """For people."""
        told = f"{self.facts:,} facts from {source}, {self.known:,} of them known to the run already"
        told += f"; {len(self.entities):,} new entities, {len(self.relations):,} new relations"
        return [told + (f": {some_names(list(self.relations))}" if self.relations else ""), *self.notes]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {**vars(self), "notes": list(self.notes)}


def take_facts(
    model: ProposingCompleter,
    triples: Sequence[Triple],
    *,
    types: Types | None = None,
    schema: ClassGraph | None = None,
    was: ClassGraph | None = None,
) -> NewFacts:
    """Let a model know facts, with entities and relations that it has never seen; nothing is learned anew.

    Relations are those of the run where the schema says that they are the same, or where a short name is the local name
    of one of them alone.

    Args:
        model: A fitted one; it is changed.
        triples: (head, relation, tail) names; may be none where there are ``types``.
        types: Classes of entities; of those that occur in no fact nothing is taken.
        schema: For kinds and priors of what is new.
        was: The schema of before, where ``schema`` is that one with more in it.
    """
    known = set(model.entities_), set(model.relations_)
    triples, same = relations_of_facts(model, triples, schema)
    ends = dict.fromkeys(name for head, _, tail in triples for name in (head, tail) if name not in known[0])
    kinds = dict.fromkeys(relation for _, relation, _ in triples if relation not in known[1])
    before = model.kinds_.told
    short = {last_part(name) for name in known[0] if is_iri(name) or is_absolute_iri(name)} & ends.keys()
    notes = []
    if ends or kinds or types:
        notes = model.grow(tuple(ends), tuple(kinds), schema=schema, was=was, types=types)
    if short:
        notes.append(
            f"{some_names(sorted(short))} in the facts {'is' if len(short) == 1 else 'are'} new, and not what the run "
            "has under an IRI that ends so: write the whole IRI where that is meant"
        )
    classed = model.kinds_.told - before
    if types:
        notes.append(f"classes are told of {len(types):,} entities; {classed:,} more have one that the schema knows")
    entities, relations = model._entity_ids, model._relation_ids
    numbers = [(entities[h], relations[r], entities[t]) for h, r, t in triples]
    mine = torch.unique(torch.tensor(numbers, dtype=torch.int64).reshape(-1, 3), dim=0)
    there = torch.unique(model._known.cpu(), dim=0)
    together = torch.unique(torch.cat([there, mine]), dim=0)
    old = len(there) + len(mine) - len(together)
    if schema is not None:
        of_run = (model.entities_, model.relations_)
        notes += KnownContradictions.of_new(mine, there, of_run, model.kinds_, schema).notes()
    model.set_facts(together)
    return NewFacts(len(mine), old, tuple(ends), tuple(kinds), (*same, *notes))


def named_types(types: Types, model: ProposingCompleter, base: str) -> Types:
    """Classes of IRIs by the names that a model has for them, as :func:`names_of_iris`; the classes stay IRIs."""
    table = {iri_of(name, base): name for name in model.entities_}
    return {_own(iri, table, base): classes for iri, classes in types.items()}


def names_of_iris(triples: Iterable[Triple], model: ProposingCompleter, base: str) -> list[Triple]:
    """Triples of IRIs by the names that a model has for them: what ``iri_of(name, base)`` made is turned back."""
    tables: list[Mapping[str, str]] = [
        {iri_of(name, base): name for name in names} for names in (model.entities_, model.relations_)
    ]
    ends, kinds = tables
    return [(_own(h, ends, base), _own(r, kinds, base), _own(t, ends, base)) for h, r, t in triples]


def _own(iri: str, table: Mapping[str, str], base: str) -> str:
    return table.get(iri) or (unquote(iri.removeprefix(base)) if iri.startswith(base) else iri)


def require_relation(
    model: ProposingCompleter, relation: str, *, schema: ClassGraph | None = None, was: ClassGraph | None = None
) -> tuple[str, list[str]]:
    """The run's relation that is meant; one that no fact uses is made known under its IRI where the schema has it.

    Returns:
        Its name, and what a reader must know.

    Raises:
        InputError: Neither a fact nor the schema has it, what is called so is no property, or several are.
    """
    own = own_relation(model, relation, schema)
    if own is not None:
        return own, [] if own == relation else [f"{relation} is {own}"]
    iri = None if schema is None else require_property(schema, relation)
    if iri is None:
        close = nearest(relation, model._relation_ids)
        where = "no fact" if schema is None else "neither a fact nor the schema"
        raise InputError(
            f"no relation is called {relation!r}: {where} has it",
            remedy=f"did you mean {' or '.join(map(repr, close))}?" if close else "give facts of it with --facts",
        )
    notes = model.grow(relations=(iri,), schema=schema, was=was)
    return iri, notes if iri == relation else [f"{relation} is {iri}", *notes]
