"""Class vectors from documents in several views."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.priors._unspoken import NAME_ALONE
from kgzsl.priors.base import PriorEncoder, warn_bare
from kgzsl.priors.growth import came_from
from kgzsl.priors.text.latent_words import LatentWords
from kgzsl.priors.text.sentence_model import SentenceModel
from kgzsl.priors.text.views import Views
from kgzsl.priors.text.words import words_of

if TYPE_CHECKING:
    from kgzsl.engine import Engine
    from kgzsl.knowledge import ClassGraph

__all__ = ["MultiViewText"]


class MultiViewText(PriorEncoder):
    """One vector per view of a class, side by side: name, definition, taxonomy, and groups of its properties.

    ``v = [w_1 v_1, ..., w_k v_k]``, v_i the vector of what view i says in words and w_i its weight.

    The views are those of the documents of MADS ("Multi-Attribute Document Supervision for Zero-Shot Image
    Classification", 2025), taken from properties instead of a language model. How much each view counts is learnt from
    seen classes by :class:`kgzsl.classifiers.ViewWeighted`, or given here.

    Args:
        dim: Numbers per view, for ``encode="tfidf"``; fewer where a view has fewer words.
        views: View -> relations or text properties; see :class:`Views`.
        max_views: Most views where none are given.
        encode: ``"tfidf"`` (latent semantic analysis of each view's documents) or ``"text"`` (the sentence encoder).
        weights: View -> factor of its vectors; None is 1 for all.
    """

    name: ClassVar[str] = "multi_view"
    family: ClassVar[str] = "text"

    def __init__(
        self,
        dim: int = 32,
        *,
        views: Mapping[str, Sequence[str]] | None = None,
        max_views: int = 12,
        encode: Literal["tfidf", "text"] = "tfidf",
        weights: Mapping[str, float] | None = None,
    ) -> None:
        if dim < 1:
            raise InputError(f"dim={dim!r} is less than 1")
        if max_views < 1:
            raise InputError(f"max_views={max_views!r} is less than 1")
        if encode not in ("tfidf", "text"):
            raise InputError(f"encode={encode!r} is not known", remedy="choose 'tfidf' or 'text'")
        self.dim = dim
        self.views = views
        self.max_views = max_views
        self.encode = encode
        self.weights = weights

    def fit(self, graph: ClassGraph, *, engine: Engine | None = None) -> Self:
        """Read the documents of all nodes, view by view.

        Raises:
            InputError: Views or weights that name what is not there, or no view says a word.
        """
        self.views_ = Views(graph, self.views, max_views=self.max_views)
        unknown = [view for view in self.weights or {} if view not in self.views_.names]
        if unknown:
            raise InputError(
                f"weights name {unknown[0]!r}, which is no view", remedy=f"the views are {', '.join(self.views_.names)}"
            )
        # In the order of IRIs, so that the numbering of nodes leaves no trace.
        nodes = sorted(range(graph.num_nodes), key=graph.iris.__getitem__)
        device = None if engine is None else str(engine.torch_device)
        self._latent: dict[str, LatentWords] = {}
        self._blocks: list[npt.NDArray[np.float64]] = []
        self._kept: list[str] = []
        for view in self.views_.names:
            texts = [self.views_.text(node, view) for node in nodes]
            if not any(words_of(text) for text in texts):
                continue
            block = self._vectors(view, texts, device)
            placed = np.empty_like(block)
            placed[nodes] = block
            self._blocks.append(placed)
            self._kept.append(view)
        if not self._blocks:
            raise InputError("no view of the graph says a word", remedy="name other properties in views")
        self.graph = graph
        return self

    def _join(self, graph: ClassGraph, *, engine: Engine | None = None) -> None:
        """The views stay; what they say of new nodes is laid into the directions of the old documents."""
        assert self.graph is not None
        places = came_from(self.graph.iris, graph.iris)
        # Which relations are views is settled: the new graph must only be able to tell all of them.
        views = Views(graph, self.views, max_views=max(self.max_views, len(graph.relations) + 3))
        new = np.flatnonzero(places < 0).tolist()
        device = None if engine is None else str(engine.torch_device)
        blocks = []
        for view, block in zip(self._kept, self._blocks, strict=True):
            grown = block[np.maximum(places, 0)]
            if new:
                grown[new] = self._vectors(view, [views.text(node, view) for node in new], device)
            blocks.append(grown)
        self._blocks, self.views_, self.graph = blocks, views, graph

    def _vectors(self, view: str, texts: Sequence[str], device: str | None) -> npt.NDArray[np.float64]:
        factor = (self.weights or {}).get(view, 1.0)
        if self.encode == "tfidf":
            words = [Counter(words_of(text)) for text in texts]
            if view in self._latent:
                return self._latent[view].transform(words) * factor
            self._latent[view] = LatentWords(self.dim)
            return self._latent[view].fit(words) * factor
        model: SentenceModel = getattr(self, "_sentences", None) or SentenceModel(device=device)
        self._sentences = model
        said = [text for text in texts if text]
        vectors = model.encode(said or ["nothing"])
        found = np.zeros((len(texts), vectors.shape[1]))
        found[[row for row, text in enumerate(texts) if text]] = vectors[: len(said)]
        return found * factor

    def priors(self, names: Iterable[str]) -> ClassPriors:
        """All views side by side (``made["views"]`` has their names and widths); zeros where a view says nothing.

        Classes with no word in any view, or about which the graph says nothing but an IRI, are warned of by name.

        Raises:
            InputError: Not fitted, or names that are not in the graph.
        """
        _, wanted, rows = self._rows(names)
        matrix = np.concatenate([block[rows] for block in self._blocks], axis=1)
        warn_bare("no word in any view", [name for name, row in zip(wanted, matrix, strict=True) if not row.any()])
        warn_bare(
            NAME_ALONE,
            [
                name
                for name, node, row in zip(wanted, rows, matrix, strict=True)
                if row.any() and not self.views_.says_something(int(node))
            ],
        )
        widths = [[view, block.shape[1]] for view, block in zip(self._kept, self._blocks, strict=True)]
        return self._finish(wanted, matrix, views=widths)
