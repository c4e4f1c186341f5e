"""RMPI as a model that is trained on one graph and asked about another."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from kgzsl.engine import Engine, History, load_tree
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassPriors
from kgzsl.tasks.kg_completion._model_folder import ABOUT, PRIORS, TENSORS, read_description, write_model
from kgzsl.tasks.kg_completion.inductive.fact_graph import FactGraph
from kgzsl.tasks.kg_completion.inductive.rmpi.network import RmpiNetwork
from kgzsl.tasks.kg_completion.inductive.rmpi.subgraphs import Surrounds

__all__ = ["Rmpi"]

FORMAT = "kgzsl.rmpi/1"
_OPTIONS = (
    "dim", "layers", "attention", "surroundings", "epochs", "batch_size", "negatives", "margin", "lr", "seed",
    "entries",
)  # fmt: skip


class Rmpi:
    """Subgraph reasoning with messages between relations (see :class:`RmpiNetwork`), for unseen entities and relations.

    With priors a relation's vector is computed from what schema and text say of it, so unseen relations have one like
    any other. Without, seen relations have vectors that are learned, and unseen ones are drawn at random, as in the
    paper; only the facts around them then say what they mean.

    Args:
        dim: Numbers per relation.
        layers: Of message passing; subgraphs have as many hops.
        attention: Whether relations count by how they fit the target's.
        surroundings: Whether the one-hop surroundings count.
        epochs: Passes over the training triples.
        batch_size: Triples in a step.
        negatives: Corrupted triples beside each, heads and tails in turn.
        margin: Of the ranking loss.
        lr: Of Adam.
        seed: Of weights, batches, corrupted triples, and of vectors of unseen relations.
        entries: About how many facts of subgraphs are looked at in one go.

    Attributes:
        network_: The trained network.
        history_: Losses.
    """

    def __init__(
        self,
        *,
        dim: int = 32,
        layers: int = 2,
        attention: bool = True,
        surroundings: bool = True,
        epochs: int = 10,
        batch_size: int = 64,
        negatives: int = 4,
        margin: float = 10.0,
        lr: float = 2e-3,
        seed: int = 0,
        entries: int = 400_000,
    ) -> None:
        for name, value in (("dim", dim), ("layers", layers), ("epochs", epochs), ("batch_size", batch_size)):
            if value < 1:
                raise InputError(f"{name} is {value}", remedy="give 1 or more")
        if negatives < 1 or margin <= 0 or lr <= 0:
            raise InputError(f"negatives={negatives}, margin={margin}, lr={lr}", remedy="give positive numbers")
        self.dim, self.layers, self.attention, self.surroundings = dim, layers, attention, surroundings
        self.epochs, self.batch_size, self.negatives, self.margin = epochs, batch_size, negatives, margin
        self.lr, self.seed, self.entries = lr, seed, entries
        self._graph: tuple[FactGraph, Surrounds] | None = None

    def get_params(self) -> dict[str, Any]:
        """The options of the constructor."""
        return {name: getattr(self, name) for name in _OPTIONS}

    def fit(
        self,
        triples: Tensor,
        num_entities: int,
        relations: Sequence[str],
        *,
        priors: ClassPriors | None = None,
        engine: Engine | None = None,
    ) -> Self:
        """Learn on a training graph: each of its triples is asked for, with itself left out of the graph.

        Args:
            triples: int64 [T, 3].
            num_entities: N.
            relations: Names, by id.
            priors: Of relations; None learns a vector for each.
            engine: Device, seed, progress, checkpoints.

        Raises:
            InputError: No triple, or a relation without a prior.
        """
        if not len(triples):
            raise InputError("there is no training triple")
        engine = engine or Engine(device="cpu", precision="32-true", seed=self.seed, progress=False)
        device = engine.torch_device
        random = torch.Generator().manual_seed(engine.seed)
        self._priors = priors
        given = None if priors is None else priors.align(list(relations)).to_tensor()
        self.network_ = RmpiNetwork(
            self.dim,
            layers=self.layers,
            attention=self.attention,
            surroundings=self.surroundings,
            prior_dim=0 if given is None else given.shape[1],
            generator=random,
        ).to(device)
        if given is None:
            given = torch.nn.Parameter(_drawn(len(relations), self.dim, random).to(device))
        self._known = (tuple(relations), given.to(device) if priors is not None else given)
        surrounds = Surrounds(triples.to(device), num_entities, len(relations), hops=self.layers)
        loop = _Loop(self, surrounds, random)
        self.history_: History = engine.run(loop, steps=self.epochs * loop.steps_per_epoch, name="rmpi")
        return self.about(relations)

    @torch.no_grad()
    def about(self, relations: Sequence[str], *, priors: ClassPriors | None = None, draw: bool = False) -> Self:
        """Say what the relations of the graph are called that will be asked next.

        Args:
            relations: Names, by id.
            priors: Of these relations, made as those of :meth:`fit` were, which are taken where left out.
            draw: Give a relation without a prior a vector that is drawn by its name, instead of refusing it.

        Raises:
            InputError: It is not fitted, or a relation has no prior.
        """
        if not hasattr(self, "network_"):
            raise InputError("the model is not fitted yet", remedy="call fit(triples, ...) on a training graph")
        self._relations = tuple(relations)
        device = self.network_.last.device
        if self._priors is not None:
            told = self._priors if priors is None else priors
            have = set(told.names)
            missing = [name for name in relations if name not in have] if draw else []
            known = [name for name in relations if name not in set(missing)]
            vectors = torch.stack([self._drawn_by(name) for name in relations]).to(device)
            place = torch.tensor([name not in set(missing) for name in relations], device=device)
            if known:
                vectors[place] = self.network_.relation_vectors(told.align(known).to_tensor().to(device))
            self._vectors = vectors
            return self
        names, learned = self._known
        number = {name: row for row, name in enumerate(names)}
        self._vectors = torch.stack(
            [
                learned[number[name]].detach() if name in number else self._drawn_by(name).to(device)
                for name in relations
            ]
        )
        return self

    def _drawn_by(self, name: str) -> Tensor:
        """A vector [D] that hangs on the name, so that neither its number nor its company matters."""
        digest = hashlib.sha256(f"{self.seed} {name}".encode()).digest()
        random = torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))
        return _drawn(1, self.dim, random)[0]

    @torch.no_grad()
    def score_triples(self, graph: FactGraph, triples: Tensor, *, budget: int | None = None) -> Tensor:
        """Scores of triples of a graph; a triple that is a fact of it is left out of it.

        Args:
            graph: The facts.
            triples: int64 [B, 3].
            budget: Bytes that may be taken at a time, beside what is kept of the graph; ``entries`` bounds it too.

        Returns:
            float32 [B].
        """
        surrounds = self._prepared(graph)
        device = self.network_.last.device
        triples = triples.to(device)
        found = torch.empty(len(triples), device=device)
        for rows in surrounds.chunks(triples, self._entries(budget)):
            found[rows] = self.network_(surrounds, triples[rows], self._vectors)
        return found

    def _prepared(self, graph: FactGraph) -> Surrounds:
        if not hasattr(self, "_vectors"):
            raise InputError("the model is not fitted yet", remedy="call fit(triples, ...) on a training graph")
        if len(self._relations) != graph.num_relations:
            raise InputError("nothing is said about this graph's relations", remedy="call about(relations)")
        device = self.network_.last.device
        if self._graph is None or self._graph[0] is not graph:
            surrounds = Surrounds(graph.triples.to(device), graph.num_entities, graph.num_relations, hops=self.layers)
            self._graph = (graph, surrounds)
        return self._graph[1]

    def _entries(self, budget: int | None) -> int:
        """How much may be looked at in one go: near entities, and the facts among them."""
        if budget is None:
            return self.entries
        # States, six kinds of sums and their means of an edge, two layers' worth of them, and its ids.
        return max(1, min(self.entries, budget // (4 * 24 * (self.dim + 2) + 200)))

    @torch.no_grad()
    def score(self, graph: FactGraph, heads: Tensor, relations: Tensor, *, budget: int | None = None) -> Tensor:
        """As :meth:`kgzsl.tasks.kg_completion.inductive.Ultra.score`: float32 [Q, N] for directed relations.

        ``budget`` bounds the bytes of subgraphs and states at a time, beside the scores themselves.
        """
        queries, place = torch.unique(torch.stack([heads, relations], dim=1), dim=0, return_inverse=True)
        count, size = graph.num_entities, len(queries) * graph.num_entities
        scores = torch.empty(size, device=heads.device)
        # 100 bytes for each triple and what is looked up about it.
        some = 1 << 20 if budget is None else max(1, budget // 100)
        for start in range(0, size, some):
            flat = torch.arange(start, min(start + some, size), device=heads.device)
            query, answer = queries[torch.div(flat, count, rounding_mode="floor")], flat % count
            given, directed = query.unbind(dim=1)
            turned = directed >= graph.num_relations
            first, last = torch.where(turned, answer, given), torch.where(turned, given, answer)
            triples = torch.stack([first, directed % graph.num_relations, last], dim=1)
            scores[flat] = self.score_triples(graph, triples, budget=budget).to(heads.device)
        return scores.view(len(queries), count)[place]

    def state_dict(self) -> dict[str, Any]:
        """The trained network, and the vectors or priors of the training relations."""
        if not hasattr(self, "network_"):
            raise InputError("the model is not fitted yet", remedy="call fit(triples, ...) on a training graph")
        first = self.network_.prior_first
        return {
            "network": self.network_.state_dict(),
            "prior_dim": 0 if first is None else len(first),
            "relations": list(self._known[0]),
            "vectors": self._known[1].detach() if first is None else None,
        }

    def load_state_dict(self, state: dict[str, Any], priors: ClassPriors | None = None) -> Self:
        """Take over what :meth:`state_dict` gave, and priors as the model was fitted with; then call :meth:`about`."""
        self.network_ = RmpiNetwork(
            self.dim,
            layers=self.layers,
            attention=self.attention,
            surroundings=self.surroundings,
            prior_dim=state["prior_dim"],
        )
        self.network_.load_state_dict(state["network"])
        self._priors = priors
        vectors = torch.zeros(0, state["prior_dim"]) if state["vectors"] is None else state["vectors"]
        self._known = (tuple(state["relations"]), vectors)
        return self

    def save(self, folder: str | PathLike[str]) -> Path:
        """Write the trained network into a folder, all or nothing, and return it; relations' priors go with it."""
        folder, state = Path(folder), self.state_dict()
        about = {"format": FORMAT, "options": self.get_params()}
        return write_model(folder, about, state, self._priors)

    @classmethod
    def load(cls, folder: str | PathLike[str]) -> Rmpi:
        """Read what :meth:`save` wrote, onto the CPU; :meth:`about` says which relations will be asked.

        Raises:
            InputError: There is no model, or it is damaged or of another version.
        """
        folder = Path(folder)
        about = read_description(folder / ABOUT, FORMAT, "RMPI")
        try:
            state = load_tree(folder / TENSORS)
            priors = ClassPriors.load(folder / PRIORS) if state["prior_dim"] else None
            return cls(**about["options"]).load_state_dict(state, priors).about(state["relations"])
        except (KeyError, TypeError, RuntimeError) as error:
            raise InputError(f"the model is damaged ({error})", file=folder, remedy="train it again") from error


class _Loop:
    """One batch a step: its triples, corrupted ones beside them, and the margin between their scores."""

    hint = "lower lr"

    def __init__(self, model: Rmpi, surrounds: Surrounds, random: torch.Generator) -> None:
        self.model, self.surrounds, self.random = model, surrounds, random
        self.triples = surrounds.facts
        vectors = model._known[1]
        learned = [vectors] if isinstance(vectors, torch.nn.Parameter) else []
        self.optimizer = torch.optim.Adam([*model.network_.parameters(), *learned], lr=model.lr)
        self.order = torch.zeros(0, dtype=torch.int64)
        self.config = {"dim": model.dim, "layers": model.layers, "batch_size": model.batch_size, "lr": model.lr}

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.triples) // self.model.batch_size)

    def step(self, index: int) -> dict[str, Tensor]:  # noqa: ARG002 (steps are alike)
        model, device = self.model, self.triples.device
        if not len(self.order):
            self.order = torch.randperm(len(self.triples), generator=self.random)
        rows, self.order = self.order[: model.batch_size], self.order[model.batch_size :]
        true = self.triples[rows.to(device)]
        wrong = true.repeat_interleave(model.negatives, dim=0)
        drawn = torch.randint(self.surrounds.num_entities, (len(wrong),), generator=self.random).to(device)
        tails = torch.arange(len(wrong), device=device) % 2 == 0
        wrong[:, 2] = torch.where(tails, drawn, wrong[:, 2])
        wrong[:, 0] = torch.where(tails, wrong[:, 0], drawn)
        vectors = model.network_.relation_vectors(model._known[1])
        scores = model.network_(self.surrounds, torch.cat([true, wrong]), vectors)
        right, rest = scores[: len(true)], scores[len(true) :].view(len(true), -1)
        gap = torch.relu(model.margin + rest - right[:, None])
        # A corrupted triple that is a fact is none.
        counted = ~self.surrounds.is_fact(wrong).view_as(gap)
        loss = (gap * counted).sum() / counted.sum().clamp(min=1)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return {"loss": loss.detach()}

    def state_dict(self) -> dict[str, Any]:
        return {
            "network": self.model.network_.state_dict(),
            "vectors": self.model._known[1].detach(),
            "optimizer": self.optimizer.state_dict(),
            "order": self.order,
            "random": self.random.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        self.model.network_.load_state_dict(state["network"])
        with torch.no_grad():
            self.model._known[1].copy_(state["vectors"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.order = state["order"].cpu()
        self.random.set_state(state["random"].cpu())


def _drawn(rows: int, dim: int, random: torch.Generator) -> Tensor:
    vectors: Tensor = torch.randn(rows, dim, generator=random) / dim**0.5
    return vectors
