"""Class vectors in components, each about one aspect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse

from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.priors._vocabulary import in_words
from kgzsl.priors.disentangled.model import DisentangledModel
from kgzsl.priors.disentangled.scorer import DisentangledScorer
from kgzsl.priors.triples.encoder import TripleEncoder
from kgzsl.priors.triples.graph_triples import GraphTriples

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kgzsl.engine import Engine
    from kgzsl.knowledge import ClassGraph
    from kgzsl.priors.triples.model import TripleModel

__all__ = ["Disentangled"]

Int = npt.NDArray[np.int64]


class Disentangled(TripleEncoder):
    """DOZSL's ontology encoder: a class has one component for each relation, and triples are scored in theirs.

    Geng et al., "Disentangled Ontology Embedding for Zero-shot Learning" (KDD 2022):
    ``f(h, r, t) = -||h_k + r - t_k||`` with k the component of r, in both forms: ``"relation"``, the relation-aware one
    (components are projected from one vector per class), and ``"aggregated"`` (a component also reads the neighbours
    that its relation leads to, either way; all nodes are computed in every step). Rare relations share the last
    component. ``made["views"]`` names the components, so that their weights can be learnt.

    Args:
        dim: Numbers per component.
        components: Most components, K.
        form: ``"relation"`` or ``"aggregated"``.
        width: Numbers per class before the projection.
        independence: Weight of the penalty on correlations between components. The paper bounds their mutual
            information by a learnt estimator; this is its linear form.
        epochs: See :class:`TripleEncoder`, as for the rest.
    """

    name: ClassVar[str] = "disentangled"
    family: ClassVar[str] = "triples"
    default_margin: ClassVar[float] = 3.0
    default_lr: ClassVar[float] = 0.01
    default_negatives: ClassVar[int] = 64

    def __init__(
        self,
        dim: int = 16,
        *,
        components: int = 8,
        form: Literal["relation", "aggregated"] = "relation",
        width: int = 100,
        independence: float = 0.1,
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
        if form not in ("relation", "aggregated"):
            raise InputError(f"form={form!r} is not known", remedy="choose 'relation' or 'aggregated'")
        for key, value in (("components", components), ("width", width)):
            if value < 1:
                raise InputError(f"{key}={value!r} is less than 1")
        if independence < 0:
            raise InputError(f"independence={independence!r} is negative")
        self.components = components
        self.form = form
        self.width = width
        self.independence = independence
        super().__init__(
            dim,
            epochs=epochs,
            batch_size=batch_size,
            negatives=negatives,
            loss=loss,
            margin=margin,
            temperature=temperature,
            lr=lr,
            n3=n3,
            inverse=inverse,
            constrained=constrained,
            patience=patience,
            disjointness=disjointness,
            holdout=holdout,
            seed=seed,
        )

    def make_scorer(self) -> DisentangledScorer:  # noqa: D102
        return DisentangledScorer(self.components, self.dim)

    def make_model(
        self,
        graph: ClassGraph,
        triples: GraphTriples,
        engine: Engine,
        generator: torch.Generator,
        train: torch.Tensor | None = None,
    ) -> DisentangledModel:
        """The model; relations are dealt to components by how often they are used."""
        del graph
        rows = triples.triples if train is None else train.cpu().numpy()
        counts = np.bincount(rows[:, 1], minlength=len(triples.relations))
        ranked = np.lexsort((np.arange(len(counts)), -counts))
        count = min(self.components, len(ranked))
        which = np.empty(len(ranked), dtype=np.int64)
        which[ranked] = np.minimum(np.arange(len(ranked)), count - 1)
        names = [in_words(triples.relations[one]) for one in ranked[:count]]
        if len(ranked) > count:
            names[-1] = "other relations"
        self.component_names_ = tuple(names)
        return DisentangledModel(
            DisentangledScorer(count, self.dim),
            len(triples.nodes),
            torch.from_numpy(which),
            width=self.width,
            neighbours=self._neighbours(rows, which, count, len(triples.nodes)),
            independence=self.independence,
            inverse=self.inverse,
            generator=generator,
            device=engine.torch_device,
            dtype=engine.dtype,
        )

    def _neighbours(self, rows: Int, which: Int, count: int, size: int) -> list[Any] | None:
        """Per component, SciPy CSR [N, N]: who reads whom by its relations; None where nobody reads."""
        if self.form != "aggregated":
            return None
        found = []
        for one in range(count):
            heads, _, tails = rows[which[rows[:, 1]] == one].T
            ends = np.concatenate([heads, tails]), np.concatenate([tails, heads])
            made = sparse.csr_array((np.ones(len(ends[0])), ends), shape=(size, size))
            made.data[:] = 1.0  # a pair that is linked twice counts once
            found.append(made)
        return found

    def _extend(self, model: TripleModel, triples: GraphTriples, graph: ClassGraph, engine: Engine | None) -> None:
        """The neighbours of all nodes, the new ones among them."""
        del graph, engine
        assert isinstance(model, DisentangledModel)
        which = model.which.cpu().numpy()
        model.set_neighbours(self._neighbours(triples.triples, which, model.components, len(triples.nodes)))

    def priors(self, names: Iterable[str]) -> ClassPriors:
        """All components side by side; see :class:`TripleEncoder`."""
        found = super().priors(names)
        views = [[name, self.dim] for name in self.component_names_]
        return ClassPriors(found.names, found.matrix, {**found.made, "views": views})
