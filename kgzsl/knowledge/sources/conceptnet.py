"""ConceptNet 5 assertions, streamed: of the wanted languages, without the relations that blur classes."""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError
from kgzsl.knowledge.account import Ledger
from kgzsl.knowledge.assembling import check_projection
from kgzsl.knowledge.readers.options import DEFAULT_MAX_BYTES, ReadOptions
from kgzsl.knowledge.readers.source import ByteSource, open_source
from kgzsl.knowledge.texts import TextTable
from kgzsl.knowledge.triples import Ids, literal_key
from kgzsl.knowledge.vocabulary import CONCEPTNET, KINDS, SUBCLASS_OF

if TYPE_CHECKING:
    from kgzsl.knowledge.class_graph import ClassGraph

__all__ = ["STOP_RELATIONS", "read_conceptnet"]

#: Left out by default, as the KZSL benchmark does (Geng et al., "Benchmarking knowledge-driven zero-shot learning",
#: Journal of Web Semantics 75, 2023): they tell of words, not of what classes are like, or deny.
STOP_RELATIONS = (
    "NotDesires",
    "EtymologicallyRelatedTo",
    "EtymologicallyDerivedFrom",
    "NotHasProperty",
    "Synonym",
    "NotCapableOf",
    "Antonym",
    "DistinctFrom",
    "SymbolOf",
    "HasSubevent",
    "HasLastSubevent",
    "HasFirstSubevent",
    "DerivedFrom",
    "dbpedia/language",
    "FormOf",
    "HasContext",
    "RelatedTo",
    "AtLocation",
)
_FIELDS = 5
_LANGUAGE = "in another language"
_STOPPED = "a relation that is left out"
_WEAK = "its weight is too small"
_OUTSIDE = "a link out of ConceptNet"
_SELF = "says that a thing is itself"


def read_conceptnet(
    source: str | Path,
    *,
    languages: Sequence[str] = ("en",),
    relations: Sequence[str] | None = None,
    stop_relations: Sequence[str] = STOP_RELATIONS,
    min_weight: float = 0.0,
    senses: bool = False,
    projection: str = "owl2vec",
    reasoning: str | None = None,
    language: str | None = "en",
    max_bytes: int = DEFAULT_MAX_BYTES,
    progress: Any = None,
) -> ClassGraph:
    """Read ``conceptnet-assertions-5.*.csv(.gz)``: five tab-separated fields, URI, relation, start, end, JSON.

    ``/c/en/polar_bear`` becomes the node ``http://conceptnet.io/c/en/polar_bear`` with the label "polar bear", ``IsA``
    rdfs:subClassOf (as in KZSL), ``UsedFor`` the relation ``http://conceptnet.io/r/UsedFor``; weights are kept. An edge
    that is asserted several times is one edge with the largest weight. Only what is kept takes memory.

    Args:
        source: The file.
        languages: Both ends must be in one of these; empty: any language.
        relations: Keep these alone (``"UsedFor"`` or ``"/r/UsedFor"``); ``None``: all but ``stop_relations``.
        stop_relations: Leave these out, where ``relations`` is ``None``.
        min_weight: Leave out edges below this weight.
        senses: Keep the part of speech and sense (``/c/en/bat/n/wn/animal``) instead of taking all senses as one word.
        projection: ``taxonomy`` keeps ``IsA`` alone; the others, which are for OWL, all edges.
        reasoning: ``None``: there are no axioms to reason with.
        language: Preferred language of labels.
        max_bytes: Uncompressed bytes after which the file is refused.
        progress: Called with (bytes read, size of the file or ``None``).

    Raises:
        InputError: A line is no assertion, nothing is left, or reasoning is asked for.
    """
    from kgzsl.knowledge.class_graph import ClassGraph

    check_projection(projection)
    if reasoning not in (None, "none"):
        raise InputError("ConceptNet has no axioms to reason with", remedy="leave reasoning out")
    path = Path(source)
    reader = _Reader(
        frozenset(languages),
        None if relations is None else frozenset(_short(name) for name in relations),
        frozenset(_short(name) for name in stop_relations),
        min_weight,
        senses,
    )
    with open_source(path, ReadOptions(progress=progress, max_bytes=max_bytes)) as stream:
        reader.read(stream)
        provenance = {"source": path.name, "format": "conceptnet", "sha256": stream.digest(), "bytes": stream.count}
    edges, weights, merged = reader.edges()
    if not len(weights):
        raise InputError(
            f"no assertion is left of {reader.lines}",
            file=path,
            remedy=f"check languages ({', '.join(languages)}) and relations",
        )
    nodes = list(reader.nodes)
    texts = _labels(nodes)
    options = {"languages": list(languages), "min_weight": min_weight, "senses": senses}
    options["relations"] = None if relations is None else list(relations)
    options["stop_relations"] = list(stop_relations) if relations is None else None
    account = reader.ledger.close(
        triples=reader.lines, duplicates=0, num_edges=len(weights), merged=merged, left_out=0, notes=()
    )
    graph = ClassGraph(
        [CONCEPTNET + name for name in nodes],
        np.full(len(nodes), KINDS.index("class"), np.int8),
        edges[:, [0, 2]].T,
        edges[:, 1],
        [SUBCLASS_OF if name == "IsA" else f"{CONCEPTNET}/r/{name}" for name in reader.relations],
        texts=texts,
        edge_weight=weights,
        language=language,
        account=account,
        provenance={**provenance, "projection": projection, "reasoning": None, "language": language, **options},
    )
    return graph.taxonomy() if projection == "taxonomy" else graph


def _short(name: str) -> str:
    return name.removeprefix(CONCEPTNET).removeprefix("/r/").rstrip("/")


class _Reader:
    """Keeps what is wanted as integers, and counts the rest by reason."""

    def __init__(
        self,
        languages: frozenset[str],
        wanted: frozenset[str] | None,
        stopped: frozenset[str],
        min_weight: float,
        senses: bool,
    ) -> None:
        self.languages, self.wanted, self.stopped = languages, wanted, stopped
        self.min_weight, self.senses = min_weight, senses
        self.nodes, self.relations = Ids(), Ids()
        self.rows, self.weights = array("i"), array("f")
        self.ledger = Ledger()
        self.lines = 0

    def read(self, stream: ByteSource) -> None:
        # One language in both ends is told by the bytes, before anything is cut up or decoded.
        marks = [f"\t/c/{name}/".encode() for name in self.languages]
        only = marks[0] if len(marks) == 1 else None
        outside: dict[bytes, int] = {}
        for number, line in enumerate(stream.lines(), 1):
            if not line:
                continue
            self.lines += 1
            if only is not None and line.count(only) < 2:
                kind = line.split(b"\t", 2)
                if len(kind) < 3 or not kind[1].startswith(b"/r/"):
                    raise _broken(stream, number, line)
                outside[kind[1]] = outside.get(kind[1], 0) + 1
                continue
            fields = line.decode("utf-8", "replace").split("\t")
            if len(fields) != _FIELDS or not fields[1].startswith("/r/"):
                raise _broken(stream, number, line)
            reason = self._enter(fields)
            name = fields[1][3:].rstrip("/")
            if reason is None:
                self.ledger.used(name, triples=1, edges=1)
            elif reason:
                self.ledger.dropped(name, reason, 1, 1)
            else:
                raise _broken(stream, number, line)
        for kind_name, count in outside.items():
            self.ledger.dropped(kind_name.decode("utf-8", "replace")[3:].rstrip("/"), _LANGUAGE, count, count)

    def _enter(self, fields: list[str]) -> str | None:
        """``None``: kept; a reason: left out; an empty one: broken."""
        _, relation, start, end, data = fields
        name = relation[3:].rstrip("/")
        if (name not in self.wanted) if self.wanted is not None else (name in self.stopped):
            return _STOPPED
        ends = []
        for term in (start, end):
            parts = term.split("/")
            if len(parts) < 4 or parts[1] != "c":
                return _OUTSIDE
            if self.languages and parts[2] not in self.languages:
                return _LANGUAGE
            ends.append(term.rstrip("/") if self.senses else f"/c/{parts[2]}/{parts[3]}")
        if ends[0] == ends[1]:
            return _SELF
        try:
            weight = float(json.loads(data)["weight"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return ""
        if weight < self.min_weight:
            return _WEAK
        self.rows.extend((self.nodes[ends[0]], self.relations[name], self.nodes[ends[1]]))
        self.weights.append(weight)
        return None

    def edges(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32], int]:
        """Distinct edges in order of first appearance, the largest weight of each, and how many fell together."""
        rows = np.frombuffer(self.rows, np.int32).reshape(-1, 3).astype(np.int64)
        weights = np.frombuffer(self.weights, np.float32)
        if not len(rows):
            return rows, weights, 0
        order = np.lexsort((-weights, rows[:, 2], rows[:, 1], rows[:, 0]))
        new = np.ones(len(order), bool)
        new[1:] = (rows[order[1:]] != rows[order[:-1]]).any(axis=1)
        first = np.minimum.reduceat(order, np.flatnonzero(new))
        place = np.argsort(first)
        best = order[new][place]
        return rows[best], weights[best], len(rows) - len(best)


def _broken(stream: ByteSource, number: int, line: bytes) -> InputError:
    return InputError(
        f"this is no assertion of ConceptNet 5: {line[:60].decode('utf-8', 'replace')!r}",
        file=stream.path,
        place=f"line {number}",
        remedy="give conceptnet-assertions-5.*.csv: URI, relation, start, end and JSON, separated by tabs",
    )


def _labels(nodes: list[str]) -> TextTable:
    """The word of each node, in its language."""
    keys = []
    for name in nodes:
        _, _, language, word, *_ = name.split("/")
        keys.append(literal_key(word.replace("_", " "), language))
    strings = Ids()
    literals = np.array([strings[key] for key in keys], np.int64)
    return TextTable(
        np.arange(len(nodes) + 1, dtype=np.int64), np.zeros(len(nodes), np.int16), literals, ("label",), list(strings)
    )
