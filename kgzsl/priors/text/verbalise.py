"""What a class graph says about a class, as English a sentence encoder can read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError
from kgzsl.knowledge.texts import SYNONYMS, humanise
from kgzsl.priors._vocabulary import ANNOTATION, DISJOINT, EQUIVALENT, HIERARCHY, in_words, mask_of
from kgzsl.priors.text.words import Segmenter

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph

__all__ = ["PARTS", "Verbaliser"]

PARTS = ("label", "synonyms", "definition", "axioms")
"""The parts of a class's text, in reading order."""

_DEFINITIONS = ("definition", "comment", "description", "scopeNote", "note")
_PLUMBING = ("first", "rest", "nil")


class Verbaliser:
    """Puts labels, synonyms, definitions and axioms of the nodes of one graph into words.

    "zebra. A zebra is an equine that has stripes and lives in savanna."

    Args:
        graph: The class graph.
        parts: Which of :data:`PARTS` to say.
        max_objects: Most objects said of one relation.
        max_relations: Most relations said of one class.
        split_names: Whether names without spaces ("leaguecoaches") are cut into words that the graph's texts use.

    Raises:
        InputError: An unknown part.
    """

    def __init__(
        self,
        graph: ClassGraph,
        parts: Sequence[str] = PARTS,
        *,
        max_objects: int = 8,
        max_relations: int = 20,
        split_names: bool = True,
    ) -> None:
        for part in parts:
            if part not in PARTS:
                raise InputError(f"no part of a text is called {part!r}", remedy=f"choose among {', '.join(PARTS)}")
        self.graph = graph
        self.parts = tuple(parts)
        self.max_objects = max_objects
        self.max_relations = max_relations
        self._segmenter = Segmenter.of(graph) if split_names else None
        relations = graph.relations
        self._up = mask_of(relations, HIERARCHY)
        self._silent = mask_of(relations, (*HIERARCHY, *DISJOINT, *EQUIVALENT, *ANNOTATION, *_PLUMBING))
        self._domain, self._range = mask_of(relations, ("domain",)), mask_of(relations, ("range",))
        self._type = mask_of(relations, ("type",))
        by_iri = {iri: node for node, iri in enumerate(graph.iris)}
        self._phrase = [
            self.name(by_iri[iri]) if iri in by_iri and by_iri[iri] in graph.texts else in_words(iri)
            for iri in relations
        ]
        order = np.argsort(graph.edge_index[0], kind="stable")
        self._edges = order
        self._starts = np.searchsorted(graph.edge_index[0][order], np.arange(graph.num_nodes + 1))

    def name(self, node: int) -> str:
        """The label in words: of a comma-separated list of names the first."""
        label = humanise(self.graph.labels[node].split(",")[0].strip())
        return self._segmenter.split(label) if self._segmenter is not None else label

    def part(self, node: int, part: str) -> str:
        """One part of a node's text; empty where the graph says nothing."""
        if part == "label":
            return self.name(node)
        if part == "axioms":
            return self._axioms(node)
        if part == "synonyms":
            return ", ".join(self.synonyms(node))
        told = dict.fromkeys(
            chosen.strip() for kind in _DEFINITIONS for chosen in [self.graph.node_text(node, [kind])] if chosen.strip()
        )
        return " ".join(text if text.endswith((".", "!", "?")) else f"{text}." for text in told)

    def synonyms(self, node: int) -> list[str]:
        """The other names of a node: the rest of a comma-separated label, then the synonyms."""
        rest = self.graph.labels[node].split(",")[1:]
        rest += [text.text for text in self.graph.texts.get(node, ()) if text.property in SYNONYMS]
        told = dict.fromkeys(humanise(word.strip()) for word in rest)
        return [word for word in told if word and word != self.name(node)]

    def text(self, node: int) -> str:
        """All the chosen parts of a node's text, joined."""
        told = [self.part(node, part).strip() for part in self.parts]
        return " ".join(text if text.endswith((".", "!", "?")) else f"{text}." for text in told if text)

    def says_something(self, node: int) -> bool:
        """Whether the graph has a text or an axiom about the node, not only its IRI."""
        return node in self.graph.texts or bool(self._axioms(node))

    def _axioms(self, node: int) -> str:
        graph = self.graph
        edges = self._edges[self._starts[node] : self._starts[node + 1]]
        if not len(edges):
            return ""
        kinds, objects = graph.edge_type[edges], graph.edge_index[1][edges]
        name = self.name(node)
        above = objects[self._up[kinds] | self._type[kinds]]
        parents = self._names(above, articles=graph.kind(node) != "property")
        facts = []
        if self._domain[kinds].any() or self._range[kinds].any():
            source = self._names(objects[self._domain[kinds]], articles=True) or "a thing"
            target = self._names(objects[self._range[kinds]], articles=True) or "a thing"
            facts.append(f"links {source} to {target}")
        silent = self._silent | self._domain | self._range | self._type
        for kind in dict.fromkeys(kinds[~silent[kinds]].tolist()):
            if len(facts) < self.max_relations:
                facts.append(f"{self._phrase[kind]} {self._names(objects[kinds == kind])}")
        if not parents and not facts:
            return ""
        body = _and(facts)
        if graph.kind(node) == "property":
            told = [f"is a kind of {parents}"] if parents else []
            return f"{_capital(name)} {_and([*told, *facts])}."
        if parents:
            return f"{_capital(_article(name))} is {parents}{f' that {body}' if body else ''}."
        return f"{_capital(_article(name))} {body}."

    def _names(self, nodes: npt.NDArray[np.int64], *, articles: bool = False) -> str:
        names = list(dict.fromkeys(self.name(int(node)) for node in nodes[: self.max_objects]))
        return _and([_article(name) for name in names] if articles else names)


def _and(items: Sequence[str]) -> str:
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def _article(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}" if name else name


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
