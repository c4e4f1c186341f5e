"""Probabilities of inductive completion: for relations that have facts where they are asked, and for those without."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kgzsl.tasks.kg_completion.evidence.calibration import FEWEST_QUERIES, Calibration, fit_calibration
from kgzsl.tasks.kg_completion.evidence.judged import Judged
from kgzsl.tasks.kg_completion.inductive.asking import Asked

__all__ = ["Answered", "Calibrations"]

Answered = tuple[Asked, Tensor]
"""Queries about what was put aside, and the scores [Q, 1 + M] of their answers by a model that did not see it."""


@dataclass(frozen=True)
class Calibrations:
    """From scores to probabilities; None where too little could be put aside.

    What a model tells of a relation whose other facts it reads says little of one that has none: each kind has
    probabilities of its own.

    Args:
        facts: For relations with facts in the graph that is asked; fitted on facts that were put aside.
        relations: For those without; fitted on relations all of whose facts were put aside.
    """

    facts: Calibration | None = None
    relations: Calibration | None = None

    @classmethod
    def fit(cls, facts: Answered | None, relations: Answered | None) -> Calibrations:
        """Fit both, each on what was put aside for it."""
        return cls(facts and _of_facts(*facts), relations and _of_relations(*relations))

    def of(self, has_facts: bool) -> tuple[Calibration, ...]:
        """Those of a relation: one, or none."""
        found = self.facts if has_facts else self.relations
        return () if found is None else (found,)

    def chosen(self) -> dict[str, Any]:
        """What was found, by name, for a run's selection."""
        told: dict[str, Any] = {}
        for name, found in (("calibration", self.facts), ("bare_calibration", self.relations)):
            if found is not None:
                error = None if found.error is None else round(found.error, 4)
                told |= {f"{name}.queries": found.queries, f"{name}.error": error}
        return told

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; see :meth:`from_dict`."""
        return {
            "calibration": None if self.facts is None else self.facts.to_dict(),
            "bare_calibration": None if self.relations is None else self.relations.to_dict(),
        }

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Calibrations:
        """What :meth:`to_dict` gave; models of before had no probabilities for relations without facts."""
        read = (told["calibration"], told.get("bare_calibration"))
        return cls(*(None if one is None else Calibration.from_dict(one) for one in read))


def _of_facts(asked: Asked, scores: Tensor) -> Calibration | None:
    if len(asked) < FEWEST_QUERIES:
        return None
    # Both queries of a fact are left out together; other facts of its relation are known, as they are when asked.
    fact = torch.arange(len(asked)) % (len(asked) // 2)
    # Anchors with many true answers, of which each has a query, would weigh too much were all facts alike.
    judged = _judged(asked, scores, fact)
    return fit_calibration(judged, fewest_groups=FEWEST_QUERIES // 2, held_out="facts", alike=False)


def _of_relations(asked: Asked, scores: Tensor) -> Calibration | None:
    if not len(asked):
        return None
    return fit_calibration(_judged(asked, scores, asked.relation % asked.graph.num_relations))


def _judged(asked: Asked, scores: Tensor, group: Tensor) -> Judged:
    candidates = asked.graph.num_entities - asked.truths - asked.known
    return Judged.of_drawn(scores.cpu(), asked.wrong, asked.truths, candidates, group)
