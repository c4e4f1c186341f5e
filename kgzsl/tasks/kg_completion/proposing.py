"""What a completer needs so that triples can be proposed with it, and so that facts can come after training."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Self

import torch
from torch import Tensor

from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.tasks.kg_completion._ids import checked_facts
from kgzsl.tasks.kg_completion.completer import Completer
from kgzsl.tasks.kg_completion.new_priors import with_new_relations, with_own_columns
from kgzsl.tasks.kg_completion.pair_graph import PairGraph, relation_arcs

if TYPE_CHECKING:
    from kgzsl.tasks.kg_completion.evidence.calibration import Calibration
    from kgzsl.tasks.kg_completion.evidence.kinds import EntityKinds, Types

__all__ = ["Likeness", "ProposingCompleter"]


class Likeness(NamedTuple):
    """Known facts as arcs, and how alike their relations are to the one that is asked for.

    Args:
        graph: The arcs; its relations are numbered anew.
        relations: int64 [K], the ids of the graph's relations.
        cosines: float [K], of their priors with that of the relation asked for; None where there are no priors.
    """

    graph: PairGraph
    relations: Tensor
    cosines: Tensor | None


class ProposingCompleter(Completer):
    """A completer that takes facts after training, and mostly names; it may have calibrated probabilities.

    Attributes:
        kinds_: Of the entities, with domains and ranges of relations.
        priors_: Of the relations; None where the method reads none.
        seen_: Relations with a known fact.
        calibration_: From scores to probabilities, or None.
    """

    TAKES_NAMES: ClassVar[bool] = True
    """Whether entities and relations may come after training."""

    kinds_: EntityKinds
    priors_: ClassPriors | None
    seen_: list[str]
    calibration_: Calibration | None

    @property
    def takes_entities(self) -> bool:
        """Whether :meth:`grow` takes entities; not where each has a vector that only training gives."""
        return self.TAKES_NAMES

    @abstractmethod
    def set_facts(self, triples: Tensor) -> Self:
        """Take other triples as known from now on: int64 [T, 3]. Nothing is learned anew.

        Raises:
            InputError: The model is not fitted, or the triples are of another shape, no whole numbers or out of range.
        """

    def _told_facts(self, triples: Tensor) -> Tensor:
        """Facts that are told, checked: int64 [T, 3] on the CPU."""
        if not hasattr(self, "relations_"):
            raise InputError("the model is not fitted yet", remedy="call fit(...) first")
        return checked_facts(triples, len(self.entities_), len(self.relations_))

    def likeness(self, relation: int) -> Likeness:
        """What is known about relations like this one, for explanations."""
        graph, relations = relation_arcs(self._known, len(self.entities_), len(self.relations_))
        if self.priors_ is None:
            return Likeness(graph, relations, None)
        priors = with_own_columns(self.priors_, self.relations_)
        rows = torch.nn.functional.normalize(priors.to_tensor().float(), dim=1)
        return Likeness(graph, relations, rows[relations] @ rows[relation])

    def probabilities(
        self, relation: str | int, anchors: Tensor, *, side: str = "tail", allowed: Tensor | None = None
    ) -> Tensor:
        """Calibrated probabilities that the triples of each anchor with every entity hold: float32 [Q, E].

        Args:
            relation: Name or id.
            anchors: int64 [Q].
            side: Which end is asked for.
            allowed: bool [E], the candidates; others get 0.

        Raises:
            InputError: There is no calibration for this relation, or see :meth:`scores`.
        """
        return self.calibration_of(self.scores(relation, anchors, side=side).cpu(), relation, anchors, side, allowed)

    def calibration_of(
        self, scores: Tensor, relation: str | int, anchors: Tensor, side: str, allowed: Tensor | None = None
    ) -> Tensor:
        """As :meth:`probabilities`, of scores [Q, E] that are there already."""
        number, anchors = self._asked(relation, anchors, side)
        found = self.calibrations_for(number)
        if not found:
            raise InputError("this model has no calibration", remedy="train it with calibrate: true")
        out = self.ruled_out(number, anchors, side)
        if allowed is not None:
            out = ~allowed if out is None else out | ~allowed
        known = self.settled_answers(number, anchors, side) if self.relations_[number] in self.seen_ else None
        # No more than each of them lets one say.
        return torch.stack([one(scores, out, known) for one in found]).amin(dim=0)

    def _chances(
        self, scores: Tensor, relation: int, anchors: Tensor, side: str, allowed: Tensor | None
    ) -> Tensor | None:
        if not self.calibrations_for(relation):
            return None
        found = self.calibration_of(scores, relation, anchors, side, allowed)
        return found.masked_fill(self.known_answers(relation, anchors, side), 1.0)

    def calibrations_for(self, relation: int) -> tuple[Calibration, ...]:
        """By which scores of a relation become probabilities: ``calibration_``, where it was fitted."""
        del relation
        return () if self.calibration_ is None else (self.calibration_,)

    def settled_answers(self, relation: int, anchors: Tensor, side: str) -> Tensor:
        """Answers that nobody has to guess, which leave the others their share: known facts, bool [Q, E]."""
        return self.known_answers(relation, anchors, side)

    def ruled_out(self, relation: int, anchors: Tensor, side: str) -> Tensor | None:
        """Answers that cannot be true beside the known facts: bool [Q, E], or None."""
        del relation, anchors, side
        return None

    def confidence_notes(self, relation: int) -> list[str]:
        """What a reader must know about confidences of a relation, a sentence each."""
        found = self.calibrations_for(relation)
        if found:
            return []
        told = "the scores are not calibrated: they order the answers of one given end, and are no probabilities"
        few = ": too little could be held out to fit probabilities on" if getattr(self, "calibrate", False) else ""
        return [told + few]

    def grow(
        self,
        entities: Sequence[str] = (),
        relations: Sequence[str] = (),
        *,
        schema: ClassGraph | None = None,
        was: ClassGraph | None = None,
        types: Types | None = None,
    ) -> list[str]:
        """Take new names in, behind those that are there; nothing is learned anew.

        Args:
            entities: New ones.
            relations: New ones.
            schema: What an ontology says of them: kinds that their ends may have, and their priors.
            was: The schema of before, where ``schema`` is that one with more in it.
            types: Classes of some entities, new ones or old ones.

        Returns:
            What a reader must know, a sentence each.

        Raises:
            InputError: A name is there already.
        """
        for names, more in ((self.entities_, entities), (self.relations_, relations)):
            twice = set(names) & set(more) or {name for name in more if list(more).count(name) > 1}
            if twice:
                raise InputError(f"{min(twice)!r} is there already")
        self.entities_, self.relations_ = (*self.entities_, *entities), (*self.relations_, *relations)
        for attribute in ("entities_", "relations_"):
            self.__dict__.pop(f"_ids_of_{attribute}", None)
        self.kinds_ = self.kinds_.grown(self.entities_, self.relations_, schema, types=types)
        notes = self._grow_priors(relations, schema, was)
        self.set_facts(self._known)
        return notes

    def take_schema(self, schema: ClassGraph) -> list[str]:
        """Hear what an ontology says now of relations that are there; most completers have no ear for it.

        Args:
            schema: The one of before, with more in it.

        Returns:
            What a reader must know, a sentence each.
        """
        del schema
        return []

    def _grow_priors(self, relations: Sequence[str], schema: ClassGraph | None, was: ClassGraph | None) -> list[str]:
        if self.priors_ is None or not relations:
            return []
        self.priors_, notes = with_new_relations(self.priors_, relations, schema, was)
        return notes
