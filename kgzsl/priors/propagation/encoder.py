"""Learnt propagation: refines node vectors, or tells what belongs to classes nobody has seen."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.priors._unspoken import NOTHING_SAID
from kgzsl.priors.base import PriorEncoder, warn_bare
from kgzsl.priors.growth import same_relations
from kgzsl.priors.propagation.needed_rows import NeededRows
from kgzsl.priors.propagation.network import PropagationNetwork
from kgzsl.priors.propagation.node_vectors import NodeVectors
from kgzsl.priors.propagation.regression import RegressionLoop, RegressionOptions
from kgzsl.priors.propagation.sparse_product import SparseProduct

if TYPE_CHECKING:
    from kgzsl.engine import Engine, History
    from kgzsl.knowledge import ClassGraph

__all__ = ["PropagationEncoder"]


class PropagationEncoder(PriorEncoder):
    """A graph network from node vectors to class vectors, with two uses.

    - :meth:`fit` refines: the network learns to tell a node's base vector, hidden from it, from the graph around it;
      :meth:`priors` then gives what it says with nothing hidden.
    - :meth:`regress` predicts: it learns the seen classes' classifier weights or feature means, and :meth:`priors`
      gives those of any class, seen or not.

    Args:
        hidden: Widths of the hidden layers.
        base: The vectors to start from: the name of a prior encoder, an encoder, or :class:`ClassPriors` that name
            nodes of the graph (other nodes start at zero).
        base_options: Options of the encoder that ``base`` names.
        epochs: Steps; each takes all compared classes.
        lr: Adam's learning rate.
        weight_decay: L2 penalty inside Adam.
        dropout: Share of hidden values dropped in training.
        slope: Of LeakyReLU between layers; 1 makes the network linear.
        mask: Share of the nodes whose base vector is hidden in a step of :meth:`fit`.
        normalise: Whether targets and predictions are brought to length 1, as GCNZ and DGP do with classifier weights.
        seed: None takes the engine's.
    """

    family: ClassVar[str] = "propagation"
    learnt_groups: bool = False

    def __init__(
        self,
        hidden: Sequence[int] = (512,),
        *,
        base: str | PriorEncoder | ClassPriors = "tfidf",
        base_options: dict[str, Any] | None = None,
        epochs: int = 300,
        lr: float = 1e-3,
        weight_decay: float = 5e-4,
        dropout: float = 0.5,
        slope: float = 0.2,
        mask: float = 0.5,
        normalise: bool = True,
        seed: int | None = None,
    ) -> None:
        if any(width < 1 for width in hidden):
            raise InputError(f"hidden={list(hidden)!r} has a width below 1")
        if epochs < 1:
            raise InputError(f"epochs={epochs!r} is less than 1")
        if not 0 <= dropout < 1:
            raise InputError(f"dropout={dropout!r} is not a share from 0 to less than 1")
        if not 0 < mask <= 1:
            raise InputError(f"mask={mask!r} is not a share above 0", remedy="give 0.5; 0 would teach nothing")
        RegressionOptions(lr, weight_decay, normalise, mask)
        self.hidden = tuple(hidden)
        self.base = base
        self.base_options = base_options
        self.epochs = epochs
        self.lr = lr
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.slope = slope
        self.mask = mask
        self.normalise = normalise
        self.seed = seed

    @abstractmethod
    def operators(self, graph: ClassGraph) -> tuple[tuple[Any, ...], ...]:
        """Per layer (one more than ``hidden``), its matrices: SciPy CSR [N, N]."""

    def make_network(
        self,
        widths: Sequence[int],
        layers: Sequence[Sequence[Any]],
        *,
        generator: torch.Generator,
        device: torch.device,
        dtype: torch.dtype,
    ) -> PropagationNetwork:
        """A fresh network for the matrices ``layers`` (as :meth:`operators` gives them)."""
        return PropagationNetwork(
            widths,
            [len(layer) for layer in layers],
            learnt=self.learnt_groups,
            slope=self.slope,
            dropout=self.dropout,
            generator=generator,
            device=device,
            dtype=dtype,
        )

    def fit(self, graph: ClassGraph, *, engine: Engine | None = None) -> Self:
        """Learn to tell hidden base vectors from their neighbours; see the class.

        Args:
            graph: The class graph.
            engine: Where and how to train; None trains in silence, on CUDA where there is one, at 32-bit precision.
        """
        return self._train(graph, None, None, engine)

    def regress(
        self,
        graph: ClassGraph,
        names: Sequence[str],
        targets: npt.ArrayLike | torch.Tensor,
        *,
        engine: Engine | None = None,
        hold_out: float = 0.0,
    ) -> Self:
        """Learn what belongs to the seen classes, so that :meth:`priors` can say what belongs to the unseen ones.

        Args:
            graph: The class graph.
            names: The M seen classes.
            targets: Real numbers [M, T]: their classifier weights or mean features.
            engine: As for :meth:`fit`.
            hold_out: Share of the seen classes that each step holds out (episodic training): their own vectors are
                hidden, and they alone are compared, so that the network learns to tell a class from the graph around
                it, as it must tell unseen ones. 0 is without.

        Raises:
            InputError: Names that are not in the graph, or targets of another shape or not finite.
        """
        alignment = graph.align(names)
        alignment.require()
        rows = np.asarray(alignment.indices, dtype=np.int64)
        wanted = torch.as_tensor(np.asarray(targets) if not isinstance(targets, torch.Tensor) else targets).detach()
        if wanted.ndim != 2 or len(wanted) != len(rows) or not len(rows):
            raise InputError(
                f"targets of shape {tuple(wanted.shape)} for {len(rows)} classes", remedy="give one row each"
            )
        if not torch.isfinite(wanted).all():
            raise InputError("the targets have values that are NaN or infinite")
        return self._train(graph, rows, wanted, engine, hold_out)

    def _train(
        self,
        graph: ClassGraph,
        rows: npt.NDArray[np.int64] | None,
        targets: torch.Tensor | None,
        engine: Engine | None,
        hold_out: float = 0.0,
    ) -> Self:
        from kgzsl.engine import Engine

        engine = engine or Engine(seed=self.seed or 0, precision="32-true", progress=False)
        device = engine.torch_device
        base = NodeVectors(self.base, self.base_options)
        nodes = base.fit(graph, engine)
        order, position = _by_iri(graph)
        vectors, layers = nodes[order], self._layers_of(graph, order)
        x = torch.from_numpy(vectors).to(device, engine.dtype)
        if rows is None or targets is None:
            rows = np.flatnonzero(vectors.any(axis=1))
            if not len(rows):
                raise InputError("no node of the graph has a base vector", remedy="choose another base")
            targets = x[torch.from_numpy(rows).to(device)]
            mask = self.mask
        else:
            rows, mask = position[rows], hold_out
        generator = self._generator(engine)
        widths = [x.shape[1], *self.hidden, targets.shape[1]]
        network = self.make_network(widths, layers, generator=generator, device=device, dtype=engine.dtype)
        options = RegressionOptions(self.lr, self.weight_decay, self.normalise, mask)
        loop = RegressionLoop(network, layers, rows, x, targets.to(x), options, generator=generator)
        self.history_: History = engine.run(loop, steps=self.epochs, name=f"priors-{self.name}")
        self.network_ = network.requires_grad_(False).eval()
        self._base, self._x, self._layers, self._position = base, x, layers, position
        self._known = base.known[order]
        self._relations = self.relations_of(graph)
        self.graph = graph
        return self

    def _layers_of(self, graph: ClassGraph, order: npt.NDArray[np.int64]) -> tuple[tuple[Any, ...], ...]:
        # Nodes are taken in the order of their IRIs: masks and dropout must not depend on how they are numbered.
        made: dict[int, tuple[Any, ...]] = {}
        layers = self.operators(graph)
        for layer in layers:
            if id(layer) not in made:  # most networks have the same matrices in every layer
                made[id(layer)] = tuple(_reordered(matrix, order) for matrix in layer)
        return tuple(made[id(layer)] for layer in layers)

    def relations_of(self, graph: ClassGraph) -> tuple[str, ...]:
        """The relations of ``graph`` that have weights of their own, in the order of their matrices."""
        del graph
        return ()

    def _join(self, graph: ClassGraph, *, engine: Engine | None = None) -> None:
        """The network stays; the new nodes and their neighbourhoods are read by it."""
        now = self.relations_of(graph)
        same_relations(now, self._relations)
        same_relations(self._relations, now)
        order, position = _by_iri(graph)
        layers = self._layers_of(graph, order)
        self._x = torch.from_numpy(self._base.join(graph, engine)[order]).to(self._x)
        self._layers, self._position, self._known, self.graph = layers, position, self._base.known[order], graph

    def priors(self, names: Iterable[str]) -> ClassPriors:
        """What the network says of the classes; those it has nothing to go by are warned of by name.

        Raises:
            InputError: Not fitted yet, or names that are not in the graph.
        """
        _, wanted, rows = self._rows(names)
        needed = NeededRows.of(self._layers, self._position[rows])
        products = [
            [SparseProduct(matrix, device=self._x.device, dtype=self._x.dtype) for matrix in layer]
            for layer in needed.matrices
        ]
        x = self._x[torch.from_numpy(needed.rows[0]).to(self._x.device)]
        with torch.no_grad():
            found = self.network_(x, products)
            if self.normalise:
                found = functional.normalize(found, dim=1)
        known = torch.from_numpy(self._known[needed.rows[0]]).to(x.device)
        reached = torch.stack([x.any(dim=1), known], dim=1).to(x)
        for layer in products:
            reached = torch.stack([product(reached) for product in layer]).sum(dim=0)
        told = list(zip(wanted, *(reached != 0).T.tolist(), strict=True))
        warn_bare(
            "no vector of their own and none within reach of the layers",
            [name for name, vector, _ in told if not vector],
        )
        warn_bare(NOTHING_SAID, [name for name, vector, said in told if vector and not said])
        return self._finish(wanted, found.float().cpu().numpy())

    def _generator(self, engine: Engine) -> torch.Generator:
        # A state of its own, so that what else the engine trained before does not matter.
        seed = engine.seed if self.seed is None else self.seed
        digest = hashlib.sha256(f"{self.name} {seed}".encode()).digest()
        return torch.Generator(device=engine.torch_device).manual_seed(int.from_bytes(digest[:7], "little"))


def _by_iri(graph: ClassGraph) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """int64 [N] each: the nodes in the order of their IRIs, and where each node stands in it."""
    order = np.array(sorted(range(graph.num_nodes), key=graph.iris.__getitem__), dtype=np.int64)
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    return order, position


def _reordered(matrix: Any, order: npt.NDArray[np.int64]) -> Any:
    moved = matrix[order][:, order]
    moved.sort_indices()
    return moved
