"""Class vectors as sums of the vectors of their words."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.priors._unspoken import NAME_ALONE
from kgzsl.priors.base import PriorEncoder, warn_bare
from kgzsl.priors.text.verbalise import PARTS, Verbaliser
from kgzsl.priors.text.word_vectors import Format, WordVectors
from kgzsl.priors.text.words import words_of

if TYPE_CHECKING:
    from kgzsl.engine import Engine
    from kgzsl.knowledge import ClassGraph

__all__ = ["WordText"]


class WordText(PriorEncoder):
    """The weighted mean of the word vectors of a class's text, from a GloVe or word2vec file.

    With ``weights="tfidf"`` and definitions among the parts this is the text embedding of ZSGAN (Qin et al.,
    "Generative Adversarial Zero-Shot Relational Learning for Knowledge Graphs", AAAI 2020) that OntoZSL starts from.
    A label that the file knows as one word (``polar_bear``) is taken whole.

    Args:
        path: The file; see :meth:`WordVectors.read`.
        format: Its format.
        parts: What is read: any of ``"label"``, ``"synonyms"``, ``"definition"``, ``"axioms"``.
        weights: ``"mean"`` counts all words alike; ``"tfidf"`` weighs them by ``(1 + ln count) idf`` over the texts of
            the graph.
        split_names: Whether names without spaces are cut into words.
    """

    name: ClassVar[str] = "word_vectors"
    family: ClassVar[str] = "text"

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        format: Format = "auto",  # noqa: A002
        parts: Sequence[str] = ("label",),
        weights: Literal["mean", "tfidf"] = "mean",
        split_names: bool = True,
    ) -> None:
        if weights not in ("mean", "tfidf"):
            raise InputError(f"weights={weights!r} is not known", remedy="choose 'mean' or 'tfidf'")
        unknown = [part for part in parts if part not in PARTS]
        if unknown or not parts:
            raise InputError(f"parts={list(parts)!r} is not known", remedy=f"choose among {', '.join(PARTS)}")
        self.path = str(path)
        self.format = format
        self.parts = tuple(parts)
        self.weights = weights
        self.split_names = split_names

    def fit(self, graph: ClassGraph, *, engine: Engine | None = None) -> Self:
        """Read the vectors of the words that the graph uses.

        Raises:
            InputError: The file cannot be read, or knows none of them.
        """
        del engine
        say = Verbaliser(graph, self.parts, split_names=self.split_names)
        documents = [Counter(words_of(say.text(node))) for node in range(graph.num_nodes)]
        wholes = {_joined(say.name(node)) for node in range(graph.num_nodes)}
        spread = Counter(word for document in documents for word in document)
        self.vectors_ = WordVectors.read(self.path, self.format, only={*spread, *wholes})
        self._idf = {word: np.log((1 + len(documents)) / (1 + count)) + 1 for word, count in spread.items()}
        self._say, self._documents = say, documents
        self.graph = graph
        return self

    def reads_classes_alone(self) -> bool:
        """See :class:`PriorEncoder`."""
        return self.weights == "mean"

    def _join(self, graph: ClassGraph, *, engine: Engine | None = None) -> None:
        """Words keep the rarity they had; a word that was not there counts as the rarest."""
        rarity, count = getattr(self, "_idf", {}), 0 if self.graph is None else self.graph.num_nodes
        self.fit(graph, engine=engine)
        self._idf = {word: rarity.get(word, float(np.log(1 + count) + 1)) for word in self._idf}

    def priors(self, names: Iterable[str]) -> ClassPriors:
        """Vectors of the classes; those without a known word (zeros), and those about which the graph says
        nothing but an IRI, are warned of by name.

        Raises:
            InputError: Not fitted, or names that are not in the graph.
        """
        _, wanted, rows = self._rows(names)
        matrix = np.stack([self._vector(int(row)) for row in rows])
        warn_bare(
            "no word that the file of word vectors knows",
            [name for name, row in zip(wanted, matrix, strict=True) if not row.any()],
        )
        warn_bare(
            NAME_ALONE,
            [
                name
                for name, node, row in zip(wanted, rows, matrix, strict=True)
                if row.any() and not self._say.says_something(int(node))
            ],
        )
        unknown = Counter(word for row in rows for word in self._documents[int(row)] if self.vectors_.find(word) < 0)
        told = {"unknown_words": len(unknown), "most_frequent_unknown": [word for word, _ in unknown.most_common(10)]}
        return self._finish(wanted, matrix, **told)

    def _vector(self, node: int) -> npt.NDArray[np.float64]:
        total, weight = np.zeros(self.vectors_.dim), 0.0
        counts = Counter(self._documents[node])
        whole = self.vectors_.find(_joined(self._say.name(node)))
        if whole >= 0 and "label" in self.parts:
            counts -= Counter(words_of(self._say.name(node)))
            total, weight = total + self.vectors_.matrix[whole], 1.0
        for word, count in counts.items():
            row = self.vectors_.find(word)
            if row >= 0:
                share = float(count) if self.weights == "mean" else (1 + np.log(count)) * self._idf[word]
                total, weight = total + share * self.vectors_.matrix[row], weight + share
        found: npt.NDArray[np.float64] = total / weight if weight else total
        return found


def _joined(name: str) -> str:
    return "_".join(words_of(name))
