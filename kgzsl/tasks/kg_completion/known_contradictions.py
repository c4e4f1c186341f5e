"""Known facts that contradict the schema, held against what `complete` refuses answers by, and named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from kgzsl.datasets import KGSplit
from kgzsl.knowledge import ClassGraph
from kgzsl.knowledge.vocabulary import OWL
from kgzsl.tasks.kg_completion._axioms import Properties, objects_of
from kgzsl.tasks.kg_completion.entailed import Entailed
from kgzsl.tasks.kg_completion.evidence.kinds import EntityKinds
from kgzsl.tasks.kg_completion.violations import Violations

__all__ = ["KnownContradictions"]

_DISJOINT = OWL + "propertyDisjointWith"
_NAMED = 3
_TOLD = {
    "disjoint": "have an end whose class is disjoint with the relation's domain or range",
    "range": "have a tail outside the relation's range",
    "domain": "have a head outside the relation's domain",
    "exclusive": "link what is linked, or follows to be, by a property that is disjoint with theirs",
    "irreflexive": "link an entity with itself by a property that is irreflexive",
    "asymmetric": "are stated in both directions of an asymmetric property",
    "functional": "give a head more than one value of a functional property",
    "inverse functional": "give a tail more than one subject of an inverse functional property",
}


@dataclass(frozen=True)
class KnownContradictions:
    """Facts of a graph that the schema speaks against; they are kept.

    The rules are those by which :func:`propose` refuses answers: classes of the two ends, disjoint properties, and what
    a property, or one that it implies, is by itself. A fact, and what follows from it by super-properties, equivalents,
    inverses and symmetry, is held against all others, and what follows from them. So some facts are blamed that
    :func:`propose` would not refuse, such as those against a property that only a chain makes; links of a chain never
    are.

    Args:
        entities: Their names.
        relations: Their names.
        facts: int64 [T, 3], each once.
        found: Reason and the property that it is about ("" where that is the relation itself) to bool [T].
        facts_called: What notes call them.
        listed: Whether all of them are in a file of the run.
    """

    entities: Sequence[str]
    relations: Sequence[str]
    facts: Tensor
    found: dict[tuple[str, str], Tensor] = field(default_factory=dict)
    facts_called: str = "training triples"
    listed: bool = True

    @classmethod
    def read(
        cls,
        kg: KGSplit,
        schema: ClassGraph | None,
        called: tuple[str, ...] | None = None,
        *,
        facts_called: str = "training triples",
    ) -> KnownContradictions:
        """What a schema says against the training triples.

        Args:
            kg: The graph.
            schema: Its class graph; None speaks against nothing.
            called: What the schema calls each relation, where that is not its name.
            facts_called: What notes call the training triples, where they are those of no training.
        """
        made = cls(kg.entities, kg.relations, torch.unique(kg.train.cpu(), dim=0), facts_called=facts_called)
        if schema is not None:
            names = kg.relations if called is None else called
            made._hold_against(schema, EntityKinds.read(kg.entities, names, schema, types=kg.types), names)
        return made

    @classmethod
    def of_new(
        cls,
        new: Tensor,
        known: Tensor,
        names: tuple[Sequence[str], tuple[str, ...]],
        kinds: EntityKinds,
        schema: ClassGraph,
    ) -> KnownContradictions:
        """What a schema says against new facts beside those that are known.

        Args:
            new: int64 [N, 3].
            known: int64 [T, 3]; they are held against the new ones, and not blamed.
            names: Of entities and relations.
            kinds: Of the entities.
            schema: Says it.
        """
        together, place = torch.unique(torch.cat([known, new]), dim=0, return_inverse=True)
        made = cls(*names, together, facts_called="of the new facts", listed=False)
        made._hold_against(schema, kinds, names[1])
        is_new = torch.ones(len(together), dtype=torch.bool)
        is_new[place[: len(known)]] = False
        blamed = {key: mask & is_new for key, mask in made.found.items()}
        return replace(made, found={key: mask for key, mask in blamed.items() if bool(mask.any())})

    def _hold_against(self, schema: ClassGraph, kinds: EntityKinds, names: tuple[str, ...]) -> None:
        facts, size = self.facts, len(self.entities)
        for reason, bad in _wrong_ends(Violations.read(kinds, names, schema), facts):
            self._add(reason, "", bad)
        said = Properties.read(schema, names)
        apart: dict[int, set[int]] = {}
        for one, others in objects_of(schema, _DISJOINT).items():
            for other in others:
                apart.setdefault(one, set()).add(other)
                apart.setdefault(other, set()).add(one)
        entailed = {node: Entailed.of_node(node, said, facts, size) for node in sorted(apart)}
        for other, whole in entailed.items():
            pairs = whole.pairs()
            for one in sorted(apart[other]):
                self._add("exclusive", schema.labels[other], self._among(pairs, entailed[one].sources))
        for node in sorted(set().union(*said.kinds.values())):
            is_so = {kind for kind, nodes in said.kinds.items() if node in nodes}
            if is_so & {"Irreflexive", "Asymmetric", "Functional", "InverseFunctional"}:
                whole = Entailed.of_node(node, said, facts, size)
                for reason, bad in _by_itself(is_so, whole.pairs(), size):
                    self._add(reason, schema.labels[node], self._among(bad, whole.sources))

    def _add(self, reason: str, about: str, bad: Tensor) -> None:
        if bool(bad.any()):
            self.found[reason, about] = self.found.get((reason, about), torch.zeros_like(bad)) | bad

    def _among(self, pairs: Tensor, relations: Iterable[tuple[int, bool]]) -> Tensor:
        """bool [T]: facts of these relations, turned or not, that are among pairs, int64 [N] ``head * E + tail``."""
        found = torch.zeros(len(self.facts), dtype=torch.bool)
        for relation, turned in relations:
            rows = torch.nonzero(self.facts[:, 1] == relation).flatten()
            head, tail = self.facts[rows][:, [2, 0] if turned else [0, 2]].unbind(dim=1)
            found[rows] |= torch.isin(head * len(self.entities) + tail, pairs)
        return found

    def __len__(self) -> int:
        """How many facts contradict the schema, for whatever reasons."""
        none = torch.zeros(len(self.facts), dtype=torch.bool)
        return int(torch.stack([none, *self.found.values()]).any(dim=0).sum())

    def notes(self) -> list[str]:
        """One sentence a reason: how many facts, which properties, and the first of the facts."""
        told = []
        for reason, what in _TOLD.items():
            masks = {about: mask for (one, about), mask in self.found.items() if one == reason}
            if not masks:
                continue
            rows = torch.nonzero(torch.stack(list(masks.values())).any(dim=0)).flatten()
            named = ", ".join(" ".join(self._named(row)) for row in rows[:_NAMED].tolist())
            where = ", in contradictions.csv of the run" if self.listed else ""
            more = f" and {len(rows) - _NAMED} more{where}" if len(rows) > _NAMED else ""
            about = f" ({', '.join(sorted(masks))})" if "" not in masks else ""
            told.append(f"{len(rows)} {self.facts_called} {what}{about}; they are kept: {named}{more}")
        return told

    def rows(self) -> list[dict[str, str]]:
        """Each such fact once, with all that is said against it, for a file."""
        against: dict[int, list[str]] = {}
        for reason in _TOLD:
            for (one, about), mask in self.found.items():
                if one == reason:
                    for row in torch.nonzero(mask).flatten().tolist():
                        against.setdefault(row, []).append(f"{reason} ({about})" if about else reason)
        columns = ("head", "relation", "tail")
        return [
            {**dict(zip(columns, self._named(row), strict=True)), "against": "; ".join(against[row])}
            for row in sorted(against)
        ]

    def _named(self, row: int) -> tuple[str, str, str]:
        head, relation, tail = self.facts[row].tolist()
        return self.entities[head], self.relations[relation], self.entities[tail]


def _wrong_ends(rules: Violations, facts: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Reason and bool [T], facts with an end of the wrong kind."""
    for relation in torch.unique(facts[:, 1]).tolist():
        mine = facts[:, 1] == relation
        for side, column in (("tail", 2), ("head", 0)):
            for reason, mask in rules.against(relation, side).items():
                yield reason, mine & mask[facts[:, column]]


def _by_itself(kinds: set[str], pairs: Tensor, entities: int) -> Iterator[tuple[str, Tensor]]:
    """Reason and those of the pairs of one property, int64 [N] ``head * E + tail``, that its kinds speak against."""
    head, tail = pairs // entities, pairs % entities
    if kinds & {"Irreflexive", "Asymmetric"}:
        yield "irreflexive", pairs[head == tail]
    if "Asymmetric" in kinds:
        yield "asymmetric", pairs[torch.isin(tail * entities + head, pairs) & (head != tail)]
    for kind, reason, end in (("Functional", "functional", head), ("InverseFunctional", "inverse functional", tail)):
        if kind in kinds:
            _, place, often = torch.unique(end, return_inverse=True, return_counts=True)
            yield reason, pairs[often[place] > 1]
