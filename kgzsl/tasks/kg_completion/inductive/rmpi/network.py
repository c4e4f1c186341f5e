"""The network of RMPI: relational message passing towards the target, attention, and the one-hop surroundings."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from kgzsl.tasks.kg_completion.inductive.rmpi.line_graph import CONNECTIONS, connected_means
from kgzsl.tasks.kg_completion.inductive.rmpi.subgraphs import Subgraphs, Surrounds

__all__ = ["RmpiNetwork"]

_SIDES = ("out of the head", "into the head", "out of the tail", "into the tail")


class RmpiNetwork(nn.Module):
    """Scores triples from the relations around them.

    After Geng et al., "Relational Message Passing for Fully Inductive Knowledge Graph Completion" (ICDE 2023). Every
    fact of the enclosing subgraph is a node of the relation view. In layer k, edge i becomes
    ``x_i + ReLU(sum_c W_c m_ic)``, where ``m_ic`` is the mean of the edges that it meets by connection c
    (:data:`CONNECTIONS`), in attention weighed by ``softmax_j(LeakyReLU(x_j . A x_target))``. Only the edges that reach
    the target in the layers that are left are computed (the paper's pruning), which changes no score. The surroundings
    (the paper's disclosing subgraph, one hop) are ``ReLU(sum_s V_s d_s)`` with the mean relation ``d_s`` of the facts
    out of and into each end; they speak where the enclosing subgraph is empty. Both go through one linear layer.

    It is like RMPI, not the same. The public code (github.com/zjukg/RMPI, read for this comparison) differs in these
    points: without attention it adds messages up, where here they are averaged, so that hubs do not swell; it attends
    in the first layer only, by the plain product of a relation's vector with the target's; its maps have biases; it
    attends over the facts at both ends at once, with one map, and adds what it finds to the target's state (or joins
    both by a further map), brought to length one, before the last layer; in training it drops half of the edges and
    keeps weights small (5e-2); its relation vectors with a schema are TransE's over the schema graph through two linear
    maps, where here they come from any prior through a rectified layer and have length one.

    Args:
        dim: Numbers per relation.
        layers: Of message passing.
        attention: Whether relations count by how they fit the target's.
        surroundings: Whether the one-hop surroundings count.
        prior_dim: Numbers of a relation's prior (schema, text), which a small network turns into its vector; 0:
            relation vectors are given.
        generator: Draws the weights.
    """

    def __init__(
        self,
        dim: int = 32,
        *,
        layers: int = 2,
        attention: bool = True,
        surroundings: bool = True,
        prior_dim: int = 0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.dim, self.layers, self.attention, self.surroundings = dim, layers, attention, surroundings

        def drawn(*shape: int) -> nn.Parameter:
            bound = math.sqrt(6 / (shape[-2] + shape[-1])) if len(shape) > 1 else 0.0
            return nn.Parameter(torch.empty(*shape).uniform_(-bound, bound, generator=generator))

        self.connections = nn.ParameterList([drawn(len(CONNECTIONS), dim, dim) for _ in range(layers)])
        self.attending = nn.ParameterList([drawn(dim, dim) for _ in range(layers)]) if attention else None
        self.sides = drawn(len(_SIDES), dim, dim) if surroundings else None
        self.side_attending = drawn(dim, dim) if surroundings and attention else None
        self.last = drawn(2 * dim if surroundings else dim, 1)
        self.prior_first = drawn(prior_dim, 2 * dim) if prior_dim else None
        self.prior_second = drawn(2 * dim, dim) if prior_dim else None

    def relation_vectors(self, priors: Tensor) -> Tensor:
        """Vectors [R, D] of relations from their priors [R, P]."""
        if self.prior_first is None or self.prior_second is None:
            return priors
        # Of length one, as vectors that are learned begin: however long or sparse the priors are.
        return functional.normalize(torch.relu(priors @ self.prior_first) @ self.prior_second, dim=1)

    def forward(self, surrounds: Surrounds, triples: Tensor, relations: Tensor, *, prune: bool = True) -> Tensor:
        """Scores float [B].

        Args:
            surrounds: The graph.
            triples: int64 [B, 3].
            relations: float [R, D], vectors of the graph's relations.
            prune: Whether only edges are computed that the target still hears of.
        """
        edges = surrounds.enclosing(triples, layers=self.layers)
        found = self.enclosed(edges, relations, prune=prune)
        if self.sides is not None:
            found = torch.cat([found, self.around(surrounds, triples, relations)], dim=1)
        scores: Tensor = (found @ self.last).squeeze(1)
        return scores

    def enclosed(self, edges: Subgraphs, relations: Tensor, *, prune: bool = True) -> Tensor:
        """The targets' states after all layers: float [B, D]."""
        states = relations[edges.relation]
        first = len(states) - edges.count
        for layer in range(self.layers):
            left = self.layers - 1 - layer
            wanted = edges.within(left if prune else self.layers)
            weights = None
            if self.attending is not None:
                asked = states[first:] @ self.attending[layer].T
                weights = _softmax_terms((states * asked[edges.target]).sum(dim=1) / math.sqrt(self.dim), edges)
            means = connected_means(states, edges, wanted, weights)
            heard = torch.einsum("wcd,cde->we", means, self.connections[layer])
            states = states.index_copy(0, wanted, states[wanted] + torch.relu(heard))
        return states[first:]

    def around(self, surrounds: Surrounds, triples: Tensor, relations: Tensor) -> Tensor:
        """What the facts at both ends say, the target's own left out: float [B, D]."""
        assert self.sides is not None
        head, relation, tail = triples.unbind(dim=1)
        own = functional.one_hot(relation, surrounds.num_relations).to(relations.dtype)
        own = own * surrounds.is_fact(triples)[:, None]
        loop = own * (head == tail)[:, None]
        counts = torch.stack(
            [
                surrounds.out_counts[head] - own,
                surrounds.in_counts[head] - loop,
                surrounds.out_counts[tail] - loop,
                surrounds.in_counts[tail] - own,
            ],
            dim=1,
        )
        if self.side_attending is not None:
            fit = relations[relation] @ self.side_attending @ relations.T / math.sqrt(self.dim)
            counts = counts * torch.exp(functional.leaky_relu(fit, 0.2).clamp(-10, 10))[:, None]
        shares = counts / counts.sum(dim=2, keepdim=True).clamp(min=1e-12)
        means = shares @ relations
        return torch.relu(torch.einsum("bsd,sde->be", means, self.sides))


def _softmax_terms(fit: Tensor, edges: Subgraphs) -> Tensor:
    """Positive weights of edges, those of a target on one scale; their ratios are those of a softmax."""
    fit = functional.leaky_relu(fit, 0.2)
    with torch.no_grad():
        low = torch.full((edges.count,), float("-inf"), dtype=fit.dtype, device=fit.device)
        most = low.scatter_reduce(0, edges.target, fit, "amax")
    # A floor, so that sums from which others are taken off keep their digits.
    return torch.exp((fit - most[edges.target]).clamp(min=-8))
