"""From a class graph to class vectors by learning to score its triples."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kgzsl.datasets.filter_index import FilterIndex
from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.priors.base import PriorEncoder, warn_bare
from kgzsl.priors.growth import Growth, grown_priors
from kgzsl.priors.triples.constraints import TypeConstraints
from kgzsl.priors.triples.graph_triples import GraphTriples
from kgzsl.priors.triples.growing import fit_rows, grow, train_on
from kgzsl.priors.triples.model import TripleModel
from kgzsl.priors.triples.ranking import RankingResult, rank_triples
from kgzsl.priors.triples.stopping import EarlyStopping
from kgzsl.priors.triples.training import TripleLoop, TripleOptions

if TYPE_CHECKING:
    from kgzsl.engine import Engine, History
    from kgzsl.knowledge import ClassGraph
    from kgzsl.priors.triples.scorer import TripleScorer

__all__ = ["TripleEncoder"]

_JUDGED = 0.05


class TripleEncoder(PriorEncoder):
    """Embeds the nodes of a class graph so that its triples score higher than corrupted ones.

    Nodes and relations are trained in the order of their IRIs, so their numbering in the graph does not matter. The
    same seed gives the same vectors on the same device.

    Args:
        dim: Numbers per class.
        epochs: Passes over the triples.
        batch_size: Triples per step.
        negatives: Nodes per step that stand in as heads and tails, shared by the batch; 0 takes all nodes (1-vs-all);
            None is the model's own number.
        loss: ``"self-adversarial"`` (Sun et al., ICLR 2019, eq. 5 and 6) or ``"softmax"``; None is the model's own.
        margin: g of the self-adversarial loss; None is the model's own.
        temperature: Sharpness of the self-adversarial weights.
        lr: Adam's learning rate at the start; None is the model's own.
        n3: Weight of the N3 penalty (Lacroix et al., ICML 2018); None is the model's own.
        inverse: Whether each relation has a second vector that reads it from tail to head, so that heads are
            predicted as tails are (Lacroix et al., ICML 2018).
        constrained: Whether negatives must fit the relation's domain or range, as the graph states them or as training
            shows them (Krompass et al., ISWC 2015).
        patience: Stop when so many rankings of a further 5% of the triples brought no better MRR, and take the best
            parameters; a ranking is due after every twentieth of the epochs. None trains to the end.
        disjointness: ``"relation"`` keeps disjointness as a relation of its own; ``"drop"`` leaves it out.
        holdout: Share of the triples that training does not see and that ``ranking_`` reports on, 0 to less than 1.
        seed: None takes the engine's.
    """

    family: ClassVar[str] = "triples"
    default_loss: ClassVar[Literal["self-adversarial", "softmax"]] = "self-adversarial"
    default_margin: ClassVar[float] = 0.0
    default_lr: ClassVar[float] = 0.01
    default_negatives: ClassVar[int] = 256
    default_n3: ClassVar[float] = 0.0

    def __init__(
        self,
        dim: int = 100,
        *,
        epochs: int = 50,
        batch_size: int = 256,
        negatives: int | None = None,
        loss: Literal["self-adversarial", "softmax"] | None = None,
        margin: float | None = None,
        temperature: float = 1.0,
        lr: float | None = None,
        n3: float | None = None,
        inverse: bool = False,
        constrained: bool = False,
        patience: int | None = None,
        disjointness: Literal["relation", "drop"] = "relation",
        holdout: float = 0.0,
        seed: int | None = None,
    ) -> None:
        for key, value in (("dim", dim), ("epochs", epochs)):
            if value < 1:
                raise InputError(f"{key}={value!r} is less than 1")
        if disjointness not in ("relation", "drop"):
            raise InputError(f"disjointness={disjointness!r} is not known", remedy="choose 'relation' or 'drop'")
        if not 0 <= holdout < 1:
            raise InputError(f"holdout={holdout!r} is not a share from 0 to less than 1")
        if patience is not None and patience < 1:
            raise InputError(f"patience={patience!r} is less than 1", remedy="give None to train to the end")
        self.dim = dim
        self.epochs = epochs
        self.batch_size = batch_size
        self.negatives = negatives
        self.loss = loss
        self.margin = margin
        self.temperature = temperature
        self.lr = lr
        self.n3 = n3
        self.inverse = inverse
        self.constrained = constrained
        self.patience = patience
        self.disjointness = disjointness
        self.holdout = holdout
        self.seed = seed
        self._options()

    @abstractmethod
    def make_scorer(self) -> TripleScorer:
        """The scorer of this model, with ``dim`` numbers per node."""

    def make_model(
        self,
        graph: ClassGraph,
        triples: GraphTriples,
        engine: Engine,
        generator: torch.Generator,
        train: Tensor | None = None,
    ) -> TripleModel:
        """A fresh model for ``triples``: tables of vectors, drawn from ``generator``.

        Args:
            graph: The class graph.
            triples: How its nodes and relations are numbered.
            engine: Where the model lives.
            generator: Draws its first values.
            train: int64 [T, 3], the triples that training sees, for models that read the neighbours of a node.
        """
        del graph, train
        return TripleModel(
            self.make_scorer(),
            len(triples.nodes),
            len(triples.relations),
            inverse=self.inverse,
            generator=generator,
            device=engine.torch_device,
            dtype=engine.dtype,
        )

    def fit(self, graph: ClassGraph, *, engine: Engine | None = None) -> Self:
        """Train on the graph's triples.

        Args:
            graph: The class graph.
            engine: Where and how to train; None trains in silence, on CUDA where there is one, at 32-bit precision.

        Returns:
            The encoder, with ``model_`` (its rows in the order of ``triples_.nodes``), ``history_`` and, when triples
            were held out, ``ranking_``.

        Raises:
            InputError: The graph has no edge to learn from.
        """
        from kgzsl.engine import Engine

        engine = engine or Engine(seed=self.seed or 0, precision="32-true", progress=False)
        triples = GraphTriples.of(graph, disjointness=self.disjointness == "relation")
        device = engine.torch_device
        generator = self._generator(engine, device)
        everything = torch.from_numpy(triples.triples).to(device)
        train, held = everything, everything[:0]
        if self.holdout:
            train, held = _hold_out(everything, self.holdout, generator)
        judged = train[:0]
        if self.patience is not None:
            train, judged = _hold_out(train, _JUDGED, generator)
        model = self.make_model(graph, triples, engine, generator, train)
        options = self._options()
        steps = self.epochs * -(-len(train) // options.batch_size)
        known = FilterIndex(everything, model.num_nodes, model.num_relations)
        stopping = None
        if self.patience is not None and len(judged):
            every = max(steps // 20, 1)
            stopping = EarlyStopping(model, judged, known, every=every, patience=self.patience)
        constraints = TypeConstraints.of(graph, triples, train) if self.constrained else None
        loop = TripleLoop(
            model, train, options, steps=steps, generator=generator, constraints=constraints, stopping=stopping
        )
        self.history_: History = engine.run(loop, steps=steps, name=f"priors-{self.name}")
        self.stopping_ = stopping
        if stopping is not None:
            stopping.restore()
        self.model_ = model.requires_grad_(False)
        self.triples_ = triples
        self.graph = graph
        self.ranking_: RankingResult | None = None
        if len(held):
            self.ranking_ = rank_triples(model, held, known)
        return self

    def priors(self, names: Iterable[str]) -> ClassPriors:
        """The trained vectors of the classes; those without an edge are warned of by name.

        Raises:
            InputError: Not fitted yet, or names that are not in the graph.
        """
        _, wanted, rows = self._rows(names)
        place = self.triples_.position[rows]
        reason, bare = self._bare(rows)
        warn_bare(reason, [name for name, alone in zip(wanted, bare.tolist(), strict=True) if alone])
        with torch.no_grad():
            matrix = self.model_.vectors(torch.from_numpy(place).to(self.model_.relations.device))
        told: dict[str, Any] = {"training": asdict(self._options())}
        if self.stopping_ is not None:
            told["stopped"] = {"step": self.stopping_.best_step, "mrr": self.stopping_.best}
        if self.ranking_ is not None:
            told["held_out"] = self.ranking_.metrics()
        return self._finish(wanted, matrix.float().cpu().numpy(), **told)

    def add_class(
        self,
        name: str,
        graph: ClassGraph,
        *,
        compare: int = 0,
        again: bool = False,
        engine: Engine | None = None,
        **options: Any,
    ) -> ClassPriors:
        """See :class:`PriorEncoder`; the vectors of the new nodes are fitted to their own triples.

        Args:
            name: The class.
            graph: The old graph with more nodes and edges; relations are those that were there.
            compare: Passes over all triples with everything free, from where the new vectors are; how far that moves
                them is then in ``growth_`` and in ``made["growth"]``, with the bound that Adam's steps set to it.
            again: Compare instead with an encoder that is fitted to the larger graph from the beginning, up to a turn
                and a scale of the space; the bound is that of :func:`kgzsl.priors.growth.against_training_again`.
            engine: Not needed: the model stays where it is.
            **options: ``steps``: of the fit, 200.
        """
        self._growing(name, graph)
        if again:
            found = super().add_class(name, graph, compare=1, engine=engine, **options)
            self.growth_ = Growth(**found.made["growth"])
            return found
        self.take_in(graph, engine=engine, **options)
        self.growth_ = Growth()
        chosen = torch.from_numpy(self._new_rows).to(self.model_.nodes.device)
        if compare and len(chosen):
            self.growth_ = self._trained_on(chosen, compare)
        return grown_priors(self.priors([name]), self.growth_)

    def _join(self, graph: ClassGraph, *, engine: Engine | None = None, steps: int = 200) -> None:
        assert self.graph is not None
        triples = GraphTriples.of(graph, disjointness=self.disjointness == "relation")
        model, rows = grow(self.model_, self.triples_, self.graph, triples, graph)
        # Relations that no edge has any more are still in the model's table.
        place = {relation: number for number, relation in enumerate(self.triples_.relations)}
        ids = triples.triples.copy()
        ids[:, 1] = np.array([place[relation] for relation in triples.relations], dtype=np.int64)[ids[:, 1]]
        triples = GraphTriples(ids, triples.nodes, triples.position, self.triples_.relations, triples.has_edge)
        self._extend(model, triples, graph, engine)
        whole = torch.from_numpy(ids).to(model.nodes.device)
        own = torch.from_numpy(np.isin(ids[:, [0, 2]], rows).any(axis=1)).to(whole.device)
        if len(rows) and bool(own.any()):
            fit_rows(
                model,
                whole[own],
                torch.from_numpy(rows).to(whole.device),
                self._options(),
                steps=steps,
                generator=torch.Generator(device=whole.device).manual_seed(self.seed or 0),
                known=FilterIndex(whole, model.num_nodes, model.num_relations),
            )
        self.model_, self.triples_, self.graph, self._new_rows = model, triples, graph, rows

    def _extend(self, model: TripleModel, triples: GraphTriples, graph: ClassGraph, engine: Engine | None) -> None:
        """Give ``model``, which has rows for the new nodes, what else it needs to know of them."""

    def _trained_on(self, chosen: Tensor, epochs: int) -> Growth:
        """What training everything on would change."""
        model = self.model_
        whole = torch.from_numpy(self.triples_.triples).to(chosen.device)
        generator = torch.Generator(device=chosen.device).manual_seed(self.seed or 0)
        full, reach = train_on(model, whole, self._options(), epochs=epochs, generator=generator)
        gap, size = (full - model.nodes).norm(dim=1), full.norm(dim=1)
        bound = reach * model.nodes.shape[1] ** 0.5 / float(size[chosen].min())
        old = torch.ones(len(size), dtype=torch.bool, device=size.device)
        old[chosen] = False
        share = gap / size.clamp_min(1e-12)
        return Growth(float(share[chosen].max()), bound, float(share[old].mean()))

    def _bare(self, rows: npt.NDArray[np.int64]) -> tuple[str, npt.NDArray[np.bool_]]:
        """What is lacking, and which of the graph's nodes ``rows`` lack it."""
        return "no edge in the graph, so that their vectors mean nothing", ~self.triples_.has_edge[rows]

    @property
    def training(self) -> TripleOptions:
        """How it is trained, the model's own defaults filled in."""
        return self._options()

    def _options(self) -> TripleOptions:
        return TripleOptions(
            batch_size=self.batch_size,
            negatives=self.default_negatives if self.negatives is None else self.negatives,
            loss=self.default_loss if self.loss is None else self.loss,
            margin=self.default_margin if self.margin is None else self.margin,
            temperature=self.temperature,
            lr=self.default_lr if self.lr is None else self.lr,
            n3=self.default_n3 if self.n3 is None else self.n3,
            constrained=self.constrained,
        )

    def _generator(self, engine: Engine, device: torch.device) -> torch.Generator:
        # A state of its own, so that what else the engine trained before does not matter.
        seed = engine.seed if self.seed is None else self.seed
        digest = hashlib.sha256(f"{self.name} {seed}".encode()).digest()
        return torch.Generator(device=device).manual_seed(int.from_bytes(digest[:7], "little"))


def _hold_out(triples: Tensor, share: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Split off about ``share`` of the triples such that every node and relation of the graph stays in training."""
    order = torch.randperm(len(triples), generator=generator, device=triples.device).cpu().numpy()
    shuffled = triples.cpu().numpy()[order]
    needed = np.zeros(len(order), dtype=bool)
    ends = np.stack([shuffled[:, 0], shuffled[:, 2]], axis=1).ravel()
    needed[np.unique(ends, return_index=True)[1] // 2] = True
    needed[np.unique(shuffled[:, 1], return_index=True)[1]] = True
    held = np.flatnonzero(~needed)[: round(share * len(order))]
    mask = torch.zeros(len(order), dtype=torch.bool, device=triples.device)
    mask[torch.from_numpy(order[held]).to(triples.device)] = True
    return triples[~mask], triples[mask]
