"""Which nodes may stand at either end of a relation, by its domain and range and by what was seen there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kgzsl.errors import InputError
from kgzsl.priors._closure import reach
from kgzsl.priors._vocabulary import EQUIVALENT, HIERARCHY, mask_of
from kgzsl.priors.triples.graph_triples import GraphTriples

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph

__all__ = ["TypeConstraints"]

_LIMIT = 1 << 30


@dataclass(frozen=True)
class TypeConstraints:
    """Admissible heads and tails of each relation.

    Krompass, Baier and Tresp, "Type-Constrained Representation Learning in Knowledge Graphs" (ISWC 2015): negatives
    come from a relation's domain and range, and where the schema states none, from what training has seen there.

    Args:
        heads: bool [R, N].
        tails: bool [R, N].
    """

    heads: Tensor
    tails: Tensor

    @classmethod
    def seen(cls, triples: Tensor, num_nodes: int, num_relations: int) -> TypeConstraints:
        """What stands at the ends of ``triples``, int64 [T, 3].

        Raises:
            InputError: The tables would be too large.
        """
        if 2 * num_nodes * num_relations > _LIMIT:
            raise InputError(
                f"type constraints of {num_relations} relations over {num_nodes} nodes do not fit in memory",
                remedy="train with constrained=False",
            )
        head, relation, tail = triples.unbind(dim=1)
        tables = [torch.zeros(num_relations, num_nodes, dtype=torch.bool, device=triples.device) for _ in range(2)]
        tables[0][relation, head] = True
        tables[1][relation, tail] = True
        return cls(*tables)

    @classmethod
    def of(cls, graph: ClassGraph, sorted_triples: GraphTriples, train: Tensor) -> TypeConstraints:
        """Domains and ranges that ``graph`` states, beside what is seen in ``train``.

        The members of a domain are all nodes below the class (or of its type), the class itself included.

        Args:
            graph: The class graph.
            sorted_triples: How its nodes and relations are numbered.
            train: int64 [T, 3], in that numbering.
        """
        made = cls.seen(train, len(sorted_triples.nodes), len(sorted_triples.relations))
        position = sorted_triples.position
        place = {iri: int(position[node]) for node, iri in enumerate(graph.iris)}
        rank = {iri: number for number, iri in enumerate(sorted_triples.relations)}
        ids = {place[iri]: number for iri, number in rank.items() if iri in place}
        for table, names in ((made.heads, ("domain",)), (made.tails, ("range",))):
            stated = graph.edge_index[:, mask_of(graph.relations, names)[graph.edge_type]]
            pairs = [
                (ids[relation], node)
                for relation, node in zip(position[stated[0]].tolist(), position[stated[1]].tolist(), strict=True)
                if relation in ids
            ]
            if pairs:
                _admit(table, pairs, _below(graph, position, sorted({node for _, node in pairs})))
        return made

    def draw(self, relations: Tensor, count: int, generator: torch.Generator) -> Tensor:
        """About ``count`` distinct nodes that fit one end or the other of ``relations`` (int64 [B]).

        Each draw takes one of the relations, one of its ends, and any node that fits there.
        """
        device = relations.device
        nodes, starts = self._lists
        chosen = relations[torch.randint(len(relations), (count,), generator=generator, device=device)]
        row = 2 * chosen + torch.randint(2, (count,), generator=generator, device=device)
        sizes = starts[row + 1] - starts[row]
        within = (torch.rand(count, generator=generator, device=device, dtype=torch.float64) * sizes).long()
        found: Tensor = torch.unique(nodes[starts[row] + torch.minimum(within, sizes - 1)])
        return found

    @cached_property
    def _lists(self) -> tuple[Tensor, Tensor]:
        """Which nodes fit, one end after the other, and where each list begins (heads of 0, tails of 0, ...)."""
        both = torch.stack([self.heads, self.tails], dim=1).flatten(0, 1)
        counts = both.sum(dim=1)
        return both.nonzero()[:, 1], torch.cat([counts.new_zeros(1), counts.cumsum(0)])


def _below(graph: ClassGraph, position: npt.NDArray[np.int64], nodes: list[int]) -> dict[int, npt.NDArray[np.int64]]:
    """Each of ``nodes`` with everything below it, all as sorted positions."""
    up = mask_of(graph.relations, (*HIERARCHY, "type"))[graph.edge_type]
    same = mask_of(graph.relations, EQUIVALENT)[graph.edge_type]
    down = position[graph.edge_index[::-1, up]]
    alike = position[graph.edge_index[:, same]]
    edges = np.concatenate([down, alike, alike[::-1]], axis=1)
    query, found, _ = reach(np.array(nodes, dtype=np.int64), edges, len(position))
    return {node: found[query == row] for row, node in enumerate(nodes)}


def _admit(table: Tensor, pairs: list[tuple[int, int]], members: dict[int, npt.NDArray[np.int64]]) -> None:
    for relation, node in pairs:
        table[relation, torch.from_numpy(members[node]).to(table.device)] = True
