"""The class graph: nodes with texts, typed edges, and where they came from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError, nearest
from kgzsl.knowledge import operations
from kgzsl.knowledge.account import Account, AccountRow
from kgzsl.knowledge.operations import Adjacency
from kgzsl.knowledge.texts import LABEL_ORDER, NodeText, TextTable, choose, humanise, local_name
from kgzsl.knowledge.vocabulary import KINDS, NEGATIVE_RELATIONS, SUBCLASS_OF, TAXONOMIC

if TYPE_CHECKING:
    from kgzsl.knowledge.align import Alignment, NameIndex
    from kgzsl.knowledge.dense_graph import DenseGraph
    from kgzsl.knowledge.matching import GraphAlignment
    from kgzsl.knowledge.operations import Neighbour

__all__ = ["ClassGraph"]


class ClassGraph:
    """What an ontology or a knowledge graph says about classes, as a graph. Immutable by convention.

    Args:
        iris: The nodes, by IRI (or by name where the source has no IRIs); distinct.
        kinds: int8 [N], index into :data:`kgzsl.knowledge.KINDS`.
        edge_index: int64 [2, E], subjects over objects.
        edge_type: int64 [E], index into ``relations``.
        relations: Relation IRIs.
        texts: Node -> texts.
        edge_weight: float32 [E], or ``None`` where no edge has a weight of its own.
        labels: The labels; ``None`` takes them from ``texts`` in ``language``, else from the IRIs.
        names: Node -> texts by which :meth:`align` finds the node, where they are not ``texts`` (a shuffled graph).
        language: Preferred language of labels.
        account: What was understood of the source.
        provenance: Where the graph came from.

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

    # ---------------------------------------------------------------- making one

    @classmethod
    def read(
        cls,
        source: Any,
        format: str | None = None,  # noqa: A002
        *,
        projection: str = "owl2vec",
        reasoning: str | None = None,
        language: str | None = "en",
        header: bool | str = "auto",
        columns: Sequence[str] | None = None,
        relation: str | None = None,
        prefixes: Mapping[str, str] | None = None,
        base: str | None = None,
        lenient: bool = False,
        imports: str = "none",
        catalogue: Mapping[str, str | os.PathLike[str]] | str | os.PathLike[str] | None = None,
        max_bytes: int | None = None,
        max_added: int = 10_000_000,
        max_seconds: float = 600.0,
        progress: Any = None,
    ) -> ClassGraph:
        """Read an ontology or knowledge graph.

        Args:
            source: A path (``.ttl .nt .nq .trig .rdf .owl .ofn .owx .omn .obo .jsonld .csv .tsv .txt``, OBO graphs in
                ``.json``, and ``.gz .bz2 .xz .zst`` of them; a graph saved by :meth:`save`; a folder of triples with
                ``entities.dict``; WordNet's folder, a ``conceptnet-assertions`` file), ``store:DIR`` for an Oxigraph
                store, a list of paths that make one graph, a networkx graph, or an rdflib graph.
            format: The format, where the name of the file does not tell.
            projection: ``owl2vec`` (edges between named things), ``taxonomy`` (only what leads upwards), ``w3c``
                (the triples).
            reasoning: ``None``, ``"rdfs"``, ``"owl2rl"``, ``"el"`` or ``"hermit"`` (needs Java): add what follows
                before projecting; see :func:`kgzsl.knowledge.reasoning.close`.
            language: Preferred language of labels; ``None`` takes untagged ones first.
            header: Whether the first line of a table names its columns.
            columns: What the columns of a table hold (``subject``, ``relation``, ``object``, ``weight``, ``ignore``).
            relation: The relation of all rows, for a table that has no relation column.
            prefixes: More prefixes for names in tables.
            base: The IRI that relative IRIs are resolved against.
            lenient: Whether IRIs that break the rules (a space, two ``#``) are taken as they stand.
            imports: What to do with ``owl:imports``: ``"none"`` names them in the account, ``"local"`` reads those that
                the catalogue holds, ``"fetch"`` gets the others from the network.
            catalogue: Where imported ontologies lie: IRI -> path, or the path of an XML catalogue or of a folder with
                one; a ``catalog-v001.xml`` beside the source is used too.
            max_bytes: Uncompressed bytes after which a source is refused.
            max_added: Triples that reasoning may add.
            max_seconds: Seconds that reasoning may take.
            progress: Called with (bytes read, size of the file or ``None``).

        Returns:
            The graph; ``graph.account`` says what was understood, and what was dropped and why.

        Raises:
            InputError: The source cannot be read; one line with the file, the place and the remedy.
        """
        from kgzsl.knowledge.assembling import assemble, check_projection
        from kgzsl.knowledge.readers import ReadOptions, read_triples
        from kgzsl.knowledge.sources.finding import own_reader
        from kgzsl.knowledge.store import is_saved_graph, load_graph

        if isinstance(source, (str, os.PathLike)) and format is None and is_saved_graph(source):
            return load_graph(source)
        check_projection(projection)
        own = own_reader(source, format)
        if own is not None:
            return own(source, projection=projection, reasoning=reasoning, language=language, progress=progress)
        extra = {} if max_bytes is None else {"max_bytes": max_bytes}
        options = ReadOptions(
            header=header,  # type: ignore[arg-type]
            columns=None if columns is None else tuple(columns),
            relation=relation,
            prefixes=dict(prefixes or {}),
            base=base,
            lenient=lenient,
            imports=imports,
            catalogue=catalogue,
            progress=progress,
            **extra,
        )
        reading = read_triples(source, format, options)
        return assemble(
            reading.triples,
            reading.provenance,
            projection=projection,
            reasoning=reasoning,
            language=language,
            prefixes=reading.prefixes,
            max_added=max_added,
            max_seconds=max_seconds,
        )

    @classmethod
    def from_sparql(cls, url: str, seeds: Sequence[str], hops: int = 1, **options: Any) -> ClassGraph:
        """What lies within ``hops`` links of ``seeds`` at a SPARQL endpoint.

        Args:
            url: The endpoint.
            seeds: IRIs, prefixed names or labels of classes.
            hops: How many links to follow.
            **options: See :func:`kgzsl.knowledge.sources.read_sparql`.

        Raises:
            InputError: A seed is not known, a limit is passed, or the endpoint fails.
        """
        from kgzsl.knowledge.sources.sparql import read_sparql

        return read_sparql(url, seeds, hops, **options)

    @classmethod
    def from_triples(
        cls,
        triples: Iterable[tuple[str, str, str]],
        labels: Mapping[str, str] | None = None,
        texts: Mapping[str, Iterable[NodeText | tuple[str, str] | str]] | None = None,
        *,
        weights: Sequence[float] | None = None,
        language: str | None = "en",
    ) -> ClassGraph:
        """A graph from (subject, relation, object) names; every triple becomes an edge as it is.

        Args:
            triples: Names of subject, relation, object; well-known bare relation names such as ``subClassOf`` and
                known prefixes (``rdfs:subClassOf``) are expanded in the relation.
            labels: Node name -> label.
            texts: Node name -> texts: strings (taken as comments), (property, text) pairs, or :class:`NodeText`.
            weights: One for each triple.
            language: Preferred language of labels.
        """
        from kgzsl.knowledge.building import graph_from_triples

        return graph_from_triples(triples, labels or {}, texts or {}, weights, language)

    @classmethod
    def from_networkx(cls, graph: Any, **options: Any) -> ClassGraph:
        """A networkx graph; see :meth:`read` for the options.

        The relation of an edge is its ``relation``, ``type`` or ``label`` attribute, or a multigraph's key, else
        ``related``; its ``weight`` is kept; a node's ``label`` and ``comment`` (or ``description``, ``text``) become
        texts.
        """
        return cls.read(graph, **options)

    @classmethod
    def from_rdflib(cls, graph: Any, **options: Any) -> ClassGraph:
        """An rdflib graph or data set; see :meth:`read` for the options."""
        return cls.read(graph, **options)

    # ---------------------------------------------------------------- looking at it

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

    @cached_property
    def name_index(self) -> NameIndex:
        """All names by which :meth:`align` finds nodes."""
        from kgzsl.knowledge.align import NameIndex

        return NameIndex(self)

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

    def align(
        self, names: Sequence[str], *, mapping: Mapping[str, str] | None = None, kinds: Sequence[str] | None = None
    ) -> Alignment:
        """Find the nodes that class names mean; see :func:`kgzsl.knowledge.align.align`.

        Returns:
            ``.indices`` int64 [n] (-1 = not found), ``.matched_by``, ``.missing`` {name: nearest}; ``.require()``
            insists.
        """
        from kgzsl.knowledge.align import align

        return align(self, names, mapping=mapping, kinds=kinds)

    # ---------------------------------------------------------------- walking and cutting

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

    def neighbours(self, node: int, relation: str | None = None, direction: str = "both") -> list[Neighbour]:
        """The nodes beside ``node``: (node, relation, outgoing), in the order of the edges.

        Args:
            node: Its number.
            relation: Only along this relation.
            direction: ``"out"``, ``"in"`` or ``"both"``.
        """
        return operations.neighbours(self, node, relation, direction)

    def parents(self, relation: str | Sequence[str] = SUBCLASS_OF) -> Any:
        """Who stands directly above whom: a SciPy CSR array of bool [N, N], row = node, column = its parent."""
        return operations.parents(self, relation)

    def ancestors(self, node: int, relation: str | Sequence[str] = SUBCLASS_OF) -> set[int]:
        """All nodes above ``node`` along ``relation``, through equivalents too; never ``node`` itself."""
        return operations.ancestors(self, node, relation)

    def closure(
        self,
        nodes: Iterable[int] | None = None,
        relation: str | Sequence[str] = SUBCLASS_OF,
        *,
        reflexive: bool = False,
    ) -> Any:
        """Ancestors of many nodes: a SciPy CSR array of bool [len(nodes), N] (all nodes for ``None``).

        Args:
            nodes: The rows.
            relation: Which relation (or relations) leads upwards.
            reflexive: Whether a node counts among its own ancestors.
        """
        return operations.closure(self, nodes, relation, reflexive)

    def subgraph(self, seeds: Iterable[int | str], hops: int = 1) -> ClassGraph:
        """The nodes within ``hops`` similarity edges of ``seeds``, either way, with all edges between them.

        Args:
            seeds: Node numbers or IRIs.
            hops: How far.

        Raises:
            InputError: A seed is not in the graph.
        """
        numbers = [self.node(seed) if isinstance(seed, str) else int(seed) for seed in seeds]
        for number in numbers:
            if not 0 <= number < self.num_nodes:
                raise InputError(f"node {number} lies outside 0..{self.num_nodes - 1}", remedy="align the names first")
        nodes = operations.reach(self, np.array(numbers, np.int64), hops)
        return operations.induced(self, nodes, f"{len(nodes)} nodes within {hops} hops of {len(numbers)} seeds")

    def for_classes(
        self,
        names: Sequence[str],
        *,
        hops: int = 2,
        relations: Sequence[str] | None = None,
        max_neighbours: int | None = None,
        mapping: Mapping[str, str] | None = None,
        kinds: Sequence[str] | None = None,
        missing: str = "raise",
    ) -> ClassGraph:
        """What a list of classes needs of the graph; see :func:`kgzsl.knowledge.selection.for_classes`."""
        from kgzsl.knowledge.selection import for_classes

        return for_classes(
            self,
            names,
            hops=hops,
            relations=relations,
            max_neighbours=max_neighbours,
            mapping=mapping,
            kinds=kinds,
            missing=missing,
        )

    def taxonomy(
        self,
        names: Sequence[str] | None = None,
        *,
        relation: str | Sequence[str] = SUBCLASS_OF,
        contract: bool = False,
    ) -> ClassGraph:
        """What leads upwards.

        Args:
            names: Classes: they, what stands above them, and the edges of ``relation`` between these. ``None``: all
                nodes under their numbers, and all edges that lead upwards (subclass, sub-property, type, broader).
            relation: Which relation (or relations) leads upwards from the classes.
            contract: With ``names``: see :func:`kgzsl.knowledge.class_taxonomy.class_taxonomy`.

        Raises:
            InputError: Names that no single node answers to.
        """
        if names is not None:
            from kgzsl.knowledge.class_taxonomy import class_taxonomy

            return class_taxonomy(self, names, relation=relation, contract=contract)
        mask = operations.relation_mask(self, TAXONOMIC)
        return operations.edges_only(self, mask, "only the edges that lead upwards")

    def common_ancestors(self, nodes: Iterable[int], relation: str | Sequence[str] = SUBCLASS_OF) -> tuple[int, ...]:
        """The lowest nodes that all of ``nodes`` lie below (or are), ascending."""
        from kgzsl.knowledge.class_taxonomy import common_ancestors

        return common_ancestors(self, nodes, relation)

    def dense(
        self,
        names: Sequence[str] | None = None,
        *,
        groups: int = 4,
        relation: str | Sequence[str] = SUBCLASS_OF,
    ) -> DenseGraph:
        """Ancestors and descendants grouped by distance; see :func:`kgzsl.knowledge.dense_graph.dense_graph`."""
        from kgzsl.knowledge.dense_graph import dense_graph

        return dense_graph(self, names, groups=groups, relation=relation)

    def relation_graph(self, names: Sequence[str] | None = None, *, max_shared: int = 50) -> ClassGraph:
        """The graph of the relations themselves; see :func:`kgzsl.knowledge.relation_graph.relation_graph`."""
        from kgzsl.knowledge.relation_graph import relation_graph

        return relation_graph(self, names, max_shared=max_shared)

    def match(self, other: ClassGraph, *, by: Sequence[str] = ("iri", "sameAs", "wnid", "label")) -> GraphAlignment:
        """Which nodes of two graphs mean the same; see :func:`kgzsl.knowledge.matching.match_graphs`."""
        from kgzsl.knowledge.matching import match_graphs

        return match_graphs(self, other, by=by)

    def merge(self, other: ClassGraph, alignment: GraphAlignment | Sequence[str] | None = None) -> ClassGraph:
        """Two graphs as one; see :func:`kgzsl.knowledge.merging.merge_graphs`."""
        from kgzsl.knowledge.merging import merge_graphs

        return merge_graphs(self, other, alignment)

    def distances(self, nodes: Sequence[int] | None = None, kind: str = "hops") -> npt.NDArray[np.float64]:
        """float64 [n, n], ``kind`` of hops, weighted, resistance: see :func:`kgzsl.knowledge.distances.distances`."""
        from kgzsl.knowledge.distances import distances

        return distances(self, nodes, kind)

    def shuffled(self, seed: int) -> ClassGraph:
        """The control: the same nodes and counts, wrong knowledge; see :func:`kgzsl.knowledge.shuffle.shuffled`."""
        from kgzsl.knowledge.shuffle import shuffled

        return shuffled(self, seed)

    # ---------------------------------------------------------------- handing it on

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the graph to one file, to be read back exactly; equal graphs give equal bytes.

        Raises:
            InputError: It cannot be written; nothing is left half-written.
        """
        from kgzsl.knowledge.store import save_graph

        save_graph(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ClassGraph:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: It is missing, damaged or something else.
        """
        from kgzsl.knowledge.store import load_graph

        return load_graph(path)

    def to_networkx(self) -> Any:
        """A networkx ``MultiDiGraph`` of IRIs, keyed by relation, with label, kind, weight, negative."""
        from kgzsl.knowledge.interop import to_networkx

        return to_networkx(self)

    def to_rdflib(self) -> Any:
        """An rdflib ``Graph`` of the edges and texts; weights other than 1 as RDF reification."""
        from kgzsl.knowledge.interop import to_rdflib

        return to_rdflib(self)

    def to_pyg(self) -> Any:
        """A PyTorch Geometric ``Data``: edge_index, edge_type, edge_weight, kind, similarity, and the names."""
        from kgzsl.knowledge.interop import to_pyg

        return to_pyg(self)

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
