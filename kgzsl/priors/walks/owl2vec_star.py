"""OWL2Vec*: walks, the words of labels, and both mixed."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.priors._vocabulary import in_words
from kgzsl.priors.base import warn_bare
from kgzsl.priors.text.verbalise import Verbaliser
from kgzsl.priors.text.words import words_of
from kgzsl.priors.triples.graph_triples import GraphTriples
from kgzsl.priors.walks.documents import Documents, Lexicon
from kgzsl.priors.walks.encoder import WalkEncoder

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph

__all__ = ["KINDS", "OWL2VecStar"]

KINDS = ("structural", "lexical", "mixed")
"""Kinds of documents."""


class OWL2VecStar(WalkEncoder):
    """Walks as IRIs, the same walks as words with the texts of each class, and walks in which one IRI stays.

    Chen et al., "OWL2Vec*: embedding of OWL ontologies" (Machine Learning 110, 2021), sections 4.2 and 4.3, mixed by
    the random strategy; the graph is to be read with ``projection="owl2vec"``. Words tie classes together that no path
    links.

    Args:
        dim: Numbers per token; ``vector="both"`` gives twice as many per class.
        kinds: Which of :data:`KINDS` are read.
        vector: ``"iri"``, ``"words"`` (the mean of the vectors of the label's words), or ``"both"`` side by side.
        walks: See :class:`WalkEncoder`, as for the rest.
    """

    name: ClassVar[str] = "owl2vec_star"

    def __init__(
        self,
        dim: int = 100,
        *,
        kinds: Sequence[str] = KINDS,
        vector: Literal["iri", "words", "both"] = "both",
        walks: int = 20,
        hops: int = 4,
        direction: Literal["out", "both"] = "out",
        disjointness: Literal["drop", "relation"] = "drop",
        window: int = 5,
        negatives: int = 5,
        epochs: int = 10,
        batch_size: int = 1024,
        lr: float = 0.025,
        seed: int | None = None,
    ) -> None:
        super().__init__(
            dim,
            walks=walks,
            hops=hops,
            direction=direction,
            disjointness=disjointness,
            window=window,
            negatives=negatives,
            epochs=epochs,
            batch_size=batch_size,
            lr=lr,
            seed=seed,
        )
        unknown = [kind for kind in kinds if kind not in KINDS]
        if unknown or not kinds:
            raise InputError(f"kinds={list(kinds)!r} is not known", remedy=f"choose among {', '.join(KINDS)}")
        if vector not in ("iri", "words", "both"):
            raise InputError(f"vector={vector!r} is not known", remedy="choose 'iri', 'words' or 'both'")
        if vector != "iri" and not {"lexical", "mixed"} & set(kinds):
            raise InputError(f"vector={vector!r} needs lexical or mixed documents", remedy="choose vector='iri'")
        if vector != "words" and not {"structural", "mixed"} & set(kinds):
            raise InputError(f"vector={vector!r} needs structural or mixed documents", remedy="choose vector='words'")
        self.kinds = tuple(kinds)
        self.vector = vector

    def documents(
        self, graph: ClassGraph, triples: GraphTriples, walks: Documents, random: np.random.Generator
    ) -> tuple[Documents, int]:
        """The documents of the chosen kinds; words are the tokens behind nodes and relations."""
        say = Verbaliser(graph, ("label", "synonyms", "definition"))
        labels = [words_of(say.name(int(node))) for node in triples.nodes]
        spoken = [words_of(in_words(iri)) for iri in triples.relations]
        texts = [words_of(" ".join(say.part(int(n), p) for p in ("synonyms", "definition"))) for n in triples.nodes]
        # Texts have words of their own; as a name without a token in walks they join the vocabulary.
        self.lexicon_ = Lexicon([*labels, *spoken, *spoken, sorted({word for text in texts for word in text})])
        read = Documents.of_lists([])
        if "structural" in self.kinds:
            read = read | walks
        if "lexical" in self.kinds:
            index = self.lexicon_.index
            told = [
                [index[word] for word in (*label, *text)] for label, text in zip(labels, texts, strict=True) if text
            ]
            read = read | self.lexicon_.replace(walks) | Documents.of_lists(told)
        if "mixed" in self.kinds:
            read = read | self.lexicon_.replace(walks, _one_of_each(walks, random))
        return read, self.lexicon_.num_tokens

    def words(self) -> list[Hashable]:
        """The vocabulary of the lexicon, behind the one name that is in no walk."""
        return [None, *(("word", word) for word in self.lexicon_.vocabulary)]

    def priors(self, names: Iterable[str]) -> ClassPriors:
        """The vectors of the classes; those without an edge are warned of by name.

        Raises:
            InputError: Not fitted yet, or names that are not in the graph.
        """
        graph, wanted, rows = self._rows(names)
        place = self.triples_.position[rows]
        says = [
            bool(has) or int(row) in graph.texts for has, row in zip(self.triples_.has_edge[rows], rows, strict=True)
        ]
        warn_bare(
            "neither an edge nor a text in the graph, so that their vectors mean nothing",
            [name for name, something in zip(wanted, says, strict=True) if not something],
        )
        parts: list[npt.NDArray[np.float32]] = []
        views = []
        if self.vector != "words":
            parts.append(self.vectors_[place])
            views.append(["iri", self.dim])
        if self.vector != "iri":
            words = [self.lexicon_.words_of(int(token)) for token in place]
            mean = [self.vectors_[own].mean(axis=0) if len(own) else np.zeros(self.dim, np.float32) for own in words]
            parts.append(np.stack(mean))
            views.append(["words", self.dim])
        return self._finish(wanted, np.concatenate(parts, axis=1), views=views, **self._told())


def _one_of_each(documents: Documents, random: np.random.Generator) -> npt.NDArray[np.bool_]:
    """bool [T]: one token of every document, each as likely as the others."""
    order = np.lexsort((random.random(len(documents)), documents.document))
    first = np.ones(len(documents), dtype=bool)
    first[1:] = documents.document[1:] != documents.document[:-1]
    keep = np.zeros(len(documents), dtype=bool)
    keep[order[first]] = True
    return keep
