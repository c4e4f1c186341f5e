"""Anchors and the answers asked about: how sums over arcs, walks and products come to lie side by side."""

from __future__ import annotations

import torch
from torch import Tensor

from kgzsl.tasks.kg_completion.evidence.names import NameTable
from kgzsl.tasks.kg_completion.pair_graph import PairGraph
from kgzsl.tasks.kg_completion.pair_rows import PairRows

__all__ = ["Asking"]


class Asking:
    """Anchors, and answers: all entities, some for each anchor, or the same some for all.

    Args:
        graph: The arcs.
        anchors: int64 [Q].
        answers: int64 [Q, A], of each anchor.
        entities: int64 [C], distinct, of all anchors. Neither: all E entities.
        rows: Rows of the graph's matrices for ``entities``, or for all, where they are there already.

    Attributes:
        shape: Of all that is given back: (Q, E), (Q, A) or (Q, C).
    """

    def __init__(
        self,
        graph: PairGraph,
        anchors: Tensor,
        answers: Tensor | None = None,
        entities: Tensor | None = None,
        rows: PairRows | None = None,
    ) -> None:
        self.graph, self.anchors, self.answers, self.entities = graph, anchors, answers, entities
        self.rows = torch.arange(len(anchors))
        row, self.kinds, target = graph.arcs_of(anchors)
        # The linked pairs, and which of them each arc is.
        self.pairs, self.pair = torch.unique_consecutive(row * graph.num_entities + target, return_inverse=True)
        self.pair_row, self.pair_target = self.pairs // graph.num_entities, self.pairs % graph.num_entities
        if answers is not None:
            self.shape = tuple(answers.shape)
            wanted = self.rows[:, None] * graph.num_entities + answers
            place = torch.searchsorted(self.pairs, wanted).clamp(max=max(0, len(self.pairs) - 1))
            self.place, self.there = place, self.pairs[place] == wanted if len(self.pairs) else wanted < 0
            asked, self.column = torch.unique(answers, return_inverse=True)
            self.matrices = PairRows(graph, asked)
        elif entities is not None:
            self.shape = (len(anchors), len(entities))
            column = torch.full((graph.num_entities,), -1)
            column[entities] = torch.arange(len(entities))
            self.column = column[self.pair_target]
            self.there, own = self.column >= 0, column[anchors]
            # Anchors that are answers too, and where.
            self.there_too, self.own = self.rows[own >= 0], own[own >= 0]
            self.matrices = PairRows(graph, entities) if rows is None else rows
        else:
            self.shape = (len(anchors), graph.num_entities)
            self.there_too, self.own = self.rows, anchors
            self.matrices = PairRows(graph) if rows is None else rows

    def of(self, values: Tensor) -> Tensor:
        """Values [E] of the answers: [1, E], [1, C] or [Q, A]."""
        if self.answers is not None:
            return values[self.answers]
        return (values if self.entities is None else values[self.entities])[None]

    def linked(self, weights: Tensor, direction: int) -> tuple[Tensor, Tensor]:
        """Sums of weights [R] of the arcs to each answer, in one direction, and each anchor's sum over all: [Q, 1]."""
        mine = (self.kinds < self.graph.num_relations) == (direction == 0)
        sums = self._sums(weights[self.kinds % self.graph.num_relations] * mine)
        total = torch.zeros(self.shape[0]).index_add_(0, self.pair_row, sums)
        return self._spread(sums), total[:, None]

    def most(self, weights: Tensor) -> Tensor:
        """The largest of the (non-negative) weights [R] of the arcs to each answer."""
        arcs = weights[self.kinds % self.graph.num_relations]
        return self._spread(torch.zeros(len(self.pairs)).scatter_reduce_(0, self.pair, arcs, "amax"))

    def _sums(self, arcs: Tensor) -> Tensor:
        return torch.zeros(len(self.pairs)).index_add_(0, self.pair, arcs)

    def _spread(self, values: Tensor) -> Tensor:
        """Values of the linked pairs to those asked about; 0 where there is no link."""
        if self.answers is not None:
            return values[self.place] * self.there if len(values) else torch.zeros(self.shape)
        table = torch.zeros(self.shape)
        if self.entities is None:
            table.view(-1)[self.pairs] = values
        else:
            table[self.pair_row[self.there], self.column[self.there]] = values[self.there]
        return table

    def first_step(self, weights: Tensor | None = None) -> Tensor:
        """One step away from each anchor, along normalised arcs that count ``weights`` [R] (1 each): [E, Q].

        These are columns of the graph's matrix, which is symmetric as long as both directions count alike.
        """
        arcs = torch.ones(len(self.kinds)) if weights is None else weights[self.kinds % self.graph.num_relations]
        scale = self.graph.scale
        values = self._sums(arcs) * (scale[self.anchors[self.pair_row]] * scale[self.pair_target])
        state = torch.zeros(self.graph.num_entities, len(self.anchors))
        state[self.pair_target, self.pair_row] = values
        return state

    def reached(self, state: Tensor) -> Tensor:
        """How much of a state [E, Q] is at each answer.

        Walks that return to where they began say nothing about a loop, and count as none.
        """
        if self.answers is not None:
            return state[self.answers, self.rows[:, None]] * (self.answers != self.anchors[:, None])
        return self._laid(state if self.entities is None else state[self.entities])

    def reached_shared(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`reached`, with each anchor's sum over all entities: [Q, 1]."""
        table = self.reached(state)
        kept = state[self.anchors, self.rows]
        state[self.anchors, self.rows] = 0
        total = torch.ones(1, len(state)) @ state
        state[self.anchors, self.rows] = kept
        return table, total.T

    def arriving(self, matrix: Tensor, state: Tensor) -> Tensor:
        """What of a state [E, Q] a last step, along rows of ``matrices``, brings to each answer."""
        return self._arrived(matrix @ state)

    def arriving_shared(self, matrix: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`arriving`, along the graph's plain arcs, with each anchor's sum over all entities: [Q, 1]."""
        after = matrix @ state
        if self.answers is None and self.entities is None:
            return self.reached_shared(after)
        # What arrives anywhere, less what returns: in double precision, for one may be nearly all of the other.
        total = self.graph.row_sums @ state.double()
        sizes = self._sums(torch.ones(len(self.kinds)))
        scale = self.graph.scale
        values = (sizes * (scale[self.anchors[self.pair_row]] * scale[self.pair_target])).double()
        total.index_add_(0, self.pair_row, values * state[self.pair_target, self.pair_row], alpha=-1)
        return self._arrived(after), total.clamp(min=0).float()[:, None]

    def _arrived(self, after: Tensor) -> Tensor:
        if self.answers is not None:
            return after[self.column, self.rows[:, None]] * (self.answers != self.anchors[:, None])
        return self._laid(after)

    def _laid(self, state: Tensor) -> Tensor:
        """A state of the answers, which are the same for all anchors, turned to lie as all tables do."""
        table = state.T.clone(memory_format=torch.contiguous_format)
        table[self.there_too, self.own] = 0
        return table

    def times(self, left: Tensor, table: Tensor) -> Tensor:
        """Products of vectors [K, Q, D] of the anchors with those [E, D] of the answers: K tables."""
        if self.answers is not None:
            return (table[self.answers] @ left.permute(1, 2, 0)).permute(2, 0, 1)
        wanted = table if self.entities is None else table[self.entities]
        return (left.flatten(0, 1) @ wanted.T).view(len(left), *self.shape)

    def itself(self) -> Tensor:
        """1 where the answer is the anchor."""
        if self.answers is not None:
            return (self.answers == self.anchors[:, None]).float()
        table = torch.zeros(self.shape)
        table[self.there_too, self.own] = 1
        return table

    def alike(self, names: NameTable) -> Tensor:
        """How alike the names are."""
        if self.entities is not None:
            return torch.from_numpy(names.similarity(self.anchors.numpy(), among=self.entities.numpy()))
        answers = None if self.answers is None else self.answers.numpy()
        return torch.from_numpy(names.similarity(self.anchors.numpy(), answers))
