"""Why a triple was proposed: what links the pair already, what the schema says, what relations are like it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from kgzsl.errors import InputError
from kgzsl.knowledge import ClassPriors
from kgzsl.tasks.counterfactuals import Counterfactual, moving_statements
from kgzsl.tasks.kg_completion._axioms import Properties
from kgzsl.tasks.kg_completion.entailed import Entailed
from kgzsl.tasks.statements import Statement, statements_about

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph
    from kgzsl.tasks.kg_completion.completer import Completer

__all__ = ["CompletionExplanation", "explain_completion"]

Fact = tuple[str, str, str]


@dataclass(frozen=True)
class CompletionExplanation:
    """What lies behind one proposed triple.

    Args:
        head: Its head.
        relation: The relation asked for.
        tail: Its tail.
        score: Its score.
        rank: Its place among the tails of the head, ties at their mean; other known tails are left out, as in
            :meth:`Completer.complete` and in filtered ranks.
        is_seen: Whether the relation had training triples.
        nearest_seen: The seen relations whose priors are most alike, with the cosine, best first.
        shared: Those relations to the prior columns that both have; empty where columns have no names.
        paths: Those relations to the path through the schema, as (label, relation, label) steps.
        links: Known facts between the two ends, with the cosine of their relation to the one asked for, best first;
            None where there are no priors.
        routes: Pairs of known facts that lead from head to tail over one other entity.
        without: What would be answered without single statements.
        axioms: What the schema says about the relation itself; empty without a graph.
        by_priors: Whether the score hangs on priors of relations; where it does not, likeness is told beside it.
        entailed: Known facts that the triple follows from, whatever its score; see :class:`Reasons`.
        confidence: Calibrated probability by the score, see :class:`Completion`; None where there is no calibration.
    """

    head: str
    relation: str
    tail: str
    score: float
    rank: float
    is_seen: bool
    nearest_seen: tuple[tuple[str, float], ...] = ()
    shared: dict[str, tuple[str, ...]] = field(default_factory=dict)
    paths: dict[str, tuple[Fact, ...]] = field(default_factory=dict)
    links: tuple[tuple[Fact, float | None], ...] = ()
    routes: tuple[tuple[Fact, Fact], ...] = ()
    without: tuple[Counterfactual, ...] = ()
    axioms: tuple[Statement, ...] = ()
    by_priors: bool = True
    entailed: tuple[str, ...] = ()
    confidence: float | None = None

    def text(self, *, most: int = 6) -> str:
        """The explanation in a few lines; at most ``most`` attributes a relation."""
        kind = "seen" if self.is_seen else "no triple of it in training"
        sure = "" if self.confidence is None else f", confidence {self.confidence:.3f}"
        told = f"score {self.score:.3f}, rank {self.rank:g} without other known tails{sure}; {kind}"
        lines = [f"{self.head} {self.relation} {self.tail} ({told})"]
        lines += [f"  said: {axiom.text}" for axiom in self.axioms[:most]]
        lines += [f"  follows, by the schema, from {facts}" for facts in self.entailed]
        if not self.links:
            lines.append("  no known fact links the two")
        for (head, by, tail), likeness in self.links:
            like = "" if likeness is None else f" (its relation is like {self.relation}: cosine {likeness:.2f})"
            lines.append(f"  known: {head} {by} {tail}{like}")
        for first, second in self.routes:
            lines.append(f"  known: {' '.join(first)}; {' '.join(second)}")
        if self.nearest_seen and not self.by_priors:
            lines.append("  the score is made of facts alone; which relations are alike is told beside it:")
        for name, likeness in self.nearest_seen:
            lines.append(f"  like {name} (cosine {likeness:.2f})")
            columns = self.shared.get(name, ())
            if columns:
                more = f" and {len(columns) - most} more" if len(columns) > most else ""
                lines.append(f"    both: {', '.join(columns[:most])}{more}")
            path = self.paths.get(name, ())
            if path:
                lines.append("    path: " + path[0][0] + "".join(f" -[{by}]- {end}" for _, by, end in path))
        return "\n".join([*lines, *(f"  {without.text(share=False)}" for without in self.without)])

    def to_dict(self) -> dict[str, Any]:
        """Plain values, JSON-able."""
        return {
            "head": self.head,
            "relation": self.relation,
            "tail": self.tail,
            "score": self.score,
            "rank": self.rank,
            "is_seen": self.is_seen,
            "nearest_seen": [list(pair) for pair in self.nearest_seen],
            "shared": {name: list(columns) for name, columns in self.shared.items()},
            "paths": {name: [list(step) for step in path] for name, path in self.paths.items()},
            "links": [{"fact": list(fact), "likeness": likeness} for fact, likeness in self.links],
            "routes": [[list(first), list(second)] for first, second in self.routes],
            "without": [one.to_dict() for one in self.without],
            "axioms": [one.to_dict() for one in self.axioms],
            "by_priors": self.by_priors,
            "entailed": list(self.entailed),
            "confidence": self.confidence,
        }


def explain_completion(
    model: Completer,
    priors: ClassPriors | None,
    head: str,
    relation: str,
    tail: str | None = None,
    *,
    graph: ClassGraph | None = None,
    neighbours: int = 3,
    statements: int = 0,
) -> CompletionExplanation:
    """Explain a triple, or the best tail where none is given.

    Args:
        model: A fitted completer.
        priors: The priors of its relations; None where there are none, as for embeddings: no relation is then like
            another.
        head: The head.
        relation: The relation, seen or not.
        tail: The tail; left out, the best one that is no training triple.
        graph: The schema, for paths.
        neighbours: How many like relations, links and routes are named.
        statements: How many statements are taken away, one at a time, to see the score move: axioms of the schema that
            the priors were made from, or of which the model reads edges. A completer that ranks by known facts
            loses facts between the two as well; one that draws features from priors loses named columns of the
            relation's prior where no axiom can be taken.

    Raises:
        InputError: An unknown relation or entity, or statements are to be taken away from an embedding, whose scores
            hang on none of them by itself.
    """
    from kgzsl.tasks.image_classification.explanation import graph_path, nearest_classes, shared_columns
    from kgzsl.tasks.kg_completion.ordinary import EmbeddingCompleter

    if statements and isinstance(model, EmbeddingCompleter):
        raise InputError(
            "an embedding is trained on all facts together: none can be taken away from a score by itself",
            remedy="leave out --without, or train again without the fact",
        )
    number = model._relation(relation)
    head, relation = model.entities_[model._entity(head)], model.relations_[number]
    if tail is None:
        found = model.complete(relation, head=head, k=1)
        if not found:
            raise InputError(f"nothing is left to answer for {head!r} and {relation!r}", remedy="give another head")
        tail = found[0].tail
    ids = [model._entity(head), model._entity(tail)]
    tail = model.entities_[ids[1]]
    scores = model.scores(number, torch.tensor(ids[:1]))[0].cpu()
    chances = model._chances(scores[None], number, torch.tensor(ids[:1]), "tail", None)
    value = scores[ids[1]]
    others = ~model.known_answers(number, torch.tensor(ids[:1]), "tail")[0]
    others[ids[1]] = True
    rank = float((scores[others] > value).sum()) + (float((scores[others] == value).sum()) + 1) / 2
    known = model._known.cpu()
    seen = [model.relations_[i] for i in torch.unique(known[:, 1]).tolist()]
    near: list[tuple[str, float]] = []
    likeness: dict[str, float] = {}
    shared: dict[str, tuple[str, ...]] = {}
    if priors is not None:
        priors = priors.align(model.relations_)
        near = [one for one in nearest_classes(priors, relation, seen, neighbours) if round(one[1], 4) > 0]
        likeness = dict(nearest_classes(priors, relation, seen, len(seen)))
        shared = {other: shared_columns(priors, relation, other) for other, _ in near}
    links = _links(model, known, ids)
    links.sort(key=lambda fact: -likeness.get(fact[1], 0.0))
    paths = {} if graph is None else {other: graph_path(graph, relation, other) for other, _ in near}
    return CompletionExplanation(
        head,
        relation,
        tail,
        float(value),
        rank,
        relation in seen,
        tuple(near),
        shared,
        paths,
        tuple((fact, None if priors is None else likeness.get(fact[1], 1.0)) for fact in links[: 2 * neighbours]),
        tuple(_routes(model, known, ids, neighbours)),
        tuple(_without(model, number, ids, links, float(value), statements, graph)) if statements else (),
        () if graph is None else statements_about(graph, relation),
        getattr(model, "priors_", None) is not None,
        _entailed(model, number, ids, known, graph),
        None if chances is None else float(chances[0, ids[1]]),
    )


def _entailed(
    model: Completer, number: int, ends: Sequence[int], known: torch.Tensor, graph: ClassGraph | None
) -> tuple[str, ...]:
    # A triple that is known follows from itself, which says nothing.
    others = known[(known != torch.tensor([ends[0], number, ends[1]])).any(dim=1)]
    rules = Entailed.read(number, Properties.read(graph, model.relations_), others, len(model.entities_))
    return rules.told(ends[0], ends[1], model.named)


def _links(model: Completer, known: torch.Tensor, ends: Sequence[int]) -> list[Fact]:
    a, b = ends
    there = (known[:, 0] == a) & (known[:, 2] == b)
    back = (known[:, 0] == b) & (known[:, 2] == a)
    return [model.named(fact) for fact in known[there | back].tolist()]


def _routes(model: Completer, known: torch.Tensor, ends: Sequence[int], most: int) -> list[tuple[Fact, Fact]]:
    a, b = ends
    near: dict[int, list[int]] = {}
    for fact in known[(known[:, 0] == a) | (known[:, 2] == a)].tolist():
        other = fact[2] if fact[0] == a else fact[0]
        if other not in (a, b):
            near.setdefault(other, fact)
    found: list[tuple[Fact, Fact]] = []
    for fact in known[(known[:, 0] == b) | (known[:, 2] == b)].tolist():
        other = fact[2] if fact[0] == b else fact[0]
        if other in near and len(found) < most:
            found.append((model.named(near[other]), model.named(fact)))
    return found


def _without(
    model: Any,
    number: int,
    ends: Sequence[int],
    links: Sequence[Fact],
    before: float,
    most: int,
    graph: ClassGraph | None,
) -> list[Counterfactual]:
    """Axioms taken away, facts where the completer looks at facts, columns of the prior where it draws from it."""
    anchor = torch.tensor([ends[0]])

    def told(removed: str, changed: Any, kind: Literal["fact", "column"]) -> Counterfactual:
        scores = changed.scores(number, anchor)[0].cpu()
        return Counterfactual(removed, before, float(scores[ends[1]]), model.entities_[int(scores.argmax())], kind)

    axioms = _without_axioms(model, number, ends, most, graph)
    found = list(axioms)
    known = model._known
    for fact in links[:most]:
        row = torch.tensor([model.entities_.index(fact[0]), model.relations_.index(fact[1]), 0])
        row[2] = model.entities_.index(fact[2])
        without = copy.copy(model).set_facts(known[(known != row).any(dim=1)])
        found.append(told(" ".join(fact), without, "fact"))
    if hasattr(model, "_prior_rows") and model.priors_.columns is not None and not axioms:
        named = torch.from_numpy(model.priors_.named)
        held = torch.nonzero((model._prior_rows[number] > 0) & named).flatten()
        common = (model._prior_rows[:, held] > 0).sum(dim=0)
        for column in held[torch.argsort(common, stable=True)][:most].tolist():
            rows = model.priors_.matrix.copy()
            rows[number, column] = 0.0
            found.append(told(model.priors_.columns[column], _with_priors(model, rows), "column"))
    return sorted(found, key=lambda one: one.after - one.before)


def _without_axioms(
    model: Any, number: int, ends: Sequence[int], most: int, graph: ClassGraph | None
) -> list[Counterfactual]:
    """Of the schema, out of all that the model has of it: priors that were made from it, and its edges."""
    from kgzsl.priors import PriorsAgain

    if graph is None:
        return []
    priors = getattr(model, "priors_", None)
    again = None if priors is None else PriorsAgain.of(priors, graph, seed=getattr(model, "seed", 0))
    edged = len(getattr(model, "edges_", ())) > 0
    if again is None and not edged:
        return []
    from kgzsl.tasks.kg_completion.inductive.edge_counterfactuals import edge_statements, without_axiom, without_edges

    if again is None:
        return without_edges(model, number, ends, graph, most)
    anchor = torch.tensor([ends[0]])
    name, found = model.relations_[number], []
    statements = {one.edge: one for one in moving_statements(again, name, most)}
    if edged:
        statements |= {one.edge: one for one in edge_statements(model, name, graph)}
    for one in statements.values():
        try:
            rows = again.without(one.edge, name)
        except InputError:  # the last statement of a relation that the encoder names
            continue
        told, less = (_with_priors(model, part) for part in rows)
        if edged:
            less = less.reading(without_axiom(graph, one.edge))
        scores = [changed.scores(number, anchor)[0].cpu() for changed in (told, less)]
        before, after = (float(part[ends[1]]) for part in scores)
        answer = model.entities_[int(scores[1].argmax())]
        found.append(Counterfactual(one.text, before, after, answer, "axiom", way=again.way))
    return sorted(found, key=lambda one: -abs(one.after - one.before))[:most] if edged else found


def _with_priors(model: Any, rows: npt.NDArray[np.float32]) -> Any:
    """A copy of the model with other class vectors [R, D]; nothing of it is trained again."""
    changed = copy.copy(model)
    changed.priors_ = ClassPriors(model.priors_.names, rows, model.priors_.made)
    if hasattr(model, "_prior_rows"):
        changed._prior_rows, changed._drawn = changed.priors_.to_tensor(), {}
        return changed
    return changed.set_facts(model._known)
