"""Facts that arrived after training, for a model that is asked about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import torch

from kgzsl.errors import InputError, nearest
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion.checks import some_names
from kgzsl.tasks.kg_completion.proposing import ProposingCompleter
from kgzsl.tasks.kg_completion.writing import iri_of

__all__ = ["NewFacts", "names_of_iris", "require_relation", "take_facts"]

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

    def lines(self) -> list[str]:
        """For people."""
        told = f"{self.facts:,} facts from the file, {self.known:,} of them known to the run already"
        told += f"; {len(self.entities):,} new entities, {len(self.relations):,} new relations"
        return [told + (f": {some_names(list(self.relations))}" if self.relations else ""), *self.notes]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {**vars(self), "notes": list(self.notes)}


def take_facts(
    model: ProposingCompleter,
    triples: Sequence[Triple],
    *,
    schema: ClassGraph | None = None,
    was: ClassGraph | None = None,
) -> NewFacts:
    """Let a model know facts, with entities and relations that it has never seen; nothing is learned anew.

    Args:
        model: A fitted one; it is changed.
        triples: (head, relation, tail) names, at least one.
        schema: For kinds and priors of what is new.
        was: The schema of before, where ``schema`` is that one with more in it.
    """
    known = set(model.entities_), set(model.relations_)
    ends = dict.fromkeys(name for head, _, tail in triples for name in (head, tail) if name not in known[0])
    kinds = dict.fromkeys(relation for _, relation, _ in triples if relation not in known[1])
    notes = model.grow(tuple(ends), tuple(kinds), schema=schema, was=was) if ends or kinds else []
    entities, relations = model._entity_ids, model._relation_ids
    rows = torch.tensor([(entities[h], relations[r], entities[t]) for h, r, t in triples]).reshape(-1, 3)
    before = torch.unique(model._known.cpu(), dim=0)
    mine = torch.unique(rows, dim=0)
    together = torch.unique(torch.cat([before, mine]), dim=0)
    old = len(before) + len(mine) - len(together)
    model.set_facts(together)
    return NewFacts(len(mine), old, tuple(ends), tuple(kinds), tuple(notes))


def names_of_iris(triples: Iterable[Triple], model: ProposingCompleter, base: str) -> list[Triple]:
    """Triples of IRIs by the names that a model has for them: what ``iri_of(name, base)`` made is turned back."""
    tables: list[Mapping[str, str]] = [
        {iri_of(name, base): name for name in names} for names in (model.entities_, model.relations_)
    ]

    def name(iri: str, table: Mapping[str, str]) -> str:
        return table.get(iri) or (unquote(iri.removeprefix(base)) if iri.startswith(base) else iri)

    return [(name(h, tables[0]), name(r, tables[1]), name(t, tables[0])) for h, r, t in triples]


def require_relation(
    model: ProposingCompleter, relation: str, *, schema: ClassGraph | None = None, was: ClassGraph | None = None
) -> list[str]:
    """Make a relation known that no fact uses, where the schema has it; returns what a reader must know.

    Raises:
        InputError: Neither a fact nor the schema has it.
    """
    if relation in model._relation_ids:
        return []
    if schema is None or int(schema.align([relation]).indices[0]) < 0:
        close = nearest(relation, model._relation_ids)
        where = "no fact" if schema is None else "neither a fact nor the schema"
        raise InputError(
            f"no relation is called {relation!r}: {where} has it",
            remedy=f"did you mean {' or '.join(map(repr, close))}?" if close else "give facts of it with --facts",
        )
    return model.grow(relations=(relation,), schema=schema, was=was)
