"""The queries of an evaluation in the order in which they are scored, with what filtering needs to know of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from kgzsl.datasets.filter_index import FilterIndex

__all__ = ["Piece", "Queries"]


@dataclass(frozen=True)
class Piece:
    """Queries of one relation and side that are scored at once; D distinct anchors, Q queries.

    Args:
        relation: Its id.
        side: ``"tail"`` or ``"head"``, the end that is asked for.
        anchors: int64 [D], sorted.
        rows: int64 [Q], the anchor of each query.
        truth: int64 [Q], the true answers.
        truths: int64, those of all queries of this relation and side, which may be more.
        known: Rows of ``anchors`` and entities, sorted: all answers to be left out, the true ones mostly among them;
            None: nothing is filtered.
        others: int64 [Q], how many of the known ones are not the true one.
        settled: bool [Q], whether the true answer is a known one.
    """

    relation: int
    side: str
    anchors: Tensor
    rows: Tensor
    truth: Tensor
    truths: Tensor
    known: tuple[Tensor, Tensor] | None
    others: Tensor
    settled: Tensor


class Queries:
    """Triples as questions: relation by relation, tails before heads, in the order given.

    Args:
        triples: int64 [T, 3].
        sides: ``"tail"``, or ``"both"``: every triple is asked twice.
        num_entities: E.
        chunk: At most so many queries in a piece.

    Attributes:
        order: int64 [Q], the triple of each query; where its head is asked for, T more.
    """

    def __init__(self, triples: Tensor, sides: str, num_entities: int, chunk: int) -> None:
        triples = triples.cpu()
        both = sides == "both"
        turned = triples.flip(1) if both else triples[:0]
        group = torch.cat([2 * triples[:, 1], 2 * turned[:, 1] + 1])
        self.order = group.argsort(stable=True)
        group = group[self.order]
        self.anchor, self.relation, self.truth = torch.cat([triples, turned])[self.order].unbind(dim=1)
        self.tail_asked = group % 2 == 0
        self._entities, self._chunk = num_entities, chunk
        kinds, often = torch.unique_consecutive(group, return_counts=True)
        ends = often.cumsum(0)
        within = torch.arange(len(group)) - torch.repeat_interleave(ends - often, often)
        piece = (within % chunk == 0).cumsum(0) - 1
        # Anchors that several queries of a piece share are scored, and filtered, once.
        keys, place = torch.unique(piece * num_entities + self.anchor, return_inverse=True)
        self._anchors, self._place = keys % max(1, num_entities), place
        of_piece = torch.div(keys, max(1, num_entities), rounding_mode="floor")
        self._sizes = torch.bincount(piece).tolist(), torch.bincount(of_piece).tolist()
        self._groups = [(kind // 2, "head" if kind % 2 else "tail") for kind in kinds.tolist()]
        self._spans = list(zip((ends - often).tolist(), ends.tolist(), strict=True))

    def __len__(self) -> int:
        return len(self.truth)

    def pieces(self, known: FilterIndex | None) -> Iterator[Piece]:
        """The pieces in turn; known answers are looked up for many small ones at once.

        Args:
            known: On the CPU; None filters nothing.
        """
        batch: list[tuple[int, int, int, int, int]] = []
        group = start = first = held = 0
        for queries, anchors in zip(*self._sizes, strict=True):
            if batch and held + anchors > self._chunk:
                yield from self._found(batch, known)
                batch, held = [], 0
            batch.append((group, start, start + queries, first, first + anchors))
            start, first, held = start + queries, first + anchors, held + anchors
            group += start == self._spans[group][1]
        if batch:
            yield from self._found(batch, known)

    def _found(self, batch: list[tuple[int, int, int, int, int]], known: FilterIndex | None) -> Iterator[Piece]:
        low, high, first, last = batch[0][1], batch[-1][2], batch[0][3], batch[-1][4]
        span = torch.tensor([piece[4] - piece[3] for piece in batch])
        asked = torch.tensor([piece[2] - piece[1] for piece in batch])
        begins = span.cumsum(0) - span
        place = self._place[low:high] - first
        rows = place - torch.repeat_interleave(begins, asked)
        settled = torch.zeros(len(place), dtype=torch.bool)
        others = torch.zeros(len(place), dtype=torch.int64)
        row, entity, cuts = place[:0], place[:0], [0] * (len(batch) + 1)
        if known is not None:
            row, entity = self._known(batch, known, span)
            keys, own = row * self._entities + entity, place * self._entities + self.truth[low:high]
            if len(keys):
                settled = keys[torch.searchsorted(keys, own).clamp_(max=len(keys) - 1)] == own
            others = torch.bincount(row, minlength=last - first)[place] - settled.long()
            bounds = torch.cat([begins, span.new_tensor([last - first])])
            cuts = torch.searchsorted(row, bounds).tolist()
            row = row - torch.repeat_interleave(begins, span)[row]
        for number, (group, start, stop, left, right) in enumerate(batch):
            relation, side = self._groups[group]
            begin, end = self._spans[group]
            mine, answers = slice(start - low, stop - low), slice(cuts[number], cuts[number + 1])
            yield Piece(
                relation,
                side,
                self._anchors[left:right],
                rows[mine],
                self.truth[start:stop],
                self.truth[begin:end],
                None if known is None else (row[answers], entity[answers]),
                others[mine],
                settled[mine],
            )

    def _known(
        self, batch: list[tuple[int, int, int, int, int]], known: FilterIndex, span: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Row among the batch's anchors and entity of each known answer, sorted."""
        anchors = self._anchors[batch[0][3] : batch[-1][4]]
        kinds = torch.tensor([self._groups[piece[0]][0] for piece in batch])
        tails = torch.tensor([self._groups[piece[0]][1] == "tail" for piece in batch])
        relation, is_tail = torch.repeat_interleave(kinds, span), torch.repeat_interleave(tails, span)
        found: list[tuple[Tensor, Tensor]] = []
        for mask in (is_tail, ~is_tail):
            mine = torch.nonzero(mask).flatten()
            ends, relations = anchors[mine], relation[mine]
            row, entity = known.heads(relations, ends) if len(found) else known.tails(ends, relations)
            found.append((mine[row], entity))
        row, entity = torch.cat([one[0] for one in found]), torch.cat([one[1] for one in found])
        if len(found[0][0]) and len(found[1][0]):
            # An anchor has one side, so its answers stay together and sorted.
            order = row.argsort(stable=True)
            row, entity = row[order], entity[order]
        return row, entity
