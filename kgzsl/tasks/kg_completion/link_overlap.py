"""The training-free control: a pair is as good as the seen relations that link it already."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from kgzsl.tasks.kg_completion.pair_graph import PairGraph

__all__ = ["LinkOverlap"]


class LinkOverlap:
    """Scores a pair by the seen relations between its ends, each by its nearness to the relation asked for.

    ``score(h, r, t)`` is the sum over seen relations s of ``exp(sharpness (cos(prior_r, prior_s) - 1))`` for each
    (h, s, t) among the triples, and ``backward`` times that for each (t, s, h): most relations of a schema do not hold
    both ways, so a link in the other direction says a little less. Pairs that nothing links tie at zero.

    Args:
        graph: The arcs of the seen relations.
        seen_priors: float [R, P], what schema and texts say of the seen relations.
        sharpness: How much more the nearest relation counts than the others.
        backward: Weight of links from tail to head.
    """

    def __init__(
        self, graph: PairGraph, seen_priors: Tensor, *, sharpness: float = 15.0, backward: float = 0.9
    ) -> None:
        self.graph = graph
        self.seen_priors = F.normalize(seen_priors.to(graph.device).float(), dim=1)
        self.sharpness, self.backward = sharpness, backward

    def kind_weights(self, prior: Tensor) -> Tensor:
        """Weight of each kind of arc for a relation with this prior [P]: float32 [2 R], forward ones first."""
        nearness = self.seen_priors @ F.normalize(prior.to(self.graph.device).float(), dim=0)
        weight = torch.exp(self.sharpness * (nearness - 1))
        return torch.cat([weight, self.backward * weight])

    def scores(self, prior: Tensor, anchors: Tensor, *, side: str = "tail") -> Tensor:
        """Scores of every entity at the other end of each anchor.

        Args:
            prior: float [P] of the relation asked for.
            anchors: int64 [Q], heads for ``side="tail"``, tails for ``side="head"``.
            side: Which end is asked for.

        Returns:
            float32 [Q, E].
        """
        graph = self.graph
        anchors = anchors.to(graph.device)
        rows, kinds, targets = graph.arcs_of(anchors)
        if side == "head":
            kinds = (kinds + graph.num_relations) % (2 * graph.num_relations)
        found = torch.zeros(len(anchors), graph.num_entities, device=graph.device)
        found.view(-1).index_add_(0, rows * graph.num_entities + targets, self.kind_weights(prior)[kinds])
        return found
