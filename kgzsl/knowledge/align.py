"""Class names to nodes: by IRI, prefix, local name, label, synonym, WordNet id; every miss is reported."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError, nearest
from kgzsl.knowledge.texts import SYNONYMS, local_name
from kgzsl.knowledge.vocabulary import KINDS, OWL, PREFIXES

if TYPE_CHECKING:
    from kgzsl.knowledge.class_graph import ClassGraph

__all__ = ["Alignment", "NameIndex", "align", "fold"]

_WNID = re.compile(r"n(\d{8})$")
_WNID_IN_IRI = re.compile(r"(?:^|[^0-9])(\d{8})(?:-n|$)")
_MARKS = re.compile(r"[\s_+\-./'’]+")
_SAME = (OWL + "sameAs", OWL + "equivalentClass", OWL + "equivalentProperty")
_SEARCHED = 20_000


@dataclass(frozen=True)
class Alignment:
    """Which node each name means.

    Args:
        names: The names asked for.
        indices: int64 [n], node numbers, -1 where there is none.
        matched_by: How each was found (``"iri"``, ``"label"`` ...), ``None`` where it was not.
        missing: Each name that was not found -> labels of the nearest nodes, which are looked for when asked for.
        ambiguous: Each name that several nodes answer to equally well -> their IRIs; these count as not found.
        alternatives: Each name for which one of several nodes was taken -> the IRIs of the others.
        source: What the graph was read from, for messages.
    """

    names: tuple[str, ...]
    indices: npt.NDArray[np.int64]
    matched_by: tuple[str | None, ...]
    missing: Mapping[str, list[str]] = field(default_factory=dict)
    ambiguous: dict[str, list[str]] = field(default_factory=dict)
    alternatives: dict[str, list[str]] = field(default_factory=dict)
    source: str | None = None

    @property
    def complete(self) -> bool:
        """Whether every name was found."""
        return not self.missing and not self.ambiguous

    def require(self) -> npt.NDArray[np.int64]:
        """The node numbers, all of them found.

        Raises:
            InputError: Names the first few that were not, with their nearest candidates.
        """
        if self.complete:
            return self.indices
        count, told = len(self.missing) + len(self.ambiguous), self.unmatched()
        more = f" and {count - len(told)} more" if count > len(told) else ""
        raise InputError(
            f"{count} of {len(self.names)} names match no single node of the graph: {'; '.join(told)}{more}",
            file=self.source,
            remedy="correct the names, or give a mapping from name to IRI",
        )

    def unmatched(self, most: int = 5) -> list[str]:
        """The first ``most`` names that mean no single node, each with what is nearest or with all it may mean."""
        told = [f"{name!r} (nearest: {', '.join(self.missing[name]) or 'none'})" for name in islice(self.missing, most)]
        several = islice(self.ambiguous.items(), most - len(told))
        return [*told, *(f"{name!r} (several: {', '.join(iris)})" for name, iris in several)]

    def summary(self) -> list[str]:
        """Lines for a person: how many were found by what, and what was not."""
        counts: dict[str, int] = {}
        for how in self.matched_by:
            counts[how or "not found"] = counts.get(how or "not found", 0) + 1
        lines = [f"{count} of {len(self.names)} by {how}" for how, count in counts.items() if how != "not found"]
        lines += [f"not found: {name} (nearest: {', '.join(close) or 'none'})" for name, close in self.missing.items()]
        lines += [f"ambiguous: {name} ({', '.join(iris)})" for name, iris in self.ambiguous.items()]
        lines += [f"one of several: {name} (also {', '.join(iris)})" for name, iris in self.alternatives.items()]
        return lines


def fold(name: str) -> str:
    """A name without case, accents' encoding, spaces, ``_``, ``+``, ``-``, ``.``, ``/`` and apostrophes."""
    return _MARKS.sub("", unicodedata.normalize("NFKC", name).casefold())


class NameIndex:
    """All the names by which the nodes of a graph can be found."""

    def __init__(self, graph: ClassGraph) -> None:
        self.locals: dict[str, list[int]] = {}
        self.labels: dict[str, list[int]] = {}
        self.parts: dict[str, list[int]] = {}
        self.synonyms: dict[str, list[int]] = {}
        self.wnids: dict[str, list[int]] = {}
        texts = graph.names if graph.names is not None else graph.texts
        for node, iri in enumerate(graph.iris):
            local = local_name(iri)
            self.locals.setdefault(local, []).append(node)
            wnid = _WNID.match(local) or _WNID_IN_IRI.search(local)
            if wnid is not None:
                self.wnids.setdefault(wnid.group(1), []).append(node)
        for node in texts:
            for kind, text, _ in texts[node]:
                if kind in ("label", "prefLabel"):
                    _put(self.labels, text, node)
                    if "," in text:
                        # WordNet labels are lists of synonyms, the usual name first.
                        first, *rest = (part.strip() for part in text.split(","))
                        _put(self.labels, first, node)
                        for part in rest:
                            _put(self.parts, part, node)
                elif kind in SYNONYMS or kind == "title":
                    _put(self.synonyms, text, node)
        self.folded_locals = _folded(self.locals)
        self.folded_labels = _folded(self.labels)
        self.folded_parts = _folded(self.parts)
        self.folded_synonyms = _folded(self.synonyms)

    def near(self, name: str) -> list[str]:
        """Names of the graph that look like ``name``."""
        known: Sequence[str] = (*self.labels, *self.parts, *self.synonyms, *self.locals)
        if len(known) > _SEARCHED:
            start, words = fold(name)[:3], {fold(word) for word in re.split(r"[\s_+\-]+", name) if len(word) > 2}
            known = [k for k in known if fold(k)[:3] == start or any(word in fold(k) for word in words)][:_SEARCHED]
        return nearest(name, known) or nearest(local_name(name), known)


class _Nearest(Mapping[str, list[str]]):
    """Names to those that look like them. A search goes through all names of the graph, and few callers want it."""

    def __init__(self, names: Sequence[str], index: NameIndex) -> None:
        self._found: dict[str, list[str] | None] = dict.fromkeys(names)
        self._index = index

    def __getitem__(self, name: str) -> list[str]:
        found = self._found[name]
        if found is None:
            found = self._found[name] = self._index.near(name)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._found

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __repr__(self) -> str:
        return repr(dict(self))


def _folded(table: dict[str, list[int]]) -> dict[str, list[int]]:
    folded: dict[str, list[int]] = {}
    for name, nodes in table.items():
        for node in nodes:
            _put(folded, fold(name), node)
    return folded


def _put(table: dict[str, list[int]], key: str, node: int) -> None:
    nodes = table.setdefault(key, [])
    if not nodes or nodes[-1] != node:
        nodes.append(node)


def align(
    graph: ClassGraph,
    names: Sequence[str],
    *,
    mapping: Mapping[str, str] | None = None,
    kinds: Sequence[str] | None = None,
) -> Alignment:
    """Find the node that each name means.

    In this order: the given mapping; what a run wrote into the graph's provenance as ``called``; the IRI; a prefixed
    name (``ex:Cat``, ``GO:0008150``); a WordNet id (``n02106662``); a label, one of the names in a label that lists
    several (``cow, moo-cow``), or the local name, as they stand; a synonym; then the same again without regard to case,
    spaces, ``_``, ``+`` and ``-``; and last all this for the local part of the name (``concept:river`` is found as
    ``NELL#river``).

    Where several nodes answer, those of the first kind in ``KINDS`` win, then a label over a name among several over a
    local name, then nodes with texts, then, among nodes that are the same by owl:sameAs, the one with the most edges.
    The others are listed in ``alternatives``. A name that is still open is ``ambiguous`` and is not guessed.

    Args:
        graph: Where to look.
        names: What to find.
        mapping: Name -> IRI (or anything this function can find).
        kinds: Only nodes of these kinds.

    Raises:
        InputError: A kind that is not known, or a mapping to something the graph does not have.
    """
    for kind in kinds or ():
        if kind not in KINDS:
            raise InputError(f"no kind of node is called {kind!r}", remedy=f"use {', '.join(KINDS)}")
    finder = _Finder(graph, kinds)
    indices = np.full(len(names), -1, np.int64)
    how: list[str | None] = [None] * len(names)
    missing: list[str] = []
    ambiguous: dict[str, list[str]] = {}
    alternatives: dict[str, list[str]] = {}
    called = graph.provenance.get("called", {})
    for position, name in enumerate(names):
        target = (mapping or {}).get(name)
        if target is None and name in called and finder.find(called[name])[0] >= 0:
            target = called[name]
        node, by, others = finder.find(target if target is not None else name)
        if target is not None and node < 0:
            raise InputError(
                f"the mapping sends {name!r} to {target!r}, which the graph does not have",
                remedy=f"nearest: {', '.join(finder.index.near(target)) or 'none'}",
            )
        indices[position] = node
        iris = [graph.iris[other] for other in others]
        if node >= 0:
            how[position] = "mapping" if target is not None else by
            if iris:
                alternatives[name] = iris
        elif iris:
            ambiguous[name] = iris
        else:
            missing.append(name)
    source = graph.provenance.get("source")
    told = source if isinstance(source, str) else None
    near = _Nearest(missing, finder.index)
    return Alignment(tuple(names), indices, tuple(how), near, ambiguous, alternatives, told)


class _Finder:
    """Looks one name up after another in the same graph."""

    def __init__(self, graph: ClassGraph, kinds: Sequence[str] | None) -> None:
        self.graph = graph
        self.index = graph.name_index
        self.codes = None if kinds is None else {KINDS.index(kind) for kind in kinds}
        declared = {prefix.lower(): iri for prefix, iri in graph.provenance.get("prefixes", {}).items()}
        self.prefixes = {**{prefix.lower(): iri for prefix, iri in PREFIXES.items()}, **declared}

    def find(self, name: str) -> tuple[int, str | None, list[int]]:
        """(node or -1, how, the other candidates)."""
        index = self.index
        whole = self.graph.node_index.get(name)
        if whole is not None and self._allowed(whole):
            return whole, "iri", []
        prefix, colon, local = name.partition(":")
        if colon and prefix.lower() in self.prefixes:
            node = self.graph.node_index.get(self.prefixes[prefix.lower()] + local)
            if node is not None and self._allowed(node):
                return node, "prefixed name", []
        settled = self._settle([index.locals.get(f"{prefix}_{local}", [])]) if colon else None  # GO:0008150 in OBO
        if settled is not None:
            return settled[0], "prefixed name", settled[1]
        wnid = _WNID.match(name)
        if wnid is not None and wnid.group(1) in index.wnids:
            settled = self._settle([index.wnids[wnid.group(1)]])
            if settled is not None:
                return settled[0], "WordNet id", settled[1]
        for spelling, suffix in ((name, ""), (local_name(name), " of the local part")):
            if suffix and spelling == name:
                continue
            found = self._by_name(spelling)
            if found is not None:
                return found[0], None if found[1] is None else found[1] + suffix, found[2]
        return -1, None, []

    def _by_name(self, name: str) -> tuple[int, str | None, list[int]] | None:
        index, folded = self.index, fold(name)
        named = (("label", index.labels), ("label", index.parts), ("local name", index.locals))
        loose = (
            ("label, loosely", index.folded_labels),
            ("label, loosely", index.folded_parts),
            ("local name, loosely", index.folded_locals),
        )
        stages: tuple[tuple[str, tuple[tuple[str, dict[str, list[int]]], ...]], ...] = (
            (name, named),
            (name, (("synonym", index.synonyms),)),
            (folded, loose),
            (folded, (("synonym, loosely", index.folded_synonyms),)),
        )
        for spelling, tables in stages:
            tiers = [(by, table[spelling]) for by, table in tables if spelling in table]
            settled = self._settle([nodes for _, nodes in tiers])
            if settled is not None:
                node, others = settled
                twin = self._labelled_twin(node, folded)
                if twin is not None:
                    return twin, "label, loosely", [node, *(other for other in others if other != twin)]
                return node, next((by for by, nodes in tiers if node in nodes), None), others
        return None

    def _labelled_twin(self, node: int, folded: str) -> int | None:
        """For a node found by its IRI alone: the node that is the same by owl:sameAs and has the name as its label."""
        if node < 0 or node in self.graph.texts:
            return None
        named = (*self.index.folded_labels.get(folded, ()), *self.index.folded_parts.get(folded, ()))
        return next((twin for twin in named if self._allowed(twin) and self._are_same([node, twin])), None)

    def _allowed(self, node: int) -> bool:
        return self.codes is None or int(self.graph.kinds[node]) in self.codes

    def _settle(self, tiers: Sequence[Sequence[int]]) -> tuple[int, list[int]] | None:
        """(the node, the others), (-1, all) where it stays open, ``None`` without candidates.

        Args:
            tiers: Candidates, the best evidence first.
        """
        allowed = [node for node in dict.fromkeys(node for tier in tiers for node in tier) if self._allowed(node)]
        if not allowed:
            return None
        first_kind = min(int(self.graph.kinds[node]) for node in allowed)
        rest = [node for node in allowed if int(self.graph.kinds[node]) == first_kind]
        for tier in tiers:
            here = [node for node in rest if node in tier]
            if here:
                rest = here
                break
        if len(rest) > 1:
            rest = [node for node in rest if node in self.graph.texts] or rest
        if len(rest) > 1 and self._are_same(rest):
            degree = self.graph.degrees
            rest = [max(rest, key=lambda node: (int(degree[node]), -node))]
        if len(rest) > 1:
            return -1, allowed
        return rest[0], [node for node in allowed if node != rest[0]]

    def _are_same(self, nodes: Sequence[int]) -> bool:
        """Whether owl:sameAs and its kin link all of ``nodes``."""
        seen, stack = {nodes[0]}, [nodes[0]]
        while stack:
            for near in self.graph.neighbours(stack.pop()):
                if near.relation in _SAME and near.node not in seen:
                    seen.add(near.node)
                    stack.append(near.node)
        return seen.issuperset(nodes)
