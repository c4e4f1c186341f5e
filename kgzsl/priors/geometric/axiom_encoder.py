"""What encoders of axioms share: hold-out, training, the test of subsumptions, and classes that join."""

from __future__ import annotations

import hashlib
import os
from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch

from kgzsl.errors import InputError
from kgzsl.knowledge.normal_forms import NormalForms
from kgzsl.priors.base import PriorEncoder
from kgzsl.priors.geometric.axioms import Axioms
from kgzsl.priors.geometric.subsumption import SubsumptionResult, check_subsumptions
from kgzsl.priors.growth import came_from, same_relations

if TYPE_CHECKING:
    from kgzsl.engine import Engine, History
    from kgzsl.engine.loop import TrainingLoop
    from kgzsl.knowledge import ClassGraph

__all__ = ["AxiomEncoder"]


class AxiomEncoder(PriorEncoder):
    """Trains a model with rows for concepts on the axioms of a graph.

    Concepts are trained in the order of their IRIs, so their numbering in the graph does not matter. A subclass has the
    options ``holdout`` and ``seed``.
    """

    family: ClassVar[str] = "geometric"
    regions: ClassVar[bool] = True
    """Whether concepts are regions, so that a gap of 0 means that an axiom holds."""

    ontology: NormalForms | str | os.PathLike[str] | None = None
    holdout: float
    seed: int | None
    model_: Any
    axioms_: Axioms

    @abstractmethod
    def _training(self, axioms: Axioms, engine: Engine, generator: torch.Generator) -> tuple[Any, TrainingLoop, int]:
        """A fresh model for ``axioms``, its loop, and the steps to take."""

    @abstractmethod
    def _fit_new(
        self, model: Any, axioms: Axioms, new: npt.NDArray[np.bool_], steps: int, generator: torch.Generator
    ) -> None:
        """Fit the rows of the concepts ``new`` (bool [C]) to the axioms that they are in; all others are held fast."""

    def fit(self, graph: ClassGraph, *, engine: Engine | None = None) -> Self:
        """Train on the axioms.

        Args:
            graph: The class graph.
            engine: Where and how to train; None trains in silence, on CUDA where there is one, at 32-bit precision.

        Returns:
            The encoder, with ``model_``, ``axioms_``, ``history_`` and, when subsumptions were held out,
            ``subsumption_``: how many of them hold.

        Raises:
            InputError: There is no axiom to learn from.
        """
        from kgzsl.engine import Engine

        engine = engine or Engine(seed=self.seed or 0, precision="32-true", progress=False)
        device = engine.torch_device
        whole = Axioms.of(graph, self.ontology)
        number = self._number(engine.seed if self.seed is None else self.seed)
        random = np.random.default_rng(number)
        axioms, held = whole.hold_out(self.holdout, random) if self.holdout else (whole, np.empty((0, 2), np.int64))
        generator = torch.Generator(device=device).manual_seed(number)
        model, loop, steps = self._training(axioms, engine, generator)
        self.history_: History = engine.run(loop, steps=steps, name=f"priors-{self.name}")
        self.model_, self.axioms_, self.graph = model.requires_grad_(False), axioms, graph
        self.subsumption_: SubsumptionResult | None = None
        if len(held):
            self.subsumption_ = self._checked(held, whole.closure(), random)
        return self

    def subsumptions(self, pairs: Iterable[tuple[str, str]]) -> SubsumptionResult:
        """How many of the subsumptions ``pairs``, (below, above), hold in the embedding.

        They should be such as training has not seen. A fifth of them chooses the threshold and is not counted.

        Raises:
            InputError: Not fitted yet, no pair, or names that are not in the graph.
        """
        told = list(pairs)
        _, _, rows = self._rows([name for pair in told for name in pair])
        held = self.axioms_.position[rows].reshape(-1, 2)
        return self._checked(held, self.axioms_.closure(held), np.random.default_rng(self._number(self.seed or 0)))

    def _checked(
        self, held: npt.NDArray[np.int64], closure: npt.NDArray[np.int64], random: np.random.Generator
    ) -> SubsumptionResult:
        return check_subsumptions(
            self.model_.gaps,
            held,
            self.axioms_.forms["gci0"],
            closure,
            self.axioms_.num_concepts,
            random,
            regions=self.regions,
            device=next(self.model_.parameters()).device,
        )

    def _join(self, graph: ClassGraph, *, engine: Engine | None = None, steps: int = 200) -> None:
        """Rows for what only ``graph`` names, fitted to its axioms; everything else is held fast.

        Args:
            graph: The larger graph.
            engine: Not needed: the model stays where it is.
            steps: Of the fit.
        """
        del engine
        old, axioms = self.axioms_, Axioms.of(graph, self.ontology)
        same_relations(axioms.roles, old.roles)
        axioms = axioms.with_roles(old.roles)
        places = came_from(old.concepts, axioms.concepts)
        new = places < 0
        model = self.model_.grown(places, axioms.beside(new))
        touching = axioms.of_concepts(new)
        if any(len(rows) for rows in touching.forms.values()):
            device = next(model.parameters()).device
            generator = torch.Generator(device=device).manual_seed(self._number(self.seed or 0))
            self._fit_new(model, axioms, new, steps, generator)
        self.model_, self.axioms_, self.graph = model.requires_grad_(False), axioms, graph

    def _number(self, seed: int) -> int:
        # A state of its own, so that what else the engine trained before does not matter.
        return int.from_bytes(hashlib.sha256(f"{self.name} {seed}".encode()).digest()[:7], "little")

    def _told(self, untouched: int) -> dict[str, Any]:
        """What is said of the vectors; ``untouched`` nodes of the graph are in no axiom that is read."""
        told: dict[str, Any] = {"untouched": untouched}
        if self.subsumption_ is not None:
            told["held_out"] = self.subsumption_.metrics()
        return told

    @staticmethod
    def _check_options(positive: dict[str, float], holdout: float) -> None:
        for key, value in positive.items():
            if value < 1:
                raise InputError(f"{key}={value!r} is less than 1")
        if not 0 <= holdout < 1:
            raise InputError(f"holdout={holdout!r} is not a share from 0 to less than 1")
