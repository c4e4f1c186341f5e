"""Translation inside the one component that a relation is about."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from kgzsl.priors.triples.scorer import TripleScorer, cubes, uniform
from kgzsl.priors.triples.transe import distances

__all__ = ["DisentangledScorer"]


class DisentangledScorer(TripleScorer):
    """``f(h, r, t) = -||h_k + r - t_k||_2`` where k is the component of the relation r.

    Geng et al., "Disentangled Ontology Embedding for Zero-shot Learning" (KDD 2022): a triple is scored by the
    component of its property alone. A node's vector holds its K components side by side. A relation's holds its step,
    then the number of its component, which is not learnt.

    Args:
        components: K.
        size: F, numbers per component.
    """

    is_distance: ClassVar[bool] = True

    def __init__(self, components: int, size: int) -> None:
        super().__init__(components * size)
        self.components, self.size = components, size

    @property
    def relation_size(self) -> int:
        """F + 1."""
        return self.size + 1

    def start(self, nodes: Tensor, relations: Tensor, generator: torch.Generator | None) -> None:  # noqa: D102
        bound = 6 / self.size**0.5
        uniform(nodes, bound, generator)
        uniform(relations, bound, generator)

    def _parts(self, relations: Tensor) -> tuple[Tensor, Tensor]:
        """Steps [B, F] and components int64 [B]."""
        return relations[:, :-1], relations[:, -1].detach().round().long()

    def _own(self, nodes: Tensor, which: Tensor) -> Tensor:
        """Component ``which[i]`` of each node: [B, K F] to [B, F]."""
        return nodes.view(len(nodes), self.components, self.size)[torch.arange(len(nodes), device=nodes.device), which]

    def score(self, heads: Tensor, relations: Tensor, tails: Tensor) -> Tensor:  # noqa: D102
        step, which = self._parts(relations)
        gap = self._own(heads, which) + step - self._own(tails, which)
        return -gap.square().sum(dim=-1).clamp_min(1e-12).sqrt()

    def score_tails(self, heads: Tensor, relations: Tensor, candidates: Tensor) -> Tensor:  # noqa: D102
        step, which = self._parts(relations)
        return self._against(self._own(heads, which) + step, which, candidates)

    def score_heads(self, relations: Tensor, tails: Tensor, candidates: Tensor) -> Tensor:  # noqa: D102
        step, which = self._parts(relations)
        return self._against(self._own(tails, which) - step, which, candidates)

    def _against(self, queries: Tensor, which: Tensor, candidates: Tensor) -> Tensor:
        """Minus the distances [B, M] between queries [B, F] and the same component of all candidates."""
        order = torch.argsort(which, stable=True)
        back = torch.empty_like(order)
        back[order] = torch.arange(len(order), device=order.device)
        counts = torch.bincount(which, minlength=self.components).tolist()
        blocks = torch.split(queries[order], counts)
        parts = torch.split(candidates, self.size, dim=1)
        found = [distances(block, part, 2) for block, part in zip(blocks, parts, strict=True) if len(block)]
        return -torch.cat(found)[back]

    def penalty(self, heads: Tensor, relations: Tensor, tails: Tensor) -> Tensor:
        """N3 of the components that are read, and of the steps."""
        step, which = self._parts(relations)
        return cubes(self._own(heads, which), step, self._own(tails, which))
