"""From a class graph to class vectors by reading walks as sentences."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Hashable
from dataclasses import asdict
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import torch

from kgzsl.errors import InputError
from kgzsl.priors.base import PriorEncoder
from kgzsl.priors.growth import came_from, same_relations
from kgzsl.priors.triples.graph_triples import GraphTriples
from kgzsl.priors.walks.documents import Documents
from kgzsl.priors.walks.skip_gram import SkipGramLoop, SkipGramOptions
from kgzsl.priors.walks.walker import Walker

if TYPE_CHECKING:
    from kgzsl.engine import Engine, History
    from kgzsl.knowledge import ClassGraph

__all__ = ["WalkEncoder"]


class WalkEncoder(PriorEncoder):
    """Draws walks from every node, makes documents of them and trains token vectors by skip-gram.

    Nodes and relations are taken in the order of their IRIs, so their numbering in the graph does not matter. Walks are
    short of a dead end where a class has nothing above it; disjointness is not walked unless asked for.

    Args:
        dim: Numbers per token.
        walks: Walks from each node.
        hops: Edges per walk.
        direction: ``"out"`` follows the edges, as RDF2Vec and OWL2Vec* do; ``"both"`` also goes against them, under
            relation tokens of their own.
        disjointness: ``"drop"``, or ``"relation"`` to walk it as any other.
        window: Farthest context, in tokens.
        negatives: Noise tokens per context.
        epochs: Passes over the tokens.
        batch_size: Centres per step.
        lr: Adam's learning rate at the start.
        seed: None takes the engine's.
    """

    family: ClassVar[str] = "walks"

    def __init__(
        self,
        dim: int = 100,
        *,
        walks: int = 20,
        hops: int = 4,
        direction: Literal["out", "both"] = "out",
        disjointness: Literal["drop", "relation"] = "drop",
        window: int = 5,
        negatives: int = 5,
        epochs: int = 10,
        batch_size: int = 1024,
        lr: float = 0.025,
        seed: int | None = None,
    ) -> None:
        for key, value in (("walks", walks), ("hops", hops), ("epochs", epochs)):
            if value < 1:
                raise InputError(f"{key}={value!r} is less than 1")
        if direction not in ("out", "both"):
            raise InputError(f"direction={direction!r} is not known", remedy="choose 'out' or 'both'")
        if disjointness not in ("drop", "relation"):
            raise InputError(f"disjointness={disjointness!r} is not known", remedy="choose 'drop' or 'relation'")
        self.dim = dim
        self.walks = walks
        self.hops = hops
        self.direction = direction
        self.disjointness = disjointness
        self.window = window
        self.negatives = negatives
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.seed = seed
        self._options()

    @abstractmethod
    def documents(
        self, graph: ClassGraph, triples: GraphTriples, walks: Documents, random: np.random.Generator
    ) -> tuple[Documents, int]:
        """What is read, and the number of different tokens; tokens 0 .. N - 1 are ``triples.nodes``.

        Args:
            graph: The class graph.
            triples: Its triples, nodes sorted.
            walks: The walks as documents of node and relation tokens.
            random: Draws what is left to chance.
        """

    def fit(self, graph: ClassGraph, *, engine: Engine | None = None) -> Self:
        """Draw walks and train.

        Args:
            graph: The class graph.
            engine: Where and how to train; None trains in silence, on CUDA where there is one, at 32-bit precision.

        Raises:
            InputError: The graph has no edge to walk along.
        """
        from kgzsl.engine import Engine

        engine = engine or Engine(seed=self.seed or 0, precision="32-true", progress=False)
        triples = GraphTriples.of(graph, disjointness=self.disjointness == "relation")
        # A state of its own, so that what else the engine trained before does not matter.
        seed = engine.seed if self.seed is None else self.seed
        number = int.from_bytes(hashlib.sha256(f"{self.name} {seed}".encode()).digest()[:7], "little")
        documents, names = self._read(graph, triples, np.arange(graph.num_nodes), np.random.default_rng(number))
        options = self._options()
        steps = self.epochs * -(-len(documents) // options.batch_size)
        generator = torch.Generator(device=engine.torch_device).manual_seed(number)
        loop = SkipGramLoop(
            documents,
            len(names),
            options,
            steps=steps,
            generator=generator,
            device=engine.torch_device,
            dtype=engine.dtype,
        )
        self.history_: History = engine.run(loop, steps=steps, name=f"priors-{self.name}")
        self.vectors_ = loop.centres.detach().float().cpu().numpy()
        self._contexts, self._names = loop.contexts.detach().float().cpu().numpy(), names
        self.triples_ = triples
        self.graph = graph
        return self

    def _read(
        self,
        graph: ClassGraph,
        triples: GraphTriples,
        starts: npt.NDArray[np.int64],
        random: np.random.Generator,
    ) -> tuple[Documents, list[Hashable]]:
        """Documents of walks from the sorted nodes ``starts``, and what each token stands for."""
        both = self.direction == "both"
        walker = Walker(triples.triples, graph.num_nodes, len(triples.relations), both=both)
        walks = Documents.of_walks(walker.draw(np.tile(starts.astype(np.int64), self.walks), self.hops, random))
        documents, num_tokens = self.documents(graph, triples, walks, random)
        names: list[Hashable] = [("node", graph.iris[node]) for node in triples.nodes.tolist()]
        names += [(way, relation) for way in ("out", "in") for relation in triples.relations]
        names += self.words()
        assert len(names) == num_tokens
        return documents, names

    def words(self) -> list[Hashable]:
        """The words that are tokens behind nodes and relations, after :meth:`documents`."""
        return []

    def _join(self, graph: ClassGraph, *, engine: Engine | None = None, steps: int = 200) -> None:
        """Walks from the new nodes are read until their vectors fit; those of all other tokens are held fast.

        Args:
            graph: The larger graph.
            engine: Where to train.
            steps: Of the fit.
        """
        from kgzsl.engine import Engine

        assert self.graph is not None
        engine = engine or Engine(seed=self.seed or 0, precision="32-true", progress=False)
        new = np.array([node for node, at in enumerate(came_from(self.graph.iris, graph.iris)) if at < 0], np.int64)
        triples = GraphTriples.of(graph, disjointness=self.disjointness == "relation")
        same_relations(triples.relations, self.triples_.relations)
        starts = np.sort(triples.position[new])
        documents, names = self._read(graph, triples, starts, np.random.default_rng(self.seed or 0))
        place = {name: at for at, name in enumerate(self._names) if name is not None}
        at = np.array([place.get(name, -1) for name in names], dtype=np.int64)
        if not (documents.document[1:] == documents.document[:-1]).any():
            raise InputError(
                f"no walk leads on from {graph.iris[new[0]]!r}" if len(new) else "no node has joined",
                remedy="give it an edge that the walks may take (direction='both' walks edges against their direction)",
            )
        loop = SkipGramLoop(
            documents,
            len(names),
            self._options(),
            steps=steps,
            generator=torch.Generator(device=engine.torch_device).manual_seed(self.seed or 0),
            device=engine.torch_device,
            dtype=engine.dtype,
        )
        fast = torch.from_numpy(np.flatnonzero(at >= 0)).to(engine.torch_device)
        known = [torch.from_numpy(table[at[at >= 0]]).to(loop.centres) for table in (self.vectors_, self._contexts)]
        for index in range(-1, steps):
            if index >= 0:
                loop.step(index)
            # What was trained is put back after every step: only the new tokens move.
            with torch.no_grad():
                for table, old in zip((loop.centres, loop.contexts), known, strict=True):
                    table[fast] = old
        self.vectors_ = loop.centres.detach().float().cpu().numpy()
        self._contexts, self._names = loop.contexts.detach().float().cpu().numpy(), names
        self.triples_, self.graph = triples, graph

    def _options(self) -> SkipGramOptions:
        return SkipGramOptions(
            dim=self.dim, window=self.window, negatives=self.negatives, batch_size=self.batch_size, lr=self.lr
        )

    def _told(self) -> dict[str, object]:
        return {"training": asdict(self._options()), "walks": len(self.triples_.nodes) * self.walks}
