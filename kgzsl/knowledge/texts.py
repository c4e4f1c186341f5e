"""What is written about the nodes of a graph: labels, synonyms, definitions, comments, in languages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kgzsl.knowledge.triples import split_literal

__all__ = ["LABEL_ORDER", "SYNONYMS", "NodeText", "TextTable", "choose", "humanise", "local_name"]

#: Which text serves as a label, best first.
LABEL_ORDER = ("prefLabel", "label", "title", "exactSynonym", "altLabel")
#: Texts that name a node, for matching.
SYNONYMS = ("prefLabel", "altLabel", "hiddenLabel", "exactSynonym", "relatedSynonym", "narrowSynonym", "broadSynonym")
#: Texts that describe a node, in reading order.
DESCRIPTIONS = ("definition", "comment", "description", "scopeNote", "note", "example")


class NodeText(NamedTuple):
    """One text about a node.

    Args:
        property: What kind of text: ``"label"``, ``"comment"``, ``"definition"``, ``"altLabel"`` ...
        text: The text.
        language: Its language tag, ``None`` where it has none.
    """

    property: str
    text: str
    language: str | None


class TextTable(Mapping[int, tuple[NodeText, ...]]):
    """Node -> its texts, kept as arrays and made into :class:`NodeText` when asked for.

    Args:
        offsets: int64 [N + 1]; the texts of node i are the rows ``offsets[i]`` to ``offsets[i + 1]``.
        properties: int16 [R], index into ``names``.
        literals: int64 [R], index into ``strings``.
        names: Kinds of text.
        strings: Literals, as :func:`kgzsl.knowledge.triples.literal_key` writes them.
    """

    def __init__(
        self,
        offsets: npt.NDArray[np.int64],
        properties: npt.NDArray[np.int16],
        literals: npt.NDArray[np.int64],
        names: tuple[str, ...],
        strings: Sequence[str],
    ) -> None:
        self.offsets = offsets
        self.properties = properties
        self.literals = literals
        self.names = names
        self.strings = strings

    @classmethod
    def from_mapping(cls, texts: Mapping[int, Iterable[NodeText]], num_nodes: int) -> TextTable:
        """From ``{node: texts}``."""
        names: dict[str, int] = {}
        keys: dict[str, int] = {}
        counts = np.zeros(num_nodes + 1, np.int64)
        properties: list[int] = []
        literals: list[int] = []
        for node in sorted(texts):
            for kind, text, language in texts[node]:
                properties.append(names.setdefault(kind, len(names)))
                key = f"@{language}\0{text}" if language else f"\0{text}"
                literals.append(keys.setdefault(key, len(keys)))
                counts[node + 1] += 1
        return cls(
            np.cumsum(counts),
            np.array(properties, np.int16),
            np.array(literals, np.int64),
            tuple(names),
            tuple(keys),
        )

    def __getitem__(self, node: int) -> tuple[NodeText, ...]:
        if not 0 <= node < len(self.offsets) - 1:
            raise KeyError(node)
        start, end = int(self.offsets[node]), int(self.offsets[node + 1])
        if start == end:
            raise KeyError(node)
        return tuple(self._row(row) for row in range(start, end))

    def _row(self, row: int) -> NodeText:
        text, language, _ = split_literal(self.strings[self.literals[row]])
        return NodeText(self.names[self.properties[row]], text, language)

    def __iter__(self) -> Iterator[int]:
        return iter(np.flatnonzero(np.diff(self.offsets)).tolist())

    def __len__(self) -> int:
        return int(np.count_nonzero(np.diff(self.offsets)))

    @property
    def num_texts(self) -> int:
        """All texts of all nodes."""
        return len(self.literals)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, TextTable):
            return dict(self) == dict(other)
        return NotImplemented if not isinstance(other, Mapping) else dict(self) == dict(other)

    __hash__ = None  # type: ignore[assignment]

    def check(self) -> None:
        """Refuse arrays that do not fit together.

        Raises:
            ValueError: They do not.
        """
        rows = len(self.literals)
        if self.offsets.ndim != 1 or not len(self.offsets) or self.offsets[0] != 0 or self.offsets[-1] != rows:
            raise ValueError("the offsets of the texts do not cover them")
        if (np.diff(self.offsets) < 0).any() or len(self.properties) != rows:
            raise ValueError("the offsets of the texts do not cover them")
        for array, limit in ((self.properties, len(self.names)), (self.literals, len(self.strings))):
            if rows and (array.min() < 0 or array.max() >= limit):
                raise ValueError("a text lies outside the table")

    def permuted(self, source: npt.NDArray[np.int64]) -> TextTable:
        """The table in which node i has the texts that node ``source[i]`` has here; none where that is -1."""
        lengths = np.where(source < 0, 0, np.diff(self.offsets)[source])
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        rows = np.repeat(self.offsets[:-1][source] - offsets[:-1], lengths) + np.arange(int(offsets[-1]))
        return TextTable(offsets, self.properties[rows], self.literals[rows], self.names, self.strings)


def choose(texts: Sequence[NodeText], language: str | None) -> NodeText | None:
    """The text in the wanted language: that very tag, else one of its family, else untagged, else any; then the first.

    ``en-GB`` asks for ``en-GB``, then any ``en`` or ``en-...``, then texts without a tag, then whatever there is.
    """
    if not texts:
        return None
    if language:
        wanted = language.lower()
        family = wanted.partition("-")[0]
        for text in texts:
            if text.language is not None and text.language.lower() == wanted:
                return text
        for text in texts:
            if text.language is not None and text.language.lower().partition("-")[0] == family:
                return text
    for text in texts:
        if text.language is None:
            return text
    return texts[0]


_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def local_name(iri: str) -> str:
    """What follows the last ``#``, ``/`` or ``:`` of an IRI (the last that leaves something)."""
    trimmed = iri.rstrip("#/:")
    cut = max(trimmed.rfind("#"), trimmed.rfind("/"), trimmed.rfind(":"))
    return trimmed[cut + 1 :] or iri


def humanise(name: str) -> str:
    """``killer_whale``, ``killer+whale``, ``killer%20whale`` to ``killer whale``; ``KillerWhale`` to two words."""
    if "%" in name:
        from urllib.parse import unquote

        name = unquote(name)
    spaced = re.sub(r"[_+]+", " ", name)
    return " ".join(_CAMEL.sub(" ", spaced).split()) or name


def node_text(label: str, texts: Sequence[NodeText], properties: Sequence[str] | None, language: str | None) -> str:
    """The texts of one node joined for reading; see ``ClassGraph.node_text``."""
    if properties is not None:
        parts = [chosen.text for kind in properties for chosen in _of_kind(texts, kind, language)]
        return ". ".join(dict.fromkeys(part.strip().rstrip(".") for part in parts if part.strip()))
    parts = [humanise(label)]
    for kind in (*SYNONYMS, *DESCRIPTIONS):
        parts += [text.text for text in _of_kind(texts, kind, language)]
    return ". ".join(dict.fromkeys(part.strip().rstrip(".") for part in parts if part.strip()))


def _of_kind(texts: Sequence[NodeText], kind: str, language: str | None) -> list[NodeText]:
    """All texts of a kind in the language that :func:`choose` settles on."""
    of_kind = [text for text in texts if text.property == kind]
    chosen = choose(of_kind, language)
    return [] if chosen is None else [text for text in of_kind if text.language == chosen.language]
