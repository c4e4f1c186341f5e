"""The protocol of ordinary completion: choices on validation triples, test triples behind one door."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from kgzsl.datasets import KGSplit
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion.candidate_rules import CandidateRule
from kgzsl.tasks.kg_completion.confidence_check import ConfidenceCheck, check_confidences
from kgzsl.tasks.kg_completion.drawn_answers import DrawnAnswers
from kgzsl.tasks.kg_completion.evaluation import Evaluation, Scorer, evaluate, evaluate_all
from kgzsl.tasks.kg_completion.evidence.calibration import Calibration
from kgzsl.tasks.kg_completion.held_out_calibration import calibration_of_facts
from kgzsl.tasks.kg_completion.proposing import ProposingCompleter

__all__ = ["OrdinaryProtocol"]


class OrdinaryProtocol:
    """Owns the triples. Methods are trained on ``final_kg``, which holds the training triples alone.

    Args:
        kg: The knowledge graph.
        rules: Candidate rules; the first one is the headline and the one of selection.
        validation: ``"none"`` selects nothing; anything else selects on the validation triples, where there are some.
        sides: ``"tail"`` or ``"both"``.
        filtered: Take other known answers out of the candidates.
        seed: Decides which validation triples are asked where there are very many.
        queries: At most so many of them.
        negatives: Also rank test answers among so many drawn entities, see :class:`DrawnAnswers`.
        budget: Bytes that scoring may take at a time.

    Raises:
        InputError: No test triple, or an oracle is asked for.
    """

    oracle = False
    worst_ties = False
    """Whether ranks with ties at their worst place are wanted, too."""

    def __init__(
        self,
        kg: KGSplit,
        rules: Sequence[CandidateRule],
        *,
        validation: str = "held-out-relations",
        sides: str = "both",
        filtered: bool = True,
        seed: int = 0,
        queries: int = 500,
        negatives: int | None = None,
        budget: int = 256 * 2**20,
    ) -> None:
        DrawnAnswers.check(negatives, len(kg.test), budget)
        if validation == "oracle":
            raise InputError(
                "ordinary completion is not selected on test triples",
                place="protocol.validation",
                remedy="leave it out",
            )
        if not len(kg.test):
            raise InputError("there is no test triple", file=kg.source, remedy="give some, to know how good it is")
        self.validation, self.sides, self.filtered = validation, sides, filtered
        self.rules, self.negatives, self.budget = list(rules), negatives, budget
        self._kg, self._seed, self._opened = kg, seed, False
        random = torch.Generator().manual_seed(seed)
        valid = kg.valid if validation != "none" else kg.valid[:0]
        self._queries = valid.cpu()[torch.randperm(len(valid), generator=random)[:queries]]
        empty = kg.test.new_zeros(0, 3)
        self.final_kg = replace(kg, test=empty, valid=empty)
        # Not even as answers to leave out does selection see a test triple.
        self._valid_kg = replace(kg, test=empty)

    @property
    def selects(self) -> bool:
        """Whether there is anything to select on."""
        return len(self._queries) > 0

    @property
    def facts(self) -> Tensor:
        """What is known: the training triples."""
        return self.final_kg.train

    @property
    def known(self) -> Tensor:
        """What is known once the test is scored: training and validation triples."""
        return torch.cat([self.facts, self._valid_kg.valid])

    def validate(self, scorer: Scorer) -> float:
        """Mean reciprocal rank on validation triples."""
        found = evaluate(
            self._valid_kg,
            self._queries,
            scorer,
            self.rules[:1],
            sides=self.sides,
            filtered=self.filtered,
            budget=self.budget,
        )
        return float((1 / found.ranks[self.rules[0].name]).mean())

    def calibrated(self, scorer: Scorer, follow: Tensor | None = None) -> Calibration | None:
        """Probabilities for a scorer that was trained on ``final_kg``, fitted on validation triples.

        No scorer is trained on these, so that the one that is final is judged itself. They chose the state of its
        training, so that they are kinder to it than the test is: by little, as a choice among a few states fits little.
        True answers that are no validation triples, test triples among them, count as wrong, since nothing tells them
        here: where much is missing from the data, probabilities are too low.

        Args:
            scorer: Of the model.
            follow: int64 [F, 3], triples that are certain beside the known ones, and stand above what is guessed.

        Returns:
            None where there is nothing to select on, or too little of it: see :func:`calibration_of_facts`.
        """
        if not self.selects:
            return None
        kg, known = self._valid_kg, self.facts.cpu()
        if follow is not None:
            # A relation all of whose triples follow was no part of training.
            known = torch.cat([known, follow[torch.isin(follow[:, 1], known[:, 1])]])
        return calibration_of_facts(
            scorer,
            kg.valid,
            known,
            kg.entities,
            kg.relations,
            sides=self.sides,
            seed=self._seed,
            budget=self.budget,
        )

    def describe(self, chosen: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """How the selection was done, JSON-able."""
        return {
            "by": "validation-triples" if self.selects else "none",
            "classes": [],
            "candidates": self.rules[0].name,
            "sides": self.sides,
            "queries": len(self._queries),
            "chosen": dict(chosen or {}),
            "setting": "inductive",
            "oracle": False,
        }

    def final_score(
        self, scorers: Mapping[str, Scorer], *, top: int = 0, report: Callable[[int, int], None] | None = None
    ) -> dict[str, Evaluation]:
        """Open the door: the ranks of every method on the test triples, at once.

        Raises:
            RuntimeError: It was opened before.
        """
        if self._opened:
            raise RuntimeError("the test triples were used already")
        self._opened = True
        return evaluate_all(
            self._kg,
            self._kg.test,
            scorers,
            self.rules,
            sides=self.sides,
            filtered=self.filtered,
            facts=self.facts,
            top=top,
            worst=self.worst_ties,
            negatives=self.negatives,
            seed=self._seed,
            budget=self.budget,
            report=report,
        )

    def check_confidences(self, model: ProposingCompleter, schema: ClassGraph | None = None) -> ConfidenceCheck | None:
        """How far the confidences of a model that is final are off on the test triples, asked beside its schema.

        Raises:
            RuntimeError: The door is not open yet.
        """
        if not self._opened:
            raise RuntimeError("the test triples come last: score first")
        return check_confidences(
            model, self._kg, self._kg.test, self.known, schema=schema, sides=self.sides, budget=self.budget
        )
