"""Which entities are known to complete a query: the index behind filtered ranking."""

from __future__ import annotations

import torch
from torch import Tensor

from kgzsl.errors import InputError

__all__ = ["FilterIndex"]


class FilterIndex:
    """Known tails of (head, relation) and known heads of (relation, tail), as two compressed sparse row tables.

    Filtered ranking (Bordes et al., "Translating Embeddings for Modeling Multi-relational Data", NeurIPS 2013) must not
    count a known true answer as an error. Look-ups are batched: no Python runs per query.

    Args:
        triples: int64 [T, 3], (head, relation, tail); duplicates are harmless.
        num_entities: Entity ids lie in ``0 .. num_entities - 1``.
        num_relations: Relation ids lie in ``0 .. num_relations - 1``.

    Raises:
        InputError: The shape is wrong or an id is out of range.
    """

    def __init__(self, triples: Tensor, num_entities: int, num_relations: int) -> None:
        if triples.ndim != 2 or triples.shape[1] != 3:
            raise InputError(f"triples must have the shape [T, 3], not {tuple(triples.shape)}", place="FilterIndex")
        triples = triples.to(torch.int64)
        for column, size, what in (
            (0, num_entities, "head"),
            (1, num_relations, "relation"),
            (2, num_entities, "tail"),
        ):
            ids = triples[:, column]
            if len(ids) and (int(ids.min()) < 0 or int(ids.max()) >= size):
                raise InputError(f"a {what} id lies outside 0 .. {size - 1}", place="FilterIndex")
        self.num_entities = num_entities
        self.num_relations = num_relations
        head, relation, tail = triples.unbind(dim=1)
        self._tails = _Table(head * num_relations + relation, tail, num_entities * num_relations, num_entities)
        self._heads = _Table(tail * num_relations + relation, head, num_entities * num_relations, num_entities)

    def tails(self, heads: Tensor, relations: Tensor) -> tuple[Tensor, Tensor]:
        """Known tails of each query.

        Args:
            heads: int64 [Q].
            relations: int64 [Q].

        Returns:
            Two int64 [K]: the row of the query, and a known tail of it; ``scores[rows, entities] = -inf`` masks them.
        """
        return self._tails.look_up(heads * self.num_relations + relations)

    def heads(self, relations: Tensor, tails: Tensor) -> tuple[Tensor, Tensor]:
        """Known heads of each query (relation, tail): rows and entities, as in :meth:`tails`."""
        return self._heads.look_up(tails * self.num_relations + relations)

    def contains(self, triples: Tensor) -> Tensor:
        """bool [T]: whether each triple is known."""
        keys = triples[:, 0] * self.num_relations + triples[:, 1]
        return self._tails.contains(keys, triples[:, 2])

    def to(self, device: torch.device | str) -> FilterIndex:
        """The same index on ``device``."""
        moved = object.__new__(FilterIndex)
        moved.num_entities, moved.num_relations = self.num_entities, self.num_relations
        moved._tails, moved._heads = self._tails.to(device), self._heads.to(device)
        return moved

    def __len__(self) -> int:
        """Number of distinct triples."""
        return len(self._tails.values)

    def __repr__(self) -> str:
        return f"FilterIndex({len(self)} triples, {self.num_entities} entities, {self.num_relations} relations)"


class _Table:
    """Sorted distinct keys, where the values of each begin, and the values (sorted within a key).

    Args:
        keys: int64 [T], below ``num_keys``.
        values: int64 [T], below ``num_values``.
        num_keys: Bound of the keys.
        num_values: Bound of the values.
    """

    def __init__(self, keys: Tensor, values: Tensor, num_keys: int, num_values: int) -> None:
        if num_keys * num_values < 1 << 63:
            # Both as one number, which is sorted at once.
            pairs = torch.unique_consecutive((keys * num_values + values).sort().values)
            keys = torch.div(pairs, max(num_values, 1), rounding_mode="floor")
            values = pairs - keys * num_values
        else:
            order = values.argsort(stable=True)
            order = order[keys[order].argsort(stable=True)]
            keys, values = keys[order], values[order]
            if len(keys):
                fresh = torch.ones(len(keys), dtype=torch.bool, device=keys.device)
                fresh[1:] = (keys[1:] != keys[:-1]) | (values[1:] != values[:-1])
                keys, values = keys[fresh], values[fresh]
        self.values = values
        self.keys, counts = torch.unique_consecutive(keys, return_counts=True)
        self.starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)])

    def look_up(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Row of the query and value, for every value of every query."""
        if not len(self.keys) or not len(queries):
            empty = queries.new_zeros(0)
            return empty, empty.clone()
        slot = torch.searchsorted(self.keys, queries.contiguous()).clamp_(max=len(self.keys) - 1)
        known = self.keys[slot] == queries
        begins = self.starts[slot]
        counts = torch.where(known, self.starts[slot + 1] - begins, 0)
        rows = torch.repeat_interleave(torch.arange(len(queries), device=queries.device), counts)
        before = counts.cumsum(0) - counts
        within = torch.arange(len(rows), device=queries.device) - before[rows]
        return rows, self.values[begins[rows] + within]

    def contains(self, queries: Tensor, values: Tensor) -> Tensor:
        """bool [Q]: whether ``values[q]`` is among the values of ``queries[q]``."""
        rows, found = self.look_up(queries)
        hit = rows[found == values[rows]]
        answer = torch.zeros(len(queries), dtype=torch.bool, device=queries.device)
        answer[hit] = True
        return answer

    def to(self, device: torch.device | str) -> _Table:
        """The same table on ``device``."""
        moved = object.__new__(_Table)
        moved.values, moved.keys, moved.starts = self.values.to(device), self.keys.to(device), self.starts.to(device)
        return moved
