"""One score over what the structure and what the text says of two nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from kgzsl.errors import InputError
from kgzsl.priors.triples.scorer import TripleScorer, uniform
from kgzsl.priors.triples.transe import distances

__all__ = ["TERMS", "TextAwareScorer"]

TERMS = ("structure", "text", "cross", "sum")
"""The terms of the score: both ends by structure; by text; one by each (two distances); by the sum of the two."""


class TextAwareScorer(TripleScorer):
    """The mean of ``-||h + r - t||`` over the ways in which head and tail can be represented.

    Geng et al., "OntoZSL: Ontology-enhanced Zero-shot Learning" (WWW 2021): TransE over structural vectors
    s and projected text vectors t of one space, ``f = f(s,s) + f(t,t) + f(s,t) + f(t,s) + f(s+t,s+t)`` with one vector
    per relation. Here it is their mean, so that a margin means the same as for TransE.

    A node's vector is ``[s, t]``, side by side.

    Args:
        dim: Numbers of s, of t and per relation; a node has twice as many.
        norm: 1 or 2.
        terms: Which of :data:`TERMS` count.
    """

    is_distance: ClassVar[bool] = True

    def __init__(self, dim: int, norm: int = 2, terms: Sequence[str] = TERMS) -> None:
        if norm not in (1, 2):
            raise InputError(f"there is no norm {norm!r}", remedy="choose 1 or 2")
        unknown = [term for term in terms if term not in TERMS]
        if unknown or not terms:
            raise InputError(f"terms={list(terms)!r} is not known", remedy=f"choose among {', '.join(TERMS)}")
        super().__init__(2 * dim)
        self.norm = norm
        self.terms = frozenset(terms)
        self.count = len(self.terms) + ("cross" in self.terms)

    @property
    def relation_size(self) -> int:
        """Numbers per relation: half a node's."""
        return self.dim // 2

    def bound(self) -> float:
        """Fresh values of s lie within this of 0, those of t about as far."""
        size = self.dim // 2
        return 6 / size if self.norm == 1 else 6 / size**0.5

    def start(self, nodes: Tensor, relations: Tensor, generator: torch.Generator | None) -> None:  # noqa: D102
        uniform(nodes, self.bound(), generator)
        uniform(relations, self.bound(), generator)

    def score(self, heads: Tensor, relations: Tensor, tails: Tensor) -> Tensor:  # noqa: D102
        total = heads.new_zeros(len(heads))
        for head, tail in self._pairs(self._views(heads), self._views(tails)):
            total = total - torch.linalg.vector_norm(head + relations - tail, ord=self.norm, dim=-1)
        return total / self.count

    def score_tails(self, heads: Tensor, relations: Tensor, candidates: Tensor) -> Tensor:  # noqa: D102
        queries = tuple(view + relations for view in self._views(heads))
        return self._against(queries, self._views(candidates), forward=True)

    def score_heads(self, relations: Tensor, tails: Tensor, candidates: Tensor) -> Tensor:  # noqa: D102
        queries = tuple(view - relations for view in self._views(tails))
        return self._against(queries, self._views(candidates), forward=False)

    def _against(self, queries: tuple[Tensor, ...], candidates: tuple[Tensor, ...], *, forward: bool) -> Tensor:
        ends = (queries, candidates) if forward else (candidates, queries)
        total = queries[0].new_zeros(len(queries[0]), len(candidates[0]))
        for head, tail in self._pairs(*ends):
            query, candidate = (head, tail) if forward else (tail, head)
            total = total - distances(query, candidate, self.norm)
        return total / self.count

    @staticmethod
    def _views(nodes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        structure, text = nodes.chunk(2, dim=-1)
        return structure, text, structure + text

    @property
    def view_pairs(self) -> list[tuple[int, int]]:
        """Which views of head and tail the chosen terms compare: 0 structure, 1 text, 2 their sum."""
        pairs = {"structure": [(0, 0)], "text": [(1, 1)], "cross": [(0, 1), (1, 0)], "sum": [(2, 2)]}
        return [pair for term in TERMS if term in self.terms for pair in pairs[term]]

    def _pairs(self, heads: tuple[Tensor, ...], tails: tuple[Tensor, ...]) -> list[tuple[Tensor, Tensor]]:
        """The (head, tail) representations that the chosen terms compare."""
        return [(heads[a], tails[b]) for a, b in self.view_pairs]
