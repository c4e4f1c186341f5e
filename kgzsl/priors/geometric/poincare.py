"""Poincare embeddings: a hierarchy in hyperbolic space."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch

from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.priors.base import warn_bare
from kgzsl.priors.geometric.axiom_encoder import AxiomEncoder
from kgzsl.priors.geometric.axioms import Axioms
from kgzsl.priors.geometric.hyperbolic import PoincareLoop, PoincareModel

if TYPE_CHECKING:
    from kgzsl.engine import Engine

__all__ = ["Poincare"]


class Poincare(AxiomEncoder):
    """Classes as points of the Poincare ball, near those above and below them; general ones near the middle.

    Nickel and Kiela, "Poincare Embeddings for Learning Hierarchical Representations" (NIPS 2017), trained on the
    transitive closure of the edges upwards by Riemannian gradient descent: equation 1,
    ``d(u, v) = arcosh(1 + 2 |u - v|^2 / ((1 - |u|^2)(1 - |v|^2)))``, in equation 5,
    ``-log(exp(-d(u, v)) / sum_n exp(-d(u, n)))`` with n not above u. Other edges are not read.

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
    regions: ClassVar[bool] = False

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
        self._check_options({"dim": dim, "epochs": epochs, "batch_size": batch_size, "negatives": negatives}, holdout)
        if lr <= 0:
            raise InputError(f"lr={lr!r} is not positive")
        if burn_in < 0:
            raise InputError(f"burn_in={burn_in!r} is negative")
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

    def _training(
        self, axioms: Axioms, engine: Engine, generator: torch.Generator
    ) -> tuple[PoincareModel, PoincareLoop, int]:
        if not len(axioms.forms["gci0"]):
            raise InputError(
                "the class graph has no taxonomy to learn from", remedy="choose a prior that reads other edges"
            )
        model = PoincareModel(
            axioms.num_concepts, self.dim, generator=generator, device=engine.torch_device, dtype=engine.dtype
        )
        pairs, known = self._pairs(axioms)
        per_epoch = -(-len(pairs) // self.batch_size)
        return model, self._loop(model, pairs, known, self.burn_in * per_epoch, generator), self.epochs * per_epoch

    def _fit_new(
        self, model: Any, axioms: Axioms, new: npt.NDArray[np.bool_], steps: int, generator: torch.Generator
    ) -> None:
        pairs, known = self._pairs(axioms)
        own = pairs[new[pairs].any(axis=1)]
        if len(own):
            loop = self._loop(model, own, known, 0, generator, torch.from_numpy(new).to(generator.device))
            for index in range(steps):
                loop.step(index)

    def _pairs(self, axioms: Axioms) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """int64 [T, 2], what is trained on, and the keys of all that is above what."""
        known, count = axioms.closure(), axioms.num_concepts
        return (np.stack([known // count, known % count], axis=1) if self.closure else axioms.forms["gci0"]), known

    def _loop(
        self,
        model: PoincareModel,
        pairs: npt.NDArray[np.int64],
        known: npt.NDArray[np.int64],
        burn_in: int,
        generator: torch.Generator,
        only: torch.Tensor | None = None,
    ) -> PoincareLoop:
        device = generator.device
        return PoincareLoop(
            model,
            torch.from_numpy(pairs).to(device),
            torch.from_numpy(known).to(device),
            batch_size=self.batch_size,
            negatives=self.negatives,
            lr=self.lr,
            burn_in=burn_in,
            generator=generator,
            only=only,
        )

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
        told = self._told(int((~placed[self.axioms_.position]).sum()))
        return self._finish(wanted, points.float().cpu().numpy(), **told)
