"""Answering: what every fitted completer does with its scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from kgzsl._memory import given_back
from kgzsl._options import check_budget, check_count
from kgzsl.errors import InputError, nearest
from kgzsl.tasks.kg_completion._answers import answers_in
from kgzsl.tasks.kg_completion._ids import check_range, whole_ids
from kgzsl.tasks.kg_completion._ranks import best_of_rows, rank_of_names
from kgzsl.tasks.kg_completion.evaluation import Scorer
from kgzsl.tasks.kg_completion.naming import by_local_name
from kgzsl.tasks.ranking import chunk_of_queries

if TYPE_CHECKING:
    from kgzsl.tasks.kg_completion.evidence.calibration import Calibration

__all__ = ["Completer", "Completion"]

_AT_ONCE = 64
"""Given ends that are scored at a time, at most: more gain little, and say nothing for long."""


class Completion(NamedTuple):
    """One proposed triple, by names; the higher its score, the better.

    ``confidence`` is the calibrated probability that it holds, 0..1, by its score among those of the candidates, and 0
    where the model itself rules it out (:meth:`ProposingCompleter.ruled_out`). What a schema entails or refuses beside
    that is minded by :func:`propose` alone. 1 for known facts; None where the model has no calibration.
    """

    head: str
    relation: str
    tail: str
    score: float
    confidence: float | None = None


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

        Raises:
            InputError: The model is not fitted, there is no such relation or side, or the given ends are no ids.
        """

    @property
    def scorer(self) -> Scorer:
        """Scores of all entities for (relation id, anchors, side)."""
        return lambda relation, anchors, side: self.scores(relation, anchors, side=side)

    def limit_memory(self, budget: int) -> Self:
        """Let scoring take so many bytes at a time, from now on.

        Raises:
            InputError: Fewer than one.
        """
        check_budget(budget)
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
            InputError: An unknown relation, entity or candidate (the nearest names are given), or the model is not
                fitted.
        """
        if head is not None and tail is not None:
            number, anchor, other = self._relation(relation), self._entity(head), self._entity(tail)
            check_count(k, "k")
            self._allowed(candidates)
            anchors = torch.tensor([anchor])
            scores = self.scores(number, anchors).cpu()
            chances = self._chances(scores, number, anchors, "tail", None)
            chance = None if chances is None else float(chances[0, other])
            names = self.entities_[anchor], self.relations_[number], self.entities_[other]
            return [Completion(*names, float(scores[0, other]), chance)]
        if head is not None:
            return next(self.complete_each(relation, heads=[head], k=k, candidates=candidates, known=known))
        if tail is not None:
            return next(self.complete_each(relation, tails=[tail], k=k, candidates=candidates, known=known))
        number, allowed = self._relation(relation), self._allowed(candidates)
        check_count(k, "k")
        anchors = torch.arange(len(self.entities_)) if allowed is None else torch.nonzero(allowed).flatten()
        found: list[Completion] = []
        for some, values, places, chances_of in self._best(number, anchors, "tail", k, allowed, known):
            # Before names are looked at: what is better than, or equal to, the worst that may stay.
            least = float(values.flatten().topk(min(k, values.numel())).values[-1])
            least = max(least, found[-1].score if len(found) == k else float("-inf"))
            rows, columns = torch.nonzero((values >= least) & (values != float("-inf")), as_tuple=True)
            if not len(rows):
                continue
            kept, row = torch.unique(rows, return_inverse=True)
            chances = chances_of(kept)
            told = ([None] * len(rows)) if chances is None else chances[row, columns].tolist()
            parts = some[rows], places[rows, columns], values[rows, columns]
            for anchor, entity, score, chance in zip(*(part.tolist() for part in parts), told, strict=True):
                names = self.entities_[anchor], self.relations_[number], self.entities_[entity]
                found.append(Completion(*names, score, chance))
            found = sorted(found, key=lambda one: (-one.score, one.head, one.tail))[:k]
        return found

    def complete_each(
        self,
        relation: str,
        *,
        heads: Sequence[str] | None = None,
        tails: Sequence[str] | None = None,
        k: int = 20,
        candidates: str | Sequence[str] = "all",
        known: bool = False,
    ) -> Iterator[list[Completion]]:
        """:meth:`complete` for many given ends of one relation, which are scored together.

        Args:
            relation: Its name.
            heads: Tails are ranked for each.
            tails: Heads are ranked for each; give one of the two.
            k: How many for each.
            candidates: See :meth:`complete`.
            known: See :meth:`complete`.

        Yields:
            Those of each given end in turn, best first; of equals those whose name comes first.

        Raises:
            InputError: See :meth:`complete`; before anything is scored.
        """
        if (heads is None) == (tails is None):
            raise InputError("give heads or tails, one of the two")
        number, given = self._relation(relation), heads if tails is None else tails
        assert given is not None
        if isinstance(given, str):
            raise InputError(f"one name was given, {given!r}", remedy="give a list of names")
        check_count(k, "k")
        allowed = self._allowed(candidates)
        anchors = torch.tensor([self._entity(name) for name in given], dtype=torch.int64)
        return self._each(number, anchors, "tail" if tails is None else "head", k, allowed, known)

    def _each(
        self, relation: int, anchors: Tensor, side: str, k: int, allowed: Tensor | None, known: bool
    ) -> Iterator[list[Completion]]:
        names, called = self.entities_, self.relations_[relation]
        for some, values, places, chances_of in self._best(relation, anchors, side, k, allowed, known):
            chances = chances_of(torch.arange(len(some)))
            told = [[None] * places.shape[1]] * len(some) if chances is None else chances.tolist()
            for anchor, row, entities, sure in zip(some.tolist(), values.tolist(), places.tolist(), told, strict=True):
                ends = ((anchor, one) if side == "tail" else (one, anchor) for one in entities)
                yield [
                    Completion(names[head], called, names[tail], score, chance)
                    for (head, tail), score, chance in zip(ends, row, sure, strict=True)
                    if score != float("-inf")
                ]

    def _best(
        self, relation: int, anchors: Tensor, side: str, k: int, allowed: Tensor | None, known: bool
    ) -> Iterator[tuple[Tensor, Tensor, Tensor, Callable[[Tensor], Tensor | None]]]:
        """Some anchors at a time, the values of their best answers (minus infinity for none), these, their chances.

        Chances are those of the rows that are asked for: they cost more than all the rest.
        """
        for some in self.parts(anchors) if len(anchors) else ():
            scores = self.scores(relation, some, side=side).cpu()
            scores = scores.masked_fill(torch.isnan(scores), float("-inf"))
            table = scores.clone()
            if allowed is not None:
                table[:, ~allowed] = float("-inf")
            if not known:
                table[self.known_answers(relation, some, side)] = float("-inf")
            values, places = best_of_rows(table, k, self.name_ranks)
            yield some, values, places, partial(self._chances_of, scores, places, relation, some, side, allowed)

    def _chances_of(
        self,
        scores: Tensor,
        places: Tensor,
        relation: int,
        anchors: Tensor,
        side: str,
        allowed: Tensor | None,
        rows: Tensor,
    ) -> Tensor | None:
        """Of the answers ``places`` [Q, k], in some rows."""
        chances = self._chances(scores[rows], relation, anchors[rows], side, allowed)
        return None if chances is None else chances.gather(1, places[rows])

    def calibrations_for(self, relation: int) -> tuple[Calibration, ...]:
        """By which scores of a relation become probabilities, the least of them; none: they are no probabilities."""
        del relation
        return ()

    def _chances(
        self, scores: Tensor, relation: int, anchors: Tensor, side: str, allowed: Tensor | None
    ) -> Tensor | None:
        """Calibrated probabilities of scores [Q, E], among the allowed; None: there are none."""
        del scores, relation, anchors, side, allowed
        return None

    def parts(self, anchors: Tensor) -> Iterator[Tensor]:
        """Given ends, int64 [Q], in parts to score at once: as memory allows, and few enough to tell of progress."""
        count = min(_AT_ONCE, chunk_of_queries(len(self.entities_), self.memory_budget_))
        return given_back(torch.split(anchors, count), self.memory_budget_)

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

    def _relation(self, relation: str | int, side: str = "tail") -> int:
        """The id of the relation of a question; all questions come by here, so what is wrong with one is told here."""
        if not hasattr(self, "relations_"):
            raise InputError("the model is not fitted yet", remedy="call fit(...) first")
        if side not in ("tail", "head"):
            raise InputError(f"side is {side!r}", remedy="choose tail or head")
        if isinstance(relation, int | np.integer) and not isinstance(relation, bool):
            if not 0 <= relation < len(self.relations_):
                raise InputError(f"{relation} is no relation id: there are {len(self.relations_)}")
            return int(relation)
        return _find(relation, self._relation_ids, "relation")

    def _asked(self, relation: str | int, anchors: Tensor, side: str) -> tuple[int, Tensor]:
        """The id of the relation and the given ends, int64 [Q], of a question for scores."""
        return self._relation(relation, side), self._ends(anchors, "given ends")

    def _ends(self, given: Any, what: str) -> Tensor:
        """Ids of entities, checked: int64 [Q]."""
        ids = whole_ids(given, what)
        if ids.ndim != 1:
            raise InputError(f"{what} have the shape {tuple(ids.shape)}", remedy="give [Q], ids of entities")
        check_range(ids, len(self.entities_), "entity")
        return ids

    def _entity(self, name: str) -> int:
        return _find(name, self._entity_ids, "entity")

    @property
    def name_ranks(self) -> Tensor:
        """int64 [E], the place of each entity's name among all of them, sorted."""
        key = "_ranks_of_names"
        if self.__dict__.get(key, (None,))[0] is not self.entities_:
            self.__dict__[key] = self.entities_, rank_of_names(self.entities_)
        ranks: Tensor = self.__dict__[key][1]
        return ranks

    @property
    def _relation_ids(self) -> dict[str, int]:
        return _numbers(self, "relations_")

    @property
    def _entity_ids(self) -> dict[str, int]:
        return _numbers(self, "entities_")


def _find(name: Any, ids: Mapping[str, int], what: str) -> int:
    if not isinstance(name, str):
        raise InputError(f"{name!r} is no name", place=what, remedy="give it as text")
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
