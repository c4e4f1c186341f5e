"""The class graph: nodes with texts, typed edges, and where they came from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError
from kgzsl.knowledge import operations
from kgzsl.knowledge.graph_data import GraphData
from kgzsl.knowledge.texts import NodeText
from kgzsl.knowledge.vocabulary import SUBCLASS_OF, TAXONOMIC

if TYPE_CHECKING:
    from kgzsl.knowledge.align import Alignment, NameIndex
    from kgzsl.knowledge.dense_graph import DenseGraph
    from kgzsl.knowledge.matching import GraphAlignment
    from kgzsl.knowledge.operations import Neighbour

__all__ = ["ClassGraph"]


class ClassGraph(GraphData):
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
        max_added: int | None = None,
        max_seconds: float | None = None,
        progress: Any = None,
        **options: Any,
    ) -> ClassGraph:
        """Read an ontology or knowledge graph.

        Args:
            source: A path (``.ttl .nt .nq .trig .rdf .owl .ofn .owx .omn .obo .jsonld .csv .tsv .txt``, OBO graphs in
                ``.json``, and ``.gz .bz2 .xz .zst`` of them; a graph saved by :meth:`save`; a folder of triples with
                ``entities.dict``; WordNet's folder, a ``conceptnet-assertions`` file, a Wikidata dump), ``store:DIR``
                for an Oxigraph store, a list of paths that make one graph, a networkx or rdflib graph, or a pandas
                table of triples.
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
                Contexts that a JSON-LD document names are looked for in it too, then beside the document, and are
                fetched with ``imports="fetch"`` only.
            max_bytes: Uncompressed bytes after which a source is refused (64 GiB).
            max_added: Triples that reasoning may add (10 million).
            max_seconds: Seconds that reasoning may take (600).
            progress: Called with (bytes read, size of the file or ``None``).
            **options: What the source's own reader takes: ``reference`` (WordNet of another version), ``languages``,
                ``relations`` ... (ConceptNet), ``classes``, ``hops`` ... (Wikidata), ``named_graph`` (a store); see
                :mod:`kgzsl.knowledge.sources`.

        Returns:
            The graph; ``graph.account`` says what was understood, and what was dropped and why.

        Raises:
            InputError: The source cannot be read; one line with the file, the place and the remedy.
        """
        from kgzsl.knowledge.reading_graphs import read_graph

        given = {
            "header": (header, "auto"),
            "columns": (columns, None),
            "relation": (relation, None),
            "prefixes": (prefixes, None),
            "base": (base, None),
            "lenient": (lenient, False),
            "imports": (imports, "none"),
            "catalogue": (catalogue, None),
        }
        budgets = {"max_bytes": max_bytes, "max_added": max_added, "max_seconds": max_seconds}
        return read_graph(
            source,
            format,
            projection=projection,
            reasoning=reasoning,
            language=language,
            files={name: value for name, (value, usual) in given.items() if value != usual},
            budgets={name: value for name, value in budgets.items() if value is not None},
            progress=progress,
            options=options,
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
        from kgzsl.knowledge.reading_graphs import check_options
        from kgzsl.knowledge.sources.sparql import read_sparql

        check_options(read_sparql, options)
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

    @cached_property
    def name_index(self) -> NameIndex:
        """All names by which :meth:`align` finds nodes."""
        from kgzsl.knowledge.align import NameIndex

        return NameIndex(self)

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

    def in_name_order(self) -> ClassGraph:
        """The same statements, numbered by IRI; see :func:`kgzsl.knowledge.name_order.in_name_order`."""
        from kgzsl.knowledge.name_order import in_name_order

        return in_name_order(self)

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
