"""Which attribute and which object each class is: told by a class graph, by a table, or by the data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

import numpy as np

from kgzsl.classifiers.compositional.graph import Pair, feasible_pairs, pair_name
from kgzsl.classifiers.compositional.priors import pair_priors
from kgzsl.classifiers.compositional.reading import KINDS, REMEDY, pairs_in_graph, pairs_in_table
from kgzsl.errors import InputError, nearest
from kgzsl.knowledge import ClassGraph, ClassPriors

__all__ = ["Compositions"]


@dataclass(frozen=True)
class Compositions:
    """The classes of a data set and the pair that each of them is.

    Args:
        classes: Their names.
        pairs: (attribute, object) of each.
        iris: IRIs of the parts in the graph that told them; empty where none did.
        source: Where they were read, for messages.

    Raises:
        InputError: Two classes are the same pair.
    """

    classes: tuple[str, ...]
    pairs: tuple[Pair, ...]
    iris: Mapping[str, str] = field(default_factory=dict)
    source: str | None = None

    def __post_init__(self) -> None:
        first: dict[Pair, str] = {}
        for name, pair in zip(self.classes, self.pairs, strict=True):
            if pair in first:
                raise InputError(
                    f"{first[pair]!r} and {name!r} are both {pair[0]!r} and {pair[1]!r}",
                    file=self.source,
                    remedy="one class is one pair: give them different parts, or leave one of them out",
                )
            first[pair] = name

    @classmethod
    def from_graph(
        cls,
        graph: ClassGraph,
        classes: Sequence[str],
        relations: tuple[str, str],
        *,
        called: Sequence[str] | None = None,
    ) -> Compositions:
        """Read the parts off two relations of the class graph: ``("hasMark", "hasBase")``.

        A part goes by its label, or by its IRI where others of the parts have that label.

        Args:
            graph: Has the classes, and one edge of each relation from each of them.
            classes: Their names.
            relations: What leads to the attribute and what to the object: an IRI, its end, or its label.
            called: What the graph calls the classes, where that is not their names.

        Raises:
            InputError: A class or a relation that the graph does not have (the nearest are named), or a class without
                a part, or with several.
        """
        pairs, iris = pairs_in_graph(graph, classes, relations, classes if called is None else called)
        return cls(tuple(classes), tuple(pairs), iris)

    @classmethod
    def from_table(cls, file: str | PathLike[str], classes: Sequence[str]) -> Compositions:
        """Read the parts from a table with the columns ``class``, ``attribute`` and ``object``.

        Args:
            file: With commas or tabs; further columns and classes do no harm.
            classes: Those that it must have.

        Raises:
            InputError: A column is missing, a class stands there twice, not at all, or without a part; the line is
                named.
        """
        found = pairs_in_table(Path(file), set(classes))
        return cls._of(found, classes, str(file), [name for name in found if name not in set(classes)])

    @classmethod
    def from_info(
        cls, info: Mapping[str, Sequence[str]], classes: Sequence[str], source: str | None = None
    ) -> Compositions:
        """As a data set tells them: ``class_info`` with ``"attribute"`` and ``"object"``, each as long as ``classes``.

        Raises:
            InputError: It does not, or a class has no part.
        """
        if not all(kind in info for kind in KINDS):
            raise InputError(
                "the data set does not say which pairs its classes are",
                file=source,
                remedy="write compositions: {attribute: RELATION, object: RELATION} of the graph, or {table: FILE}",
            )
        told = dict(zip(classes, zip(info["attribute"], info["object"], strict=True), strict=True))
        for name, pair in told.items():
            if not all(pair):
                raise InputError(f"the class {name!r} has no {KINDS[bool(pair[0])]}", file=source, remedy=REMEDY)
        return cls._of(told, classes, source, [])

    @classmethod
    def _of(
        cls, found: Mapping[str, Pair], classes: Sequence[str], source: str | None, known: list[str]
    ) -> Compositions:
        absent = [name for name in classes if name not in found]
        if absent:
            close = nearest(absent[0], known)
            raise InputError(
                f"{len(absent)} classes have no parts, the first is {absent[0]!r}",
                file=source,
                remedy=f"did you mean {close[0]!r}?" if close else REMEDY,
            )
        return cls(tuple(classes), tuple(found[name] for name in classes), source=source)

    @property
    def attributes(self) -> list[str]:
        """All attributes, in order."""
        return sorted({left for left, _ in self.pairs})

    @property
    def objects(self) -> list[str]:
        """All objects, in order."""
        return sorted({right for _, right in self.pairs})

    @property
    def parts(self) -> list[str]:
        """Attributes, then the objects that are no attributes: what needs a prior."""
        return list(dict.fromkeys([*self.attributes, *self.objects]))

    def priors(self, primitives: ClassPriors, *, shuffle: int | None = None) -> ClassPriors:
        """Priors [C, 2 P] of the classes from those of their parts [parts, P].

        Args:
            primitives: Of all parts.
            shuffle: The control: with this seed, attributes are dealt out anew among the classes, and so are objects.

        Raises:
            InputError: A part without a prior.
        """
        pairs = list(self.pairs)
        if shuffle is not None:
            random = np.random.default_rng(shuffle)
            lefts, rights = ([pair[side] for pair in pairs] for side in (0, 1))
            order = random.permutation(len(pairs)), random.permutation(len(pairs))
            pairs = [(lefts[a], rights[o]) for a, o in zip(*order, strict=True)]
        made = _priors_of(primitives, self.classes, pairs)
        return ClassPriors(made.names, made.matrix, {**made.made, **({} if shuffle is None else {"shuffled": shuffle})})

    def beyond(
        self, graph: ClassGraph | None, seen: Iterable[str], *, called: Mapping[str, str] | None = None
    ) -> tuple[list[Pair], list[Pair]]:
        """The pairs that are no class: those that an open world may answer, and those that disjointness rules out.

        Args:
            graph: Whose ``owl:disjointWith`` tells; None rules out nothing. Parts that it does not have are ruled out
                by nothing either.
            seen: Classes that have samples: what speaks against their pairs is not meant of pairs.
            called: Part -> its name in the graph.

        Returns:
            Both in the order of attributes, then of objects.
        """
        attributes, objects, listed = self.attributes, self.objects, set(self.pairs)
        feasible = np.ones((len(attributes), len(objects)), dtype=bool)
        if graph is not None:
            names = {part: (called or {}).get(part) or self.iris.get(part, part) for part in self.parts}
            there = dict(zip(names, graph.align(list(names.values())).indices.tolist(), strict=True))
            rows, columns = ([i for i, part in enumerate(side) if there[part] >= 0] for side in (attributes, objects))
            own = set(seen)
            known = [
                (names[pair[0]], names[pair[1]])
                for name, pair in zip(self.classes, self.pairs, strict=True)
                if name in own and all(there[part] >= 0 for part in pair)
            ]
            if rows and columns:
                feasible[np.ix_(rows, columns)] = feasible_pairs(
                    graph, [names[attributes[i]] for i in rows], [names[objects[i]] for i in columns], known=known
                )
        every = [((a, o), bool(feasible[i, j])) for i, a in enumerate(attributes) for j, o in enumerate(objects)]
        left = [(pair, may) for pair, may in every if pair not in listed]
        return [pair for pair, may in left if may], [pair for pair, may in left if not may]

    def priors_of(self, primitives: ClassPriors, pairs: Sequence[Pair]) -> ClassPriors:
        """Priors [K, 2 P] of pairs that are no class, by the names ``"attribute object"``."""
        taken = set(self.classes)
        names = tuple(name if (name := pair_name(pair)) not in taken else f"{pair[0]} + {pair[1]}" for pair in pairs)
        return _priors_of(primitives, names, pairs)


def _priors_of(primitives: ClassPriors, names: Sequence[str], pairs: Sequence[Pair]) -> ClassPriors:
    """Priors by ``names`` of pairs, some of which may be there twice; ``made["pair_of"]`` tells which each is."""
    distinct = list(dict.fromkeys(pairs))
    row = {pair: number for number, pair in enumerate(distinct)}
    made = pair_priors(primitives, distinct)
    matrix = made.matrix[[row[pair] for pair in pairs]]
    told = {name: list(pair) for name, pair in zip(names, pairs, strict=True)}
    return ClassPriors(tuple(names), matrix, {**made.made, "pair_of": told})
