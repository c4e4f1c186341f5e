"""What a class graph holds: nodes with texts and kinds, typed edges, the account, and ways to look things up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError, nearest
from kgzsl.knowledge.account import Account, AccountRow
from kgzsl.knowledge.operations import Adjacency
from kgzsl.knowledge.texts import LABEL_ORDER, NodeText, TextTable, choose, humanise, local_name
from kgzsl.knowledge.vocabulary import KINDS, NEGATIVE_RELATIONS

__all__ = ["GraphData"]


class GraphData:
    """The contents of a :class:`kgzsl.knowledge.ClassGraph`, checked and frozen; see there for the arguments.

    Raises:
        InputError: Shapes or index ranges do not fit together.
    """

    def __init__(
        self,
        iris: Sequence[str],
        kinds: npt.NDArray[np.int8],
        edge_index: npt.NDArray[np.int64],
        edge_type: npt.NDArray[np.int64],
        relations: Sequence[str],
        *,
        texts: Mapping[int, tuple[NodeText, ...]] | None = None,
        edge_weight: npt.NDArray[np.float32] | None = None,
        labels: Sequence[str] | None = None,
        names: TextTable | None = None,
        language: str | None = "en",
        account: Account | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        self.iris: tuple[str, ...] = tuple(iris)
        self.kinds = _frozen(kinds, np.int8)
        self.edge_index = _frozen(edge_index, np.int64)
        self.edge_type = _frozen(edge_type, np.int64)
        self.edge_weight = None if edge_weight is None else _frozen(edge_weight, np.float32)
        self.relations: tuple[str, ...] = tuple(relations)
        self.texts: TextTable = (
            texts if isinstance(texts, TextTable) else TextTable.from_mapping(texts or {}, len(self.iris))
        )
        self.language = language
        self.account = account if account is not None else Account(num_edges=self.num_edges)
        self.provenance: dict[str, Any] = dict(provenance or {})
        self.own_labels: tuple[str, ...] | None = None if labels is None else tuple(labels)
        self.names = names
        self._check()

    @property
    def num_nodes(self) -> int:
        """N."""
        return len(self.iris)

    @property
    def num_edges(self) -> int:
        """E."""
        return int(self.edge_type.shape[0])

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """One label for each node: the best in the chosen language, else a readable form of the local name."""
        if self.own_labels is not None:
            return self.own_labels
        found = [humanise(local_name(iri)) for iri in self.iris]
        for node in self.texts:
            label = self._label(self.texts[node])
            if label is not None:
                found[node] = label
        return tuple(found)

    def _label(self, texts: tuple[NodeText, ...]) -> str | None:
        for kind in LABEL_ORDER:
            chosen = choose([text for text in texts if text.property == kind], self.language)
            if chosen is not None:
                return chosen.text
        return None

    @cached_property
    def node_index(self) -> dict[str, int]:
        """IRI -> number of the node."""
        return {iri: number for number, iri in enumerate(self.iris)}

    def node(self, iri: str) -> int:
        """The number of the node ``iri``.

        Raises:
            InputError: There is none; the nearest are named.
        """
        found = self.node_index.get(iri)
        if found is None:
            raise _unknown("node", iri, self.iris)
        return found

    def relation(self, iri: str) -> int:
        """The number of the relation ``iri`` (a local name that is unique will do).

        Raises:
            InputError: There is none; the nearest are named.
        """
        if iri in self.relations:
            return self.relations.index(iri)
        same = [number for number, known in enumerate(self.relations) if local_name(known) == local_name(iri)]
        if len(same) == 1:
            return same[0]
        raise _unknown("relation", iri, self.relations)

    def kind(self, node: int) -> str:
        """What node is: one of ``KINDS``."""
        return KINDS[int(self.kinds[node])]

    def node_text(self, node: int, properties: Sequence[str] | None = None) -> str:
        """The texts of a node in the preferred language, joined for reading: label first, then what describes it.

        Args:
            node: Its number.
            properties: Which kinds of text, in this order; ``None``: label, synonyms, definition, comment, description.
        """
        from kgzsl.knowledge.texts import node_text

        return node_text(self.labels[node], self.texts.get(node, ()), properties, self.language)

    def similarity_edges(self) -> npt.NDArray[np.bool_]:
        """bool [E]: edges that say two nodes belong together; disjointness and its kin are not among them."""
        negative = np.array([name in NEGATIVE_RELATIONS for name in self.relations], bool)
        return ~negative[self.edge_type] if len(negative) else np.ones(self.num_edges, bool)

    def axioms(self) -> dict[str, AccountRow]:
        """What was understood of the source, by kind of axiom (``SubClassOf``, ``HasKey``, ...).

        Each row says how many axioms came in, how many edges and texts they gave, and how many were dropped and why;
        ``graph.account.balanced`` says whether that is all of them, ``graph.account.table()`` prints it.
        """
        return {row.kind: row for row in self.account.rows}

    @cached_property
    def outgoing(self) -> Adjacency:
        """Edges by subject, in compressed rows."""
        return Adjacency.of(self.edge_index[0], self.edge_index[1], self.num_nodes)

    @cached_property
    def incoming(self) -> Adjacency:
        """Edges by object, in compressed rows."""
        return Adjacency.of(self.edge_index[1], self.edge_index[0], self.num_nodes)

    @property
    def degrees(self) -> npt.NDArray[np.int64]:
        """int64 [N]: edges at each node, either way."""
        return np.diff(self.outgoing.offsets) + np.diff(self.incoming.offsets)

    def __repr__(self) -> str:
        source = self.provenance.get("source", "made in Python")
        return (
            f"ClassGraph({self.num_nodes:,} nodes, {self.num_edges:,} edges, {len(self.relations)} relations, "
            f"{self.texts.num_texts:,} texts; {source})"
        )

    def _check(self) -> None:
        n, e = self.num_nodes, self.num_edges
        if self.kinds.shape != (n,) or self.edge_index.shape != (2, e):
            raise InputError(
                f"{n} nodes, kinds of shape {self.kinds.shape}; {e} edges, edge_index of shape {self.edge_index.shape}",
            )
        if e and (self.edge_index.min() < 0 or self.edge_index.max() >= n):
            raise InputError(f"an edge names a node outside 0..{n - 1}", remedy="check edge_index")
        if e and (self.edge_type.min() < 0 or self.edge_type.max() >= len(self.relations)):
            raise InputError(f"an edge names a relation outside 0..{len(self.relations) - 1}", remedy="check edge_type")
        if n and (self.kinds.min() < 0 or self.kinds.max() >= len(KINDS)):
            raise InputError(f"a kind lies outside 0..{len(KINDS) - 1}", remedy="index into KINDS")
        if self.edge_weight is not None and self.edge_weight.shape != (e,):
            raise InputError(
                f"{e} edges, edge_weight of shape {self.edge_weight.shape}", remedy="give one weight an edge"
            )
        if self.own_labels is not None and len(self.own_labels) != n:
            raise InputError(f"{n} nodes, {len(self.own_labels)} labels", remedy="give one label for each node")
        if len(self.texts.offsets) != n + 1:
            raise InputError(f"{n} nodes, texts for {len(self.texts.offsets) - 1}", remedy="give texts for these nodes")


def _frozen(array: Any, dtype: Any) -> npt.NDArray[Any]:
    made = np.ascontiguousarray(array, dtype=dtype)
    if made is array:
        made = made.view()
    made.flags.writeable = False
    return made


def _unknown(what: str, name: str, known: Sequence[str]) -> InputError:
    by_local = {local_name(iri): iri for iri in known}
    close = nearest(name, known) or [by_local[local] for local in nearest(local_name(name), by_local)]
    hint = f"did you mean {' or '.join(close)}?" if close else f"the graph has {len(known)} {what}s"
    return InputError(f"the graph has no {what} {name!r}", remedy=hint)
