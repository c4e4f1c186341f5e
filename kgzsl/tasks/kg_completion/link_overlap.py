"""The training-free control: a pair is as good as the seen relations that link it already."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from kgzsl.tasks.kg_completion.evaluation import Scorer
from kgzsl.tasks.kg_completion.pair_graph import PairGraph, relation_arcs

__all__ = ["LinkOverlap", "overlap_scorer"]


class LinkOverlap:
    """Scores a pair by the seen relations between its ends, each by its similarity to the relation asked for.

    ``score(h, r, t)`` is the sum over seen relations s of ``max(0, cos(prior_r, prior_s)) ** power`` for each (h, s, t)
    among the facts, and ``backward`` times that for each (t, s, h): most relations of a schema do not hold both ways,
    so a link in the other direction says a little less. Pairs that nothing links tie at zero.

    Args:
        graph: The arcs of the seen relations: all facts that may be known when the relation is asked for, those of
            validation relations among them.
        seen_priors: float [R, P], what schema and texts say of the graph's relations.
        power: How much more a similar relation counts than others.
        backward: Weight of links from tail to head.
    """

    def __init__(self, graph: PairGraph, seen_priors: Tensor, *, power: float = 2.0, backward: float = 0.9) -> None:
        self.graph = graph
        self.seen_priors = F.normalize(seen_priors.float(), dim=1).to(graph.device)
        self.power, self.backward = power, backward

    def weights(self, prior: Tensor) -> Tensor:
        """What a link of each seen relation counts for the relation with this prior [P]: float32 [R]."""
        cosine: Tensor = self.seen_priors @ F.normalize(prior.float(), dim=0).to(self.graph.device)
        return torch.clamp(cosine, min=0) ** self.power

    def scores(self, prior: Tensor, anchors: Tensor, *, side: str = "tail") -> Tensor:
        """Scores of every entity at the other end of each anchor.

        Args:
            prior: float [P] of the relation asked for.
            anchors: int64 [Q], heads for ``side="tail"``, tails for ``side="head"``.
            side: Which end is asked for.

        Returns:
            float32 [Q, E].
        """
        near = self.weights(prior)
        return self.graph.near_links(anchors.to(self.graph.device), near, side=side, backward=self.backward)


def overlap_scorer(
    facts: Tensor,
    num_entities: int,
    priors: Tensor,
    device: torch.device | str = "cpu",
    *,
    power: float = 2.0,
    backward: float = 0.9,
) -> Scorer:
    """Link overlap over some facts as a scorer of all relations.

    Args:
        facts: int64 [F, 3].
        num_entities: E.
        priors: float [R, P], of all relations, those without a fact among them.
        device: Where it is worked out.
        power: See :class:`LinkOverlap`.
        backward: See :class:`LinkOverlap`.
    """
    arcs, known = relation_arcs(facts, num_entities, len(priors))
    rule = LinkOverlap(arcs.to(device), priors[known], power=power, backward=backward)
    return lambda relation, anchors, side: rule.scores(priors[relation], anchors, side=side)
