"""The same class graph in an order of its own, so that the order of a file leaves no trace in what is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kgzsl.knowledge.texts import TextTable

if TYPE_CHECKING:
    from kgzsl.knowledge.class_graph import ClassGraph

__all__ = ["in_name_order"]


def in_name_order(graph: ClassGraph) -> ClassGraph:
    """Nodes and relations numbered by IRI; edges sorted by relation, subject and object; texts by kind and wording.

    What draws by number (initial vectors, batches, the permutations of :meth:`ClassGraph.shuffled`) draws the same of
    equal statements, in whatever order and format they were written.

    Args:
        graph: Any class graph; it is left as it is.

    Returns:
        The same statements; the account and what the graph calls its nodes stay.
    """
    from kgzsl.knowledge.class_graph import ClassGraph

    order, place = _order(graph.iris)
    kind_order, kind_place = _order(graph.relations)
    ends, kinds = place[graph.edge_index], kind_place[graph.edge_type]
    weights = np.zeros(graph.num_edges, np.float32) if graph.edge_weight is None else graph.edge_weight
    edges = np.lexsort((weights, ends[1], ends[0], kinds))
    provenance = dict(graph.provenance)
    if "chains" in provenance:
        provenance["chains"] = {whole: sorted(chains) for whole, chains in sorted(provenance["chains"].items())}
    return ClassGraph(
        [graph.iris[i] for i in order.tolist()],
        graph.kinds[order],
        ends[:, edges],
        kinds[edges],
        [graph.relations[i] for i in kind_order.tolist()],
        texts=_sorted(graph.texts.permuted(order)),
        edge_weight=None if graph.edge_weight is None else weights[edges],
        labels=None if graph.own_labels is None else [graph.own_labels[i] for i in order.tolist()],
        names=None if graph.names is None else _sorted(graph.names.permuted(order)),
        language=graph.language,
        account=graph.account,
        provenance=provenance,
    )


def _order(names: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Numbers by name, and the place of each number among them, int64 [N] both."""
    order = np.argsort(np.array(names, dtype=object), kind="stable")
    return order, np.argsort(order)


def _sorted(texts: TextTable) -> TextTable:
    """The texts of each node by kind and wording."""
    nodes = np.repeat(np.arange(len(texts.offsets) - 1), np.diff(texts.offsets))
    strings = np.unique(texts.literals)  # those that are used, as a table may have many more
    place = np.zeros(int(strings.max(initial=-1)) + 1, np.int64)
    place[strings] = _order([texts.strings[i] for i in strings.tolist()])[1]
    rows = np.lexsort((place[texts.literals], _order(texts.names)[1][texts.properties], nodes))
    return TextTable(texts.offsets, texts.properties[rows], texts.literals[rows], texts.names, texts.strings)
