"""What a class graph says about classes, one document per view."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from kgzsl.errors import InputError, nearest
from kgzsl.knowledge.texts import local_name
from kgzsl.priors._vocabulary import ANNOTATION, DISJOINT, EQUIVALENT, HIERARCHY, in_words, mask_of
from kgzsl.priors.text.verbalise import Verbaliser

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph

__all__ = ["Views"]

_SILENT = (*HIERARCHY, *DISJOINT, *EQUIVALENT, *ANNOTATION, "type", "first", "rest", "nil")


class Views:
    """Documents by view: name, definition, taxonomy, and one view for each group of properties.

    Args:
        graph: The class graph.
        groups: View -> names of relations or of text properties (``"habitat": ["livesIn", "foundIn"]``), by IRI or
            local name. None makes ``name`` (label and synonyms), ``definition``, ``taxonomy`` and a view of each of
            the most used relations.
        max_views: Most views that None makes.

    Raises:
        InputError: A group names a property that the graph does not have, or there are no views.
    """

    def __init__(
        self, graph: ClassGraph, groups: Mapping[str, Sequence[str]] | None = None, *, max_views: int = 12
    ) -> None:
        self.graph = graph
        self._say = Verbaliser(graph)
        relations = graph.relations
        self._above = mask_of(relations, (*HIERARCHY, "type"))
        if groups is None:
            silent = mask_of(relations, _SILENT)
            counts = Counter(kind for kind in graph.edge_type.tolist() if not silent[kind])
            ranked = sorted(counts, key=lambda kind: (-counts[kind], relations[kind]))
            self._relations = {in_words(relations[kind]): [kind] for kind in ranked[: max(max_views - 3, 0)]}
            self._properties: dict[str, list[str]] = {}
            self.names: tuple[str, ...] = ("name", "definition", "taxonomy", *self._relations)
        else:
            self._relations, self._properties = self._resolve(groups)
            self.names = tuple(groups)
        if not self.names:
            raise InputError("there are no views", remedy="name at least one group of properties")
        order = np.argsort(graph.edge_index[0], kind="stable")
        self._edges = order
        self._starts = np.searchsorted(graph.edge_index[0][order], np.arange(graph.num_nodes + 1))

    def _resolve(self, groups: Mapping[str, Sequence[str]]) -> tuple[dict[str, list[int]], dict[str, list[str]]]:
        by_local: dict[str, list[int]] = {}
        for kind, iri in enumerate(self.graph.relations):
            by_local.setdefault(local_name(iri).lower(), []).append(kind)
            if iri != local_name(iri):
                by_local.setdefault(iri.lower(), []).append(kind)
        texts = {text.property for node in self.graph.texts for text in self.graph.texts[node]}
        relations: dict[str, list[int]] = {}
        properties: dict[str, list[str]] = {}
        for view, names in groups.items():
            for name in names:
                kinds = by_local.get(name.lower(), [])
                if kinds:
                    relations.setdefault(view, []).extend(kinds)
                elif name in texts or name == "label":
                    properties.setdefault(view, []).append(name)
                else:
                    known = [*texts, *(local_name(iri) for iri in self.graph.relations)]
                    close = nearest(name, known)
                    raise InputError(
                        f"the view {view!r} names {name!r}, which the graph does not have",
                        remedy=f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(known[:20])}",
                    )
        return relations, properties

    def text(self, node: int, view: str) -> str:
        """What ``view`` says of ``node``; empty where it says nothing."""
        if view in self._relations or view in self._properties:
            return self._grouped(node, view)
        if view == "name":
            return " ".join(part for part in (self._say.name(node), self._say.part(node, "synonyms")) if part)
        if view == "definition":
            return self._say.part(node, "definition")
        return ", ".join(self._say.name(above) for above in self._ancestors(node))

    def says_something(self, node: int) -> bool:
        """Whether the graph has a text or an axiom about the node, not only its IRI."""
        return self._say.says_something(node)

    def _grouped(self, node: int, view: str) -> str:
        told = [self.graph.node_text(node, [name]) for name in self._properties.get(view, [])]
        edges = self._edges[self._starts[node] : self._starts[node + 1]]
        kinds, objects = self.graph.edge_type[edges], self.graph.edge_index[1][edges]
        for kind in self._relations.get(view, []):
            names = list(dict.fromkeys(self._say.name(int(one)) for one in objects[kinds == kind]))
            if names:
                told.append(f"{in_words(self.graph.relations[kind])} {', '.join(names)}")
        return ". ".join(text for text in told if text)

    def _ancestors(self, node: int) -> list[int]:
        """Everything above, nearest first, in the order of IRIs where equally near."""
        seen, level, found = {node}, [node], []
        while level:
            ahead = {
                int(self.graph.edge_index[1][edge])
                for one in level
                for edge in self._edges[self._starts[one] : self._starts[one + 1]]
                if self._above[self.graph.edge_type[edge]]
            }
            level = sorted(ahead - seen, key=self.graph.iris.__getitem__)
            seen.update(level)
            found += level
        return found
