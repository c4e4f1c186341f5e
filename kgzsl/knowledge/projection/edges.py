"""Where a projection puts its edges, texts and kinds, and how they become the arrays of a graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kgzsl.knowledge import _large
from kgzsl.knowledge.account import Account, Ledger
from kgzsl.knowledge.texts import TextTable
from kgzsl.knowledge.triples import Triples
from kgzsl.knowledge.vocabulary import KINDS

__all__ = ["EdgeCollector", "Projected", "merge_edges"]

Ints = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Projected:
    """The parts of a class graph (see ``ClassGraph`` for shapes).

    ``unions`` says which edges are alternatives: ``"domain"`` or ``"range"``, to the IRI of a property, to the classes
    of each union that stands there; an empty string for a part that names none. ``chains`` are the property chains, by
    the IRI of the property that they make: the links of each in order, ``^IRI`` for one that is turned round.
    """

    iris: tuple[str, ...]
    kinds: npt.NDArray[np.int8]
    texts: TextTable
    edge_index: npt.NDArray[np.int64]
    edge_type: npt.NDArray[np.int64]
    edge_weight: npt.NDArray[np.float32] | None
    relations: tuple[str, ...]
    account: Account
    unions: dict[str, dict[str, list[list[str]]]]
    chains: dict[str, list[list[str]]]


class EdgeCollector:
    """Collects edges between terms, whole arrays at a time or one by one.

    Relations are strings here, since a projection may make relations that the source does not name.
    """

    def __init__(self, triples: Triples) -> None:
        self.triples = triples
        self.ledger = Ledger()
        self.relations: dict[str, int] = {}
        self.kind_of = np.full(len(triples.terms) + len(triples.quoted), -1, np.int8)
        self.is_node = np.zeros(len(self.kind_of), bool)
        self._used_as = np.zeros(len(self.kind_of), np.uint8)
        self._subjects: list[Ints] = []
        self._types: list[Ints] = []
        self._objects: list[Ints] = []
        self._weights: list[npt.NDArray[np.float32] | None] = []
        self._distinct = True
        self._single: list[tuple[int, int, int, float]] = []
        self._text_rows: list[tuple[Ints, Ints, Ints]] = []
        self._text_names: dict[str, int] = {}
        self.unions: dict[str, dict[str, list[list[str]]]] = {}
        self.chains: dict[str, list[list[str]]] = {}

    def relation(self, iri: str) -> int:
        """The number of a relation."""
        return self.relations.setdefault(iri, len(self.relations))

    def add(self, subject: int, relation: str, object_: int, weight: float = 1.0) -> None:
        """One edge."""
        self._single.append((subject, self.relation(relation), object_, weight))

    def add_many(
        self,
        subjects: Ints,
        types: Ints,
        objects: Ints,
        weights: npt.NDArray[np.float32] | None = None,
        *,
        distinct: bool = False,
    ) -> None:
        """Edges as arrays; ``types`` from :meth:`relation`.

        Args:
            subjects: Terms.
            types: Relations.
            objects: Terms.
            weights: ``None`` for 1.
            distinct: These are triples of the source, under their own predicates: no two of them are equal.
        """
        self._flush()
        self._distinct &= distinct
        self._subjects.append(subjects)
        self._types.append(types)
        self._objects.append(objects)
        self._weights.append(weights)

    def edges_of(self, relation: str) -> list[tuple[int, int]]:
        """(subject, object) of the edges of a relation so far, in order."""
        number = self.relations.get(relation, -1)
        self._flush()
        pairs: list[tuple[int, int]] = []
        for subjects, types, objects in zip(self._subjects, self._types, self._objects, strict=True):
            rows = np.flatnonzero(types == number)
            pairs += zip(subjects[rows].tolist(), objects[rows].tolist(), strict=True)
        return pairs

    def text_kind(self, name: str) -> int:
        """The number of a kind of text."""
        return self._text_names.setdefault(name, len(self._text_names))

    def add_texts(self, subjects: Ints, kinds: Ints | int, literals: Ints) -> None:
        """Texts; their kinds from :meth:`text_kind`."""
        self._text_rows.append((subjects, np.broadcast_to(kinds, subjects.shape), literals))

    def set_kind(self, terms: Ints | int, kind: str, *, node: bool = False) -> None:
        """Say what terms are; the first in the order of ``KINDS`` wins where they are several things."""
        code = KINDS.index(kind)
        ids = np.atleast_1d(np.asarray(terms))
        here = self.kind_of[ids]
        self.kind_of[ids] = np.where((here < 0) | (here > code), code, here)
        self._used_as[ids] |= np.uint8(1 << code)
        if node:
            self.is_node[ids] = True

    def only_kind(self, terms: Ints, kind: str) -> None:
        """Say what terms are, whatever was said of them before."""
        self.kind_of[terms] = KINDS.index(kind)
        self._used_as[terms] = 0

    def _flush(self) -> None:
        if self._single:
            rows = np.array([row[:3] for row in self._single], np.int64)
            weights = np.array([row[3] for row in self._single], np.float32)
            self._single = []
            self.add_many(rows[:, 0], rows[:, 1], rows[:, 2], weights if (weights != 1).any() else None)

    def build(self, *, only: frozenset[str] | None = None) -> Projected:
        """Number the nodes in order of first appearance in the source, merge equal edges, close the account.

        Args:
            only: Relations to keep; ``None``: all.
        """
        self._flush()
        weights = self._joined_weights()
        merged = left_out = 0
        count = sum(len(block) for block in self._types)
        # Where every edge stays they go straight into the graph's own arrays: a second copy would be a reading's peak.
        kind = np.int64 if self._distinct and only is None else np.int32
        ends, types = _large.empty((2, count), kind), _large.empty(count, kind)
        for blocks, row in ((self._subjects, ends[0]), (self._types, types), (self._objects, ends[1])):
            _empty_into(row, blocks)
        if only is not None:
            wanted = np.array([name in only for name in self.relations], bool)[types] if len(types) else types == 0
            left_out = int((~wanted).sum())
            ends, types = ends[:, wanted], types[wanted]
            weights = None if weights is None else weights[wanted]
        if not self._distinct:
            subjects, types, objects, weights, merged = merge_edges(
                ends[0], types, ends[1], weights, len(self.relations)
            )
            ends = np.stack([subjects, objects])
        edge_index, edge_type = ends.astype(np.int64, copy=False), types.astype(np.int64, copy=False)
        for row in edge_index:
            _large.mark(self.is_node, row)
        for rows in self._text_rows:
            self.is_node[rows[0]] = True
        nodes = np.flatnonzero(self.is_node)
        self._note_puns(nodes)
        number = np.full(len(self.is_node), -1, np.int64)
        number[nodes] = np.arange(len(nodes))
        kinds = self.kind_of[nodes]
        kinds[kinds < 0] = KINDS.index("other")
        for row in edge_index:
            _large.look_up(number, row)
        present = _large.mark(np.zeros(len(self.relations), bool), edge_type)
        _large.look_up(np.cumsum(present) - 1, edge_type)
        relations = tuple(name for name, here in zip(self.relations, present.tolist(), strict=True) if here)
        terms = self.triples.terms
        account = self.ledger.close(
            triples=len(self.triples),
            duplicates=self.triples.duplicates,
            num_edges=len(edge_type),
            merged=merged,
            left_out=left_out,
            notes=self.triples.notes,
        )
        return Projected(
            iris=tuple([self._name(i, terms) for i in nodes.tolist()]),
            kinds=kinds,
            texts=self._texts(number, len(nodes)),
            edge_index=edge_index,
            edge_type=edge_type,
            edge_weight=weights,
            relations=relations,
            account=account,
            unions=self.unions,
            chains=self.chains,
        )

    def _note_puns(self, nodes: Ints) -> None:
        """One name for several things (OWL 2 calls it punning) is one node here, and all of its edges are there."""
        things = np.isin(np.arange(256) & 0b111, [0b011, 0b101, 0b110, 0b111])  # class, property, individual
        count = int(things[self._used_as[nodes]].sum())
        if count:
            said = "name is used as two kinds of thing" if count == 1 else "names are used as two kinds of thing"
            self.ledger.notes.append(
                f"{count:,} {said} (class, property, individual): each is one node of the first kind"
            )

    def _name(self, term: int, terms: list[str]) -> str:
        if term < len(terms):
            return terms[term]
        subject, predicate, object_ = self.triples.quoted[term - len(terms)].tolist()
        return f"<<{' '.join(self._name(part, terms) for part in (subject, predicate, object_))}>>"

    def _joined_weights(self) -> npt.NDArray[np.float32] | None:
        if all(weights is None for weights in self._weights):
            return None
        pairs = zip(self._subjects, self._weights, strict=True)
        return np.concatenate([np.ones(len(s), np.float32) if w is None else w for s, w in pairs])

    def _texts(self, number: npt.NDArray[np.int64], num_nodes: int) -> TextTable:
        if self._text_rows:
            subjects, properties, literals = (np.concatenate(column) for column in zip(*self._text_rows, strict=True))
        else:
            subjects = properties = literals = np.empty(0, np.int64)
        nodes = number[subjects]
        order = np.argsort(nodes, kind="stable")
        used, literals = np.unique(literals[order], return_inverse=True)
        counts = np.bincount(nodes, minlength=num_nodes) if len(nodes) else np.zeros(num_nodes, np.int64)
        return TextTable(
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            properties[order].astype(np.int16),
            literals.reshape(-1).astype(np.int64),
            tuple(self._text_names),
            [self.triples.terms[i] for i in used.tolist()],
        )


def _empty_into(row: Ints, blocks: list[Ints]) -> None:
    """Blocks on end, in ``row``; the list is emptied, to hold each edge once."""
    at = 0
    for block in blocks:
        row[at : at + len(block)] = block
        at += len(block)
    blocks.clear()


def merge_edges(
    subjects: npt.NDArray[np.int32],
    types: npt.NDArray[np.int32],
    objects: npt.NDArray[np.int32],
    weights: npt.NDArray[np.float32] | None,
    num_relations: int,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.float32] | None, int]:
    """Equal edges once, in order of first appearance, with the first weight that is not 1 (else 1)."""
    if not len(subjects):
        return subjects, types, objects, weights, 0
    limit = int(max(subjects.max(), objects.max())) + 1
    if limit * limit * max(num_relations, 1) < 2**63:
        key = (subjects.astype(np.int64) * num_relations + types) * limit + objects
        order = np.argsort(key, kind="stable")
    else:
        order = np.lexsort((objects, types, subjects))
    new = np.ones(len(order), bool)
    a, b = order[1:], order[:-1]
    new[1:] = (subjects[a] != subjects[b]) | (types[a] != types[b]) | (objects[a] != objects[b])
    firsts = np.sort(order[new])
    merged = len(order) - len(firsts)
    if weights is not None and merged:
        group = np.cumsum(new) - 1
        given = np.flatnonzero(weights[order] != 1)
        best = order[new].copy()
        best_weights = weights[best]
        best_weights[group[given][::-1]] = weights[order][given][::-1]
        joined = np.empty(len(weights), np.float32)
        joined[best] = best_weights
        weights = joined
    return (
        subjects[firsts],
        types[firsts],
        objects[firsts],
        None if weights is None else weights[firsts],
        merged,
    )
