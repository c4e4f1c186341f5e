"""Class vectors from a sentence encoder over what the graph says in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np

from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.priors._unspoken import NAME_ALONE
from kgzsl.priors.base import PriorEncoder, warn_bare
from kgzsl.priors.text.sentence_model import BUNDLED, SentenceModel
from kgzsl.priors.text.verbalise import PARTS, Verbaliser

if TYPE_CHECKING:
    from kgzsl.engine import Engine
    from kgzsl.knowledge import ClassGraph

__all__ = ["Text"]


class Text(PriorEncoder):
    """A pretrained sentence encoder reads label, synonyms, definition and axioms of each class.

    Reimers and Gurevych, "Sentence-BERT: Sentence Embeddings using Siamese BERT-Networks" (EMNLP 2019). The default
    model comes with the extra ``text`` and works offline: ``v = m / ||m||``, m the mean of what its transformer makes
    of the tokens. A class's vector depends on its own text only.

    Args:
        model: ``"all-MiniLM-L6-v2"``, or a folder with a sentence-transformers model.
        parts: What is said: any of ``"label"``, ``"synonyms"``, ``"definition"``, ``"axioms"``.
        combine: ``"joined"`` encodes all parts as one text (models cut long ones off); ``"mean"`` averages the vectors
            of the parts that a class has; ``"concat"`` puts them side by side, zeros where a class lacks one.
        split_names: Whether names without spaces are cut into words.
        batch_size: Texts per forward pass.
        device: None takes the engine's device.
    """

    name: ClassVar[str] = "text"
    family: ClassVar[str] = "text"

    def __init__(
        self,
        model: str = BUNDLED,
        *,
        parts: Sequence[str] = PARTS,
        combine: Literal["joined", "mean", "concat"] = "joined",
        split_names: bool = True,
        batch_size: int = 32,
        device: str | None = None,
    ) -> None:
        if combine not in ("joined", "mean", "concat"):
            raise InputError(f"combine={combine!r} is not known", remedy="choose 'joined', 'mean' or 'concat'")
        if batch_size < 1:
            raise InputError(f"batch_size={batch_size!r} is less than 1")
        unknown = [part for part in parts if part not in PARTS]
        if unknown or not parts:
            raise InputError(f"parts={list(parts)!r} is not known", remedy=f"choose among {', '.join(PARTS)}")
        self.model = model
        self.parts = tuple(parts)
        self.combine = combine
        self.split_names = split_names
        self.batch_size = batch_size
        self.device = device

    def fit(self, graph: ClassGraph, *, engine: Engine | None = None) -> Self:
        """Keep the graph; the encoder is pretrained."""
        device = self.device or (str(engine.torch_device) if engine is not None else None)
        kept: SentenceModel | None = getattr(self, "_sentences", None)
        if kept is None or kept.device != (device or "cpu"):
            self._sentences = SentenceModel(self.model, device)
        self._verbaliser = Verbaliser(graph, self.parts, split_names=self.split_names)
        self.graph = graph
        return self

    def texts(self, names: Iterable[str]) -> dict[str, str]:
        """What is said of each class."""
        _, wanted, rows = self._rows(names)
        return {name: self._verbaliser.text(int(row)) for name, row in zip(wanted, rows, strict=True)}

    def reads_classes_alone(self) -> bool:
        """See :class:`PriorEncoder`."""
        return True

    def priors(self, names: Iterable[str]) -> ClassPriors:
        """Vectors of the classes; those about which the graph says nothing but an IRI are warned of by name.

        Raises:
            InputError: Not fitted, names that are not in the graph, or the extra ``text`` is missing.
        """
        _, wanted, rows = self._rows(names)
        say = self._verbaliser
        warn_bare(
            NAME_ALONE,
            [name for name, row in zip(wanted, rows, strict=True) if not say.says_something(int(row))],
        )
        if self.combine == "joined":
            matrix = self._sentences.encode([say.text(int(row)) for row in rows], batch_size=self.batch_size)
            return self._finish(wanted, matrix)
        told = [[say.part(int(row), part) for part in self.parts] for row in rows]
        flat = [text for parts in told for text in parts if text]
        vectors = iter(self._sentences.encode(flat, batch_size=self.batch_size))
        size = self._sentences.encode(flat[:1]).shape[1]
        blocks = np.zeros((len(rows), len(self.parts), size))
        for row, parts in enumerate(told):
            for column, text in enumerate(parts):
                if text:
                    blocks[row, column] = next(vectors)
        if self.combine == "concat":
            return self._finish(wanted, blocks.reshape(len(rows), -1), views=[[part, size] for part in self.parts])
        count = np.array([[max(sum(map(bool, parts)), 1)] for parts in told])
        return self._finish(wanted, blocks.sum(axis=1) / count)
