"""Evidence that is kept while only what it is worth changes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from kgzsl.tasks.kg_completion.evidence.facts import ENTITY, PAIR

if TYPE_CHECKING:
    from kgzsl.tasks.kg_completion.evidence.evidence_completer import EvidenceCompleter

__all__ = ["HeldEvidence"]


class HeldEvidence:
    """A scorer that works the evidence of a query out once, as long as what is kept fits into some bytes.

    Validation asks the same queries at every look, and between the looks only the network changes.

    Args:
        model: The completer, whose facts and priors must not change meanwhile.
        budget: Bytes to keep at most; what scoring takes at a time is so much less. 0 keeps nothing.
    """

    def __init__(self, model: EvidenceCompleter, budget: int = 0) -> None:
        self.model, self.budget, self._left = model, budget, budget
        self._kept: dict[tuple[int, str, bytes, bytes], tuple[Tensor, Tensor, list[Tensor]]] = {}

    def __call__(self, relation: int, anchors: Tensor, side: str) -> Tensor:
        """Scores of all entities: float32 [Q, E]."""
        return self._scores(relation, anchors, side, None)

    def among(self, relation: int, anchors: Tensor, side: str, entities: Tensor) -> Tensor:
        """Scores of some entities, int64 [C], distinct: float32 [Q, C]."""
        return self._scores(relation, anchors, side, entities)

    @torch.no_grad()
    def _scores(self, relation: int, anchors: Tensor, side: str, entities: Tensor | None) -> Tensor:
        model = self.model
        count = len(model.entities_) if entities is None else len(entities)
        if not len(anchors) or not count:
            return torch.zeros(len(anchors), count)
        ranker = model.ranker_.eval()
        found = [
            ranker.score(*self._evidence(relation, some, side, entities))
            for some in torch.split(anchors.cpu(), model.chunk(count, self.budget))
        ]
        return torch.cat(found)

    def _evidence(
        self, relation: int, anchors: Tensor, side: str, entities: Tensor | None
    ) -> tuple[Tensor, Tensor, Iterable[Tensor]]:
        if not self.budget:
            return self.model.evidence_for(relation, anchors, side, entities)
        key = (relation, side, _bytes(anchors), b"" if entities is None else _bytes(entities))
        if key not in self._kept:
            of_query, of_entities, pairs = self.model.evidence_for(relation, anchors, side, entities)
            size = 4 * len(of_entities) * (len(PAIR) * len(anchors) + len(ENTITY))
            if size > self._left:
                return of_query, of_entities, pairs
            self._left -= size
            self._kept[key] = (of_query, of_entities, list(pairs))
        return self._kept[key]


def _bytes(ids: Tensor) -> bytes:
    return ids.numpy().tobytes()
