"""The graph that an inductive model reads: facts in both directions, and how relations meet."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from kgzsl.errors import InputError

__all__ = ["MEETINGS", "FactGraph"]

MEETINGS = ("head-head", "tail-tail", "head-tail", "tail-head")
"""How two relations meet in an entity: the four edge types of ULTRA's relation graph, in the order of its weights."""


class FactGraph:
    """Facts among N entities and R relations, prepared once for message passing.

    Every fact (h, r, t) is stored in both directions, as r and as its inverse r + R. A node gathers from the *tail* of
    each of its edges: the message of (h, r, t) goes to h.

    Args:
        triples: int64 [T, 3], (head, relation, tail).
        num_entities: N.
        num_relations: R.
        extra_meetings: More edge types of the relation graph, each int64 [2, E] over the 2 R directed relations: what
            an ontology says of relations (sub-property, inverse ...), appended after :data:`MEETINGS`.

    Raises:
        InputError: Ids out of range.
    """

    def __init__(
        self,
        triples: Tensor,
        num_entities: int,
        num_relations: int,
        *,
        extra_meetings: dict[str, Tensor] | None = None,
    ) -> None:
        if triples.ndim != 2 or triples.shape[1] != 3:
            raise InputError(f"triples have shape {tuple(triples.shape)}", remedy="give [T, 3]: head, relation, tail")
        limits = torch.tensor([num_entities, num_relations, num_entities], device=triples.device)
        if bool(((triples < 0) | (triples >= limits)).any()):
            row = int(((triples < 0) | (triples >= limits)).any(dim=1).nonzero()[0])
            raise InputError(f"ids {triples[row].tolist()} are out of range", place=f"triple {row}")
        self.triples = triples
        self.num_entities = num_entities
        self.num_relations = num_relations
        self.extra_meetings = dict(extra_meetings or {})
        head, relation, tail = triples.unbind(dim=1)
        self.receiver = torch.cat([head, tail])
        self.sender = torch.cat([tail, head])
        self.edge_type = torch.cat([relation, relation + num_relations])

    def with_meetings(self, extra_meetings: dict[str, Tensor]) -> FactGraph:
        """The same facts, with these edge types of the relation graph beyond the usual four."""
        return FactGraph(self.triples, self.num_entities, self.num_relations, extra_meetings=extra_meetings)

    @property
    def device(self) -> torch.device:
        """Where the graph lives."""
        return self.triples.device

    @property
    def meetings(self) -> tuple[str, ...]:
        """Names of the relation graph's edge types."""
        return (*MEETINGS, *self.extra_meetings)

    @cached_property
    def messages(self) -> tuple[Tensor, Tensor, Tensor]:
        """Distinct (sender, edge type) pairs [P] each, and the CSR matrix [N, P] that adds them up at receivers.

        A pair that feeds several receivers is computed once. Pairs are sorted by sender, for reading in order.
        """
        key = self.sender * (2 * self.num_relations) + self.edge_type
        pairs, place = torch.unique(key, return_inverse=True)
        sender = torch.div(pairs, 2 * self.num_relations, rounding_mode="floor")
        matrix = _csr(self.receiver, place, (self.num_entities, len(pairs)))
        return sender, pairs % (2 * self.num_relations), matrix

    @cached_property
    def relation_adjacency(self) -> list[Tensor]:
        """One float CSR matrix [2R, 2R] for each of :attr:`meetings`: entry (i, j) is 1 where i gathers from j.

        Relations i and j meet head-head when they share a head entity, and so on; a relation meets itself.
        """
        count = 2 * self.num_relations
        # An entity-by-relation incidence is small and sparse; its products are the meetings.
        starts = _incidence(self.receiver, self.edge_type, self.num_entities, count)
        ends = _incidence(self.sender, self.edge_type, self.num_entities, count)
        products = [(starts, starts), (ends, ends), (starts, ends), (ends, starts)]
        matrices = []
        for left, right in products:
            product = torch.sparse.mm(left.t(), right).coalesce()
            row, column = product.indices()
            matrices.append(_csr(row, column, (count, count)))
        for name, edges in self.extra_meetings.items():
            if edges.numel() and (int(edges.min()) < 0 or int(edges.max()) >= count):
                raise InputError(f"the relation edges {name!r} name relations that are not there")
            row, column = torch.unique(edges, dim=1) if edges.numel() else edges
            matrices.append(_csr(row, column, (count, count)))
        return matrices

    def __repr__(self) -> str:
        return f"FactGraph({len(self.triples):,} facts, {self.num_entities:,} entities, {self.num_relations} relations)"


def _incidence(entities: Tensor, relations: Tensor, rows: int, columns: int) -> Tensor:
    pairs = torch.unique(torch.stack([entities, relations]), dim=1)
    ones = torch.ones(pairs.shape[1], device=pairs.device)
    return torch.sparse_coo_tensor(pairs, ones, (rows, columns), check_invariants=False).coalesce()


def _csr(rows: Tensor, columns: Tensor, shape: tuple[int, int]) -> Tensor:
    """Ones at (rows, columns), repeated entries added up."""
    ones = torch.ones(len(rows), device=rows.device)
    matrix = torch.sparse_coo_tensor(torch.stack([rows, columns]), ones, shape, check_invariants=False).coalesce()
    row, column = matrix.indices()
    starts = torch.zeros(shape[0] + 1, dtype=torch.int64, device=rows.device)
    starts[1:] = torch.bincount(row, minlength=shape[0]).cumsum(0)
    return torch.sparse_csr_tensor(starts, column, matrix.values(), shape, check_invariants=False)
