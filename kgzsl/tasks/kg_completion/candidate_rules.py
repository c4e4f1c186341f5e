"""What the answer to a query is ranked among: the published rule, the schema's domain and range, or everything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from kgzsl.datasets import KGSplit
from kgzsl.datasets.candidates import candidates_by_tail_type, nell_type
from kgzsl.errors import InputError, nearest
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion._axioms import closure, superclasses_of
from kgzsl.tasks.kg_completion.relation_ends import Clauses, RelationEnds

__all__ = ["RULES", "CandidateRule", "headline_first", "make_rule", "subclasses", "training_candidates"]

RULES = ("given", "type", "range", "all")
_PUBLISHED = "entities of the types that the true answers have (the published rule)"


@dataclass(frozen=True)
class CandidateRule:
    """Candidates of each relation, by side.

    Args:
        name: One of :data:`RULES`.
        tails: Relation id to sorted entity ids; relations that are not there have all entities.
        heads: The same for the other side.
        note: What a reader must know about it.
    """

    name: str
    tails: Mapping[int, Tensor]
    heads: Mapping[int, Tensor]
    note: str = ""

    def mask(self, relation: int, side: str, num_entities: int) -> Tensor | None:
        """bool [E], the candidates; None where all entities are."""
        ids = (self.tails if side == "tail" else self.heads).get(relation)
        if ids is None:
            return None
        mask = torch.zeros(num_entities, dtype=torch.bool, device=ids.device)
        mask[ids] = True
        return mask


def make_rule(
    name: str, kg: KGSplit, *, schema: ClassGraph | None = None, type_of: Callable[[str], str] = nell_type
) -> CandidateRule | None:
    """The rule called ``name``, or None where the data do not have what it needs.

    * ``given``: candidates that come with the data, for tails.
    * ``type``: entities whose type occurs at that end of the relation's own triples, test triples among them (the
      published rule of NELL-ZS, which therefore looks at the types of test answers).
    * ``range``: entities whose type is the relation's rdfs:range (rdfs:domain for heads) or below it in the schema; it
      looks at no triple of the relation.
    * ``all``: every entity.

    Args:
        name: One of :data:`RULES`.
        kg: The knowledge graph.
        schema: Its class graph with rdfs:domain and rdfs:range edges, for ``range``.
        type_of: Entity name to the local name of its class, empty where it has none. Left out: the classes that come
            with the data, or else what names of the form x:class:name say.

    Raises:
        InputError: An unknown name.
    """
    if name not in RULES:
        close = nearest(name, RULES)
        raise InputError(f"no candidate rule is called {name!r}", remedy=f"choose {' or '.join(close or RULES)}")
    if name == "all":
        return CandidateRule("all", {}, {}, "all entities")
    if name == "given":
        return None if kg.candidates is None else CandidateRule("given", kg.candidates, {}, "the data set's candidates")
    if kg.types and type_of is nell_type:
        from kgzsl.tasks.kg_completion.ordinary.type_rules import range_rule, type_rule

        if name == "range":
            return range_rule(kg, schema)
        return type_rule(kg, ("train", "valid", "test"), _PUBLISHED)
    if not _typed(kg, type_of):
        return None
    if name == "type":
        return CandidateRule(
            "type",
            candidates_by_tail_type(kg, type_of),
            candidates_by_tail_type(_turned(kg), type_of),
            _PUBLISHED,
        )
    return None if schema is None else _range_rule(kg, schema, type_of)


def training_candidates(kg: KGSplit, rule: str, type_of: Callable[[str], str] = nell_type) -> Mapping[int, Tensor]:
    """Tails of seen relations to draw corrupted training pairs from: by the data's lists, or the types in training."""
    seen = set(kg.seen_relations.tolist())
    if rule == "type" and kg.types and type_of is nell_type:
        from kgzsl.tasks.kg_completion.ordinary.type_rules import type_rule

        made = type_rule(kg)
        found: Mapping[int, Tensor] = {} if made is None else made.tails
    elif rule == "type" and _typed(kg, type_of):
        found = candidates_by_tail_type(kg, type_of, splits=("train",))
    else:
        found = kg.candidates or {}
    return {relation: ids for relation, ids in found.items() if relation in seen}


def _typed(kg: KGSplit, type_of: Callable[[str], str]) -> bool:
    """Whether names say types: a stray separator in some names must not pass for one."""
    return sum(bool(type_of(entity)) for entity in kg.entities) > 0.9 * kg.num_entities


def _turned(kg: KGSplit) -> KGSplit:
    """The graph with heads and tails exchanged."""
    from dataclasses import replace

    turned = {name: getattr(kg, name).flip(1) for name in ("train", "valid", "test")}
    return replace(kg, **turned, candidates=None)


def _range_rule(kg: KGSplit, schema: ClassGraph, type_of: Callable[[str], str]) -> CandidateRule | None:
    said = RelationEnds.read(schema)
    if not said.domain and not said.range:
        return None
    types = [type_of(entity) for entity in kg.entities]
    kinds = sorted(set(types) - {""})
    node_of_kind = schema.align(kinds).indices.tolist()
    node_of_relation = schema.align(list(kg.relations)).indices.tolist()
    number = {kind: place for place, kind in enumerate(kinds)}
    type_ids = torch.tensor([number.get(kind, -1) for kind in types], dtype=torch.int64)
    below = subclasses(schema)

    def entities_of(wanted: Mapping[int, Clauses]) -> dict[int, Tensor]:
        found: dict[int, Tensor] = {}
        for relation, node in enumerate(node_of_relation):
            allowed = [set().union(*map(below, classes)) for classes in wanted.get(node, ())]
            if allowed:
                nodes = set.intersection(*allowed)
                places = [place for place, kind_node in enumerate(node_of_kind) if kind_node in nodes]
                found[relation] = torch.nonzero(torch.isin(type_ids, torch.tensor(places, dtype=torch.int64))).flatten()
        return found

    return CandidateRule("range", entities_of(said.range), entities_of(said.domain), "entities that rdfs:range allows")


def headline_first(
    made: Mapping[str, CandidateRule | None], asked: str, where: Mapping[str, str | None], hint: str = ""
) -> list[CandidateRule]:
    """The rules that the data have, the one that was asked for first; all entities where no list was given.

    Args:
        made: Rules by name; None where the data have none.
        asked: One of these names.
        where: ``file`` and ``place`` of the recipe that asked.
        hint: What else may help, beside choosing another rule.

    Raises:
        InputError: The data do not have what was asked for.
    """
    headline = "all" if asked == "given" and made["given"] is None else asked
    first = made.get(headline)
    if first is None:
        there = ", ".join(name for name, rule in made.items() if rule is not None)
        raise InputError(
            f"the data have no candidates of the kind {asked!r}", **where, remedy=f"choose among {there}{hint}"
        )
    return [first, *(rule for name, rule in made.items() if rule is not None and name != headline)]


def subclasses(schema: ClassGraph) -> Callable[[int], set[int]]:
    """A function from a node to itself and all classes below it."""
    children: dict[int, set[int]] = {}
    for child, parents in superclasses_of(schema).items():
        for parent in parents:
            children.setdefault(parent, set()).add(child)
    return partial(closure, children)
