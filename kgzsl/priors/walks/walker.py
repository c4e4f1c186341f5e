"""Random walks over typed edges, all drawn at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError

__all__ = ["Walker"]

Int = npt.NDArray[np.int64]


class Walker:
    """Walks along triples: a node, a relation, a node, a relation, ...

    Tokens 0 .. N - 1 are nodes, N .. N + R - 1 relations; with ``both`` ways, N + R .. N + 2R - 1 are relations walked
    against their direction.

    Args:
        triples: int64 [T, 3], (head, relation, tail).
        num_nodes: N.
        num_relations: R.
        both: Whether edges are walked against their direction too.
    """

    def __init__(self, triples: Int, num_nodes: int, num_relations: int, *, both: bool = False) -> None:
        head, relation, tail = triples.T
        if both:
            head, tail = np.concatenate([head, tail]), np.concatenate([tail, head])
            relation = np.concatenate([relation, relation + num_relations])
        order = np.lexsort((tail, relation, head))
        self.num_nodes = num_nodes
        self.num_tokens = num_nodes + num_relations * (2 if both else 1)
        self._relation, self._tail = relation[order] + num_nodes, tail[order]
        self._offsets = np.searchsorted(head[order], np.arange(num_nodes + 1))

    def draw(self, starts: Int, hops: int, random: np.random.Generator) -> Int:
        """One walk from each of ``starts``; each edge of a node is as likely as the others.

        Args:
            starts: int64 [W], nodes.
            hops: Edges of a walk; one that meets a dead end is shorter.
            random: Draws the edges.

        Returns:
            int64 [W, 2 hops + 1], tokens; -1 behind a dead end.

        Raises:
            InputError: ``hops`` is less than 1.
        """
        if hops < 1:
            raise InputError(f"hops={hops!r} is less than 1")
        walks = np.full((len(starts), 2 * hops + 1), -1, dtype=np.int64)
        walks[:, 0] = starts
        alive, here = np.arange(len(starts)), np.asarray(starts, dtype=np.int64)
        for hop in range(hops):
            first = self._offsets[here]
            degree = self._offsets[here + 1] - first
            goes = degree > 0
            alive, first, degree = alive[goes], first[goes], degree[goes]
            edge = first + (random.random(len(alive)) * degree).astype(np.int64)
            here = self._tail[edge]
            walks[alive, 2 * hop + 1] = self._relation[edge]
            walks[alive, 2 * hop + 2] = here
        return walks
