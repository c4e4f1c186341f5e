"""Class vectors from the words of their texts: no pretrained model, no further package."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.linalg import svds

from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.priors.base import PriorEncoder, warn_bare
from kgzsl.priors.text.verbalise import PARTS, Verbaliser
from kgzsl.priors.text.words import words_of

if TYPE_CHECKING:
    from kgzsl.engine import Engine
    from kgzsl.knowledge import ClassGraph

__all__ = ["TfidfText", "reduced", "weighted_words"]

_DENSE = 4_000_000


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
            words = [Counter(words_of(self._verbaliser.text(node))) for node in nodes]
            vectors = reduced(weighted_words(words, self.min_count), self.dim)
            self._vectors: npt.NDArray[np.float64] = np.empty_like(vectors)
            self._vectors[nodes] = vectors
        return self

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


def weighted_words(documents: Sequence[Counter[str]], min_count: int) -> Any:
    """Sparse float64 [documents, words]; words in alphabetical order, rows of length 1."""
    spread: Counter[str] = Counter(word for document in documents for word in document)
    vocabulary = sorted(word for word, count in spread.items() if count >= min_count)
    if not vocabulary:
        raise InputError("the texts of the graph have no word", remedy="lower min_count, or use another prior")
    column = {word: index for index, word in enumerate(vocabulary)}
    rows, columns, values = [], [], []
    for row, document in enumerate(documents):
        for word, count in document.items():
            if word in column:
                rows.append(row)
                columns.append(column[word])
                values.append(1 + np.log(count))
    frequency = np.array([spread[word] for word in vocabulary])
    idf = np.log((1 + len(documents)) / (1 + frequency)) + 1
    table = sparse.csr_array((values, (rows, columns)), shape=(len(documents), len(vocabulary)))
    return _unit(sparse.csr_array(table @ sparse.diags_array(idf)))


def _unit(table: Any) -> Any:
    length = np.sqrt(np.asarray(table.multiply(table).sum(axis=1)).ravel())
    return sparse.diags_array(1 / np.where(length > 0, length, 1)) @ table


def reduced(table: Any, dim: int) -> npt.NDArray[np.float64]:
    """The rows of ``table`` in its ``dim`` first singular directions, of length 1."""
    rank = min(dim, *table.shape)
    if table.shape[0] * table.shape[1] <= _DENSE or rank >= min(table.shape) - 1:
        _, values, words = np.linalg.svd(table.toarray(), full_matrices=False)
    else:
        start = np.random.default_rng(0).standard_normal(min(table.shape))
        _, values, words = svds(table, k=rank, v0=start)
    order = np.argsort(-values)[:rank]
    words = words[order]
    # A singular vector's sign is free: its largest entry is made positive.
    largest = words[np.arange(len(words)), np.abs(words).argmax(axis=1)]
    vectors: npt.NDArray[np.float64] = table @ (words * np.sign(largest)[:, None]).T
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors /= np.where(length > 1e-12, length, np.inf)
    return vectors


def _hashed(text: str, dim: int) -> npt.NDArray[np.float64]:
    vector = np.zeros(dim)
    for word, count in Counter(words_of(text)).items():
        digest = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
        vector[(digest >> 1) % dim] += (1 if digest & 1 else -1) * (1 + np.log(count))
    length = float(np.linalg.norm(vector))
    vector /= length or 1.0
    return vector
