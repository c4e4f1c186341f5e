"""Whether confidences hold: what a model gave the test triples, against what is true."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kgzsl._memory import given_back
from kgzsl.datasets import KGSplit
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion._answers import answers_in
from kgzsl.tasks.kg_completion._axioms import Properties
from kgzsl.tasks.kg_completion.entailed import Entailed
from kgzsl.tasks.kg_completion.evidence.calibration import SURE, TOLD, calibration_errors
from kgzsl.tasks.kg_completion.proposing import ProposingCompleter
from kgzsl.tasks.kg_completion.ruled_out import RuledOut
from kgzsl.tasks.kg_completion.violations import Violations
from kgzsl.tasks.ranking import chunk_of_queries

__all__ = ["ConfidenceCheck", "check_confidences", "leaning"]


@dataclass(frozen=True)
class ConfidenceCheck:
    """How far confidences are off on triples that nothing was fitted on, relations weighing alike.

    Args:
        error: Expected calibration error, ten bins of equal width, of answers above 0.05; None without such an answer.
        error_of_one: For one relation by itself, of answers above 0.5: how far their mean confidence is from the share
            of them that is true, on average over the relations; None without such an answer.
        lean: Mean confidence of answers above 0.05 less the share of them that is true; None without such an answer.
        relations: How many were asked for.
        queries: How many anchors, of both ends.
        answers: How many answers were above 0.05.
        follow: How many of them follow by the schema, and are certain by it, whatever the test says.
        borne_out: How many of these are facts of the test.
        error_of_others: ``error`` of the others; None without any.
    """

    error: float | None
    error_of_one: float | None
    lean: float | None
    relations: int
    queries: int
    answers: int
    follow: int = 0
    borne_out: int = 0
    error_of_others: float | None = None

    def metrics(self) -> dict[str, float]:
        """Flat figures; those that there are."""
        told = {
            "confidence.error": self.error,
            "confidence.error_of_one": self.error_of_one,
            "confidence.lean": self.lean,
        }
        if self.follow:
            told |= {
                "confidence.error_of_others": self.error_of_others,
                "confidence.follow": float(self.follow),
                "confidence.follow_borne_out": float(self.borne_out),
            }
        found = {f"kgc.{name}": value for name, value in told.items() if value is not None}
        return {**found, "kgc.confidence.answers": float(self.answers)}

    def line(self) -> str:
        """For people."""
        on = f"on {self.queries:,} queries of {self.relations} test relations"
        if self.error is None or self.lean is None:
            return f"confidences: no answer is above {TOLD} {on}"
        alone = "" if self.error_of_one is None else f", and {self.error_of_one:.3f} above {SURE} for one by itself"
        known = "the facts of the test are all that counts as true"
        if self.follow:
            rest = "none is left" if self.error_of_others is None else f"they are off by {self.error_of_others:.3f}"
            known += (
                f"; of {self.follow:,} answers that follow by the schema {self.borne_out:,} are: without them {rest}"
            )
        return f"confidences are off by {self.error:.3f} {on}, {leaning(self.lean)}{alone}; {known}"


def leaning(lean: float) -> str:
    """Which way confidences are off, for people."""
    return f"too {'high' if lean > 0 else 'low'} by {abs(lean):.3f} on the whole"


@torch.no_grad()
def check_confidences(
    model: ProposingCompleter,
    kg: KGSplit,
    triples: Tensor,
    facts: Tensor,
    *,
    schema: ClassGraph | None = None,
    sides: str = "both",
    each: int = 20,
    seed: int = 0,
    budget: int = 256 * 2**20,
) -> ConfidenceCheck | None:
    """Hold the confidences of some queries about test triples against all that is known to be true.

    Args:
        model: It has the same entities and relations as ``kg``, in its order.
        kg: With its test triples.
        triples: int64 [T, 3], what is asked about: the test triples.
        facts: int64 [F, 3], what is known when they are asked for, which is proposed to nobody.
        schema: What follows by it is certain, and what it refuses is not proposed: as where answers are asked for.
        sides: ``"tail"``, or ``"both"`` ends.
        each: At most so many anchors of each relation and end.
        seed: Decides which.
        budget: Bytes that scoring may take at a time.

    Returns:
        None where no relation has calibrated probabilities.
    """
    random = torch.Generator().manual_seed(seed)
    true, facts = kg.filter.to("cpu"), facts.cpu()
    parts: list[tuple[Tensor, ...]] = []
    asked, queries = 0, 0
    rules, said = Violations.read(model.kinds_, kg.relations, schema), Properties.read(schema, kg.relations)
    for relation in torch.unique(triples[:, 1]).tolist():
        if not model.calibrations_for(relation):
            continue
        mine = triples[triples[:, 1] == relation].cpu()
        drawn = {}
        for side, column in (("tail", 0), ("head", 2))[: 1 if sides == "tail" else 2]:
            ends = torch.unique(mine[:, column])
            drawn[side] = ends[torch.randperm(len(ends), generator=random)[:each]]
        count = sum(map(len, drawn.values()))
        asked, queries = asked + 1, queries + count
        entailed = Entailed.read(relation, said, facts, kg.num_entities)
        apart = RuledOut.read(model, relation, said)
        for side, anchors in drawn.items():
            for some in given_back(torch.split(anchors, chunk_of_queries(kg.num_entities, budget)), budget):
                chance, certain = _as_proposed(apart, some, side, rules, entailed)
                chance[answers_in(facts, relation, some, side, kg.num_entities)] = 0.0
                number = torch.full_like(some, relation)
                row, entity = true.tails(some, number) if side == "tail" else true.heads(number, some)
                truth = torch.zeros(chance.shape, dtype=torch.bool)
                truth[row, entity] = True
                told = chance > TOLD
                found = chance[told].double()
                weight = torch.full_like(found, 1 / count)
                parts.append((found, truth[told], weight, torch.full(found.shape, asked), certain[told]))
    if not asked:
        return None
    chance, truth, weight, group, follows = (torch.cat(part) for part in zip(*parts, strict=True))
    truth = truth.double()
    error, alone = calibration_errors(chance, truth, weight, group, fewest=1)
    others, _ = calibration_errors(*(part[~follows] for part in (chance, truth, weight, group)), fewest=1)
    lean = float((weight * (chance - truth)).sum() / weight.sum()) if len(chance) else None
    borne_out = int(truth[follows].sum())
    return ConfidenceCheck(error, alone, lean, asked, queries, len(chance), int(follows.sum()), borne_out, others)


def _as_proposed(
    apart: RuledOut, anchors: Tensor, side: str, rules: Violations, entailed: Entailed
) -> tuple[Tensor, Tensor]:
    """Confidences [Q, E] as ``propose`` tells them: 1 for what follows, 0 for what the schema refuses; what follows."""
    relation, other = apart.relation, "head" if side == "tail" else "tail"
    barred = rules.wrong(relation, side) | rules.wrong(relation, other)[anchors][:, None]
    contradicted = apart.answers(anchors, side)
    if contradicted is not None:
        barred = barred | contradicted
    chance = apart.model.probabilities(relation, anchors, side=side)
    certain = entailed.answers(anchors, side) & ~barred
    return chance.masked_fill(barred, 0.0).masked_fill(certain, 1.0), certain
