"""Several encoders side by side: weighted, whitened, shortened."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.knowledge.vocabulary import KINDS
from kgzsl.priors.base import PriorEncoder, PriorWarning
from kgzsl.priors.combination.whitening import Whitening

if TYPE_CHECKING:
    from kgzsl.engine import Engine
    from kgzsl.knowledge import ClassGraph

__all__ = ["Combined", "made_encoder"]

Part = str | Mapping[str, Any] | PriorEncoder


def made_encoder(part: Part) -> PriorEncoder:
    """The encoder that ``part`` stands for: a name, ``{"name": ..., options}``, or an encoder.

    Raises:
        InputError: An unknown name or option.
    """
    if isinstance(part, PriorEncoder):
        return part
    from kgzsl.priors.registry import make

    if isinstance(part, str):
        return make(part)
    options = dict(part)
    name = options.pop("name", None)
    if not isinstance(name, str):
        raise InputError(f"{dict(part)!r} names no encoder", remedy="write {name: transe, dim: 100}")
    return make(name, **options)


class Combined(PriorEncoder):
    """The vectors of several encoders side by side, each brought to the same size, weighted, whitened, shortened.

    ``v = [w_1 v_1 / ||v_1||, ..., w_k v_k / ||v_k||]`` for ``normalise="l2"``.

    Args:
        parts: Names, ``{"name": ..., options}``, or encoders.
        normalise: What is done to each part's vectors first: ``"l2"`` (unit length), ``"standard"`` (mean 0, variance
            1 over the classes of the graph), ``"none"``.
        weights: A factor for each part; None is 1 for all. :meth:`learn_weights` finds them.
        whiten: Whether the joined vectors are whitened (see :class:`Whitening`).
        dim: Numbers to keep of the joined vectors; None keeps all.
    """

    name: ClassVar[str] = "combined"
    family: ClassVar[str] = "combination"

    def __init__(
        self,
        parts: Sequence[Part] = ("attributes", "transe"),
        *,
        normalise: Literal["l2", "standard", "none"] = "l2",
        weights: Sequence[float] | None = None,
        whiten: bool = False,
        dim: int | None = None,
    ) -> None:
        if not parts or isinstance(parts, str):
            raise InputError("parts is empty or no list", remedy="name at least one encoder")
        if normalise not in ("l2", "standard", "none"):
            raise InputError(f"normalise={normalise!r} is not known", remedy="choose 'l2', 'standard' or 'none'")
        if weights is not None and (len(weights) != len(parts) or min(weights) < 0 or max(weights) <= 0):
            raise InputError(f"weights={list(weights)!r} do not fit {len(parts)} parts", remedy="one factor each")
        if dim is not None and dim < 1:
            raise InputError(f"dim={dim!r} is less than 1")
        self.parts = tuple(parts)
        self.normalise = normalise
        self.weights = None if weights is None else tuple(float(one) for one in weights)
        self.whiten = whiten
        self.dim = dim

    def fit(self, graph: ClassGraph, *, engine: Engine | None = None) -> Self:
        """Fit every part, and what is needed of all classes of the graph to scale and whiten."""
        self.encoders_ = [made_encoder(part).fit(graph, engine=engine) for part in self.parts]
        self.weights_ = np.ones(len(self.parts)) if self.weights is None else np.array(self.weights)
        self.graph = graph
        self._reference: tuple[str, ...] = tuple(
            iri for iri, kind in zip(graph.iris, graph.kinds.tolist(), strict=True) if KINDS[kind] == "class"
        )
        self._whitening: Whitening | None = None
        self._like: list[ClassPriors | None] = [None] * len(self.encoders_)
        return self

    def grows_exactly(self) -> bool:
        """Whether all parts do, and none has columns of its own for the classes that are asked for."""
        return all(encoder.grows_exactly() and encoder.family != "attributes" for encoder in self.encoders_)

    def in_closed_form(self) -> bool:
        """Whether all parts are; scales, weights and directions stay those of the classes that were there."""
        return all(encoder.in_closed_form() for encoder in self.encoders_)

    def _join(self, graph: ClassGraph, *, engine: Engine | None = None) -> None:
        """Every part takes the new nodes in; weights, scales, columns and directions stay those of the old classes."""
        if (self.whiten or self.dim is not None) and self._whitening is None and len(self._reference) > 1:
            self._reduction(self._reference)
        like: list[ClassPriors | None] = []
        for encoder, earlier in zip(self.encoders_, self._like, strict=True):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", PriorWarning)
                told = earlier or (encoder.priors(self._reference) if self._reference else None)
            like.append(told)
            encoder.take_in(graph, engine=engine)
        self._like, self.graph = like, graph

    def learn_weights(self, features: Any, labels: Any, **options: Any) -> Self:
        """Weigh the parts by what they tell about the features of seen classes.

        Args:
            features: Float [N, D].
            labels: Their classes, [N], as the graph names them.
            options: Of :class:`kgzsl.classifiers.ViewWeighted`, which finds the weights on folds of the classes.

        Raises:
            InputError: Not fitted yet, or classes that the graph lacks.
        """
        from kgzsl.classifiers import ViewWeighted

        names = [str(name) for name in np.unique(np.asarray(labels))]
        joined, widths = self._joined(names, weighted=False)
        views = {f"{number}": width for number, width in enumerate(widths)}
        head = ViewWeighted(views, **options).fit(
            features, labels, ClassPriors(tuple(names), joined.astype(np.float32))
        )
        # A view that scores w times as much is one whose vectors are the square root of w as long on either side.
        self.weights_ = np.sqrt(head.weights_.cpu().numpy() * len(widths))
        self._whitening = None
        return self

    def priors(self, names: Iterable[str]) -> ClassPriors:
        """The joined vectors; ``made["views"]`` has the parts' widths unless they are whitened or shortened.

        Raises:
            InputError: Not fitted yet, or names that are not in the graph.
        """
        _, wanted, _ = self._rows(names)
        matrix, widths = self._joined(wanted)
        told: dict[str, Any] = {"weights": [round(float(one), 6) for one in self.weights_]}
        if not self.whiten and self.dim is None:
            called = [encoder.name for encoder in self.encoders_]
            names_ = [name if called.count(name) == 1 else f"{name} {at}" for at, name in enumerate(called)]
            told["views"] = [list(view) for view in zip(names_, widths, strict=True)]
            return self._finish(wanted, matrix, **told)
        reduction = self._whitening or self._reduction(self._reference if len(self._reference) > 1 else wanted)
        return self._finish(wanted, reduction.transform(matrix), **told)

    def _reduction(self, names: Sequence[str]) -> Whitening:
        self._whitening = Whitening(self.dim, kind="pca" if self.whiten else "none").fit(self._joined(names)[0])
        return self._whitening

    def get_params(self) -> dict[str, Any]:
        """The options this encoder was made with; parts that are encoders, with theirs."""
        parts = [
            {"name": part.name, **part.get_params()} if isinstance(part, PriorEncoder) else part for part in self.parts
        ]
        return {**super().get_params(), "parts": parts}

    def _joined(self, names: Sequence[str], *, weighted: bool = True) -> tuple[npt.NDArray[np.float64], list[int]]:
        blocks = []
        for encoder, weight, like in zip(self.encoders_, self.weights_, self._like, strict=True):
            # Attribute columns are those of the classes asked for, so the reference is always asked along.
            wanted = list(dict.fromkeys([*names, *self._reference]))
            if not set(self._reference) <= set(names):
                encoder.priors(names)  # so that the classes asked for are warned of, and no others
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", PriorWarning)
                found = encoder.priors(wanted) if like is None else encoder.priors_like(wanted, like)
            made = _scaled(found, self.normalise, like).align(names)
            blocks.append(made.matrix.astype(np.float64) * (weight if weighted else 1.0))
        return np.concatenate(blocks, axis=1), [block.shape[1] for block in blocks]


def _scaled(found: ClassPriors, kind: Literal["l2", "standard", "none"], like: ClassPriors | None) -> ClassPriors:
    """``found`` scaled; columns by those of ``like`` where it is given."""
    if like is None or kind != "standard":
        return found.normalised(kind)
    old = like.matrix.astype(np.float64)
    mean, spread = old.mean(axis=0), old.std(axis=0)
    varies = spread > 1e-7 * np.abs(old).max(axis=0)
    matrix = np.where(varies, (found.matrix - mean) / np.where(varies, spread, 1.0), 0.0)
    return ClassPriors(found.names, matrix.astype(np.float32), {**found.made, "normalised": kind})
