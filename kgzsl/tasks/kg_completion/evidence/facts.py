"""What is known of entities and relations before an unseen relation is asked for: evidence for its pairs."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from kgzsl.tasks.kg_completion.evidence.kinds import EntityKinds
from kgzsl.tasks.kg_completion.evidence.names import NameTable
from kgzsl.tasks.kg_completion.pair_graph import PairGraph, relation_arcs

__all__ = ["ENTITY", "PAIR", "QUERY", "FactEvidence"]

_KERNELS = ("all", "similar", "near", "nearest")
"""How much a seen relation s counts for the one asked for, c being the cosine of their priors: 1; ``max(c, 0)^2``;
``exp(15 (c - max c))``; ``exp(50 (c - max c))``."""

QUERY = (
    *(f"anchor_head.{kernel}" for kernel in _KERNELS),
    *(f"anchor_tail.{kernel}" for kernel in _KERNELS),
    "anchor_degree",
    "nearest_cosine",
    "tails_per_head",
    "heads_per_tail",
    "range_known",
)
"""Evidence that is the same for all answers to a query: it says how far the rest is to be trusted."""

ENTITY = (
    *(f"tail.{kernel}" for kernel in _KERNELS),
    *(f"head.{kernel}" for kernel in _KERNELS),
    "degree",
    *(f"{what}.{kernel}" for what in ("roles", "place", "kind") for kernel in _KERNELS[1:]),
    "range",
)
"""Evidence about an answer alone, whatever the anchor."""

PAIR = (
    *(f"link.{kernel}" for kernel in _KERNELS),
    *(f"back_link.{kernel}" for kernel in _KERNELS),
    "link_share",
    "back_link_share",
    "link_most",
    "walk1",
    "walk2",
    "walk2_share",
    "walk3",
    "walk3_share",
    *(f"{what}.{kernel}" for what in ("walk_last", "walk_first", "walk3_last") for kernel in _KERNELS[1:3]),
    "peers",
    "peers_share",
    "through_range",
    "from_kind",
    "from_kind_share",
    *(f"{what}.{kernel}" for what in ("roles_pair", "place_pair") for kernel in _KERNELS[1:]),
    "roles_cosine",
    "place_cosine",
    "same_kind",
    "pieces",
    "words",
    "itself",
)
"""Evidence about an anchor and an answer."""


class FactEvidence:
    """Evidence for pairs of a relation of which nothing is known but its prior.

    All of it is counted or computed in closed form from the triples; what it is worth is learned elsewhere, on seen
    relations whose triples are taken out.

    Entities have two vectors each. *Roles* say which kinds of arcs leave them (principal components of rarity-weighted
    kinds); *place* says where in the graph they are (random vectors, averaged over one to three normalised steps: Chen
    et al., "Fast and Accurate Network Embeddings via Very Sparse Random Projection", CIKM 2019).

    Args:
        triples: int64 [T, 3], the facts.
        num_entities: E.
        priors: float [relations, P], of all relations.
        kinds: Of the entities.
        names: Pieces and words of the entities' names; None leaves that evidence out (zero).
        turned: Whether heads and tails are exchanged, so that the evidence is for head queries.
        dim: Length of the vectors of entities.
        seed: Of the random vectors.
        pairs_per_relation: So many pairs of each relation, at most, for its mean vectors.
    """

    def __init__(
        self,
        triples: Tensor,
        num_entities: int,
        priors: Tensor,
        kinds: EntityKinds,
        names: tuple[NameTable, NameTable] | None = None,
        *,
        turned: bool = False,
        dim: int = 64,
        seed: int = 0,
        pairs_per_relation: int = 4000,
    ) -> None:
        self.graph, self.relations = relation_arcs(
            triples.flip(1) if turned else triples, num_entities, num_relations=len(priors)
        )
        self.priors = F.normalize(priors.float(), dim=1)
        self.kinds, self.names, self.turned = kinds, names, turned
        random = torch.Generator().manual_seed(seed)
        self.roles = _roles(self.graph, dim)
        self.place = _places(self.graph, dim, random)
        self.log_degree = torch.log1p(self.graph.degree.float())
        self._from_kind: dict[int, Tensor] = {}
        self._asked: tuple[int, dict[str, Tensor]] | None = None
        self._count_relations(random, pairs_per_relation)

    def _count_relations(self, random: torch.Generator, limit: int) -> None:
        graph, count = self.graph, self.graph.num_relations
        entities = graph.num_entities
        forward = graph.kind < count
        head, relation, tail = graph.source[forward], graph.kind[forward], graph.target[forward]
        size = torch.bincount(relation, minlength=count).clamp(min=1).float()
        heads = torch.bincount(torch.unique(relation * entities + head) // entities, minlength=count)
        tails = torch.bincount(torch.unique(relation * entities + tail) // entities, minlength=count)
        self.tails_per_head = torch.log(size / heads.clamp(min=1))
        self.heads_per_tail = torch.log(size / tails.clamp(min=1))
        kind = self.kinds.of[tail]
        by_kind = torch.zeros(count, len(self.kinds))
        self.kind_share = by_kind.index_put_((relation, kind), torch.ones(len(kind)), accumulate=True) / size[:, None]
        dims = {"roles": self.roles.shape[1], "place": self.place.shape[1]}
        self.centre = {name: torch.zeros(count, dim) for name, dim in dims.items()}
        self.product = {name: torch.zeros(count, dim, dim) for name, dim in dims.items()}
        for number in range(count):
            rows = torch.nonzero(relation == number).flatten()
            if len(rows) > limit:
                rows = rows[torch.randperm(len(rows), generator=random)[:limit]]
            for name, table in (("roles", self.roles), ("place", self.place)):
                given, asked = table[head[rows]], table[tail[rows]]
                self.centre[name][number] = asked.mean(dim=0)
                self.product[name][number] = given.T @ asked / max(1, len(rows))

    def similarities(self, relation: int) -> dict[str, Tensor]:
        """What each seen relation counts for the one asked for, by kernel; and the cosines: float [R] each."""
        cosine = self.priors[self.relations] @ self.priors[relation]
        top = cosine.max()
        return {
            "all": torch.ones_like(cosine),
            "similar": cosine.clamp(min=0).square(),
            "near": torch.exp(15 * (cosine - top)),
            "nearest": torch.exp(50 * (cosine - top)),
            "cosine": cosine,
        }

    def of_query(self, relation: int, anchors: Tensor) -> Tensor:
        """Evidence named in :data:`QUERY`: float [Q, 13]."""
        asked = self._about(relation)
        ends = [torch.log1p(asked[f"{end}.{kernel}"][anchors]) for end in ("as_head", "as_tail") for kernel in _KERNELS]
        near = asked["near"] / asked["near"].sum()
        known = self.kinds.allowed(relation, "head" if self.turned else "tail") is not None
        alike = [
            asked["cosine"].max(),
            near @ self.tails_per_head,
            near @ self.heads_per_tail,
            torch.tensor(float(known)),
        ]
        columns = [*ends, self.log_degree[anchors], *(value.expand(len(anchors)) for value in alike)]
        return torch.stack(columns, dim=1)

    def of_entities(self, relation: int) -> Tensor:
        """Evidence named in :data:`ENTITY`: float [E, 19]."""
        asked = self._about(relation)
        columns = [torch.log1p(asked[f"{end}.{kernel}"]) for end in ("as_tail", "as_head") for kernel in _KERNELS]
        columns.append(self.log_degree)
        shares = {kernel: asked[kernel] / asked[kernel].sum().clamp(min=1e-12) for kernel in _KERNELS[1:]}
        for name, table in (("roles", self.roles), ("place", self.place)):
            columns += [table @ (shares[kernel] @ self.centre[name]) * 2 for kernel in _KERNELS[1:]]
        for kernel in _KERNELS[1:]:
            columns.append(((shares[kernel] @ self.kind_share + 1e-4).log() / 4)[self.kinds.of])
        allowed = self.kinds.allowed(relation, "head" if self.turned else "tail")
        if allowed is None:
            columns.append(torch.zeros(self.graph.num_entities))
        else:
            columns.append(allowed.float()[self.kinds.of])
        return torch.stack(columns, dim=1)

    def of_pairs(self, relation: int, anchors: Tensor) -> Iterator[Tensor]:
        """Evidence named in :data:`PAIR`, one after the other: float [Q, E] each."""
        asked = self._about(relation)
        graph, (count, size) = self.graph, (len(anchors), self.graph.num_entities)
        rows, kinds, targets = graph.arcs_of(anchors)
        places = rows * size + targets

        def links(weights: Tensor, direction: int) -> Tensor:
            table = torch.zeros(count, size)
            mine = (kinds < graph.num_relations) == (direction == 0)
            table.view(-1).index_add_(0, places[mine], weights[kinds[mine] % graph.num_relations])
            return table

        for direction in (0, 1):
            for kernel in _KERNELS:
                yield links(asked[kernel], direction)
        for direction in (0, 1):
            yield _shares(links(asked["similar"], direction))
        most = torch.zeros(count * size)
        value = asked["cosine"].clamp(min=0)[kinds % graph.num_relations]
        yield most.scatter_reduce_(0, places, value, "amax").view(count, size)
        yield from self._walks(asked, anchors)
        yield from self._kinds(anchors)
        for name, table in (("roles", self.roles), ("place", self.place)):
            for kernel in _KERNELS[1:]:
                share = asked[kernel] / asked[kernel].sum().clamp(min=1e-12)
                product = torch.einsum("r,rij->ij", share, self.product[name])
                yield table[anchors] @ product @ table.T * 4
        yield self.roles[anchors] @ self.roles.T
        yield self.place[anchors] @ self.place.T
        yield (self.kinds.of[anchors][:, None] == self.kinds.of[None]).float()
        itself = torch.zeros(count, size)
        itself[torch.arange(count), anchors] = 1
        for place in range(2):
            if self.names is None:
                yield torch.zeros(count, size)
            else:
                yield torch.from_numpy(self.names[place].similarity(anchors.numpy())) * (1 - itself)
        yield itself

    def _walks(self, asked: dict[str, Tensor], anchors: Tensor) -> Iterator[Tensor]:
        graph, queries = self.graph, torch.arange(len(anchors))
        start = torch.zeros(graph.num_entities, len(anchors))
        start[anchors, queries] = 1
        step = graph._normalised
        one = step @ start
        two = step @ one
        three = step @ two

        def done(state: Tensor) -> Tensor:
            # Walks that return to where they began say nothing about a loop.
            row = state.T.clone()
            row[queries, anchors] = 0
            return row

        yield _strength(done(one))
        for state in (two, three):
            row = done(state)
            yield _strength(row)
            yield _shares(row)
        by_kernel: dict[str, list[Tensor]] = {"walk_last": [], "walk_first": [], "walk3_last": []}
        for kernel in _KERNELS[1:3]:
            # Only arcs into an answer as a tail of the near relations: those that leave it backwards.
            into = asked[kernel][graph.kind % graph.num_relations] * (graph.kind >= graph.num_relations)
            last = graph._matrix(into)
            both = graph._matrix(asked[kernel][graph.kind % graph.num_relations])
            by_kernel["walk_last"].append(done(last @ one))
            by_kernel["walk_first"].append(done(step @ (both @ start)))
            by_kernel["walk3_last"].append(done(last @ two))
        for found in by_kernel.values():
            yield from map(_strength, found)
        peers = (self.kinds.of[:, None] == self.kinds.of[anchors][None]).float()
        row = done(step @ (two * peers))
        yield _strength(row)
        yield _shares(row)
        likely = (asked["near"] / asked["near"].sum().clamp(min=1e-12)) @ self.kind_share
        yield _strength(done(step @ (step @ (one * likely[self.kinds.of][:, None]))))

    def _kinds(self, anchors: Tensor) -> Iterator[Tensor]:
        """How many arcs lead from entities of the anchor's kind to each answer, and their share of its arcs."""
        for kind in torch.unique(self.kinds.of[anchors]).tolist():
            if kind not in self._from_kind:
                mine = self.graph.source[self.kinds.of[self.graph.target] == kind]
                self._from_kind[kind] = torch.bincount(mine, minlength=self.graph.num_entities).float()
        table = torch.stack([self._from_kind[kind] for kind in self.kinds.of[anchors].tolist()])
        yield torch.log1p(table)
        yield table / self.graph.degree.clamp(min=1)

    def _about(self, relation: int) -> dict[str, Tensor]:
        """Similarities and counts of ends for one relation; those of the last one are kept."""
        if self._asked is None or self._asked[0] != relation:
            about = self.similarities(relation)
            for kernel in _KERNELS:
                about[f"as_head.{kernel}"], about[f"as_tail.{kernel}"] = self.graph.near_ends(about[kernel])
            self._asked = (relation, about)
        return self._asked[1]


def _roles(graph: PairGraph, dim: int) -> Tensor:
    """Principal components of what kinds of arcs leave each entity, by ``log(1 + count)`` and rarity; unit rows."""
    profiles, kinds = graph.profiles, 2 * graph.num_relations
    rows = torch.repeat_interleave(torch.arange(graph.num_entities), profiles.size)
    having = torch.bincount(profiles.kind, minlength=kinds).clamp(min=1).float()
    weight = torch.log1p(profiles.count.float()) * torch.log(graph.num_entities / having)[profiles.kind]
    length = torch.zeros(graph.num_entities).index_add_(0, rows, weight.square()).sqrt().clamp(min=1e-6)
    table = torch.zeros(graph.num_entities, kinds).index_put_((rows, profiles.kind), weight / length[rows])
    _, vectors = torch.linalg.eigh(table.T @ table)
    return F.normalize(table @ vectors[:, -dim:], dim=1)


def _places(graph: PairGraph, dim: int, random: torch.Generator) -> Tensor:
    state = torch.randn(graph.num_entities, dim, generator=random) / math.sqrt(dim)
    total = torch.zeros_like(state)
    for weight in (1.0, 1.0, 0.5):
        state = graph._normalised @ state
        total += weight * F.normalize(state, dim=1)
    return F.normalize(total, dim=1)


def _strength(walks: Tensor) -> Tensor:
    return torch.log1p(walks * 1e4) / math.log1p(1e4)


def _shares(table: Tensor) -> Tensor:
    """What part of all that leaves an anchor goes to each answer, on an even scale."""
    return torch.log1p(table / table.sum(dim=1, keepdim=True).clamp(min=1e-12) * 1e3) / math.log1p(1e3)
