"""Entity-pair features: trained on the seen relations of a graph, made for any pair, scored for all pairs at once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from kgzsl._options import check_budget, check_numbers, check_whole
from kgzsl.datasets import KGSplit
from kgzsl.engine import Engine, History
from kgzsl.errors import InputError
from kgzsl.tasks.kg_completion.entity_vectors import EntityVectors, embedding_of
from kgzsl.tasks.kg_completion.nearness import nearness
from kgzsl.tasks.kg_completion.neighbour_draw import NeighbourDraw
from kgzsl.tasks.kg_completion.pair_amounts import amounts_of_pairs
from kgzsl.tasks.kg_completion.pair_encoder import AMOUNTS, PairEncoder, amounts, end_amounts
from kgzsl.tasks.kg_completion.pair_graph import PairGraph, relation_arcs
from kgzsl.tasks.kg_completion.pair_sampling import PairSample, sample_pairs
from kgzsl.tasks.kg_completion.pretraining import PairPretraining, RelationAttention, true_features
from kgzsl.tasks.ranking import model_share, rows_under_budget

__all__ = ["PairFeatures", "unit_mean"]

_SIDES = ("tail", "both")


class PairFeatures:
    """Features of (head, tail) pairs that say what kind of relation may hold between them.

    Args:
        dim: Size of the head block and of the tail block.
        link_dim: Size of the link block.
        steps: Training steps; 0 leaves the initial weights.
        batch_size: Queries in a step.
        queries: Queries drawn of each seen relation.
        corrupted: Corrupted pairs of each query.
        hard: Share of corrupted ends that are of the relation's own kind; the others are any entity.
        support: Pairs for each relation's mean in a step.
        lr: Learning rate of gains, block weights and temperatures.
        table_lr: Learning rate of vectors and maps; 0 keeps them the random projections that they begin as.
        loss: ``"softmax"`` or ``"margin"``; see :class:`PairPretraining`.
        prototype: ``"transfer"`` or ``"support"``; see :class:`PairPretraining`.
        margin: Of the margin loss.
        neighbours: Facts of an entity by which its neighbourhood is told, at most (the head and the tail block, and the
            neighbours' vectors); of entities with more, so many are drawn once for all, see :class:`NeighbourDraw`.
            Links, walks and the other amounts go by all facts. None: all. The published code of Qin et al. takes the
            first 50.
        memory_budget: Bytes that scoring against all entities, and drawing pairs, may take at a time.
        entity_vectors: Vectors of the entities, for further blocks (:class:`EntityBlocks`): a path, or a mapping with
            ``path``, ``names`` and ``key``, as :meth:`EntityVectors.read` takes them; or an embedding to train on the
            training triples, by its name (``"transe"``) or with its options (``{"name": "complex", "dim": 64}``).

    Attributes:
        notes: What did not fit between vectors and entities, a sentence each.
    """

    def __init__(
        self,
        *,
        dim: int = 64,
        link_dim: int = 128,
        steps: int = 200,
        batch_size: int = 64,
        queries: int = 64,
        corrupted: int = 64,
        hard: float = 0.75,
        support: int = 8,
        lr: float = 0.05,
        table_lr: float = 0.0,
        loss: str = "softmax",
        prototype: str = "transfer",
        margin: float = 0.1,
        neighbours: int | None = None,
        memory_budget: int = 512 * 2**20,
        entity_vectors: str | dict[str, Any] | None = None,
    ) -> None:
        self.dim, self.link_dim, self.steps, self.batch_size = dim, link_dim, steps, batch_size
        self.queries, self.corrupted, self.hard, self.support = queries, corrupted, hard, support
        self.lr, self.table_lr, self.loss, self.prototype, self.margin = lr, table_lr, loss, prototype, margin
        self.neighbours, self.memory_budget, self.entity_vectors = neighbours, memory_budget, entity_vectors
        for name, value, known in (
            ("loss", loss, ("softmax", "margin")),
            ("prototype", prototype, ("transfer", "support")),
        ):
            if value not in known:
                raise InputError(f"pairs.{name} is {value!r}", remedy=f"choose {' or '.join(known)}")
        check_whole(self, "dim", "link_dim", "batch_size", "queries", "corrupted", "support", owner="pairs.")
        check_whole(self, "steps", least=0, owner="pairs.")
        if neighbours is not None:
            check_whole(self, "neighbours", owner="pairs.")
        check_numbers(self, "lr", zero=False, owner="pairs.")
        check_numbers(self, "table_lr", owner="pairs.")
        check_budget(memory_budget, "pairs.memory_budget")
        if link_dim % 2:
            raise InputError(f"pairs.link_dim is {link_dim}", remedy="give an even number: half for each direction")
        if entity_vectors is not None:
            embedding_of(entity_vectors)
        self.history: History | None = None
        self.notes: list[str] = []

    def config(self) -> dict[str, Any]:
        """The options of the constructor, JSON-able."""
        return {
            name: getattr(self, name) for name in inspect.signature(type(self).__init__).parameters if name != "self"
        }

    def fit(
        self,
        kg: KGSplit,
        priors: Tensor,
        *,
        sides: str = "both",
        candidates: Mapping[int, Tensor] | None = None,
        engine: Engine | None = None,
        callback: Callable[[PairFeatures, int], dict[str, float] | None] | None = None,
        callback_every: int | None = None,
        vectors: EntityVectors | None = None,
    ) -> Self:
        """Learn from the training triples of ``kg``; its other triples are not looked at.

        Args:
            kg: The knowledge graph.
            priors: float [R, P], one row for each relation of ``kg.train``, in the order of their ids.
            sides: ``"tail"`` trains for ranking tails only, ``"both"`` for heads too.
            candidates: Relation id to the tails that corrupted pairs are drawn from.
            engine: Device, seed, progress, checkpoints.
            callback: Called with these features, ready for use, and the number of steps done.
            callback_every: Steps between calls.
            vectors: Vectors of the entities, in place of what the option says.

        Raises:
            InputError: Fewer than two relations have training triples, an unknown side, priors that do not fit, or
                vectors of no entity.
        """
        if sides not in _SIDES:
            raise InputError(f"sides is {sides!r}", remedy=f"choose {' or '.join(_SIDES)}")
        if not len(kg.train):
            raise InputError("there is no training triple", file=kg.source, remedy="give triples of seen relations")
        seen = torch.unique(kg.train[:, 1]).cpu()
        if len(seen) < 2:
            raise InputError(
                "fewer than two relations have training triples: none can play the unseen one", file=kg.source
            )
        if len(priors) != len(seen):
            raise InputError(f"{len(priors)} prior rows for {len(seen)} relations with training triples")
        engine = engine or Engine(progress=False)
        random = torch.Generator().manual_seed(engine.seed)
        self.graph, _ = relation_arcs(kg.train, kg.num_entities, kg.num_relations)
        aligned = None
        if vectors is None and self.entity_vectors is not None:
            vectors = EntityVectors.told(self.entity_vectors, kg, engine)
        if vectors is not None:
            aligned = vectors.align(kg.entities)
            self.notes = aligned.notes
        self.encoder = PairEncoder(
            len(seen),
            dim=self.dim,
            link_dim=self.link_dim,
            relation_vectors=priors.cpu(),
            entity_vectors=None if aligned is None else aligned.matrix,
            generator=random,
        )
        self.attention = RelationAttention(priors.cpu())
        self.sample: PairSample = sample_pairs(
            self.graph,
            kg,
            seen,
            priors.cpu(),
            queries=self.queries,
            corrupted=self.corrupted,
            sides=sides,
            hard=self.hard,
            candidates=candidates,
            generator=random,
            budget=self.memory_budget,
        ).to(engine.torch_device)
        if self.neighbours is not None:
            # A state of its own: it changes nothing else that is drawn, and nothing else changes it.
            alone, names = torch.Generator().manual_seed(engine.seed), kg.names_of(seen)
            self.graph = self.graph.drawing(NeighbourDraw.make(self.neighbours, kg.entities, names, alone))
        self.graph = self.graph.to(engine.torch_device)
        loop = PairPretraining(
            self.encoder,
            self.attention,
            self.graph,
            self.sample,
            engine,
            batch_size=self.batch_size,
            support=self.support,
            lr=self.lr,
            table_lr=self.table_lr,
            loss=self.loss,
            prototype=self.prototype,
            margin=self.margin,
        )

        def call(done: int) -> dict[str, float] | None:
            return None if callback is None else callback(self, done)

        self.history = engine.run(loop, steps=self.steps, name="pairs", callback=call, callback_every=callback_every)
        return self

    @torch.no_grad()
    def training_pairs(self) -> tuple[Tensor, Tensor]:
        """Features of the drawn true pairs, each with its relation hidden, and their relations.

        Returns:
            float32 [Q, D], and int64 [Q]: positions among the relations of ``kg.train``.
        """
        return true_features(self.encoder, self.graph, self.sample), self.sample.relation

    @torch.no_grad()
    def relation_means(self) -> Tensor:
        """Mean feature of each seen relation: float32 [R, D]."""
        features, relation = self.training_pairs()
        sums = torch.zeros(len(self.sample.offsets) - 1, features.shape[1], device=features.device)
        sizes = (self.sample.offsets[1:] - self.sample.offsets[:-1]).to(features.dtype)
        return sums.index_add_(0, relation, features) / sizes[:, None]

    @torch.no_grad()
    def attended(self, priors: Tensor) -> Tensor:
        """Prototypes made by the attention that pre-training used: unit rows [B, D] for prior rows [B, P]."""
        found: Tensor = self.attention(priors.to(self.graph.device), self.relation_means())
        return found

    def nearness(self, prior: Tensor) -> Tensor:
        """How near each seen relation is to one with this prior [P]: float32 [R]."""
        seen: Tensor = self.attention.priors
        return nearness(seen, prior.to(self.graph.device))

    @torch.no_grad()
    def pairs(self, heads: Tensor, tails: Tensor, prior: Tensor) -> Tensor:
        """Features of single pairs.

        Args:
            heads: int64 [P].
            tails: int64 [P].
            prior: float [P'], of the relation that is asked for.

        Returns:
            float32 [P, D].
        """
        graph, near = self.graph, self.nearness(prior)
        heads, tails = heads.to(graph.device), tails.to(graph.device)
        as_head, as_tail = end_amounts(graph, near)
        between = amounts_of_pairs(graph, heads, tails, near, budget=model_share(self.memory_budget))
        amount = torch.cat([between, as_head[heads, None], as_tail[tails, None]], dim=1)
        # Profiles of both ends, the vectors of their kinds, and the blocks.
        chunk = rows_under_budget(4 * self.encoder.dim, bytes_each=4, budget=model_share(self.memory_budget))
        parts = zip(*(torch.split(each, chunk) for each in (heads, tails, amount)), strict=True)
        found = [self.encoder(graph, *part) for part in parts]
        return torch.cat(found) if found else torch.zeros(0, self.encoder.dim, device=graph.device)

    @torch.no_grad()
    def scores(self, prototype: Tensor, anchors: Tensor, prior: Tensor, *, side: str = "tail") -> Tensor:
        """Similarity of the pairs of each anchor with every entity to a prototype, without making the pairs' features.

        The product of a pair's feature with the prototype is a sum over blocks; those of single entities are computed
        once, links only where there are some, walks by sparse products.

        Args:
            prototype: float [D]; its length counts (a mean of unit vectors is shorter where they disagree).
            anchors: int64 [Q], heads for ``side="tail"``, tails for ``side="head"``.
            prior: float [P], of the relation that is asked for.
            side: Which end is asked for.

        Returns:
            float32 [Q, E].
        """
        graph = self.graph
        anchors = anchors.to(graph.device)
        parts = torch.split(anchors, self._chunk())
        if len(parts) == 1:
            return self._scores(prototype, anchors, prior, side)
        found = torch.empty(len(anchors), graph.num_entities, device=graph.device)
        for rows, some in zip(torch.split(found, self._chunk()), parts, strict=True):
            rows.copy_(self._scores(prototype, some, prior, side))
        return found

    def _chunk(self) -> int:
        # Amounts, the walks' states and what they are made of, the scores.
        return rows_under_budget(self.graph.num_entities, bytes_each=4 * 12, budget=model_share(self.memory_budget))

    def _scores(self, prototype: Tensor, anchors: Tensor, prior: Tensor, side: str) -> Tensor:
        encoder, graph, near = self.encoder, self.graph, self.nearness(prior)
        weights = encoder.weights()
        parts = torch.split(prototype.to(graph.device, torch.float32), encoder.sizes)
        head, tail, link, *others = [weight * part for weight, part in zip(weights, parts, strict=True)]
        amount, by_vectors = others[: len(AMOUNTS)], others[len(AMOUNTS) :]
        of_head, of_tail = self._entity_tables()
        as_head, as_tail = end_amounts(graph, near)
        last = len(AMOUNTS) - 2
        alone = (
            of_head @ head + encoder.amount_block(last, as_head) * amount[last],
            of_tail @ tail + encoder.amount_block(last + 1, as_tail) * amount[last + 1],
        )
        if encoder.entities is not None:
            ends = (torch.cat(by_vectors[0:4:2]), torch.cat(by_vectors[1:4:2]))
            more = encoder.entities.of_entities(graph, *ends)
            alone = (alone[0] + more[0], alone[1] + more[1])
        given, asked = alone if side == "tail" else alone[::-1]
        found: Tensor = asked[None] + given[anchors][:, None]
        for place, table in enumerate(self._amounts(anchors, near, side)):
            found += encoder.amount_block(place, table) * amount[place]
        if encoder.entities is not None:
            found += encoder.entities.of_pairs(anchors, by_vectors[-1], side)
        rows, kinds, targets = graph.arcs_of(anchors)
        if side == "head":
            # An arc from the anchor, which is the tail, is the same link seen from its other end.
            kinds = (kinds + graph.num_relations) % (2 * graph.num_relations)
        pair, arc = torch.unique_consecutive(rows * graph.num_entities + targets, return_inverse=True)
        found.view(-1)[pair] += encoder.link_block((arc, kinds), len(pair)) @ link
        return found

    def _amounts(self, anchors: Tensor, near: Tensor, side: str) -> list[Tensor]:
        """Those between anchors and all entities; the last ones are kept, since several prototypes are often asked."""
        last = self.__dict__.get("_last_amounts")
        if last is None or last[0] != side or not (_same(last[1], anchors) and _same(last[2], near)):
            self._last_amounts = (side, anchors, near, amounts(self.graph, anchors, near, side=side))
        return self._last_amounts[3]

    def forget(self) -> None:
        """Keep nothing of what was scored: the graph is another now."""
        self.__dict__.pop("_last_amounts", None)

    def _entity_tables(self) -> tuple[Tensor, Tensor]:
        everyone = torch.arange(self.graph.num_entities, device=self.graph.device)
        profile = self.graph.profiles.of(everyone)
        return (
            self.encoder.entity_block("head", profile, len(everyone)),
            self.encoder.entity_block("tail", profile, len(everyone)),
        )

    def encoder_state(self) -> dict[str, Any]:
        """What training changes, as tensors."""
        return {"encoder": self.encoder.state_dict(), "attention": self.attention.state_dict()}

    def load_encoder_state(self, state: Mapping[str, Any]) -> Self:
        """Put back what :meth:`encoder_state` gave."""
        self.encoder.load_state_dict(state["encoder"])
        self.attention.load_state_dict(state["attention"])
        return self

    def state_dict(self) -> dict[str, Any]:
        """What scoring needs, as tensors."""
        graph = self.graph
        return {
            **self.encoder_state(),
            "arcs": {"source": graph.source, "kind": graph.kind, "target": graph.target},
            "sizes": [graph.num_entities, graph.num_relations],
            "vectors": None if self.encoder.entities is None else self.encoder.entities.vectors,
            "neighbours": None if graph.neighbours is None else graph.neighbours.state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> Self:
        """Put back what :meth:`state_dict` gave."""
        entities, relations = state["sizes"]
        arcs, drawn = state["arcs"], state.get("neighbours")
        self.graph = object.__new__(PairGraph)
        neighbours = None if drawn is None else NeighbourDraw(**drawn)
        self.graph._set(entities, relations, arcs["source"], arcs["kind"], arcs["target"], neighbours)
        known = torch.zeros_like(state["encoder"]["relation_vectors"], device="cpu")
        vectors = state.get("vectors")
        encoder = PairEncoder(
            relations,
            dim=self.dim,
            link_dim=self.link_dim,
            relation_vectors=known,
            entity_vectors=None if vectors is None else torch.zeros_like(vectors, device="cpu"),
        )
        if encoder.entities is not None and vectors is not None:
            encoder.entities.vectors = vectors  # as they were made even before they were saved
        self.encoder = encoder.to(self.graph.device)
        self.attention = RelationAttention(known).to(self.graph.device)
        return self.load_encoder_state(state)


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and bool((one == other).all())


def unit_mean(samples: Tensor) -> Tensor:
    """The vector whose product with a feature is the mean cosine to the samples: mean of unit rows, [D]."""
    return F.normalize(samples.float(), dim=1).mean(dim=0)
