"""What an evaluation keeps of each piece of queries that it scores, and the ranks that come of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from kgzsl._comparisons import comparisons
from kgzsl.tasks.kg_completion.queries import Piece

__all__ = ["FewAnswers", "RankNotes"]


class RankNotes:
    """Counts of better and equal answers, query by query, of one scorer.

    The ranks are those of :func:`kgzsl.tasks.ranking.ranks_by_rule`. Here queries share the scores of an anchor, and
    its known answers are put below all others once, so that nothing is taken off afterwards.

    Args:
        rules: Names of the candidate rules.
        top: How many best candidates to keep of each query, under the first rule.
    """

    def __init__(self, rules: Sequence[str], top: int = 0) -> None:
        self.outside = dict.fromkeys(rules, 0)
        """Rule to how many true answers it does not allow."""
        self._top = top
        self._higher: dict[str, list[Tensor]] = {name: [] for name in rules}
        self._equal: dict[str, list[Tensor]] = {name: [] for name in rules}
        self._counts: dict[str, list[Tensor]] = {name: [] for name in rules}
        self._scorable: list[Tensor] = []
        self._listed: list[Tensor] = []
        self._best: list[Tensor] = []

    def take(
        self, scores: Tensor, piece: Piece, masks: Sequence[Tensor | None], entities: Tensor | None = None
    ) -> None:
        """Count the answers to a piece of queries.

        Args:
            scores: Float [D, E], one row for each anchor, which stay as they are; NaN: no score.
            piece: What was asked, its answers in columns of ``scores``.
            masks: bool [E], the candidates of each rule; None: all.
            entities: int64 [E], what the columns are, where they are not all entities.
        """
        rows, truth = piece.rows, piece.truth
        own = scores[rows, truth]
        table = _without(scores, piece)
        higher, equal = comparisons(table, own[:, None], masks, rows=rows)
        # A known answer is compared with nothing, the true one included; else that equals itself.
        alone = (~piece.settled).double()
        for place, (name, mask) in enumerate(zip(self.outside, masks, strict=True)):
            if mask is None:
                self._counts[name].append(scores.shape[1] - piece.others)
                self._equal[name].append(equal[place] - alone)
            else:
                inside = mask[truth]
                counts = int(mask.sum()) + (~inside).long()
                if piece.known is not None:
                    row, entity = piece.known
                    gone = torch.bincount(row[mask[entity]], minlength=len(scores))[rows]
                    counts -= gone - (piece.settled & inside).long()
                self._counts[name].append(counts)
                self._equal[name].append(equal[place] - alone * inside)
                self.outside[name] += int((~inside).sum())
            self._higher[name].append(higher[place])
        self._scorable.append(~(torch.isnan(own) | torch.isneginf(own)))
        first = masks[0]
        self._listed.append(torch.ones(len(truth), dtype=torch.bool) if first is None else first[truth].cpu())
        if self._top:
            del table
            best = _best(scores, piece, masks[0], self._top)
            self._best.append(best if entities is None else torch.where(best < 0, best, entities[best]))

    def ranks(self) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor, Tensor]:
        """Of all that was taken: float64 [Q] ranks and int64 [Q] candidates of each rule; bool [Q], whether there was a
        score; and float64 [Q] ranks under the first rule with ties at their worst place."""
        scorable = _joined(self._scorable, torch.bool)
        ranks, counts = {}, {}
        worst = torch.zeros(0, dtype=torch.float64)
        for place, name in enumerate(self.outside):
            counts[name] = _joined(self._counts[name], torch.int64)
            size = counts[name].double()
            more, same = (_joined(chunks[name], torch.float64) for chunks in (self._higher, self._equal))
            ranks[name] = torch.where(scorable, 1 + more + same / 2, (size + 1) / 2)
            if not place:
                worst = torch.where(scorable, 1 + more + same, size)
        return ranks, counts, scorable, worst

    def best(self) -> Tensor:
        """int64 [Q, top], the best candidates; -1 fills up."""
        return torch.cat(self._best) if self._best else torch.zeros(len(self), 0, dtype=torch.int64)

    def listed(self) -> Tensor:
        """bool [Q], whether the first rule allows the true answer."""
        return _joined(self._listed, torch.bool)

    def __len__(self) -> int:
        """How many queries were taken."""
        return sum(map(len, self._scorable))


@dataclass(frozen=True)
class FewAnswers:
    """The candidates of any rule as columns of a narrower table.

    Args:
        entities: int64 [C], sorted.
        column: int64 [E], the column of each entity, -1 where it has none.
        masks: bool [C], the candidates of each rule.
    """

    entities: Tensor
    column: Tensor
    masks: list[Tensor]

    @classmethod
    def of(cls, masks: Sequence[Tensor | None], truths: Tensor) -> FewAnswers | None:
        """None where a rule has all entities, or a true answer is no candidate: asking for it would give it away."""
        given = [mask for mask in masks if mask is not None]
        if len(given) < len(masks):
            return None
        every = torch.stack(given).any(dim=0)
        if not bool(every[truths].all()):
            return None
        entities = torch.nonzero(every).flatten()
        column = torch.full((len(every),), -1)
        column[entities] = torch.arange(len(entities))
        return cls(entities, column, [mask[entities] for mask in given])

    def columns_of(self, piece: Piece) -> Piece:
        """The same queries, true and known answers as columns; known ones that are no candidates are left out."""
        known = piece.known
        if known is not None:
            row, column = known[0], self.column[known[1]]
            known = row[column >= 0], column[column >= 0]
        return replace(piece, truth=self.column[piece.truth], known=known)


def _without(scores: Tensor, piece: Piece) -> Tensor:
    """The scores with known answers below all others, in a copy where there are some."""
    if piece.known is None or not len(piece.known[0]):
        return scores
    table = scores.clone(memory_format=torch.contiguous_format)
    row, column = piece.known
    table.view(-1).index_fill_(0, row * scores.shape[1] + column, float("-inf"))
    return table


def _best(scores: Tensor, piece: Piece, mask: Tensor | None, top: int) -> Tensor:
    kept = scores.contiguous().nan_to_num(nan=float("-inf"))
    own = kept[piece.rows, piece.truth]
    if mask is not None:
        kept[:, ~mask] = float("-inf")
    if piece.known is not None:
        row, column = piece.known
        kept.view(-1).index_fill_(0, row * kept.shape[1] + column, float("-inf"))
    kept = kept.index_select(0, piece.rows)
    kept[torch.arange(len(own)), piece.truth] = own
    values, entities = kept.topk(min(top, kept.shape[1]), dim=1)
    entities = torch.where(torch.isneginf(values), -1, entities)
    return torch.nn.functional.pad(entities, (0, top - entities.shape[1]), value=-1)


def _joined(chunks: list[Tensor], kind: torch.dtype) -> Tensor:
    return torch.cat(chunks) if chunks else torch.zeros(0, dtype=kind)
