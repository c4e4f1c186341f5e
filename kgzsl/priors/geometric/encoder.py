"""From a class graph to class vectors by making a geometric model of its axioms."""

from __future__ import annotations

import hashlib
import os
from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch

from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.knowledge.normal_forms import NormalForms
from kgzsl.priors.base import PriorEncoder, warn_bare
from kgzsl.priors.geometric.axioms import Axioms
from kgzsl.priors.geometric.model import GeometricModel
from kgzsl.priors.geometric.subsumption import SubsumptionResult, check_subsumptions
from kgzsl.priors.geometric.training import AxiomLoop, AxiomOptions

if TYPE_CHECKING:
    from kgzsl.engine import Engine, History
    from kgzsl.knowledge import ClassGraph

__all__ = ["GeometricEncoder"]


class GeometricEncoder(PriorEncoder):
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
        apart: How far a corrupted subsumption must fail.
        lr: Adam's learning rate at the start.
        holdout: Share of the subsumptions that training does not see and ``subsumption_`` reports on.
        seed: None takes the engine's.
    """

    family: ClassVar[str] = "geometric"

    def __init__(
        self,
        dim: int = 50,
        *,
        ontology: NormalForms | str | os.PathLike[str] | None = None,
        epochs: int = 300,
        batch_size: int = 512,
        margin: float = 0.0,
        negatives: int = 2,
        apart: float = 0.5,
        lr: float = 0.01,
        holdout: float = 0.0,
        seed: int | None = None,
    ) -> None:
        for key, value in (("dim", dim), ("epochs", epochs)):
            if value < 1:
                raise InputError(f"{key}={value!r} is less than 1")
        if not 0 <= holdout < 1:
            raise InputError(f"holdout={holdout!r} is not a share from 0 to less than 1")
        AxiomOptions(batch_size, negatives, apart, lr)
        self.dim = dim
        self.ontology = ontology
        self.epochs = epochs
        self.batch_size = batch_size
        self.margin = margin
        self.negatives = negatives
        self.apart = apart
        self.lr = lr
        self.holdout = holdout
        self.seed = seed

    @abstractmethod
    def make_model(self, axioms: Axioms, **options: Any) -> GeometricModel:
        """A fresh model for ``axioms``; ``options`` are ``generator``, ``device`` and ``dtype``."""

    def fit(self, graph: ClassGraph, *, engine: Engine | None = None) -> Self:
        """Train on the axioms.

        Args:
            graph: The class graph.
            engine: Where and how to train; None trains in silence, on CUDA where there is one, at 32-bit precision.

        Returns:
            The encoder, with ``model_``, ``axioms_``, ``history_`` and, when subsumptions were held out,
            ``subsumption_``.

        Raises:
            InputError: There is no axiom to learn from.
        """
        from kgzsl.engine import Engine

        engine = engine or Engine(seed=self.seed or 0, precision="32-true", progress=False)
        device = engine.torch_device
        whole = Axioms.of(graph, self.ontology)
        seed = engine.seed if self.seed is None else self.seed
        digest = int.from_bytes(hashlib.sha256(f"{self.name} {seed}".encode()).digest()[:7], "little")
        random = np.random.default_rng(digest)
        axioms, held = whole.hold_out(self.holdout, random) if self.holdout else (whole, np.empty((0, 2), np.int64))
        generator = torch.Generator(device=device).manual_seed(digest)
        model = self.make_model(axioms, generator=generator, device=device, dtype=engine.dtype)
        options = AxiomOptions(self.batch_size, self.negatives, self.apart, self.lr)
        forms = {form: torch.from_numpy(rows).to(device) for form, rows in axioms.forms.items()}
        closure = torch.from_numpy(axioms.closure()).to(device)
        steps = self.epochs * AxiomLoop.steps_per_epoch(forms, model, self.batch_size)
        loop = AxiomLoop(model, forms, closure, options, steps=steps, generator=generator)
        self.history_: History = engine.run(loop, steps=steps, name=f"priors-{self.name}")
        self.model_ = model.requires_grad_(False)
        self.axioms_ = axioms
        self.graph = graph
        self.subsumption_: SubsumptionResult | None = None
        if len(held):
            self.subsumption_ = check_subsumptions(
                model.gaps, held, axioms.forms["gci0"], whole.closure(), whole.num_concepts, random, device=device
            )
        return self

    def priors(self, names: Iterable[str]) -> ClassPriors:
        """What is known of the classes' regions; classes in no axiom are warned of by name.

        Raises:
            InputError: Not fitted yet, or names that are not in the graph.
        """
        _, wanted, rows = self._rows(names)
        place = self.axioms_.position[rows]
        seen = self.axioms_.mentioned()[place]
        warn_bare(
            "no axiom in the graph, so that their vectors mean nothing",
            [name for name, yes in zip(wanted, seen.tolist(), strict=True) if not yes],
        )
        device = next(self.model_.parameters()).device
        matrix = self.model_.vectors(torch.from_numpy(place).to(device))
        told: dict[str, Any] = {"views": [list(view) for view in self.model_.views()]}
        if self.model_.unsaid:
            lost = {form: len(self.axioms_.forms[form]) for form in self.model_.unsaid}
            told["unsaid"] = {form: count for form, count in lost.items() if count}
        if self.subsumption_ is not None:
            told["held_out"] = self.subsumption_.metrics()
        return self._finish(wanted, matrix.float().cpu().numpy(), **told)
