"""Attribute vectors read straight off the class graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.priors._closure import general_edges, reach
from kgzsl.priors._vocabulary import (
    ANNOTATION,
    DISJOINT,
    EQUIVALENT,
    HIERARCHY,
    in_words,
    mask_of,
    resolve,
)
from kgzsl.priors.base import PriorEncoder, warn_bare
from kgzsl.priors.growth import EXACT, Growth, grown_priors

if TYPE_CHECKING:
    from kgzsl.engine import Engine
    from kgzsl.knowledge import ClassGraph

__all__ = ["Attributes"]

Int = npt.NDArray[np.int64]
Pair = tuple[str, str]

_ANCESTOR = "is a"


class Attributes(PriorEncoder):
    """One column per (relation, object) that any of the asked classes has, as Lampert et al. (2009) describe classes.

    ``v_c[r, o] = w(a, r, o)``, a the nearest to c of c and its ancestors of which (r, o) is said; 0 where it is said of
    none. A class has what its ancestors have. Where a class and an ancestor say different weights, the nearest one
    holds; among equally near ones the largest. Disjointness is never an attribute.

    Args:
        weights: ``"binary"`` writes 1; ``"weighted"`` the edge's weight; ``"rarity"`` the weight times
            ``ln((1 + C) / (1 + n)) + 1``, where n of the C asked classes have the attribute.
        inherit: Whether ancestors' attributes count, along subClassOf, subPropertyOf, broader, and
            equivalences with sameAs among them.
        decay: What is inherited over k hops is multiplied by ``decay ** k``.
        columns: ``"pair"``: one per (relation, object); ``"object"``: one per object, whatever the relation.
        relations: The only relations to use, by IRI or local name; None uses all but those below.
        exclude: Relations to leave out, besides taxonomy, disjointness and annotations (seeAlso, ...).
        ancestors: Whether every ancestor is a column too ("is a carnivore").
        generalise: Whether an object stands for its own ancestors as well (lives in savanna: lives in grassland).
        inverse: Whether edges that point at a class give columns too.
        min_count: Columns that fewer of the asked classes have are left out.
        max_share: Columns that more than this share of the asked classes has are left out.
    """

    name: ClassVar[str] = "attributes"
    family: ClassVar[str] = "attributes"

    def __init__(
        self,
        weights: Literal["binary", "weighted", "rarity"] = "binary",
        *,
        inherit: bool = True,
        decay: float = 1.0,
        columns: Literal["pair", "object"] = "pair",
        relations: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
        ancestors: bool = True,
        generalise: bool = False,
        inverse: bool = False,
        min_count: int = 1,
        max_share: float = 1.0,
    ) -> None:
        if weights not in ("binary", "weighted", "rarity"):
            raise InputError(f"weights={weights!r} is not known", remedy="choose 'binary', 'weighted' or 'rarity'")
        if columns not in ("pair", "object"):
            raise InputError(f"columns={columns!r} is not known", remedy="choose 'pair' or 'object'")
        if not 0 < decay <= 1:
            raise InputError(f"decay={decay!r} is not in (0, 1]")
        if not 0 < max_share <= 1:
            raise InputError(f"max_share={max_share!r} is not in (0, 1]")
        self.weights = weights
        self.inherit = inherit
        self.decay = decay
        self.columns = columns
        self.relations = relations
        self.exclude = exclude
        self.ancestors = ancestors
        self.generalise = generalise
        self.inverse = inverse
        self.min_count = min_count
        self.max_share = max_share

    def fit(self, graph: ClassGraph, *, engine: Engine | None = None) -> Self:
        """Sort the graph's relations into taxonomy and attributes; nothing is trained.

        Raises:
            InputError: A relation named in the options is not in the graph.
        """
        del engine
        names = graph.relations
        self._up = general_edges(
            graph.edge_index, graph.edge_type, mask_of(names, HIERARCHY), mask_of(names, EQUIVALENT)
        )
        if self.relations is not None:
            chosen = resolve(names, self.relations)
        else:
            chosen = ~mask_of(names, (*HIERARCHY, *EQUIVALENT, *DISJOINT, *ANNOTATION))
        chosen &= ~resolve(names, self.exclude)
        keep = chosen[graph.edge_type] & graph.similarity_edges()
        self._subject, self._object = graph.edge_index[:, keep]
        self._relation = graph.edge_type[keep]
        weight = graph.edge_weight
        self._weight = np.ones(int(keep.sum())) if weight is None else weight[keep].astype(np.float64)
        self.graph = graph
        return self

    def priors(self, names: Iterable[str], *, like: ClassPriors | None = None) -> ClassPriors:
        """Attribute vectors; ``made["columns"]`` says each column in words, ``made["pairs"]`` in IRIs.

        Args:
            names: The classes.
            like: Earlier attribute vectors of this encoder, whose columns are to be used, so that a class added later
                gets a vector of the same meaning.

        Raises:
            InputError: Names that are not in the graph, or no attribute is left.
        """
        graph, wanted, rows = self._rows(names)
        query, relation, object_, value = self._values(graph, rows)
        # Sorted by IRI, so that the numbering of nodes leaves no trace.
        keys, column = np.unique(relation * graph.num_nodes + object_, return_inverse=True)
        pairs = [self._pair(graph, int(key)) for key in keys]
        matrix = np.zeros((len(rows), len(keys)))
        matrix[query, column.ravel()] = value
        if like is None:
            matrix, pairs = self._select(matrix, pairs)
        else:
            matrix, pairs = _rearrange(matrix, pairs, like)
        if not pairs:
            raise InputError(
                "the graph has no attribute for any of these classes",
                remedy="loosen relations=, min_count= or max_share=; try ancestors=True, inverse=True or another prior",
            )
        warn_bare("no attribute in the graph", [wanted[row] for row in np.flatnonzero(~matrix.any(axis=1))])
        labels = _labels(graph, pairs)
        return self._finish(wanted, matrix, columns=labels, pairs=[list(pair) for pair in pairs])

    def priors_like(self, names: Iterable[str], like: ClassPriors) -> ClassPriors:
        """See :class:`PriorEncoder`."""
        return self.priors(names, like=like)

    def grows_exactly(self) -> bool:
        """Nothing is trained: yes."""
        return True

    def add_class(
        self,
        name: str,
        graph: ClassGraph,
        *,
        compare: int = 0,
        engine: Engine | None = None,
        like: ClassPriors | None = None,
        **options: Any,
    ) -> ClassPriors:
        """See :class:`PriorEncoder`; nothing is trained, so that it equals a new fit.

        Args:
            name: The class.
            graph: The old graph with more nodes and edges.
            compare: Not needed: what differs is known.
            engine: Not needed.
            like: Earlier attribute vectors: the new one has their columns. Then attributes that no old class has are
                left out, and with ``weights="rarity"`` the rarity stays what it was; ``made["growth"]`` says how much
                that is, at most all of the vector.
            **options: None.
        """
        del compare
        self._growing(name, graph)
        self.take_in(graph, engine=engine, **options)
        if like is None:
            return grown_priors(self.priors([name]), EXACT)
        found = self.priors([name], like=like)
        again = self.priors([*like.names, name])
        columns = {tuple(pair): at for at, pair in enumerate(again.made["pairs"])}
        placed = np.zeros_like(again.matrix)
        for row, priors in ((slice(0, -1), like), (slice(-1, None), found)):
            for column, pair in enumerate(priors.made["pairs"]):
                if tuple(pair) in columns:
                    placed[row, columns[tuple(pair)]] = priors.matrix[:, column]
        gap = np.linalg.norm(again.matrix - placed, axis=1) / np.maximum(np.linalg.norm(again.matrix, axis=1), 1e-12)
        bound = max(1.0, float(np.linalg.norm(placed[-1]) / max(float(np.linalg.norm(again.matrix[-1])), 1e-12)) + 1)
        return grown_priors(found, Growth(float(gap[-1]), bound, float(gap[:-1].mean())))

    def _join(self, graph: ClassGraph, *, engine: Engine | None = None) -> None:
        self.fit(graph, engine=engine)

    def _values(self, graph: ClassGraph, rows: Int) -> tuple[Int, Int, Int, npt.NDArray[np.float64]]:
        """Row, relation, object and value of every attribute that the rows have, each once.

        Relation ids: the graph's, then their inverses, then "is a".
        """
        total = len(graph.relations)
        subject, relation, object_, weight = self._subject, self._relation, self._object, self._weight
        if self.inverse:
            subject, object_ = np.concatenate([subject, object_]), np.concatenate([object_, subject])
            relation, weight = np.concatenate([relation, relation + total]), np.tile(weight, 2)
        if self.columns == "object":
            relation = np.zeros_like(relation)
        query, node, hops = reach(rows, self._up, graph.num_nodes, max_hops=None if self.inherit else 0)
        query, hops, edge = _join(query, node, hops, subject, graph.num_nodes)
        relation, object_, weight = relation[edge], object_[edge], weight[edge]
        if self.generalise and len(object_):
            unique, back = np.unique(object_, return_inverse=True)
            at, above, further = reach(unique, self._up, graph.num_nodes)
            order = np.argsort(at, kind="stable")
            starts = np.searchsorted(at[order], np.arange(len(unique) + 1))
            take, spread = _spread(starts, back.ravel())
            query, relation, weight = query[take], relation[take], weight[take]
            hops, object_ = hops[take] + further[order][spread], above[order][spread]
        if self.ancestors:
            at, above, far = reach(rows, self._up, graph.num_nodes)
            proper = above != rows[at]
            query = np.concatenate([query, at[proper]])
            relation = np.concatenate([relation, np.full(int(proper.sum()), 2 * total)])
            object_ = np.concatenate([object_, above[proper]])
            hops, weight = np.concatenate([hops, far[proper] - 1]), np.concatenate([weight, np.ones(int(proper.sum()))])
        value = np.ones(len(weight)) if self.weights == "binary" else weight
        value = value * self.decay**hops
        # The nearest says; among equally near ones the largest.
        order = np.lexsort((-value, hops, object_, relation, query))
        query, relation, object_, value = query[order], relation[order], object_[order], value[order]
        first = np.ones(len(query), dtype=bool)
        first[1:] = (np.diff(query) != 0) | (np.diff(relation) != 0) | (np.diff(object_) != 0)
        return query[first], relation[first], object_[first], value[first]

    def _pair(self, graph: ClassGraph, key: int) -> Pair:
        relation, object_ = divmod(key, graph.num_nodes)
        total = len(graph.relations)
        if relation == 2 * total:
            return _ANCESTOR, graph.iris[object_]
        if self.columns == "object":
            return "", graph.iris[object_]
        if relation >= total:
            return f"inverse {graph.relations[relation - total]}", graph.iris[object_]
        return graph.relations[relation], graph.iris[object_]

    def _select(self, matrix: npt.NDArray[np.float64], pairs: list[Pair]) -> tuple[npt.NDArray[np.float64], list[Pair]]:
        count = (matrix != 0).sum(axis=0)
        keep = (count >= max(self.min_count, 1)) & (count <= self.max_share * len(matrix))
        chosen = sorted(np.flatnonzero(keep), key=lambda column: pairs[column])
        matrix = matrix[:, chosen]
        if self.weights == "rarity":
            matrix = matrix * (np.log((1 + len(matrix)) / (1 + count[chosen])) + 1)
        return matrix, [pairs[column] for column in chosen]


def _join(query: Int, node: Int, hops: Int, subject: Int, num_nodes: int) -> tuple[Int, Int, Int]:
    """Every edge of every reached node: the query, the hops, and the position of the edge."""
    order = np.argsort(subject, kind="stable")
    starts = np.searchsorted(subject[order], np.arange(num_nodes + 1))
    take, spread = _spread(starts, node)
    return query[take], hops[take], order[spread]


def _spread(starts: Int, groups: Int) -> tuple[Int, Int]:
    """For groups of consecutive items beginning at ``starts``: each item of each asked group, and who asked."""
    counts = starts[groups + 1] - starts[groups]
    take = np.repeat(np.arange(len(groups)), counts)
    within = np.arange(len(take)) - np.repeat(np.cumsum(counts) - counts, counts)
    return take, starts[groups][take] + within


def _rearrange(
    matrix: npt.NDArray[np.float64], pairs: list[Pair], like: ClassPriors
) -> tuple[npt.NDArray[np.float64], list[Pair]]:
    told: Any = like.made.get("pairs")
    if told is None:
        raise InputError("the priors given as like= were not made by Attributes, they name no pairs")
    wanted = [(str(relation), str(object_)) for relation, object_ in told]
    position = {pair: column for column, pair in enumerate(pairs)}
    result = np.zeros((len(matrix), len(wanted)))
    for column, pair in enumerate(wanted):
        if pair in position:
            result[:, column] = matrix[:, position[pair]]
    if like.made.get("options", {}).get("weights") == "rarity":
        count = (like.matrix != 0).sum(axis=0)
        result *= np.log((1 + len(like)) / (1 + count)) + 1
    return result, wanted


def _labels(graph: ClassGraph, pairs: Sequence[Pair]) -> list[str]:
    label = dict(zip(graph.iris, graph.labels, strict=True))
    words = []
    for relation, object_ in pairs:
        inverse = relation.startswith("inverse ")
        told = relation if relation == _ANCESTOR else in_words(relation.removeprefix("inverse "))
        told = f"inverse {told}" if inverse else told
        words.append(f"{told} {label.get(object_, object_)}".strip())
    twice = {word for word, count in Counter(words).items() if count > 1}
    return [
        f"{word} ({relation} {object_})" if word in twice else word
        for word, (relation, object_) in zip(words, pairs, strict=True)
    ]
