"""What kind of thing each entity is, and which kinds the schema lets a relation have at its ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from kgzsl.datasets.candidates import nell_type
from kgzsl.knowledge import ClassGraph

__all__ = ["EntityKinds"]

_RDFS = "http://www.w3.org/2000/01/rdf-schema#"


@dataclass(frozen=True)
class EntityKinds:
    """Kinds (classes) of entities, and the schema's domains and ranges in terms of them.

    Args:
        names: Of the K kinds.
        of: int64 [E], the kind of each entity.
        domain: Relation id to bool [K], the kinds that its rdfs:domain allows. Relations without one are not there.
        range: The same for rdfs:range.
    """

    names: tuple[str, ...]
    of: Tensor
    domain: Mapping[int, Tensor] = field(default_factory=dict)
    range: Mapping[int, Tensor] = field(default_factory=dict)

    @classmethod
    def read(
        cls,
        entities: Sequence[str],
        relations: Sequence[str],
        schema: ClassGraph | None = None,
        type_of: Callable[[str], str] = nell_type,
    ) -> EntityKinds:
        """Kinds by ``type_of``, and the rdfs:domain, rdfs:range and rdfs:subClassOf of a schema.

        A kind that the schema does not know is none. Where kinds are guessed from names and no more than half of the
        names say one, nobody has one. Having none is held against no entity.
        """
        told = [type_of(entity) for entity in entities]
        if schema is not None:
            every = sorted(set(told) - {""})
            known = {kind for kind, node in zip(every, schema.align(every).indices.tolist(), strict=True) if node >= 0}
            told = [kind if kind in known else "" for kind in told]
        if type_of is nell_type and sum(map(bool, told)) <= 0.5 * len(told):
            told = [""] * len(told)
        names = tuple(sorted(set(told)))
        number = {name: place for place, name in enumerate(names)}
        of = torch.tensor([number[kind] for kind in told], dtype=torch.int64)
        return cls(names, of, *_ends(names, relations, schema))

    @classmethod
    def from_state(cls, names: Sequence[str], state: Mapping[str, Any]) -> EntityKinds:
        """What :meth:`state` gave; other keys of ``state`` are left alone."""
        ends = ({int(key): mask for key, mask in state[end].items()} for end in ("domain", "range"))
        return cls(tuple(names), state["kind"], *ends)

    def state(self) -> dict[str, Any]:
        """All but the names, as tensors."""
        ends = {"domain": self.domain, "range": self.range}
        told = {end: {str(relation): mask for relation, mask in masks.items()} for end, masks in ends.items()}
        return {"kind": self.of, **told}

    def grown(
        self,
        entities: Sequence[str],
        relations: Sequence[str],
        schema: ClassGraph | None = None,
        type_of: Callable[[str], str] = nell_type,
    ) -> EntityKinds:
        """The same with more entities and relations behind those that are there.

        A new entity is of a kind that is there already, or of none.

        Args:
            entities: Names of all, the old ones first and in their order.
            relations: The same.
            schema: For domain and range of the new relations.
            type_of: As in :meth:`read`.
        """
        old = len(self.of)
        told = [type_of(entity) for entity in entities[old:]]
        told = [kind if kind in self.names else "" for kind in told]
        names = self.names if "" in self.names or all(told) else (*self.names, "")
        number = {name: place for place, name in enumerate(names)}
        of = torch.cat([self.of, torch.tensor([number[kind] for kind in told], dtype=torch.int64)])
        more = len(names) - len(self.names)
        # Having no kind is allowed nowhere, and held against nobody.
        ends = tuple(
            {relation: torch.nn.functional.pad(mask, (0, more)) for relation, mask in end.items()}
            for end in (self.domain, self.range)
        )
        for mine, found in zip(ends, _ends(names, relations, schema), strict=True):
            for relation, mask in found.items():
                mine.setdefault(relation, mask)
        return EntityKinds(names, of, *ends)

    def without(self, relation: int) -> EntityKinds:
        """The same, with neither domain nor range of one relation."""
        ends = ({key: mask for key, mask in end.items() if key != relation} for end in (self.domain, self.range))
        return EntityKinds(self.names, self.of, *ends)

    def __len__(self) -> int:
        return len(self.names)

    def allowed(self, relation: int, side: str) -> Tensor | None:
        """Which kinds may be at the asked end of a relation: bool [K], or None where the schema does not say."""
        return (self.range if side == "tail" else self.domain).get(relation)


def _ends(
    names: Sequence[str], relations: Sequence[str], schema: ClassGraph | None
) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
    """The kinds that domain, and range, of each relation allow: relation id to bool [K]."""
    if schema is None:
        return {}, {}
    parents = _objects(schema, _RDFS + "subClassOf")
    above = [_closure(parents, node) for node in schema.align(list(names)).indices.tolist()]
    nodes = schema.align(list(relations)).indices.tolist()
    ends = []
    for end in ("domain", "range"):
        wanted = _objects(schema, _RDFS + end)
        ends.append(
            {
                relation: torch.tensor([wanted[node] <= kinds for kinds in above])
                for relation, node in enumerate(nodes)
                if node >= 0 and wanted.get(node)
            }
        )
    return ends[0], ends[1]


def _objects(schema: ClassGraph, iri: str) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    if iri in schema.relations:
        rows = schema.edge_type == schema.relation(iri)
        for subject, target in schema.edge_index[:, rows].T.tolist():
            found.setdefault(subject, set()).add(target)
    return found


def _closure(parents: Mapping[int, set[int]], node: int) -> set[int]:
    """The node and all its superclasses."""
    if node < 0:
        return set()
    found, waiting = {node}, [node]
    while waiting:
        for parent in parents.get(waiting.pop(), ()):
            if parent not in found:
                found.add(parent)
                waiting.append(parent)
    return found
