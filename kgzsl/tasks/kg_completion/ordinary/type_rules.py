"""Candidates of a relation by the classes of entities: those of its training answers, or those of the schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from kgzsl.datasets import KGSplit
from kgzsl.datasets.candidates import nell_type
from kgzsl.knowledge import ClassGraph
from kgzsl.knowledge.vocabulary import RDFS
from kgzsl.tasks.kg_completion.candidate_rules import CandidateRule, subclasses
from kgzsl.tasks.kg_completion.relation_ends import RelationEnds

__all__ = ["range_rule", "type_rule", "types_of"]

_NOTE = "entities with a class that the relation's training answers have"


def types_of(kg: KGSplit) -> Mapping[str, Sequence[str]] | None:
    """The classes of entities: those that come with the data, else what names of the form x:class:name say."""
    if kg.types is not None:
        return kg.types
    told = {entity: (kind,) for entity in kg.entities if (kind := nell_type(entity))}
    return told if len(told) > 0.9 * kg.num_entities else None


def type_rule(kg: KGSplit, splits: Sequence[str] = ("train",), note: str = _NOTE) -> CandidateRule | None:
    """Entities with a class that an answer of the relation has in training; None where nothing tells classes.

    It looks at no validation or test triple, unless they are among ``splits``. Entities without a class are candidates
    of every relation.
    """
    types = types_of(kg)
    if types is None:
        return None
    table = _Incidence.of(kg, types)
    if not table.number:
        return None
    triples = torch.cat([getattr(kg, name).cpu() for name in splits])
    ends: dict[int, dict[int, Tensor]] = {0: {}, 2: {}}
    for relation in torch.unique(triples[:, 1]).tolist():
        mine = triples[triples[:, 1] == relation]
        for column, found in ends.items():
            found[relation] = torch.nonzero(table.having(table.classes_of(mine[:, column])) | table.free).flatten()
    return CandidateRule("type", ends[2], ends[0], note)


def range_rule(kg: KGSplit, schema: ClassGraph | None, called: Sequence[str] | None = None) -> CandidateRule | None:
    """Entities with a class that is the relation's rdfs:range (rdfs:domain for heads) or below it.

    None where the schema has neither, or nothing tells classes. Entities whose classes the schema does not know are
    candidates of every relation. ``called`` is what the schema calls each relation, where that is not its name.
    """
    types = types_of(kg)
    if schema is None or types is None or not {RDFS + "domain", RDFS + "range"} & set(schema.relations):
        return None
    table = _Incidence.of(kg, types)
    nodes = torch.tensor(schema.align(list(table.number)).indices.tolist(), dtype=torch.int64)
    free = ~table.having(nodes >= 0)
    below = subclasses(schema)
    relations = schema.align(list(called or kg.relations)).indices.tolist()
    said = RelationEnds.read(schema)
    ends: dict[str, dict[int, Tensor]] = {"domain": {}, "range": {}}
    for end, wanted in (("domain", said.domain), ("range", said.range)):
        for relation, node in enumerate(relations):
            allowed = torch.ones(kg.num_entities, dtype=torch.bool)
            for classes in wanted.get(node, ()):
                fitting = sorted(set().union(*map(below, classes)))
                allowed &= table.having(torch.isin(nodes, torch.tensor(fitting))) | free
            if node in wanted:
                ends[end][relation] = torch.nonzero(allowed).flatten()
    return CandidateRule("range", ends["range"], ends["domain"], "entities that rdfs:range and rdfs:domain allow")


class _Incidence(NamedTuple):
    """Which entity has which class, as pairs: classes are many and entities have few of them.

    Args:
        number: Class to its number.
        rows: int64 [N], entities.
        columns: int64 [N], classes.
        entities: E.
    """

    number: dict[str, int]
    rows: Tensor
    columns: Tensor
    entities: int

    @classmethod
    def of(cls, kg: KGSplit, types: Mapping[str, Sequence[str]]) -> _Incidence:
        """Of all entities of the data."""
        number: dict[str, int] = {}
        pairs = [
            (row, number.setdefault(kind, len(number)))
            for row, entity in enumerate(kg.entities)
            for kind in types.get(entity, ())
        ]
        rows, columns = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).T
        return cls(number, rows, columns, kg.num_entities)

    @property
    def free(self) -> Tensor:
        """bool [E]: entities without a class."""
        return ~self.having(torch.ones(len(self.number), dtype=torch.bool))

    def classes_of(self, entities: Tensor) -> Tensor:
        """bool [K]: classes of some of these entities."""
        asked = torch.zeros(self.entities, dtype=torch.bool)
        asked[entities] = True
        found = torch.zeros(len(self.number), dtype=torch.bool)
        found[self.columns[asked[self.rows]]] = True
        return found

    def having(self, classes: Tensor) -> Tensor:
        """bool [E]: entities with one of the classes bool [K]."""
        found = torch.zeros(self.entities, dtype=torch.bool)
        found[self.rows[classes[self.columns]]] = True
        return found
