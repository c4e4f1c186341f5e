"""Class vectors made once more from the class graph: with an axiom less, or with a class more, all else as it was."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.knowledge.operations import come_anew, without_edge
from kgzsl.priors.base import PriorEncoder, PriorWarning
from kgzsl.priors.combination.combined import Combined
from kgzsl.priors.combination.whitening import Whitening

if TYPE_CHECKING:
    from kgzsl.engine import Engine
    from kgzsl.knowledge import ClassGraph

__all__ = ["PriorsAgain", "Way"]

Float = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

Way = Literal["read", "joined"]
"""``"read"``: all class vectors are read off the smaller graph. ``"joined"``: something is trained, and stays; the
class is taken out of the graph and joins what was trained as a new one would, with the axiom and without it."""


class PriorsAgain:
    """What made class vectors, ready to make them from another graph; see :meth:`of`.

    Attributes:
        priors: The class vectors as they are.
        graph: What they were made from.
        way: How they are made again.
        held: How many of their columns are of another source than the graph, and stay what they are.
    """

    def __init__(self, priors: ClassPriors, graph: ClassGraph, root: _Node) -> None:
        self.priors = priors
        self.graph = graph
        self._root = root
        self.way: Way = "read" if root.in_closed_form else "joined"
        self.held = root.held
        self._anew: dict[str, tuple[Matrix, _Node, ClassGraph, list[str]]] = {}
        self._after: dict[tuple[int, str], Matrix] = {}
        # A column that few classes have tells them from others; as in the rarity of words, 1 where all have it.
        own = (priors.matrix != 0).sum(axis=0)
        self._rarity = np.log((1 + len(priors)) / (1 + own)) + 1

    @classmethod
    def of(
        cls, priors: ClassPriors, graph: ClassGraph, *, seed: int = 0, engine: Engine | None = None
    ) -> PriorsAgain | None:
        """The encoders that ``priors.made`` names, fitted on ``graph`` with their options, and seen to give ``priors``.

        Scales, weights and whitening directions are put on top as they were. Of vectors that were joined (``a | b``),
        those that another source gave are held fast. Vectors of pairs are made of those of their parts.

        Args:
            priors: The class vectors.
            graph: The class graph that they were made from.
            seed: Of the engine, where encoders that learn have no seed of their own.
            engine: Where to train; else made with ``seed``, in float32.

        Returns:
            None where none of the vectors can be made from the graph: another graph, an encoder that is not known, or
            a training that ends elsewhere on this machine.
        """
        from kgzsl.engine import Engine

        engine = engine or Engine(seed=seed, precision="32-true", progress=False)
        root = _pairs(priors, graph, engine) if "pair_of" in priors.made else _blocks(priors, graph, engine)
        return None if root is None or root.held == priors.dim else cls(priors, graph, root)

    def about(self, name: str) -> list[int]:
        """The nodes of the graph that the vector of the class ``name`` is of: its own, or those of its two parts."""
        nodes: list[int] = self.graph.align(self._parts(name)).require().tolist()
        return nodes

    def _parts(self, name: str) -> list[str]:
        return list(dict.fromkeys(self._root.pairs[name])) if isinstance(self._root, _Pairs) else [name]

    def moved(self, edge: int, name: str) -> float:
        """How far the vector of ``name`` goes without the axiom at ``edge``, rare columns counted for more.

        Raises:
            InputError: The encoders cannot do without that axiom: the last one of a relation that they know.
        """
        row = self.priors.names.index(name)
        before, root, graph, names = self._start(name)
        if self.way == "joined":
            after = self.without(edge, name)[1][row].astype(np.float64)
        else:
            after = root.on(without_edge(graph, edge)).rows([names[row]], np.array([row]))[0]
        return float(np.linalg.norm((after - before[row]) * self._rarity))

    def without(self, edge: int, name: str) -> tuple[Matrix, Matrix]:
        """The vectors float32 [C, D] of all classes with and without the axiom at ``edge``, which is about ``name``.

        Where all are read off the graph (:attr:`way`), the first are the ones there are. Else ``name`` (of a pair: each
        part) has joined the encoders anew in both, so that they differ by the axiom alone.

        Raises:
            InputError: As :meth:`moved`.
        """
        before, root, graph, names = self._start(name)
        if (edge, name) not in self._after:
            after = root.on(without_edge(graph, edge)).rows(names, np.arange(len(names))).astype(np.float32)
            if self.way == "read":
                return before, after
            self._after[edge, name] = after  # which took a training
        return before, self._after[edge, name]

    def joined(self, name: str, graph: ClassGraph) -> Matrix:
        """The vector float32 [D] of a class that only ``graph`` has: the old graph with more nodes and edges.

        Raises:
            InputError: ``graph`` lacks the class or something of the old graph, or part of the vectors is of another
                source, which says nothing of the class.
        """
        if self.held:
            raise InputError(
                f"{self.held} of the {self.priors.dim} columns of the class vectors come from another source than the "
                "class graph, which does not know the class",
                remedy="give the class's whole vector",
            )
        graph.align([name]).require()
        row: Matrix = self._root.on(graph).rows([name], np.array([-1]))[0].astype(np.float32)
        return row

    def _start(self, name: str) -> tuple[Matrix, _Node, ClassGraph, list[str]]:
        """Vectors with the axiom, what gives those without it, the graph to take it from, all classes' names there."""
        if self.way == "read":
            return self.priors.matrix, self._root, self.graph, list(self.priors.names)
        if name not in self._anew:
            graph, asked = self.graph, {}
            for part, node in zip(self._parts(name), self.about(name), strict=True):
                graph = come_anew(graph, node)
                asked[part] = graph.iris[-1]
            root, names = self._root, list(self.priors.names)
            if isinstance(root, _Pairs):
                root = root.asking(asked)
            else:
                names = [asked.get(other, other) for other in names]
            rows = root.on(graph).rows(names, np.arange(len(names))).astype(np.float32)
            self._anew[name] = rows, root, graph, names
        return self._anew[name]


class _Node(Protocol):
    """A step of making class vectors."""

    @property
    def in_closed_form(self) -> bool:
        """Whether nothing in it is trained."""

    @property
    def held(self) -> int:
        """How many columns do not depend on the graph."""

    def rows(self, names: Sequence[str], at: Rows) -> Float:
        """The vectors of ``names``, which are the classes ``at`` of those there are."""

    def on(self, graph: ClassGraph) -> _Node:
        """The same step after ``graph`` was taken in."""


class _Read:
    """An encoder's own vectors, in the columns that they had."""

    held = 0

    def __init__(self, encoder: PriorEncoder, own: ClassPriors) -> None:
        self.encoder, self.own = encoder, own
        self.in_closed_form = encoder.in_closed_form()

    def rows(self, names: Sequence[str], at: Rows) -> Float:
        del at
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PriorWarning)
            return self.encoder.priors_like(names, self.own).matrix.astype(np.float64)

    def on(self, graph: ClassGraph) -> Self:
        # Encoders of these families put new things in the place of old ones; others have encoders within.
        flat = self.encoder.family in ("attributes", "text")
        kept = {id(self.encoder.graph): self.encoder.graph}
        encoder = copy.copy(self.encoder) if flat else copy.deepcopy(self.encoder, kept)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PriorWarning)
            encoder.take_in(graph)
        return type(self)(encoder, self.own)


class _Held:
    """Columns from elsewhere."""

    in_closed_form = True

    def __init__(self, matrix: Float) -> None:
        self.matrix = matrix
        self.held = matrix.shape[1]

    def rows(self, names: Sequence[str], at: Rows) -> Float:
        del names
        return self.matrix[at]

    def on(self, graph: ClassGraph) -> Self:
        del graph
        return self


class _SideBySide:
    """Several, joined."""

    def __init__(self, parts: Sequence[_Node]) -> None:
        self.parts = tuple(parts)
        self.in_closed_form = all(part.in_closed_form for part in parts)
        self.held = sum(part.held for part in parts)

    def rows(self, names: Sequence[str], at: Rows) -> Float:
        return np.concatenate([part.rows(names, at) for part in self.parts], axis=1)

    def on(self, graph: ClassGraph) -> Self:
        return type(self)([part.on(graph) for part in self.parts])


class _Scaled:
    """Brought to a size: a row's own (``l2``), or that of the columns as they were (``standard``), times a weight."""

    def __init__(self, of: _Node, kind: str, weight: float, base: Float) -> None:
        self.of, self.kind, self.weight = of, kind, weight
        self.in_closed_form, self.held = of.in_closed_form, of.held
        self.base = base
        self.mean, self.spread = base.mean(axis=0), base.std(axis=0)
        self.varies = self.spread > 1e-7 * np.abs(base).max(axis=0)

    def rows(self, names: Sequence[str], at: Rows) -> Float:
        found = self.of.rows(names, at)
        if self.kind == "l2":
            found = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
        elif self.kind == "standard":
            found = np.where(self.varies, (found - self.mean) / np.where(self.varies, self.spread, 1.0), 0.0)
        return found * self.weight

    def on(self, graph: ClassGraph) -> Self:
        return type(self)(self.of.on(graph), self.kind, self.weight, self.base)


class _Whitened:
    """Turned into directions that were learnt."""

    def __init__(self, of: _Node, whitening: Whitening) -> None:
        self.of, self.whitening = of, whitening
        self.in_closed_form, self.held = of.in_closed_form, of.held

    def rows(self, names: Sequence[str], at: Rows) -> Float:
        return self.whitening.transform(self.of.rows(names, at))

    def on(self, graph: ClassGraph) -> Self:
        return type(self)(self.of.on(graph), self.whitening)


class _Pairs:
    """Attribute beside object, of the vectors of parts, which the graph may call otherwise (``asked``)."""

    def __init__(
        self,
        of: _Node,
        parts: Sequence[str],
        pairs: Mapping[str, tuple[str, str]],
        asked: Mapping[str, str] | None = None,
    ) -> None:
        self.of, self.parts, self.pairs, self.asked = of, tuple(parts), pairs, asked or {}
        self.in_closed_form, self.held = of.in_closed_form, 2 * of.held

    def rows(self, names: Sequence[str], at: Rows) -> Float:
        del at  # a class goes by its name: which pair it is does not hang on the graph
        row = {part: number for number, part in enumerate(self.parts)}
        both = np.array([[row[part] for part in self.pairs[name]] for name in names])
        used, place = np.unique(both, return_inverse=True)
        table = self.of.rows([self.asked.get(self.parts[number], self.parts[number]) for number in used], used)
        return table[place].reshape(len(names), -1)

    def on(self, graph: ClassGraph) -> Self:
        return type(self)(self.of.on(graph), self.parts, self.pairs, self.asked)

    def asking(self, asked: Mapping[str, str]) -> Self:
        """The same, with other names for some parts."""
        return type(self)(self.of, self.parts, self.pairs, asked)


def _pairs(priors: ClassPriors, graph: ClassGraph, engine: Engine) -> _Pairs | None:
    """What made the vectors of the parts, which are read off those of the pairs."""
    pairs = {name: (left, right) for name, (left, right) in priors.made["pair_of"].items()}
    half = priors.dim // 2
    own: dict[str, Matrix] = {}
    for name, row in zip(priors.names, priors.matrix, strict=True):
        if name not in pairs:  # a class that joined by its vector
            return None
        own.setdefault(pairs[name][0], row[:half])
        own.setdefault(pairs[name][1], row[half:])
    primitives = ClassPriors(tuple(own), np.stack(list(own.values())), priors.made["primitives"])
    found = _blocks(primitives, graph, engine)
    return None if found is None else _Pairs(found, primitives.names, pairs)


_OF_JOINED = {"encoder", "parts", "columns"}


def _blocks(priors: ClassPriors, graph: ClassGraph, engine: Engine) -> _Node | None:
    """Of joined vectors each part by itself, so that one which is not to be had does not take the others with it."""
    if "parts" in priors.made and not set(priors.made) - _OF_JOINED:
        parts, start = [], 0
        for part in priors.made["parts"]:
            block = priors.matrix[:, start : start + part["dim"]].astype(np.float64)
            parts.append(_checked(part["how"], priors, block, graph, engine) or _Held(block))
            start += part["dim"]
        return _SideBySide(parts)
    return _checked(priors.made, priors, priors.matrix.astype(np.float64), graph, engine)


def _checked(
    made: Mapping[str, Any], priors: ClassPriors, block: Float, graph: ClassGraph, engine: Engine
) -> _Node | None:
    """What ``made`` describes, if it gives ``block``."""
    try:
        found = _made(made, priors.names, graph, engine)
        if found is None:
            return None
        rows = found.rows(priors.names, np.arange(len(priors)))
    except InputError:  # another graph than that the vectors were made of
        return None
    largest = float(np.abs(block).max())
    same = rows.shape == block.shape and np.allclose(rows, block, rtol=1e-3, atol=1e-4 * largest)
    return found if same else None


def _made(made: Mapping[str, Any], names: tuple[str, ...], graph: ClassGraph, engine: Engine) -> _Node | None:
    from kgzsl.priors.registry import encoders

    everyone = np.arange(len(names))
    whitening = made.get("whitening")
    found: _Node | None
    if whitening is not None:
        inner = _made(whitening.get("of", {}), names, graph, engine)
        if inner is None:
            return None
        options = {key: whitening[key] for key in ("kind", "dim", "shrink")}
        found = _Whitened(inner, Whitening(**options).fit(inner.rows(names, everyone)))
    elif "parts" in made:
        parts = [_made(part["how"], names, graph, engine) for part in made["parts"]]
        if None in parts:
            return None
        found = _SideBySide([part for part in parts if part is not None])
    elif _has_a_name(made.get("encoder"), encoders.names) and _same_size(made, graph):
        found = _encoder(made, names, graph, engine)
    else:
        return None
    kind, weight = made.get("normalised", "none"), float(made.get("weight", 1.0))
    if kind == "none" and weight == 1.0:
        return found
    return _Scaled(found, kind, weight, found.rows(names, everyone))


def _has_a_name(encoder: object, known: Sequence[str]) -> bool:
    """Whether an encoder can be made by what it is called: ours, or by its import path one of the user's own."""
    return isinstance(encoder, str) and (encoder in known or ":" in encoder or "." in encoder)


def _same_size(made: Mapping[str, Any], graph: ClassGraph) -> bool:
    """A training is not begun on a graph that the vectors cannot be of."""
    told = made.get("graph", {})
    return (told.get("nodes"), told.get("edges")) == (graph.num_nodes, graph.num_edges)


def _encoder(made: Mapping[str, Any], names: tuple[str, ...], graph: ClassGraph, engine: Engine) -> _Node:
    from kgzsl.priors.registry import make

    graph.align(names).require()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PriorWarning)
        encoder = make(made["encoder"], **made.get("options", {})).fit(graph, engine=engine)
        if isinstance(encoder, Combined) and "weights" in made:
            encoder.weights_ = np.array(made["weights"])  # which may have been learnt
        return _Read(encoder, encoder.priors(names))
