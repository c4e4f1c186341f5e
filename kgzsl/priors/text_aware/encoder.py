"""Class vectors from structure and text in one space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch

from kgzsl.priors.base import PriorEncoder
from kgzsl.priors.propagation.node_vectors import NodeVectors
from kgzsl.priors.text_aware.model import TextAwareModel
from kgzsl.priors.text_aware.scorer import TERMS, TextAwareScorer
from kgzsl.priors.triples.encoder import TripleEncoder
from kgzsl.priors.triples.graph_triples import GraphTriples

if TYPE_CHECKING:
    from kgzsl.engine import Engine
    from kgzsl.knowledge import ClassGraph
    from kgzsl.priors.triples.model import TripleModel

__all__ = ["TextAware"]


class TextAware(TripleEncoder):
    """OntoZSL's ontology encoder: each class has a structural and a textual vector, and triples score by both at once.

    Geng et al., "OntoZSL: Ontology-enhanced Zero-shot Learning" (WWW 2021): ``f = f(s, s) + f(t, t) + f(s, t) + f(t, s)
    + f(s + t, s + t)`` with ``f(h, t) = -||h + r - t||``, structure s and projected text t; :class:`TextAwareScorer`
    takes the mean. The text of a class is a fixed vector (TF-IDF weighted
    words in the paper, as here) behind a learnt projection; negatives are drawn as for the other triple embeddings, one
    pool for the whole batch. A class's prior is both halves side by side: ``2 dim`` numbers.

    Args:
        dim: Numbers of each half.
        text: The text vectors: the name of an encoder, or an encoder, such as :class:`Text`.
        text_options: Options of the encoder that ``text`` names.
        terms: Which terms count: any of ``"structure"``, ``"text"``, ``"cross"``, ``"sum"``.
        norm: 1 or 2.
        epochs: See :class:`TripleEncoder`, as for the rest.
    """

    name: ClassVar[str] = "text_aware"
    family: ClassVar[str] = "text-aware"
    default_margin: ClassVar[float] = 6.0
    default_lr: ClassVar[float] = 0.005
    default_negatives: ClassVar[int] = 64

    def __init__(
        self,
        dim: int = 100,
        *,
        text: str | PriorEncoder = "tfidf",
        text_options: dict[str, Any] | None = None,
        terms: Sequence[str] = TERMS,
        norm: Literal[1, 2] = 2,
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
        TextAwareScorer(dim, norm, terms)
        self.text = text
        self.text_options = text_options
        self.terms = tuple(terms)
        self.norm = norm
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

    def make_scorer(self) -> TextAwareScorer:  # noqa: D102
        return TextAwareScorer(self.dim, self.norm, self.terms)

    def make_model(
        self,
        graph: ClassGraph,
        triples: GraphTriples,
        engine: Engine,
        generator: torch.Generator,
        train: torch.Tensor | None = None,
    ) -> TextAwareModel:
        """The model over the text vectors of all nodes of ``graph``."""
        del train
        self._texts = NodeVectors(self.text, self.text_options)
        text = self._texts.fit(graph, engine)
        self._speaks = self._texts.known
        return TextAwareModel(
            self.make_scorer(),
            torch.from_numpy(text[triples.nodes]),
            len(triples.relations),
            inverse=self.inverse,
            generator=generator,
            device=engine.torch_device,
            dtype=engine.dtype,
        )

    def _extend(self, model: TripleModel, triples: GraphTriples, graph: ClassGraph, engine: Engine | None) -> None:
        """The texts of the new nodes, read as those of the old ones were."""
        assert isinstance(model, TextAwareModel)
        text = self._texts.join(graph, engine)
        self._speaks = self._texts.known
        model.set_text(torch.from_numpy(text[triples.nodes]))

    def _bare(self, rows: npt.NDArray[np.int64]) -> tuple[str, npt.NDArray[np.bool_]]:
        return "neither an edge nor a text in the graph", ~(self.triples_.has_edge | self._speaks)[rows]
