"""What may go wrong with a class graph before anything is trained on it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kgzsl.knowledge.align import fold
from kgzsl.knowledge.operations import closure, relation_mask
from kgzsl.knowledge.texts import humanise, local_name
from kgzsl.knowledge.vocabulary import KINDS, OWL, RDF_TYPE, SUBCLASS_OF

if TYPE_CHECKING:
    from kgzsl.knowledge.class_graph import ClassGraph
    from kgzsl.knowledge.label_lists import LabelList

__all__ = ["Audit", "Finding", "audit"]

_WNID = re.compile(r"(?:^|[^0-9a-zA-Z])n?(\d{8})(?:-n)?$")
_SHOWN = 10
_COMPARED = 20_000


@dataclass(frozen=True)
class Finding:
    """Something to look at.

    Args:
        kind: Its short name, for machines.
        problem: What it is, and why it matters.
        items: What is concerned.
        serious: Whether results will be wrong or misleading, rather than worse than they could be.
    """

    kind: str
    problem: str
    items: tuple[str, ...]
    serious: bool = False


@dataclass(frozen=True)
class Audit:
    """All findings, and what was looked for.

    Args:
        findings: The serious ones first.
        checked: Short names of all checks made.
        counts: Numbers of nodes, edges, classes.
    """

    findings: tuple[Finding, ...]
    checked: tuple[str, ...]
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def serious(self) -> tuple[Finding, ...]:
        """Those that make results wrong or misleading."""
        return tuple(finding for finding in self.findings if finding.serious)

    def lines(self, most: int = _SHOWN) -> list[str]:
        """For a person; ``most`` items of each finding."""
        lines = [", ".join(f"{count:,} {name}" for name, count in self.counts.items())]
        for finding in self.findings:
            mark = "!!" if finding.serious else " !"
            lines.append(f"{mark} {finding.kind}: {len(finding.items):,} {finding.problem}")
            lines += [f"      {item}" for item in finding.items[:most]]
            if len(finding.items) > most:
                lines.append(f"      and {len(finding.items) - most:,} more")
        fine = [name for name in self.checked if name not in {finding.kind for finding in self.findings}]
        return lines + ([f"in order: {', '.join(fine)}"] if fine else [])

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        found = [
            {"kind": f.kind, "problem": f.problem, "items": list(f.items), "serious": f.serious} for f in self.findings
        ]
        return {"findings": found, "checked": list(self.checked), "counts": self.counts}


def audit(
    graph: ClassGraph,
    classes: Sequence[str] | None = None,
    *,
    seen: Sequence[str] | None = None,
    unseen: Sequence[str] | None = None,
    mapping: Mapping[str, str] | None = None,
    labels: LabelList | None = None,
    wordnet: ClassGraph | None = None,
) -> Audit:
    """Look a class graph over, for a list of classes if there is one.

    Args:
        graph: The graph.
        classes: Class names; ``None``: ``seen`` and ``unseen``, else all nodes that are classes.
        seen: Classes with training examples.
        unseen: Classes without.
        mapping: Name -> IRI, where the names do not tell.
        labels: What the backbone of the features was trained on.
        wordnet: WordNet 3.0, read by :func:`kgzsl.knowledge.sources.read_wordnet`, to check wnids against.
    """
    split = [*(seen or ()), *(unseen or ())]
    names = list(classes) if classes is not None else split or None
    checks = _Checks(graph, names, mapping)
    found = [*checks.missing(), *checks.texts(), *checks.edges(), *checks.duplicates(), *checks.wnids(wordnet)]
    found += [*checks.cycles(), *checks.disjoint()]
    checked = ["missing", "no-text", "no-edges", "near-duplicates", "wnid", "cycles", "disjoint-ancestors"]
    if names is None:
        checked.remove("missing")
    if seen and unseen:
        found += checks.unreachable(seen, unseen)
        checked.append("no-path-to-seen")
    if labels is not None:
        found += checks.backbone(labels, unseen if unseen else names or [])
        checked.append("in-backbone")
    counts = {"nodes": graph.num_nodes, "edges": graph.num_edges, "classes": len(checks.nodes)}
    return Audit(tuple(sorted(found, key=lambda one: not one.serious)), tuple(checked), counts)


class _Checks:
    """One check a method; each yields what it finds."""

    def __init__(self, graph: ClassGraph, names: Sequence[str] | None, mapping: Mapping[str, str] | None) -> None:
        self.graph = graph
        self.names = names
        if names is None:
            self.alignment = None
            self.nodes = np.flatnonzero(graph.kinds == KINDS.index("class"))
            self.name_of = {node: graph.iris[node] for node in self.nodes.tolist()}
        else:
            self.alignment = graph.align(names, mapping=mapping)
            indices = self.alignment.indices
            self.name_of = {node: name for name, node in zip(names, indices.tolist(), strict=True) if node >= 0}
            self.nodes = np.unique(indices[indices >= 0])

    def _items(self, nodes: Sequence[int] | npt.NDArray[np.int64]) -> tuple[str, ...]:
        return tuple(self.name_of.get(int(node), self.graph.iris[int(node)]) for node in nodes)

    def missing(self) -> Iterator[Finding]:
        """Names without a node."""
        if self.alignment is None:
            return
        lost = [f"{name} (nearest: {', '.join(near) or 'none'})" for name, near in self.alignment.missing.items()]
        if lost:
            yield Finding("missing", "classes are not in the graph", tuple(lost), True)
        several = [f"{name} ({', '.join(iris[:3])})" for name, iris in self.alignment.ambiguous.items()]
        if several:
            yield Finding("missing", "classes could be several nodes", tuple(several), True)

    def texts(self) -> Iterator[Finding]:
        """Classes of which nothing is written."""
        bare = [node for node in self.nodes.tolist() if node not in self.graph.texts]
        if bare:
            yield Finding(
                "no-text", "classes have no label and no other text: their IRI is read as one", self._items(bare)
            )

    def edges(self) -> Iterator[Finding]:
        """Classes that nothing links to anything."""
        linked = np.zeros(self.graph.num_nodes, bool)
        ends = self.graph.edge_index[:, self.graph.similarity_edges()]
        linked[ends[:, ends[0] != ends[1]]] = True
        alone = self.nodes[~linked[self.nodes]]
        if len(alone):
            yield Finding("no-edges", "classes have no edge: the graph says nothing of them", self._items(alone), True)

    def duplicates(self) -> Iterator[Finding]:
        """Labels that are the same but for case, spacing, word order, a plural or one letter."""
        groups: dict[str, list[int]] = {}
        near = len(self.nodes) <= _COMPARED  # a key for each letter of each label takes much memory
        for node in self.nodes.tolist():
            for key in _spellings(self.graph.labels[node], near):
                groups.setdefault(key, []).append(node)
        pairs = sorted({(a, b) for nodes in groups.values() for a in nodes for b in nodes if a < b and len(nodes) < 50})
        labels = self.graph.labels
        items = [
            f"{labels[a]!r} and {labels[b]!r} ({', '.join(self._items([a, b]))})"
            for a, b in pairs
            if not self._linked_as_same(a, b)
        ]
        if items:
            yield Finding("near-duplicates", "pairs of labels are nearly the same", tuple(items))

    def _linked_as_same(self, a: int, b: int) -> bool:
        same = (OWL + "sameAs", OWL + "equivalentClass")
        return any(near.node == b and near.relation in same for near in self.graph.neighbours(a))

    def wnids(self, wordnet: ClassGraph | None) -> Iterator[Finding]:
        """WordNet ids that contradict each other, or WordNet 3.0."""
        wnid = {node: found.group(1) for node, iri in enumerate(self.graph.iris) if (found := _WNID.search(iri))}
        twins = []
        for a, b in self.graph.edge_index[:, relation_mask(self.graph, (OWL + "sameAs",))].T.tolist():
            if a in wnid and b in wnid and wnid[a] != wnid[b]:
                twins.append(f"{self.graph.iris[a]} = {self.graph.iris[b]}")
        if twins:
            yield Finding("wnid", "nodes of different WordNet ids are said to be the same", tuple(twins), True)
        if wordnet is None:
            return
        known = wordnet.name_index.wnids
        unknown, other = [], []
        for node in self.nodes.tolist():
            if node not in wnid:
                continue
            if wnid[node] not in known:
                unknown.append(node)
                continue
            synset = known[wnid[node]][0]
            words = {fold(text.text) for text in wordnet.texts[synset] if text.property in ("label", "altLabel")}
            labels = [text.text for text in self.graph.texts.get(node, ()) if text.property in ("label", "prefLabel")]
            given = {fold(part.strip()) for label in labels for part in label.split(",")}
            if given and not given & words:
                other.append(f"{self._items([node])[0]}: {labels[0]!r} here, {wordnet.labels[synset]!r} in WordNet 3.0")
        if unknown:
            problem = "classes have an id that WordNet 3.0 has not: of another version?"
            yield Finding("wnid", problem, self._items(unknown), True)
        if other:
            yield Finding("wnid", "classes have a label that is no word of their WordNet id", tuple(other), True)

    def cycles(self) -> Iterator[Finding]:
        """Classes that stand above themselves."""
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import connected_components

        index = self.graph.edge_index[:, relation_mask(self.graph, (SUBCLASS_OF,))]
        shape = (self.graph.num_nodes, self.graph.num_nodes)
        links = csr_array((np.ones(index.shape[1], np.int8), (index[0], index[1])), shape=shape)
        component = connected_components(links, directed=True, connection="strong")[1]
        sizes = np.bincount(component)
        rings = [np.flatnonzero(component == number) for number in np.flatnonzero(sizes > 1).tolist()]
        loops = np.unique(index[0][index[0] == index[1]])
        items = [" > ".join(self._items(ring[:6])) + (" ..." if len(ring) > 6 else "") for ring in rings]
        items += [f"{name} above itself" for name in self._items(loops)]
        if items:
            yield Finding("cycles", "cycles in the hierarchy: these classes are one and the same", tuple(items), True)

    def disjoint(self) -> Iterator[Finding]:
        """Classes below two others that exclude each other: nothing can belong to them."""
        edges = self.graph.edge_index[:, relation_mask(self.graph, (OWL + "disjointWith",))]
        if not edges.shape[1] or not len(self.nodes):
            return
        above = closure(self.graph, self.nodes.tolist(), (SUBCLASS_OF, RDF_TYPE), True).tocsc()
        items: dict[int, str] = {}
        for a, b in edges.T.tolist():
            left, right = (above.indices[above.indptr[end] : above.indptr[end + 1]] for end in (a, b))
            for row in np.intersect1d(left, right).tolist():
                node = int(self.nodes[row])
                apart = " and ".join(self.graph.labels[end] for end in (a, b))
                items.setdefault(node, f"{self._items([node])[0]}: below {apart}")
        if items:
            problem = "classes lie below two that are disjoint: nothing can belong to them"
            yield Finding("disjoint-ancestors", problem, tuple(items[node] for node in sorted(items)), True)

    def unreachable(self, seen: Sequence[str], unseen: Sequence[str]) -> Iterator[Finding]:
        """Unseen classes in another part of the graph than all seen ones: nothing can be carried over to them."""
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import connected_components

        ends = self.graph.edge_index[:, self.graph.similarity_edges()]
        shape = (self.graph.num_nodes, self.graph.num_nodes)
        links = csr_array((np.ones(ends.shape[1], np.int8), (ends[0], ends[1])), shape=shape)
        component = connected_components(links, directed=False)[1]
        node_of = {name: node for node, name in self.name_of.items()}
        reached = {int(component[node_of[name]]) for name in seen if name in node_of}
        lost = [name for name in unseen if name in node_of and int(component[node_of[name]]) not in reached]
        if lost:
            problem = "unseen classes share no path with any seen class: the graph cannot help them"
            yield Finding("no-path-to-seen", problem, tuple(lost), True)

    def backbone(self, labels: LabelList, names: Sequence[str]) -> Iterator[Finding]:
        """Classes that the backbone of the features has been trained to recognise."""
        node_of = {name: node for node, name in self.name_of.items()}
        items = []
        for name in names:
            known = [name, humanise(local_name(name))]
            node = node_of.get(name)
            if node is not None:
                iri = self.graph.iris[node]
                wnid = _WNID.search(iri)
                known += [f"n{wnid.group(1)}"] if wnid else []
                texts = self.graph.texts.get(node, ())
                for text in texts:
                    if text.property in ("label", "prefLabel"):
                        known += [part.strip() for part in text.text.split(",")]
            label = labels.find(known)
            if label is not None:
                items.append(f"{name} ({label})" if label != name else name)
        if items:
            problem = f"of {len(names)} classes are among the {labels.size:,} that the backbone was trained on "
            problem += f"({labels.source}): not unseen to it"
            yield Finding("in-backbone", problem, tuple(items), True)


def _spellings(label: str, near: bool = True) -> set[str]:
    """Keys that labels share which differ in case, spacing, word order, a plural -s or one letter of a long word."""
    words = [fold(word) for word in re.split(r"[\s_+\-/,]+", label) if fold(word)]
    plain = "".join(words)
    if not plain:
        return set()
    keys = {plain, "".join(sorted(word.removesuffix("s") if len(word) > 3 else word for word in words))}
    if near and len(plain) >= 7 and not any(char.isdigit() for char in plain):
        keys |= {f"{plain[:at]}?{plain[at + 1 :]}" for at in range(len(plain))}
        keys |= {f"{plain[:at]}*{plain[at + 1 :]}" for at in range(len(plain))}
        keys |= {f"{plain[:at]}*{plain[at:]}" for at in range(len(plain) + 1)}
    return keys
