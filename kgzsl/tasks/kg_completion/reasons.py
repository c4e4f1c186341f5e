"""Why a triple was proposed: akin relations, what the schema says, links and short paths between its ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kgzsl.knowledge import ClassGraph
from kgzsl.knowledge.vocabulary import OWL, RDFS, SUBPROPERTY_OF
from kgzsl.tasks.kg_completion._axioms import Properties
from kgzsl.tasks.kg_completion.compositions import Fact
from kgzsl.tasks.kg_completion.entailed import Entailed
from kgzsl.tasks.kg_completion.pair_graph import PairGraph
from kgzsl.tasks.kg_completion.proposing import Likeness, ProposingCompleter
from kgzsl.tasks.kg_completion.relation_ends import clauses_of

__all__ = ["Reasons", "reasons"]

_ENDS = {RDFS + end: end for end in ("domain", "range")}
_DECIDING = {
    SUBPROPERTY_OF: "subPropertyOf",
    OWL + "equivalentProperty": "equivalentProperty",
    OWL + "inverseOf": "inverseOf",
}
_SAID = {**_ENDS, **_DECIDING, OWL + "propertyChainAxiom": "propertyChainAxiom"}


@dataclass(frozen=True)
class Reasons:
    """What lies behind one proposal.

    Args:
        nearest: The seen relations whose priors are most alike, with the cosine; none where there are no priors
            or where none is alike.
        axioms: What the schema says of the relation, as "predicate object" texts; where the triple follows, before them
            what the relations of those facts say of it directly ("subject predicate object"), and what it is by itself.
        links: Seen relations that link the pair, with the cosine of their priors (None without priors); "(inverse)" if
            from tail to head.
        paths: Paths of two facts from head to tail, those through the fewest-linked entities first.
        entailed: Known facts that the triple follows from, by what the schema says about properties: each of them is
            enough, those of a property chain are one text.
    """

    nearest: tuple[tuple[str, float], ...]
    axioms: tuple[str, ...]
    links: tuple[tuple[str, float | None], ...]
    paths: tuple[str, ...]
    entailed: tuple[str, ...] = ()

    def text(self) -> str:
        """One line."""
        parts = []
        if self.entailed:
            parts.append("follows from " + "; ".join(self.entailed))
        if self.links:
            parts.append("linked by " + ", ".join(_with(name, cosine) for name, cosine in self.links))
        if self.paths:
            parts.append("paths " + "; ".join(self.paths))
        if self.nearest:
            parts.append("like " + ", ".join(_with(name, cosine) for name, cosine in self.nearest))
        if self.axioms:
            parts.append("schema: " + ", ".join(self.axioms))
        return " | ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "nearest": [{"relation": name, "cosine": cosine} for name, cosine in self.nearest],
            "axioms": list(self.axioms),
            "links": [{"relation": name, "cosine": cosine} for name, cosine in self.links],
            "paths": list(self.paths),
            "entailed": list(self.entailed),
        }


def reasons(
    model: ProposingCompleter,
    relation: int,
    head: int,
    tail: int,
    *,
    schema: ClassGraph | None = None,
    entailed: Entailed | None = None,
    likeness: Likeness | None = None,
    most: int = 3,
) -> Reasons:
    """What the model's facts and the schema have to say for one triple.

    Args:
        model: A fitted one.
        relation: Id.
        head: Id.
        tail: Id.
        schema: The ontology, for axioms.
        entailed: What follows from facts about this relation; left out, as the schema has it.
        likeness: What the model says of it; left out, it is asked.
        most: At most so many relations, links and paths.
    """
    graph, relations, cosine = model.likeness(relation) if likeness is None else likeness
    names = [model.relations_[i] for i in relations.tolist()]
    _, kinds = graph.links(torch.tensor([head]), torch.tensor([tail]))
    nearest: tuple[tuple[str, float], ...] = ()
    told: tuple[tuple[str, float | None], ...]
    if cosine is None:
        told = tuple((_named(kind, names), None) for kind in kinds.tolist()[:most])
    else:
        own = relations == relation
        near = cosine.masked_fill(own, float("-inf")).topk(min(most, len(cosine) - int(own.sum())))
        alike = zip(near.values.tolist(), near.indices.tolist(), strict=True)
        nearest = tuple((names[i], round(value, 4)) for value, i in alike if round(value, 4) > 0)
        links = [(kind, float(cosine[kind % graph.num_relations])) for kind in kinds.tolist()]
        links = sorted(links, key=lambda one: -one[1])[:most]
        told = tuple((_named(kind, names), round(value, 4)) for kind, value in links)
    if entailed is None:
        said = Properties.read(schema, model.relations_)
        entailed = Entailed.read(relation, said, model._known, len(model.entities_))
    because = entailed.because(head, tail)
    axioms = _axioms(model.relations_[relation], schema)
    if because and schema is not None:
        axioms = (*_deciding(relation, (head, tail), because, model.relations_, schema), *axioms)
    return Reasons(
        nearest,
        tuple(dict.fromkeys(axioms)),
        told,
        _paths(graph, model, names, head, tail, most),
        entailed.told(head, tail, model.named)[:most],
    )


def _with(name: str, cosine: float | None) -> str:
    return name if cosine is None else f"{name} ({cosine:.2f})"


def _named(kind: int, names: list[str]) -> str:
    return names[kind] if kind < len(names) else f"{names[kind - len(names)]} (inverse)"


def _axioms(relation: str, schema: ClassGraph | None) -> tuple[str, ...]:
    if schema is None:
        return ()
    node = int(schema.align([relation]).indices[0])
    if node < 0:
        return ()
    said = []
    for kind, iri in enumerate(schema.relations):
        if iri not in _SAID:
            continue
        targets = schema.edge_index[1, (schema.edge_type == kind) & (schema.edge_index[0] == node)].tolist()
        if iri in _ENDS:
            # Of a union one class is enough, which edges alone do not tell.
            clauses = clauses_of(schema, _ENDS[iri], node, targets)
            told = [" or ".join(sorted(schema.labels[one] for one in clause)) for clause in clauses]
        else:
            told = [schema.labels[target] for target in targets]
        said += [f"{_SAID[iri]} {one}" for one in told]
    return tuple(dict.fromkeys(said))


def _deciding(
    relation: int, ends: tuple[int, int], because: Sequence[tuple[Fact, ...]], names: Sequence[str], schema: ClassGraph
) -> list[str]:
    """What other relations say of one whose triple follows from facts of theirs, and what it is by itself."""
    sources = [facts[0][1] for facts in because if len(facts) == 1]
    node, *others = schema.align([names[one] for one in (relation, *sources)]).indices.tolist()
    said = []
    for kind, iri in enumerate(schema.relations):
        if iri in _DECIDING:
            rows = (schema.edge_type == kind) & (schema.edge_index[1] == node)
            into = [one for one in schema.edge_index[0, rows].tolist() if one in others and one != node]
            said += [f"{schema.labels[one]} {_DECIDING[iri]} {schema.labels[node]}" for one in into]
    if ((ends[1], relation, ends[0]),) in because:
        said.append("symmetric")
    if any(fact[1] == relation for facts in because if len(facts) > 1 for fact in facts):
        said.append("transitive")
    return said


def _paths(
    graph: PairGraph, model: ProposingCompleter, names: list[str], head: int, tail: int, most: int
) -> tuple[str, ...]:
    out, into = _arcs(graph, head), _arcs(graph, tail)
    between = torch.unique(out[1][torch.isin(out[1], into[1])])
    between = between[(between != head) & (between != tail)]
    order = between[torch.argsort(graph.degree[between], stable=True)][:most]
    found = []
    for middle in order.tolist():
        first = int(out[0][out[1] == middle][0])
        last = int(into[0][into[1] == middle][0])
        # The last arc was read from the tail: turned round it leads to it.
        turned = (last + graph.num_relations) % (2 * graph.num_relations)
        steps = f"{_named(first, names)} > {model.entities_[middle]} > {_named(turned, names)}"
        found.append(steps)
    return tuple(found)


def _arcs(graph: PairGraph, entity: int) -> tuple[Tensor, Tensor]:
    _, kinds, targets = graph.arcs_of(torch.tensor([entity]))
    return kinds, targets
