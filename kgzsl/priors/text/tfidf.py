"""Class vectors from the words of their texts: no pretrained model, no further package."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.priors.base import PriorEncoder, warn_bare
from kgzsl.priors.growth import came_from
from kgzsl.priors.text.latent_words import LatentWords
from kgzsl.priors.text.verbalise import PARTS, Verbaliser
from kgzsl.priors.text.words import words_of

if TYPE_CHECKING:
    from kgzsl.engine import Engine
    from kgzsl.knowledge import ClassGraph

__all__ = ["TfidfText"]


class TfidfText(PriorEncoder):
    """Words weighted by rarity, made short by truncated singular value decomposition or by hashing.

    ``tf = 1 + ln(count)``, ``idf = ln((1 + n) / (1 + df)) + 1``, rows of length 1 (Salton and Buckley, "Term-weighting
    approaches in automatic text retrieval", 1988), then latent semantic analysis (Deerwester et al., 1990): the
    vectors are ``U S`` of the n texts of the graph, again of length 1. ``method="hash"`` adds each word up at one of
    ``dim`` places with a sign (Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", ICML 2009)
    and uses no rarity, so that a class's vector depends on its own text only.

    Args:
        dim: Numbers per class; fewer where the graph has fewer texts or words.
        parts: What is read: any of ``"label"``, ``"synonyms"``, ``"definition"``, ``"axioms"``.
        method: ``"svd"`` or ``"hash"``.
        min_count: Words in fewer texts are left out (``"svd"`` only).
        split_names: Whether names without spaces are cut into words.
    """

    name: ClassVar[str] = "tfidf"
    family: ClassVar[str] = "text"

    def __init__(
        self,
        dim: int = 128,
        *,
        parts: Sequence[str] = PARTS,
        method: Literal["svd", "hash"] = "svd",
        min_count: int = 1,
        split_names: bool = True,
    ) -> None:
        if dim < 1:
            raise InputError(f"dim={dim!r} is less than 1")
        if method not in ("svd", "hash"):
            raise InputError(f"method={method!r} is not known", remedy="choose 'svd' or 'hash'")
        unknown = [part for part in parts if part not in PARTS]
        if unknown or not parts:
            raise InputError(f"parts={list(parts)!r} is not known", remedy=f"choose among {', '.join(PARTS)}")
        self.dim = dim
        self.parts = tuple(parts)
        self.method = method
        self.min_count = min_count
        self.split_names = split_names

    def fit(self, graph: ClassGraph, *, engine: Engine | None = None) -> Self:
        """Read all texts of the graph.

        Raises:
            InputError: The graph has no word.
        """
        del engine
        self._verbaliser = Verbaliser(graph, self.parts, split_names=self.split_names)
        self.graph = graph
        if self.method == "svd":
            # In the order of IRIs, so that the numbering of nodes leaves no trace.
            nodes = sorted(range(graph.num_nodes), key=graph.iris.__getitem__)
            self._latent = LatentWords(self.dim, self.min_count)
            vectors = self._latent.fit([self._words(node) for node in nodes])
            self._vectors: npt.NDArray[np.float64] = np.empty_like(vectors)
            self._vectors[nodes] = vectors
        return self

    def _words(self, node: int) -> Counter[str]:
        return Counter(words_of(self._verbaliser.text(node)))

    def _join(self, graph: ClassGraph, *, engine: Engine | None = None) -> None:
        """New texts are folded into the old directions; old ones stay as they were read."""
        if self.graph is None or self.reads_classes_alone():
            return super()._join(graph, engine=engine)
        places = came_from(self.graph.iris, graph.iris)
        self._verbaliser = Verbaliser(graph, self.parts, split_names=self.split_names)
        vectors = self._vectors[np.maximum(places, 0)]
        new = np.flatnonzero(places < 0).tolist()
        vectors[new] = self._latent.transform([self._words(node) for node in new])
        self._vectors, self.graph = vectors, graph
        return None

    def reads_classes_alone(self) -> bool:
        """See :class:`PriorEncoder`."""
        return self.method == "hash"

    def priors(self, names: Iterable[str]) -> ClassPriors:
        """Vectors of the classes; those about which the graph says nothing but an IRI are warned of by name.

        Raises:
            InputError: Not fitted, or names that are not in the graph.
        """
        _, wanted, rows = self._rows(names)
        say = self._verbaliser
        warn_bare(
            "neither text nor axioms in the graph; only the name in the IRI is read",
            [name for name, row in zip(wanted, rows, strict=True) if not say.says_something(int(row))],
        )
        if self.method == "svd":
            return self._finish(wanted, self._vectors[rows])
        return self._finish(wanted, np.stack([_hashed(say.text(int(row)), self.dim) for row in rows]))


def _hashed(text: str, dim: int) -> npt.NDArray[np.float64]:
    vector = np.zeros(dim)
    for word, count in Counter(words_of(text)).items():
        digest = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
        vector[(digest >> 1) % dim] += (1 if digest & 1 else -1) * (1 + np.log(count))
    length = float(np.linalg.norm(vector))
    vector /= length or 1.0
    return vector
