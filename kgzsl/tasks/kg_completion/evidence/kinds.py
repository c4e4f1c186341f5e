"""What kind of thing each entity is, and which kinds the schema lets a relation have at its ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import torch
from torch import Tensor

from kgzsl.datasets.candidates import nell_type
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion._axioms import closure, superclasses_of
from kgzsl.tasks.kg_completion.relation_ends import RelationEnds

__all__ = ["EntityKinds", "Types"]

Types: TypeAlias = Mapping[str, str | Sequence[str]]
"""Entity to its class, or its classes."""
_JOINT = "\n"


@dataclass(frozen=True)
class EntityKinds:
    """Kinds of entities, and the schema's domains and ranges in terms of them.

    A kind is a class, or the classes that some entities have together: their names with line breaks between, the one
    that fewest entities have first.

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
        *,
        types: Types | None = None,
    ) -> EntityKinds:
        """Kinds by ``types``, or else ``type_of``; domains and ranges as in :class:`RelationEnds`, of a schema.

        A class that the schema does not know is none. Where kinds are guessed from names and no more than half of the
        names say one, nobody has one. Having none is held against no entity.
        """
        if types:
            told = [_listed(types.get(entity, ())) for entity in entities]
        else:
            told = [_listed(type_of(entity)) for entity in entities]
        if schema is not None:
            known = _known(schema, {one for classes in told for one in classes})
            told = [tuple(one for one in classes if one in known) for classes in told]
        if not types and type_of is nell_type and sum(map(bool, told)) <= 0.5 * len(told):
            told = [()] * len(told)
        counts = Counter(one for classes in told for one in classes)
        kinds = [_joined(sorted(classes, key=lambda one: (counts[one], one))) for classes in told]
        names = tuple(sorted(set(kinds)))
        number = {name: place for place, name in enumerate(names)}
        of = torch.tensor([number[kind] for kind in kinds], dtype=torch.int64)
        return cls(names, of, *_ends(names, relations, schema))

    @classmethod
    def from_state(cls, names: Sequence[str], state: Mapping[str, Any]) -> EntityKinds:
        """What :meth:`state` gave; other keys of ``state`` are left alone."""
        ends = ({int(key): mask for key, mask in state[end].items()} for end in ("domain", "range"))
        return cls(tuple(names), state["kind"], *ends)

    @classmethod
    def of_folder(
        cls, about: Mapping[str, Any], tree: Mapping[str, Any], entities: Sequence[str], relations: Sequence[str]
    ) -> EntityKinds:
        """What a saved model has as ``kinds``; one of before, which has none, knows the kinds that names tell."""
        if "kinds" not in about:
            return cls.read(entities, relations)
        return cls.from_state(about["kinds"], tree["kinds"])

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
        *,
        types: Types | None = None,
    ) -> EntityKinds:
        """The same with more entities and relations behind those that are there, and with what is told of all.

        A class that no entity had so far is taken in where the schema knows it. A new entity of which ``types`` says
        nothing is of a kind that is there already, or of none.

        Args:
            entities: Names of all, the old ones first and in their order.
            relations: The same.
            schema: For domain and range of the new relations, and for new classes.
            type_of: As in :meth:`read`.
            types: Of some entities, old ones or new ones; an old one keeps the classes that it has.
        """
        told = {entity: _listed(classes) for entity, classes in (types or {}).items()}
        called = self._called({one for classes in told.values() for one in classes}, schema)
        counts: Counter[str] = Counter()
        for name, size in zip(self.names, torch.bincount(self.of, minlength=len(self)).tolist(), strict=True):
            counts.update(dict.fromkeys(name.split(_JOINT), size))
        number = {name: place for place, name in enumerate(self.names)}
        of = torch.cat([self.of, self.of.new_zeros(len(entities) - len(self.of))])
        for place, entity in enumerate(entities):
            mine = [called[one] for one in told.get(entity, ()) if one in called]
            if place < len(self.of):
                if not mine:
                    continue
                mine = [*filter(None, self.names[int(self.of[place])].split(_JOINT)), *mine]
            elif not mine:
                mine = [one for one in _listed(type_of(entity)) if counts[one]]
            # A class that training never saw says less than the rarest of the others.
            mine.sort(key=lambda one: (not counts[one], counts[one], one))
            of[place] = number.setdefault(_joined(mine), len(number))
        names = tuple(number)
        ends = []
        for old, found in zip((self.domain, self.range), _ends(names, relations, schema), strict=True):
            # Having no kind is allowed nowhere, and held against nobody.
            blank = torch.zeros(len(names), dtype=torch.bool)
            kept = {r: torch.cat([mask, found.get(r, blank)[len(mask) :]]) for r, mask in old.items()}
            ends.append({**found, **kept})
        return EntityKinds(names, of, *ends)

    def _called(self, classes: set[str], schema: ClassGraph | None) -> dict[str, str]:
        """What each class is called here; one that neither the schema nor any entity so far knows is not there."""
        here = sorted({one for name in self.names for one in name.split(_JOINT)} - {""})
        found = {one: one for one in classes & set(here)}
        if schema is not None:
            nodes = {node: name for name, node in _known(schema, here).items()}
            found |= {one: nodes.get(node, one) for one, node in _known(schema, classes - found.keys()).items()}
        return found

    @cached_property
    def main(self) -> Tensor:
        """int64 [E], the kind of each entity by the first of its classes alone."""
        places: dict[str, int] = {}
        table = [places.setdefault(name.split(_JOINT)[0], place) for place, name in enumerate(self.names)]
        return torch.tensor(table, dtype=torch.int64)[self.of]

    @property
    def told(self) -> int:
        """How many entities have a kind."""
        return int(torch.tensor([bool(name) for name in self.names])[self.of].sum())

    def above(self, schema: ClassGraph) -> list[set[int]]:
        """For each kind the nodes of its classes and of all their superclasses."""
        return _above(self.names, schema)

    def without(self, relation: int) -> EntityKinds:
        """The same, with neither domain nor range of one relation."""
        ends = ({key: mask for key, mask in end.items() if key != relation} for end in (self.domain, self.range))
        return EntityKinds(self.names, self.of, *ends)

    def beside(self, relations: Sequence[str], schema: ClassGraph) -> EntityKinds:
        """The same, where the domains and ranges of a schema hold beside those that are there.

        A kind of which the schema knows no class is held against nothing there.
        """
        strange = torch.tensor([not classes for classes in _above(self.names, schema)], dtype=torch.bool)
        ends = []
        for old, new in zip((self.domain, self.range), _ends(self.names, relations, schema), strict=True):
            held = {relation: mask | strange for relation, mask in new.items()}
            ends.append({**old, **{one: mask & old[one] if one in old else mask for one, mask in held.items()}})
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
    above = _above(names, schema)
    nodes = schema.align(list(relations)).indices.tolist()
    said = RelationEnds.read(schema)
    ends = [
        {
            relation: torch.tensor([all(classes & kinds for classes in wanted[node]) for kinds in above])
            for relation, node in enumerate(nodes)
            if node in wanted
        }
        for wanted in (said.domain, said.range)
    ]
    return ends[0], ends[1]


def _above(names: Sequence[str], schema: ClassGraph) -> list[set[int]]:
    """For each kind the nodes of its classes and of all their superclasses."""
    parents = superclasses_of(schema)
    nodes = _known(schema, {one for name in names for one in name.split(_JOINT)})
    closed = {one: closure(parents, node) for one, node in nodes.items()}
    return [set().union(*(closed.get(one, ()) for one in name.split(_JOINT))) for name in names]


def _known(schema: ClassGraph, classes: Iterable[str]) -> dict[str, int]:
    """The nodes of those classes that the schema knows."""
    every = sorted(set(classes) - {""})
    nodes = schema.align(every).indices.tolist()
    return {name: node for name, node in zip(every, nodes, strict=True) if node >= 0}


def _listed(classes: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(filter(None, dict.fromkeys([classes] if isinstance(classes, str) else classes)))


def _joined(classes: Sequence[str]) -> str:
    """The name of a kind: one class, then all others in the order of their names."""
    each = list(dict.fromkeys(classes))
    return _JOINT.join([*each[:1], *sorted(each[1:])])
