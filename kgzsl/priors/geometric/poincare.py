"""Poincare embeddings: a hierarchy in hyperbolic space."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch

from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.priors.base import PriorEncoder, warn_bare
from kgzsl.priors.geometric.axioms import Axioms
from kgzsl.priors.geometric.hyperbolic import PoincareLoop, PoincareModel
from kgzsl.priors.geometric.subsumption import SubsumptionResult, check_subsumptions

if TYPE_CHECKING:
    from kgzsl.engine import Engine, History
    from kgzsl.knowledge import ClassGraph

__all__ = ["Poincare"]


class Poincare(PriorEncoder):
    """Classes as points of the Poincare ball, near those above and below them; general ones near the middle.

    Nickel and Kiela, "Poincare Embeddings for Learning Hierarchical Representations" (NIPS 2017), trained on the
    transitive closure of the edges upwards by Riemannian gradient descent. Other edges are not read.

    Args:
        dim: Dimensions of the ball.
        epochs: Passes over the pairs.
        batch_size: Pairs per step.
        negatives: Points that are not above a class, per pair.
        lr: Step width, for the sum over a batch.
        burn_in: First epochs, at a tenth of ``lr``.
        closure: Whether pairs of the transitive closure are trained on, as in the paper, or the edges alone.
        tangent: Whether the vectors of :meth:`priors` are mapped to the flat space at the origin, where Euclidean
            models read them without crowding at the rim.
        holdout: Share of the subsumptions that training does not see and ``subsumption_`` reports on.
        seed: None takes the engine's.
    """

    name: ClassVar[str] = "poincare"
    family: ClassVar[str] = "geometric"

    def __init__(
        self,
        dim: int = 20,
        *,
        epochs: int = 100,
        batch_size: int = 256,
        negatives: int = 10,
        lr: float = 0.03,
        burn_in: int = 10,
        closure: bool = True,
        tangent: bool = True,
        holdout: float = 0.0,
        seed: int | None = None,
    ) -> None:
        for key, value in (("dim", dim), ("epochs", epochs), ("batch_size", batch_size), ("negatives", negatives)):
            if value < 1:
                raise InputError(f"{key}={value!r} is less than 1")
        if lr <= 0:
            raise InputError(f"lr={lr!r} is not positive")
        if burn_in < 0:
            raise InputError(f"burn_in={burn_in!r} is negative")
        if not 0 <= holdout < 1:
            raise InputError(f"holdout={holdout!r} is not a share from 0 to less than 1")
        self.dim = dim
        self.epochs = epochs
        self.batch_size = batch_size
        self.negatives = negatives
        self.lr = lr
        self.burn_in = burn_in
        self.closure = closure
        self.tangent = tangent
        self.holdout = holdout
        self.seed = seed

    def fit(self, graph: ClassGraph, *, engine: Engine | None = None) -> Self:
        """Train on the taxonomy.

        Args:
            graph: The class graph.
            engine: Where and how to train; None trains in silence, on CUDA where there is one, at 32-bit precision.

        Raises:
            InputError: The graph has no edge upwards.
        """
        from kgzsl.engine import Engine

        engine = engine or Engine(seed=self.seed or 0, precision="32-true", progress=False)
        device = engine.torch_device
        whole = Axioms.of(graph)
        if not len(whole.forms["gci0"]):
            raise InputError(
                "the class graph has no taxonomy to learn from", remedy="choose a prior that reads other edges"
            )
        seed = engine.seed if self.seed is None else self.seed
        digest = int.from_bytes(hashlib.sha256(f"{self.name} {seed}".encode()).digest()[:7], "little")
        random = np.random.default_rng(digest)
        axioms, held = whole.hold_out(self.holdout, random) if self.holdout else (whole, np.empty((0, 2), np.int64))
        generator = torch.Generator(device=device).manual_seed(digest)
        count = axioms.num_concepts
        model = PoincareModel(count, self.dim, generator=generator, device=device, dtype=engine.dtype)
        edges, known = axioms.forms["gci0"], axioms.closure()
        pairs = np.stack([known // count, known % count], axis=1) if self.closure else edges
        per_epoch = -(-len(pairs) // self.batch_size)
        loop = PoincareLoop(
            model,
            torch.from_numpy(pairs).to(device),
            torch.from_numpy(known).to(device),
            batch_size=self.batch_size,
            negatives=self.negatives,
            lr=self.lr,
            burn_in=self.burn_in * per_epoch,
            generator=generator,
        )
        self.history_: History = engine.run(loop, steps=self.epochs * per_epoch, name=f"priors-{self.name}")
        self.model_ = model.requires_grad_(False)
        self.axioms_ = axioms
        self.graph = graph
        self.subsumption_: SubsumptionResult | None = None
        if len(held):
            self.subsumption_ = check_subsumptions(
                model.gaps, held, edges, whole.closure(), count, random, regions=False, device=device
            )
        return self

    def priors(self, names: Iterable[str]) -> ClassPriors:
        """The points of the classes; those outside the taxonomy are warned of by name.

        Raises:
            InputError: Not fitted yet, or names that are not in the graph.
        """
        _, wanted, rows = self._rows(names)
        place = self.axioms_.position[rows]
        placed = np.zeros(self.axioms_.num_concepts, dtype=bool)
        placed[self.axioms_.forms["gci0"]] = True
        warn_bare(
            "no place in the taxonomy, so that their vectors mean nothing",
            [name for name, yes in zip(wanted, placed[place].tolist(), strict=True) if not yes],
        )
        points = self.model_.points[torch.from_numpy(place).to(self.model_.points.device)]
        if self.tangent:
            size = points.norm(dim=1, keepdim=True).clamp_min(1e-12)
            points = torch.atanh(size) * points / size
        told: dict[str, Any] = {}
        if self.subsumption_ is not None:
            told["held_out"] = self.subsumption_.metrics()
        return self._finish(wanted, points.float().cpu().numpy(), **told)
