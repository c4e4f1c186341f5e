"""The protocol of inductive completion: nothing is chosen, test triples behind one door, ties ranked both ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from kgzsl.datasets import KGSplit
from kgzsl.tasks.kg_completion.candidate_rules import CandidateRule
from kgzsl.tasks.kg_completion.ordinary.protocol import OrdinaryProtocol

__all__ = ["InductiveProtocol"]


class InductiveProtocol(OrdinaryProtocol):
    """Owns the triples of the graph that is asked about, whose facts may be read.

    Queries are the test triples; answers that are facts, validation or test triples are left out. Ranks are given with
    ties at their mean place and at their worst, as ULTRA's public code has it.

    Args:
        kg: The graph that is asked about: its facts are the training triples.
        rules: Candidate rules; the first one is the headline.
        **options: As for :class:`OrdinaryProtocol`.

    Raises:
        InputError: No test triple, or an oracle is asked for.
    """

    worst_ties = True

    def __init__(self, kg: KGSplit, rules: Sequence[CandidateRule], **options: Any) -> None:
        super().__init__(kg, rules, **options)
        self._queries = self._queries[:0]

    @property
    def known(self) -> Tensor:
        """What is known once the test is scored: no more than before, since all answers are read off these facts."""
        return self.facts
