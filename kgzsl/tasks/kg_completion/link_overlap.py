"""The training-free control: a pair is as good as the seen relations that link it already."""

from __future__ import annotations

from torch import Tensor

from kgzsl.tasks.kg_completion.nearness import nearness
from kgzsl.tasks.kg_completion.pair_graph import PairGraph

__all__ = ["LinkOverlap"]


class LinkOverlap:
    """Scores a pair by the seen relations between its ends, each by its nearness to the relation asked for.

    ``score(h, r, t)`` is the sum over seen relations s of ``exp(sharpness (cos(prior_r, prior_s) - max cos))`` for each
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
        self.seen_priors = seen_priors.to(graph.device)
        self.sharpness, self.backward = sharpness, backward

    def scores(self, prior: Tensor, anchors: Tensor, *, side: str = "tail") -> Tensor:
        """Scores of every entity at the other end of each anchor.

        Args:
            prior: float [P] of the relation asked for.
            anchors: int64 [Q], heads for ``side="tail"``, tails for ``side="head"``.
            side: Which end is asked for.

        Returns:
            float32 [Q, E].
        """
        near = nearness(self.seen_priors, prior.to(self.graph.device), sharpness=self.sharpness)
        return self.graph.near_links(anchors.to(self.graph.device), near, side=side, backward=self.backward)
