"""Answering: what every fitted completer does with its scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from kgzsl.errors import InputError, nearest
from kgzsl.tasks.kg_completion._answers import answers_in
from kgzsl.tasks.kg_completion.evaluation import Scorer
from kgzsl.tasks.kg_completion.naming import by_local_name
from kgzsl.tasks.ranking import chunk_of_queries

__all__ = ["Completer", "Completion"]


class Completion(NamedTuple):
    """One proposed triple, by names; the higher its score, the better."""

    head: str
    relation: str
    tail: str
    score: float


class Completer(ABC):
    """A fitted model that scores all entities at one end of a relation.

    Attributes:
        entities_: Their names, by id.
        relations_: Their names, by id.
        memory_budget_: Bytes that scoring may take at a time.
        seen_: Names of the relations with training triples.
    """

    entities_: tuple[str, ...]
    relations_: tuple[str, ...]
    seen_: list[str]
    memory_budget_: int
    memory_budget: int
    _known: Tensor

    @abstractmethod
    def scores(self, relation: str | int, anchors: Tensor, *, side: str = "tail") -> Tensor:
        """Scores of all entities at the asked end.

        Args:
            relation: Name or id.
            anchors: int64 [Q], heads for ``side="tail"``, tails for ``side="head"``.
            side: Which end is asked for.

        Returns:
            float32 [Q, E].
        """

    @property
    def scorer(self) -> Scorer:
        """Scores of all entities for (relation id, anchors, side)."""
        return lambda relation, anchors, side: self.scores(relation, anchors, side=side)

    def limit_memory(self, budget: int) -> Self:
        """Let scoring take so many bytes at a time, from now on."""
        self.memory_budget_ = self.memory_budget = budget
        return self

    def complete(
        self,
        relation: str,
        head: str | None = None,
        tail: str | None = None,
        k: int = 20,
        *,
        candidates: str | Sequence[str] = "all",
        known: bool = False,
    ) -> list[Completion]:
        """The ``k`` best triples of a relation.

        Args:
            relation: Its name; of an IRI its local name will do where no other has it, of entities too.
            head: With it, tails are ranked.
            tail: With it, heads are ranked. With both, the one triple is scored; with neither, all pairs are ranked.
            k: How many.
            candidates: ``"all"`` entities, or the names of those that may be answers.
            known: Whether triples that were in training may be among the answers.

        Returns:
            Best first.

        Raises:
            InputError: An unknown relation, entity or candidate; the nearest names are given.
        """
        number = self._relation(relation)
        if k < 1:
            raise InputError(f"k is {k}", remedy="give 1 or more")
        allowed = self._allowed(candidates)
        if head is not None and tail is not None:
            anchor, other = self._entity(head), self._entity(tail)
            score = self.scores(number, torch.tensor([anchor]))[0, other]
            return [Completion(self.entities_[anchor], self.relations_[number], self.entities_[other], float(score))]
        side = "head" if head is None and tail is not None else "tail"
        if head is None and tail is None:
            anchors = torch.arange(len(self.entities_)) if allowed is None else torch.nonzero(allowed).flatten()
        else:
            anchors = torch.tensor([self._entity(str(head if tail is None else tail))])
        chunk = chunk_of_queries(len(self.entities_), self.memory_budget_)
        found: list[tuple[float, int, int]] = []
        for some in torch.split(anchors, chunk):
            table = self.scores(number, some, side=side).cpu()
            if allowed is not None:
                table[:, ~allowed] = float("-inf")
            if not known:
                table[self.known_answers(number, some, side).to(table.device)] = float("-inf")
            values, places = table.flatten().topk(min(k, table.numel()))
            rows, entities = places // table.shape[1], places % table.shape[1]
            for value, row, entity in zip(values.tolist(), rows.tolist(), entities.tolist(), strict=True):
                if value != float("-inf"):
                    found.append((value, int(some[row]), entity))
            found = sorted(found, key=lambda one: -one[0])[:k]
        names = self.entities_
        ends = ((a, b, s) if side == "tail" else (b, a, s) for s, a, b in found)
        return [Completion(names[h], self.relations_[number], names[t], score) for h, t, score in ends]

    def named(self, fact: Sequence[int]) -> tuple[str, str, str]:
        """The names of (head, relation, tail) ids."""
        return self.entities_[fact[0]], self.relations_[fact[1]], self.entities_[fact[2]]

    def known_answers(self, relation: int, anchors: Tensor, side: str) -> Tensor:
        """Answers that are facts already: bool [Q, E]."""
        return answers_in(self._known.cpu(), relation, anchors.cpu(), side, len(self.entities_))

    def _allowed(self, candidates: str | Sequence[str]) -> Tensor | None:
        if isinstance(candidates, str):
            if candidates == "all":
                return None
            raise InputError(f"candidates={candidates!r} is not known", remedy="give 'all' or a list of entity names")
        allowed = torch.zeros(len(self.entities_), dtype=torch.bool)
        allowed[[self._entity(name) for name in candidates]] = True
        return allowed

    def _relation(self, relation: str | int) -> int:
        if isinstance(relation, int | np.integer):
            if not 0 <= relation < len(self.relations_):
                raise InputError(f"{relation} is no relation id: there are {len(self.relations_)}")
            return int(relation)
        return _find(relation, self._relation_ids, "relation")

    def _entity(self, name: str) -> int:
        return _find(name, self._entity_ids, "entity")

    @property
    def _relation_ids(self) -> dict[str, int]:
        return _numbers(self, "relations_")

    @property
    def _entity_ids(self) -> dict[str, int]:
        return _numbers(self, "entities_")


def _find(name: str, ids: Mapping[str, int], what: str) -> int:
    if name not in ids:
        whole = by_local_name(name, ids, "relations" if what == "relation" else "entities")
        if whole is not None:
            return ids[whole]
        close = nearest(name, ids)
        hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"there are {len(ids)} of them"
        raise InputError(f"no {what} is called {name!r}", remedy=hint)
    return ids[name]


def _numbers(model: Completer, names: str) -> dict[str, int]:
    key = f"_ids_of_{names}"
    if key not in model.__dict__:
        model.__dict__[key] = {name: number for number, name in enumerate(getattr(model, names))}
    found: dict[str, int] = model.__dict__[key]
    return found
