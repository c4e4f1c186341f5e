"""What is known of entities and relations before an unseen relation is asked for: evidence for its pairs."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from kgzsl.errors import InputError
from kgzsl.tasks.kg_completion._ranges import starts_of
from kgzsl.tasks.kg_completion.evidence.asking import Asking
from kgzsl.tasks.kg_completion.evidence.kinds import EntityKinds
from kgzsl.tasks.kg_completion.evidence.names import NameTable
from kgzsl.tasks.kg_completion.pair_graph import PairGraph, relation_arcs
from kgzsl.tasks.kg_completion.pair_rows import PairRows

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
        pairs_per_relation: So many pairs of each relation, at most, for its mean vectors, evenly along all of them.
        rank: int64 [E], by which entities random numbers are drawn and pairs sorted; None: by their ids. With ranks by
            name another numbering of the entities changes nothing.

    Raises:
        InputError: There is no fact.
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
        if not len(triples):
            raise InputError("no fact is known, and evidence is counted in facts", remedy="call set_facts with some")
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
        self._all: PairRows | None = None
        self._some: tuple[Tensor, PairRows] | None = None
        self._last: tuple[PairRows, dict[str, Tensor], dict[str, Tensor]] | None = None
        self._arcs_by_kind = _by_kind(self.graph, self.graph.profiles.count.float())
        self._count_relations(pairs_per_relation, rank)

    def _count_relations(self, limit: int, rank: Tensor) -> None:
        graph, count = self.graph, self.graph.num_relations
        entities = graph.num_entities
        forward = graph.kind < count
        head, relation, tail = graph.source[forward], graph.kind[forward], graph.target[forward]
        size = torch.bincount(relation, minlength=count).clamp(min=1).float()
        heads = torch.bincount(torch.unique(relation * entities + head) // entities, minlength=count)
        tails = torch.bincount(torch.unique(relation * entities + tail) // entities, minlength=count)
        self.tails_per_head = torch.log(size / heads.clamp(min=1))
        self.heads_per_tail = torch.log(size / tails.clamp(min=1))
        kind = self.kinds.main[tail]
        by_kind = torch.zeros(count, len(self.kinds))
        self.kind_share = by_kind.index_put_((relation, kind), torch.ones(len(kind)), accumulate=True) / size[:, None]
        dims = {"roles": self.roles.shape[1], "place": self.place.shape[1]}
        self.centre = {name: torch.zeros(count, dim) for name, dim in dims.items()}
        self.product = {name: torch.zeros(count, dim, dim) for name, dim in dims.items()}
        for number in range(count):
            rows = torch.nonzero(relation == number).flatten()
            if len(rows) > limit:
                # Evenly along the sorted pairs: nothing is drawn, so that no other relation has a part in it.
                rows = rows[torch.argsort(rank[head[rows]] * entities + rank[tail[rows]])]
                rows = rows[torch.arange(limit) * len(rows) // limit]
            for name, table in (("roles", self.roles), ("place", self.place)):
                given, asked = table[head[rows]], table[tail[rows]]
                self.centre[name][number] = asked.mean(dim=0)
                self.product[name][number] = given.T @ asked / max(1, len(rows))

    def without(self, relation: int) -> FactEvidence:
        """The same facts with nothing said of a relation: no prior, no domain, no range."""
        other = copy.copy(self)
        other.priors = self.priors.index_fill(0, torch.tensor([relation]), 0)
        other.kinds = self.kinds.without(relation)
        other._asked = None
        return other

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
        kinds = self.kinds.main[which]
        for kernel in _KERNELS[1:]:
            columns.append(((shares[kernel] @ self.kind_share + 1e-4).log() / 4)[kinds])
        allowed = self.kinds.allowed(relation, "head" if self.turned else "tail")
        columns.append(torch.zeros(len(kinds)) if allowed is None else allowed.float()[self.kinds.of[which]])
        return torch.stack(columns, dim=1)

    def of_pairs(
        self, relation: int, anchors: Tensor, answers: Tensor | None = None, *, entities: Tensor | None = None
    ) -> Iterator[Tensor]:
        """Evidence named in :data:`PAIR`, one after the other: float [Q, E] each.

        Args:
            relation: The relation that is asked for.
            anchors: int64 [Q].
            answers: int64 [Q, A]: only for these answers of each anchor, float [Q, A] each.
            entities: int64 [C], distinct: only for these answers, the same of all anchors, float [Q, C] each. For few
                answers only the first two steps of walks are worked out for all entities.
        """
        asked = self._about(relation)
        asking = Asking(self.graph, anchors, answers, entities, self._rows(entities) if answers is None else None)
        for direction in (0, 1):
            for kernel in _KERNELS:
                yield asking.linked(asked[kernel], direction)[0]
        for direction in (0, 1):
            yield _shares(*asking.linked(asked["similar"], direction))
        yield asking.most(asked["cosine"].clamp(min=0))
        yield from self._walks(asked, asking)
        yield from self._kinds(asking)
        # By the mean of what similar relations' pairs have, and as they are.
        alike = [
            asking.times(torch.cat([table[anchors] @ asked[name] * 4, table[anchors][None]]), table)
            for name, table in (("roles", self.roles), ("place", self.place))
        ]
        for found in alike:
            yield from found[:-1]
        for found in alike:
            yield found[-1]
        yield (self.kinds.main[anchors][:, None] == asking.of(self.kinds.main)).float()
        itself = asking.itself()
        for place in range(2):
            if self.names is None:
                yield torch.zeros_like(itself)
            else:
                yield asking.alike(self.names[place]) * (1 - itself)
        yield itself

    def _walks(self, asked: dict[str, Tensor], asking: Asking) -> Iterator[Tensor]:
        graph, kinds = self.graph, self.kinds.main
        plain, near = asking.matrices.plain, self._into(asked, asking.matrices)
        one = asking.first_step()
        two = graph.normalised @ one
        yield _strength(asking.reached(one))
        row, total = asking.reached_shared(two)
        yield from _strength_and_share(row, total)
        row, total = asking.arriving_shared(plain, two)
        yield from _strength_and_share(row, total)
        for kernel in _KERNELS[1:3]:
            yield _strength(asking.arriving(near[kernel], one))
        for kernel in _KERNELS[1:3]:
            yield _strength(asking.arriving(plain, asking.first_step(asked[kernel])))
        for kernel in _KERNELS[1:3]:
            yield _strength(asking.arriving(near[kernel], two))
        row, total = asking.arriving_shared(plain, two * (kinds[:, None] == kinds[asking.anchors][None]))
        yield from _strength_and_share(row, total)
        likely = (asked["near"] / asked["near"].sum().clamp(min=1e-12)) @ self.kind_share
        yield _strength(asking.arriving(plain, graph.normalised @ (one * likely[kinds][:, None])))

    def _into(self, asked: dict[str, Tensor], rows: PairRows) -> dict[str, Tensor]:
        """Last steps along arcs into the answers that count as their relations do; kept while the same are asked."""
        if self._last is None or self._last[0] is not rows or self._last[1] is not asked:
            # Only arcs into an answer as a tail of the near relations: those that leave it backwards.
            weights = {kernel: torch.cat([torch.zeros_like(asked[kernel]), asked[kernel]]) for kernel in _KERNELS[1:3]}
            self._last = (rows, asked, {kernel: rows.matrix(weight) for kernel, weight in weights.items()})
        return self._last[2]

    def _rows(self, entities: Tensor | None) -> PairRows:
        """Rows of the graph's matrices; those of the last entities asked about are kept."""
        if entities is None:
            if self._all is None:
                self._all = PairRows(self.graph)
            return self._all
        if self._some is None or not torch.equal(self._some[0], entities):
            self._some = (entities, PairRows(self.graph, entities))
        return self._some[1]

    def _kinds(self, asking: Asking) -> Iterator[Tensor]:
        """How many arcs lead from entities of the anchor's kind to each answer, and their share of its arcs."""
        kinds, place = torch.unique(self.kinds.main[asking.anchors], return_inverse=True)
        for kind in kinds.tolist():
            if kind not in self._from_kind:
                mine = self.graph.source[self.kinds.main[self.graph.target] == kind]
                self._from_kind[kind] = torch.bincount(mine, minlength=self.graph.num_entities).float()
        tables = [self._from_kind[kind] for kind in kinds.tolist()]
        if asking.answers is not None:
            table = torch.stack(tables)[place[:, None], asking.answers]
        else:
            table = torch.stack([one if asking.entities is None else one[asking.entities] for one in tables])[place]
        yield torch.log1p(table)
        yield table / asking.of(self.graph.degree.clamp(min=1))

    def _about(self, relation: int) -> dict[str, Tensor]:
        """Similarities and counts of ends for one relation; those of the last one are kept."""
        if self._asked is None or self._asked[0] != relation:
            about = self.similarities(relation)
            weights = torch.stack([about[kernel] for kernel in _KERNELS], dim=1)
            empty = torch.zeros_like(weights)
            # Both ends of all kernels at once: kinds of arcs by what they count.
            by_kind = torch.cat([torch.cat([weights, empty], dim=1), torch.cat([empty, weights], dim=1)])
            names = [f"{end}.{kernel}" for end in ("as_head", "as_tail") for kernel in _KERNELS]
            shares = weights[:, 1:] / weights[:, 1:].sum(dim=0).clamp(min=1e-12)
            for name, product in self.product.items():
                about[name] = (shares.T @ product.flatten(1)).view(-1, *product.shape[1:])
            about |= zip(names, (self._arcs_by_kind @ by_kind).T.contiguous(), strict=True)
            self._asked = (relation, about)
        return self._asked[1]


def _roles(graph: PairGraph, dim: int) -> Tensor:
    """Principal components of what kinds of arcs leave each entity, by ``log(1 + count)`` and rarity; unit rows."""
    profiles, kinds = graph.profiles, 2 * graph.num_relations
    rows = torch.repeat_interleave(torch.arange(graph.num_entities), profiles.size)
    having = torch.bincount(profiles.kind, minlength=kinds).clamp(min=1).float()
    weight = torch.log1p(profiles.count.float()) * torch.log(graph.num_entities / having)[profiles.kind]
    length = torch.zeros(graph.num_entities).index_add_(0, rows, weight.square()).sqrt().clamp(min=1e-6)
    weight /= length[rows]
    table = _by_kind(graph, weight)
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


def _by_kind(graph: PairGraph, values: Tensor) -> Tensor:
    """A value for each entry of the profiles as a sparse matrix, entities by kinds of arcs."""
    profiles = graph.profiles
    with warnings.catch_warnings():
        # Says once that compressed sparse rows are in beta; only their product with a dense matrix is used here.
        warnings.simplefilter("ignore", UserWarning)
        return torch.sparse_csr_tensor(
            starts_of(profiles.size),
            profiles.kind,
            values,
            (graph.num_entities, 2 * graph.num_relations),
        )


def _places(graph: PairGraph, dim: int, random: torch.Generator, rank: Tensor) -> Tensor:
    state = torch.randn(graph.num_entities, dim, generator=random)[rank] / math.sqrt(dim)
    total = torch.zeros_like(state)
    for weight in (1.0, 1.0, 0.5):
        state = graph.normalised @ state
        total += weight * F.normalize(state, dim=1)
    return F.normalize(total, dim=1)


def _strength(walks: Tensor) -> Tensor:
    """On an even scale; the table given is changed."""
    return walks.mul_(1e4).log1p_().div_(math.log1p(1e4))


def _strength_and_share(walks: Tensor, total: Tensor) -> Iterator[Tensor]:
    share = _shares(walks, total)
    yield _strength(walks)
    yield share


def _shares(table: Tensor, total: Tensor) -> Tensor:
    """What part of all that leaves an anchor goes to each answer, on an even scale."""
    return (table / total.clamp(min=1e-12)).mul_(1e3).log1p_().div_(math.log1p(1e3))
