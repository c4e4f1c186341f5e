"""What is known of entities and relations before an unseen relation is asked for: evidence for its pairs."""

from __future__ import annotations

import math
import warnings
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
        rank: int64 [E], by which entities random numbers are drawn; None: by their ids. With ranks by name another
            numbering of the entities changes nothing.
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
        rank: Tensor | None = None,
    ) -> None:
        self.graph, self.relations = relation_arcs(
            triples.flip(1) if turned else triples, num_entities, num_relations=len(priors)
        )
        self.priors = F.normalize(priors.float(), dim=1)
        self.kinds, self.names, self.turned = kinds, names, turned
        random = torch.Generator().manual_seed(seed)
        self.roles = _roles(self.graph, dim)
        rank = torch.arange(num_entities) if rank is None else rank
        self.place = _places(self.graph, dim, random, rank)
        self.log_degree = torch.log1p(self.graph.degree.float())
        self._from_kind: dict[int, Tensor] = {}
        self._asked: tuple[int, dict[str, Tensor]] | None = None
        self._count_relations(random, pairs_per_relation, rank)

    def _count_relations(self, random: torch.Generator, limit: int, rank: Tensor) -> None:
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
                rows = rows[torch.argsort(rank[head[rows]] * entities + rank[tail[rows]])]
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

    def of_entities(self, relation: int, entities: Tensor | None = None) -> Tensor:
        """Evidence named in :data:`ENTITY`: float [E, 19], or of some ``entities`` int64 [N] alone: [N, 19]."""
        asked, which = self._about(relation), slice(None) if entities is None else entities
        columns = [
            torch.log1p(asked[f"{end}.{kernel}"][which]) for end in ("as_tail", "as_head") for kernel in _KERNELS
        ]
        columns.append(self.log_degree[which])
        shares = {kernel: asked[kernel] / asked[kernel].sum().clamp(min=1e-12) for kernel in _KERNELS[1:]}
        for name, table in (("roles", self.roles), ("place", self.place)):
            columns += [table[which] @ (shares[kernel] @ self.centre[name]) * 2 for kernel in _KERNELS[1:]]
        kinds = self.kinds.of[which]
        for kernel in _KERNELS[1:]:
            columns.append(((shares[kernel] @ self.kind_share + 1e-4).log() / 4)[kinds])
        allowed = self.kinds.allowed(relation, "head" if self.turned else "tail")
        columns.append(torch.zeros(len(kinds)) if allowed is None else allowed.float()[kinds])
        return torch.stack(columns, dim=1)

    def of_pairs(self, relation: int, anchors: Tensor, answers: Tensor | None = None) -> Iterator[Tensor]:
        """Evidence named in :data:`PAIR`, one after the other: float [Q, E] each.

        Args:
            relation: The relation that is asked for.
            anchors: int64 [Q].
            answers: int64 [Q, A]: only for these answers of each anchor, float [Q, A] each. Then only the walks are
                worked out for all entities.
        """
        asked, asking = self._about(relation), _Asking(self.graph, anchors, answers)
        for direction in (0, 1):
            for kernel in _KERNELS:
                yield asking.linked(asked[kernel], direction)[0]
        for direction in (0, 1):
            yield _shares(*asking.linked(asked["similar"], direction))
        yield asking.most(asked["cosine"].clamp(min=0))
        yield from self._walks(asked, asking)
        yield from self._kinds(asking)
        for name, table in (("roles", self.roles), ("place", self.place)):
            for kernel in _KERNELS[1:]:
                share = asked[kernel] / asked[kernel].sum().clamp(min=1e-12)
                product = torch.einsum("r,rij->ij", share, self.product[name])
                yield asking.times(table[anchors] @ product, table) * 4
        yield asking.times(self.roles[anchors], self.roles)
        yield asking.times(self.place[anchors], self.place)
        yield (self.kinds.of[anchors][:, None] == asking.of(self.kinds.of)).float()
        itself = asking.itself()
        for place in range(2):
            if self.names is None:
                yield torch.zeros_like(itself)
            else:
                yield asking.alike(self.names[place]) * (1 - itself)
        yield itself

    def _walks(self, asked: dict[str, Tensor], asking: _Asking) -> Iterator[Tensor]:
        graph, anchors = self.graph, asking.anchors
        start = torch.zeros(graph.num_entities, len(anchors))
        start[anchors, torch.arange(len(anchors))] = 1
        step = graph._normalised
        one = step @ start
        two = step @ one
        three = step @ two
        yield _strength(asking.reached(one)[0])
        for state in (two, three):
            row, total = asking.reached(state)
            yield _strength(row)
            yield _shares(row, total)
        by_kernel: dict[str, list[Tensor]] = {"walk_last": [], "walk_first": [], "walk3_last": []}
        for kernel in _KERNELS[1:3]:
            last, both = self._weighted(asked, kernel)
            by_kernel["walk_last"].append(asking.reached(last @ one)[0])
            by_kernel["walk_first"].append(asking.reached(step @ (both @ start))[0])
            by_kernel["walk3_last"].append(asking.reached(last @ two)[0])
        for found in by_kernel.values():
            yield from map(_strength, found)
        peers = (self.kinds.of[:, None] == self.kinds.of[anchors][None]).float()
        row, total = asking.reached(step @ (two * peers))
        yield _strength(row)
        yield _shares(row, total)
        likely = (asked["near"] / asked["near"].sum().clamp(min=1e-12)) @ self.kind_share
        yield _strength(asking.reached(step @ (step @ (one * likely[self.kinds.of][:, None])))[0])

    def _weighted(self, asked: dict[str, Tensor], kernel: str) -> tuple[Tensor, Tensor]:
        """Steps along arcs that count as their relations do: into an answer, and in either direction."""
        if f"steps.{kernel}" not in asked:
            graph = self.graph
            weight = asked[kernel][graph.kind % graph.num_relations]
            # Only arcs into an answer as a tail of the near relations: those that leave it backwards.
            asked[f"into.{kernel}"] = graph._matrix(weight * (graph.kind >= graph.num_relations))
            asked[f"steps.{kernel}"] = graph._matrix(weight)
        return asked[f"into.{kernel}"], asked[f"steps.{kernel}"]

    def _kinds(self, asking: _Asking) -> Iterator[Tensor]:
        """How many arcs lead from entities of the anchor's kind to each answer, and their share of its arcs."""
        kinds = self.kinds.of[asking.anchors]
        for kind in torch.unique(kinds).tolist():
            if kind not in self._from_kind:
                mine = self.graph.source[self.kinds.of[self.graph.target] == kind]
                self._from_kind[kind] = torch.bincount(mine, minlength=self.graph.num_entities).float()
        if asking.answers is None:
            table = torch.stack([self._from_kind[kind] for kind in kinds.tolist()])
        else:
            rows = zip(kinds.tolist(), asking.answers, strict=True)
            table = torch.stack([self._from_kind[kind][answers] for kind, answers in rows])
        yield torch.log1p(table)
        yield table / asking.of(self.graph.degree.clamp(min=1))

    def _about(self, relation: int) -> dict[str, Tensor]:
        """Similarities and counts of ends for one relation; those of the last one are kept."""
        if self._asked is None or self._asked[0] != relation:
            about = self.similarities(relation)
            for kernel in _KERNELS:
                about[f"as_head.{kernel}"], about[f"as_tail.{kernel}"] = self.graph.near_ends(about[kernel])
            self._asked = (relation, about)
        return self._asked[1]


class _Asking:
    """Anchors and the answers asked about: all entities, or some for each anchor."""

    def __init__(self, graph: PairGraph, anchors: Tensor, answers: Tensor | None) -> None:
        self.graph, self.anchors, self.answers = graph, anchors, answers
        self.shape = (len(anchors), graph.num_entities) if answers is None else tuple(answers.shape)
        self.rows = torch.arange(len(anchors))
        row, self.kinds, target = graph.arcs_of(anchors)
        # The linked pairs, and which of them each arc is.
        self.pairs, self.pair = torch.unique_consecutive(row * graph.num_entities + target, return_inverse=True)
        if answers is not None:
            wanted = self.rows[:, None] * graph.num_entities + answers
            place = torch.searchsorted(self.pairs, wanted).clamp(max=max(0, len(self.pairs) - 1))
            self.place, self.there = place, self.pairs[place] == wanted if len(self.pairs) else wanted < 0

    def of(self, values: Tensor) -> Tensor:
        """Values [E] of the answers: [1, E] or [Q, A]."""
        return values[None] if self.answers is None else values[self.answers]

    def linked(self, weights: Tensor, direction: int) -> tuple[Tensor, Tensor]:
        """Sums of weights [R] of the arcs to each answer, in one direction, and each anchor's sum over all: [Q, 1]."""
        mine = (self.kinds < self.graph.num_relations) == (direction == 0)
        arcs = weights[self.kinds % self.graph.num_relations] * mine
        sums = torch.zeros(len(self.pairs)).index_add_(0, self.pair, arcs)
        total = torch.zeros(self.shape[0]).index_add_(0, self.pairs // self.graph.num_entities, sums)
        return self._spread(sums), total[:, None]

    def most(self, weights: Tensor) -> Tensor:
        """The largest of the (non-negative) weights [R] of the arcs to each answer."""
        arcs = weights[self.kinds % self.graph.num_relations]
        return self._spread(torch.zeros(len(self.pairs)).scatter_reduce_(0, self.pair, arcs, "amax"))

    def _spread(self, values: Tensor) -> Tensor:
        """Values of the linked pairs to those asked about; 0 where there is no link."""
        if self.answers is None:
            table = torch.zeros(self.shape)
            table.view(-1)[self.pairs] = values
            return table
        return values[self.place] * self.there if len(values) else torch.zeros(self.shape)

    def reached(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """How much of a state [E, Q] is at each answer, and each anchor's sum over all: [Q, 1].

        Walks that return to where they began say nothing about a loop, and count as none.
        """
        kept = state[self.anchors, self.rows]
        state[self.anchors, self.rows] = 0
        table = state.T.clone() if self.answers is None else state[self.answers, self.rows[:, None]]
        total = state.sum(dim=0)[:, None]
        state[self.anchors, self.rows] = kept
        return table, total

    def times(self, left: Tensor, table: Tensor) -> Tensor:
        """Products of vectors [Q, D] of the anchors with those of the answers."""
        if self.answers is None:
            return left @ table.T
        return torch.einsum("qd,qad->qa", left, table[self.answers])

    def itself(self) -> Tensor:
        """1 where the answer is the anchor."""
        if self.answers is not None:
            return (self.answers == self.anchors[:, None]).float()
        table = torch.zeros(self.shape)
        table[self.rows, self.anchors] = 1
        return table

    def alike(self, names: NameTable) -> Tensor:
        """How alike the names are."""
        answers = None if self.answers is None else self.answers.numpy()
        return torch.from_numpy(names.similarity(self.anchors.numpy(), answers))


def _roles(graph: PairGraph, dim: int) -> Tensor:
    """Principal components of what kinds of arcs leave each entity, by ``log(1 + count)`` and rarity; unit rows."""
    profiles, kinds = graph.profiles, 2 * graph.num_relations
    rows = torch.repeat_interleave(torch.arange(graph.num_entities), profiles.size)
    having = torch.bincount(profiles.kind, minlength=kinds).clamp(min=1).float()
    weight = torch.log1p(profiles.count.float()) * torch.log(graph.num_entities / having)[profiles.kind]
    length = torch.zeros(graph.num_entities).index_add_(0, rows, weight.square()).sqrt().clamp(min=1e-6)
    weight /= length[rows]
    with warnings.catch_warnings():
        # Says once that compressed sparse rows are in beta; only their product with a dense matrix is used here.
        warnings.simplefilter("ignore", UserWarning)
        table = torch.sparse_csr_tensor(
            torch.cat([profiles.size.new_zeros(1), profiles.size.cumsum(0)]),
            profiles.kind,
            weight,
            (graph.num_entities, kinds),
        )
    # As a dense table of entities by kinds of arcs, which may be too large, with one row block at a time.
    product = torch.zeros(kinds, kinds)
    step = max(1, (1 << 22) // kinds)
    for start in range(0, graph.num_entities, step):
        end = min(start + step, graph.num_entities)
        mine = slice(int(profiles.starts[start]), int(profiles.starts[end]))
        block = torch.zeros(end - start, kinds)
        block.index_put_((rows[mine] - start, profiles.kind[mine]), weight[mine])
        product.addmm_(block.T, block)
    _, vectors = torch.linalg.eigh(product)
    return F.normalize(table @ vectors[:, -dim:], dim=1)


def _places(graph: PairGraph, dim: int, random: torch.Generator, rank: Tensor) -> Tensor:
    state = torch.randn(graph.num_entities, dim, generator=random)[rank] / math.sqrt(dim)
    total = torch.zeros_like(state)
    for weight in (1.0, 1.0, 0.5):
        state = graph._normalised @ state
        total += weight * F.normalize(state, dim=1)
    return F.normalize(total, dim=1)


def _strength(walks: Tensor) -> Tensor:
    return torch.log1p(walks * 1e4) / math.log1p(1e4)


def _shares(table: Tensor, total: Tensor) -> Tensor:
    """What part of all that leaves an anchor goes to each answer, on an even scale."""
    return torch.log1p(table / total.clamp(min=1e-12) * 1e3) / math.log1p(1e3)
