"""From a class graph to class vectors by making a geometric model of its axioms."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.knowledge.normal_forms import NormalForms
from kgzsl.priors.base import warn_bare
from kgzsl.priors.geometric.axiom_encoder import AxiomEncoder
from kgzsl.priors.geometric.axioms import Axioms
from kgzsl.priors.geometric.model import GeometricModel
from kgzsl.priors.geometric.training import AxiomLoop, AxiomOptions

if TYPE_CHECKING:
    from kgzsl.engine import Engine

__all__ = ["GeometricEncoder"]


class GeometricEncoder(AxiomEncoder):
    """Embeds concepts as regions such that the axioms of the graph hold.

    Concepts are trained in the order of their IRIs, so their numbering in the graph does not matter.

    Args:
        dim: Dimensions of the space.
        ontology: Normal forms of the ontology behind the graph, or its file: these keep conjunctions, ∃r.C ⊑ D and
            chains, which the edges of a graph cannot say. None takes the edges as axioms.
        epochs: Passes over the most frequent kind of axiom.
        batch_size: Axioms of each kind per step.
        margin: By how much an inclusion may fall short.
        negatives: Corrupted axioms per axiom.
        likely: Share of them that is corrupted to what often stands there; see :class:`AxiomOptions`.
        apart: How far a corrupted subsumption must fail.
        lr: Adam's learning rate at the start.
        holdout: Share of the subsumptions that training does not see and ``subsumption_`` reports on.
        seed: None takes the engine's.
    """

    def __init__(
        self,
        dim: int = 50,
        *,
        ontology: NormalForms | str | os.PathLike[str] | None = None,
        epochs: int = 300,
        batch_size: int = 512,
        margin: float = 0.0,
        negatives: int = 2,
        likely: float = 0.5,
        apart: float = 0.5,
        lr: float = 0.01,
        holdout: float = 0.0,
        seed: int | None = None,
    ) -> None:
        self._check_options({"dim": dim, "epochs": epochs}, holdout)
        self.dim = dim
        self.ontology = ontology
        self.epochs = epochs
        self.batch_size = batch_size
        self.margin = margin
        self.negatives = negatives
        self.likely = likely
        self.apart = apart
        self.lr = lr
        self.holdout = holdout
        self.seed = seed
        self._options()

    @abstractmethod
    def make_model(self, axioms: Axioms, **options: Any) -> GeometricModel:
        """A fresh model for ``axioms``; ``options`` are ``generator``, ``device`` and ``dtype``."""

    def _training(
        self, axioms: Axioms, engine: Engine, generator: torch.Generator
    ) -> tuple[GeometricModel, AxiomLoop, int]:
        model = self.make_model(axioms, generator=generator, device=engine.torch_device, dtype=engine.dtype)
        steps = self.epochs * AxiomLoop.steps_per_epoch(axioms.forms, model, self.batch_size)
        return model, self._loop(model, axioms, axioms, steps, generator), steps

    def _fit_new(
        self, model: Any, axioms: Axioms, new: npt.NDArray[np.bool_], steps: int, generator: torch.Generator
    ) -> None:
        handles = model.move_only(new)
        loop = self._loop(model, axioms.of_concepts(new), axioms, steps, generator)
        for index in range(steps):
            loop.step(index)
        for handle in handles:
            handle.remove()

    def _loop(
        self, model: GeometricModel, trained: Axioms, known: Axioms, steps: int, generator: torch.Generator
    ) -> AxiomLoop:
        device = generator.device
        forms = {form: torch.from_numpy(rows).to(device) for form, rows in trained.forms.items()}
        closure = torch.from_numpy(known.closure()).to(device)
        return AxiomLoop(model, forms, closure, self._options(), steps=steps, generator=generator)

    def _options(self) -> AxiomOptions:
        return AxiomOptions(self.batch_size, self.negatives, self.apart, self.lr, self.likely)

    def priors(self, names: Iterable[str]) -> ClassPriors:
        """What is known of the classes' regions; classes in no axiom are warned of by name.

        Raises:
            InputError: Not fitted yet, or names that are not in the graph.
        """
        _, wanted, rows = self._rows(names)
        place = self.axioms_.position[rows]
        seen = self.axioms_.mentioned()
        warn_bare(
            "no axiom in the graph, so that their vectors mean nothing",
            [name for name, yes in zip(wanted, seen[place].tolist(), strict=True) if not yes],
        )
        device = next(self.model_.parameters()).device
        matrix = self.model_.vectors(torch.from_numpy(place).to(device))
        told = self._told(int((~seen[self.axioms_.position]).sum()))
        told["views"] = [list(view) for view in self.model_.views()]
        if self.model_.unsaid:
            lost = {form: len(self.axioms_.forms[form]) for form in self.model_.unsaid}
            told["unsaid"] = {form: count for form, count in lost.items() if count}
        return self._finish(wanted, matrix.float().cpu().numpy(), **told)
