"""The honest protocol of completion: selection on held-out seen relations, test triples behind one door."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kgzsl.datasets import KGSplit
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion._ranks import by_rank, rank_of_names
from kgzsl.tasks.kg_completion.candidate_rules import CandidateRule
from kgzsl.tasks.kg_completion.confidence_check import ConfidenceCheck, check_confidences
from kgzsl.tasks.kg_completion.drawn_answers import DrawnAnswers
from kgzsl.tasks.kg_completion.evaluation import Evaluation, Scorer, evaluate, evaluate_all
from kgzsl.tasks.kg_completion.evidence.calibration import Calibration
from kgzsl.tasks.kg_completion.held_out_calibration import held_out_calibration
from kgzsl.tasks.kg_completion.proposing import ProposingCompleter

__all__ = ["CompletionProtocol"]

_KINDS = ("held-out-relations", "none", "oracle")


class CompletionProtocol:
    """Owns the triples. Methods are trained on ``selection_kg`` or ``final_kg``, which hold no test triple.

    Where the data set names validation relations, these are what choices are made on, and nothing has to be trained
    twice: they are no part of training. Otherwise some seen relations, drawn with the seed, are held out for selection
    and given back for the final training. With ``splits`` all seen relations are held out, part by part.

    Args:
        kg: The knowledge graph.
        rules: Candidate rules; the first one is the headline and the one of selection.
        validation: ``"held-out-relations"``, ``"none"`` (nothing is selected), or ``"oracle"``: select on the test
            triples, which is stamped on the result.
        sides: ``"tail"`` or ``"both"``.
        filtered: Take other known answers out of the candidates.
        seed: Decides the held-out relations, and the validation queries where there are very many.
        fraction: Share of seen relations to hold out, where the data set names none.
        splits: Cut the seen relations into so many parts, each of which is held out in turn; validation relations that
            the data set names are one part more. 1 does with these, or with ``fraction``.
        queries: At most so many validation triples of each relation.
        negatives: Also rank test answers among so many drawn entities, see :class:`DrawnAnswers`.
        budget: Bytes that scoring may take at a time.
    """

    def __init__(
        self,
        kg: KGSplit,
        rules: Sequence[CandidateRule],
        *,
        validation: str = "held-out-relations",
        sides: str = "both",
        filtered: bool = True,
        seed: int = 0,
        fraction: float = 0.2,
        splits: int = 1,
        queries: int = 40,
        negatives: int | None = None,
        budget: int = 256 * 2**20,
    ) -> None:
        DrawnAnswers.check(negatives, len(kg.test), budget)
        if validation not in _KINDS:
            raise InputError(
                f"no validation is called {validation!r}",
                place="protocol.validation",
                remedy=f"choose {', '.join(_KINDS)}",
            )
        if sides not in ("tail", "both"):
            raise InputError(f"sides is {sides!r}", place="protocol.sides", remedy="choose tail or both")
        if not len(kg.unseen_relations) or not len(kg.test):
            raise InputError(
                "no relation of this knowledge graph is unseen",
                file=kg.source,
                remedy="say which: unseen_relations; or take ranker: embedding, for relations that training shows",
            )
        self.validation, self.sides, self.filtered = validation, sides, filtered
        self.rules, self.negatives, self.budget = list(rules), negatives, budget
        self.splits = splits if validation == "held-out-relations" else 1
        self._kg, self._seed = kg, seed
        self._opened, self._most = False, queries
        self._held_out, self._queries = self._choose(seed, fraction, queries)
        empty = kg.test.new_zeros(0, 3)
        self.final_kg = _without_test(kg, empty)
        self.selection_kg = self.final_kg
        if self.oracle or validation == "none" or len(kg.valid_relations) or self.splits > 1:
            return
        self.selection_kg = self.final_kg.with_validation_relations(kg.names_of(self._held_out))

    def _choose(self, seed: int, fraction: float, count: int) -> tuple[Tensor, Tensor]:
        kg = self._kg
        random = np.random.default_rng(seed)
        if self.validation == "none":
            return kg.valid_relations[:0], kg.valid[:0]
        if self.oracle:
            relations, triples = kg.unseen_relations, kg.test
        elif len(kg.valid_relations):
            relations, triples = kg.valid_relations, kg.valid
        elif self.splits > 1:
            if len(kg.seen_relations) < 3:
                raise InputError(
                    f"the seen relations are too few to cut them: {len(kg.seen_relations)}",
                    place="protocol.splits",
                    remedy="write validation: none",
                )
            return kg.valid_relations[:0], kg.valid[:0]
        else:
            number = max(1, round(fraction * len(kg.seen_relations)))
            there = len(kg.seen_relations)
            if number > there - 2:  # of those that are left, each plays the unseen one to the others
                fewer = ", or lower protocol.fraction" if number > 1 else ""
                raise InputError(
                    f"the seen relations are too few to hold out {number} of {there}: two must be left",
                    place="protocol.fraction",
                    remedy=f"write validation: none{fewer}",
                )
            drawn = random.choice(kg.seen_relations.cpu().numpy(), size=number, replace=False)
            relations, triples = torch.from_numpy(np.sort(drawn)), kg.train
        return relations, _some_of_each(relations, triples, count, random)

    @property
    def oracle(self) -> bool:
        """Whether selection sees test triples."""
        return self.validation == "oracle"

    @property
    def selects(self) -> bool:
        """Whether there is anything to select on."""
        return len(self._queries) > 0 or self.splits > 1

    @property
    def twice(self) -> bool:
        """Whether the final training differs from those of selection."""
        return self.selection_kg is not self.final_kg or self.splits > 1

    @functools.cached_property
    def parts(self) -> list[tuple[KGSplit, Tensor]]:
        """What choices are made on: triples to train on, and queries about relations that are not among them,
        int64 [N, 3]. Choices go by the mean over the parts."""
        first = [(self.selection_kg, self._queries)] if len(self._queries) else []
        return first + (self.folds(self.splits) if self.splits > 1 else [])

    @property
    def facts(self) -> Tensor:
        """What is known when an unseen relation is asked for: int64 [F, 3], training triples, and those of the
        validation relations, which selection held out and nothing speaks against using once it is done."""
        return torch.cat([self.final_kg.train, self.final_kg.valid])

    def validate(self, scorer: Scorer, queries: Tensor | None = None) -> float:
        """Mean reciprocal rank on validation queries, averaged over relations so that none outweighs the others.

        Args:
            scorer: Trained without the relations of the queries.
            queries: Those of one of the :attr:`parts`; of the only one where left out.
        """
        found = evaluate(
            self._kg,
            self._queries if queries is None else queries,
            scorer,
            self.rules[:1],
            sides=self.sides,
            filtered=self.filtered,
            budget=self.budget,
        )
        reciprocal = 1 / found.ranks[self.rules[0].name]
        of_relations = [reciprocal[found.relation == relation].mean() for relation in torch.unique(found.relation)]
        return float(torch.stack(of_relations).mean())

    def folds(self, count: int) -> list[tuple[KGSplit, Tensor]]:
        """The seen relations that no choice was made on, dealt by name into ``count`` parts; queries go by names, too.

        Returns:
            For each part the triples without its relations, and queries about them, int64 [N, 3]. None where selection
            sees test triples; a part is left out where too little would be left to train on.
        """
        kg = self._kg
        if self.oracle or count < 1:
            return []
        chosen_on = set(kg.names_of(self._held_out))
        names = sorted(name for name in kg.names_of(kg.seen_relations) if name not in chosen_on)
        random = np.random.default_rng(self._seed)
        order = random.permutation(len(names))
        ranks = rank_of_names(kg.entities), rank_of_names(kg.relations)
        found = []
        for number in range(min(count, len(names))):
            part = [names[place] for place in order[number::count]]
            if len(chosen_on) + len(names) - len(part) < 2:
                continue
            fold = self.final_kg.with_validation_relations(part)
            relations = torch.tensor([kg.relation(name) for name in part])
            found.append((fold, _some_of_each(relations, by_rank(fold.valid.cpu(), *ranks), self._most, random)))
        return found

    def calibrated(self, judges: Iterable[tuple[Scorer, Tensor]]) -> Calibration | None:
        """Probabilities, fitted on relations that were held out.

        Args:
            judges: Scorers, each with queries, int64 [N, 3], about relations that it was trained without: of
                :attr:`parts`, of :meth:`folds`; taken one at a time.

        Returns:
            None where nothing was held out, too little was, or selection sees test triples.
        """
        if self.oracle:
            return None
        kg = self._kg
        return held_out_calibration(
            judges,
            torch.cat([kg.train, kg.valid]),
            kg.entities,
            kg.relations,
            sides=self.sides,
            seed=self._seed,
            budget=self.budget,
        )

    def describe(self, chosen: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """How the selection was done, JSON-able: ``by``, ``classes``, ``chosen``, ``setting``, ``oracle``."""
        asked = torch.cat([self._queries, *(queries for _, queries in self.parts[len(self._queries) > 0 :])])
        return {
            "by": self.validation,
            "classes": self._kg.names_of(torch.unique(torch.cat([self._held_out, asked[:, 1]]))),
            "candidates": self.rules[0].name,
            "sides": self.sides,
            "queries": len(asked),
            "chosen": dict(chosen or {}),
            "setting": "inductive",
            "oracle": self.oracle,
        }

    def final_score(
        self,
        scorers: Mapping[str, Scorer],
        *,
        top: int = 0,
        report: Callable[[int, int], None] | None = None,
    ) -> dict[str, Evaluation]:
        """Open the door: the ranks of every method on the test triples, at once.

        Args:
            scorers: Name to scorer; none is told a true answer.
            top: Best candidates to keep of each query.
            report: Told now and then how many queries of how many are done.

        Raises:
            RuntimeError: It was opened before.
        """
        if self._opened:
            raise RuntimeError(
                "the test triples were used already: score everything in one call, or make a new protocol"
            )
        self._opened = True
        return evaluate_all(
            self._kg,
            self._asked(),
            scorers,
            self.rules,
            sides=self.sides,
            filtered=self.filtered,
            facts=self.facts,
            top=top,
            negatives=self.negatives,
            seed=self._seed,
            budget=self.budget,
            report=report,
        )

    def _asked(self) -> Tensor:
        return self._kg.test[torch.isin(self._kg.test[:, 1], self._kg.unseen_relations)]

    def check_confidences(self, model: ProposingCompleter, schema: ClassGraph | None = None) -> ConfidenceCheck | None:
        """How far the confidences of a model that is final are off on the test triples, asked beside its schema.

        Raises:
            RuntimeError: The door is not open yet.
        """
        if not self._opened:
            raise RuntimeError("the test triples come last: score first")
        return check_confidences(
            model, self._kg, self._asked(), self.facts, schema=schema, sides=self.sides, budget=self.budget
        )


def _some_of_each(relations: Tensor, triples: Tensor, count: int, random: np.random.Generator) -> Tensor:
    """Of each relation ``count`` triples at most, int64 [N, 3]."""
    kept = []
    for relation in relations.tolist():
        mine = triples[triples[:, 1] == relation].cpu()
        kept.append(mine[torch.from_numpy(random.permutation(len(mine))[:count])])
    return torch.cat(kept) if kept else triples[:0].cpu()


def _without_test(kg: KGSplit, empty: Tensor) -> KGSplit:
    from dataclasses import replace

    return replace(kg, test=empty, valid=empty if not len(kg.valid_relations) else kg.valid)
