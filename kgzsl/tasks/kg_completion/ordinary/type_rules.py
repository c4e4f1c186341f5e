"""Candidates of a relation by the classes of entities: those of its training answers, or those of the schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from kgzsl.datasets import KGSplit
from kgzsl.datasets.candidates import nell_type
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion.candidate_rules import CandidateRule, subclasses

__all__ = ["range_rule", "type_rule", "types_of"]

_RDFS = "http://www.w3.org/2000/01/rdf-schema#"


def types_of(kg: KGSplit) -> Mapping[str, Sequence[str]] | None:
    """The classes of entities: those that come with the data, else what names of the form x:class:name say."""
    if kg.types is not None:
        return kg.types
    told = {entity: (kind,) for entity in kg.entities if (kind := nell_type(entity))}
    return told if len(told) > 0.9 * kg.num_entities else None


def type_rule(kg: KGSplit) -> CandidateRule | None:
    """Entities with a class that an answer of the relation has in training; None where nothing tells classes.

    It looks at no validation or test triple. Entities without a class are candidates of every relation.
    """
    types = types_of(kg)
    if types is None:
        return None
    number, table = _incidence(kg, types)
    if not number:
        return None
    train = kg.train.cpu()
    ends: dict[int, dict[int, Tensor]] = {0: {}, 2: {}}
    free = ~table.any(dim=1)
    for relation in torch.unique(train[:, 1]).tolist():
        mine = train[train[:, 1] == relation]
        for column, found in ends.items():
            wanted = table[mine[:, column]].any(dim=0)
            found[relation] = torch.nonzero((table & wanted).any(dim=1) | free).flatten()
    return CandidateRule("type", ends[2], ends[0], "entities with a class that the relation's training answers have")


def range_rule(kg: KGSplit, schema: ClassGraph | None, called: Sequence[str] | None = None) -> CandidateRule | None:
    """Entities with a class that is the relation's rdfs:range (rdfs:domain for heads) or below it.

    None where the schema has neither, or nothing tells classes. Entities whose classes the schema does not know are
    candidates of every relation. ``called`` is what the schema calls each relation, where that is not its name.
    """
    types = types_of(kg)
    if schema is None or types is None or not {_RDFS + "domain", _RDFS + "range"} & set(schema.relations):
        return None
    number, table = _incidence(kg, types)
    nodes = torch.tensor(schema.align(list(number)).indices.tolist(), dtype=torch.int64)
    free = ~(table & (nodes >= 0)).any(dim=1)
    below = subclasses(schema)
    relations = schema.align(list(called or kg.relations)).indices.tolist()
    ends: dict[str, dict[int, Tensor]] = {"domain": {}, "range": {}}
    for end, found in ends.items():
        if _RDFS + end not in schema.relations:
            continue
        rows = schema.edge_type == schema.relation(_RDFS + end)
        wanted: dict[int, list[int]] = {}
        for one, other in schema.edge_index[:, rows].T.tolist():
            wanted.setdefault(one, []).append(other)
        for relation, node in enumerate(relations):
            allowed = torch.ones(len(table), dtype=torch.bool)
            for target in wanted.get(node, ()):
                allowed &= (table & torch.isin(nodes, torch.tensor(sorted(below(target))))).any(dim=1) | free
            if wanted.get(node):
                found[relation] = torch.nonzero(allowed).flatten()
    return CandidateRule("range", ends["range"], ends["domain"], "entities that rdfs:range and rdfs:domain allow")


def _incidence(kg: KGSplit, types: Mapping[str, Sequence[str]]) -> tuple[dict[str, int], Tensor]:
    """Classes by number, and bool [E, K]: which entity has which."""
    number: dict[str, int] = {}
    rows, columns = [], []
    for row, entity in enumerate(kg.entities):
        for kind in types.get(entity, ()):
            rows.append(row)
            columns.append(number.setdefault(kind, len(number)))
    table = torch.zeros(kg.num_entities, len(number), dtype=torch.bool)
    table[rows, columns] = True
    return number, table
