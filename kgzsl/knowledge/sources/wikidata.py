"""A Wikidata dump, streamed: what lies within some hops of a list of classes."""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError
from kgzsl.knowledge.assembling import assemble, check_projection
from kgzsl.knowledge.operations import Adjacency
from kgzsl.knowledge.readers.options import ReadOptions
from kgzsl.knowledge.readers.source import ByteSource, open_source
from kgzsl.knowledge.triples import TripleBuilder
from kgzsl.knowledge.vocabulary import RDF_TYPE, RDFS, SCHEMA, SKOS, SUBCLASS_OF

if TYPE_CHECKING:
    from kgzsl.knowledge.class_graph import ClassGraph

__all__ = ["DIRECT", "MEANING", "TAXONOMY", "read_wikidata"]

ENTITY = "http://www.wikidata.org/entity/"
DIRECT = "http://www.wikidata.org/prop/direct/"
#: Followed by default: subclass of, instance of, part of, has part, parent taxon.
TAXONOMY = ("P279", "P31", "P361", "P527", "P171")
#: Properties that mean a relation of RDF Schema.
MEANING = {"P279": SUBCLASS_OF, "P171": SUBCLASS_OF, "P31": RDF_TYPE}
_TEXTS = (RDFS + "label", SKOS + "altLabel", SCHEMA + "description")
_NUMBER = re.compile(r"(?:Wikidata:|wd:|http://www\.wikidata\.org/entity/)?Q([1-9]\d{0,9})$")
_PROPERTY = re.compile(r"(?:wdt:|http://www\.wikidata\.org/prop/direct/)?(P[1-9]\d{0,9})$")
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")
_PLAIN = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_CHUNK = 1 << 20
_LARGEST = 2**31


def read_wikidata(
    source: str | Path,
    classes: Sequence[str],
    *,
    hops: int = 2,
    properties: Sequence[str] | None = TAXONOMY,
    direction: str = "out",
    languages: Sequence[str] = ("en",),
    texts: bool = True,
    projection: str = "owl2vec",
    reasoning: str | None = None,
    language: str | None = "en",
    max_bytes: int = 2**50,
    max_added: int = 10_000_000,
    max_seconds: float = 600.0,
    progress: Any = None,
) -> ClassGraph:
    """Read a truthy N-Triples dump (``latest-truthy.nt.gz`` or a part of it), keeping what a class list needs.

    The file is streamed twice, and never held: once for the statements of ``properties`` between items, three numbers
    each (12 bytes); then, after the walk, for the texts of what is kept. P279 (subclass of) and P171 (parent taxon)
    become rdfs:subClassOf, P31 (instance of) rdf:type; others keep their ``wdt:`` IRI.

    Args:
        source: The dump, compressed or not.
        classes: Items: ``Q144``, ``wd:Q144`` or the IRI.
        hops: How many statements to follow.
        properties: Which statements to follow and keep; ``None``: all between items (a third of the dump: much memory).
        direction: ``"out"`` follows statements from subject to object, ``"both"`` either way (instances of a class are
            many).
        languages: Of labels, aliases and descriptions; empty: all.
        texts: Whether to read texts, in a second pass.
        projection: See ``ClassGraph.read``.
        reasoning: See ``ClassGraph.read``.
        language: Preferred language of labels.
        max_bytes: Uncompressed bytes after which the dump is refused.
        max_added: Triples that reasoning may add.
        max_seconds: Seconds that reasoning may take.
        progress: Called with (bytes read, size of the file or ``None``), in each pass.

    Raises:
        InputError: A class or property is no Wikidata id, or a class does not occur in the dump.
    """
    check_projection(projection)
    if direction not in ("out", "both") or hops < 0:
        raise InputError(f"hops={hops}, direction={direction!r}", remedy="give hops >= 0, direction 'out' or 'both'")
    seeds = np.unique(np.array([_item(name) for name in classes], np.int64))
    if not len(seeds):
        raise InputError("no class is given", remedy="give items such as Q144")
    wanted = None if properties is None else [_property(name) for name in properties]
    path = Path(source)
    options = ReadOptions(max_bytes=max_bytes, progress=progress)
    with open_source(path, options) as stream:
        rows = _statements(stream, wanted)
        provenance = {"source": path.name, "format": "wikidata", "sha256": stream.digest(), "bytes": stream.count}
    items, kept = _reached(rows, seeds, hops, direction)
    lost = seeds[~np.isin(seeds, np.concatenate([rows[:, 0], rows[:, 2]]))]
    builder = TripleBuilder()
    _fill(builder, rows[kept])
    named = set(seeds.tolist())
    if texts:
        with open_source(path, options) as stream:
            named = _texts(stream, builder, set(items.tolist()), languages)
    lost = np.array([number for number in lost.tolist() if number not in named], np.int64)
    if len(lost) and texts:
        raise InputError(
            f"the dump says nothing of {', '.join(f'Q{number}' for number in lost.tolist())}",
            file=path,
            remedy="correct the ids, or follow other properties",
        )
    builder.notes.append(
        f"{len(rows)} statements of the wanted properties; {len(items)} items lie within {hops} hops of {len(seeds)}"
    )
    return assemble(
        builder.build(),
        {**provenance, "classes": [f"Q{number}" for number in seeds.tolist()], "hops": hops},
        projection=projection,
        reasoning=reasoning,
        language=language,
        prefixes={"wd": ENTITY, "wdt": DIRECT},
        max_added=max_added,
        max_seconds=max_seconds,
    )


def _item(name: str) -> int:
    found = _NUMBER.match(name.strip())
    if found is None or int(found.group(1)) >= _LARGEST:
        raise InputError(f"{name!r} is no Wikidata item", remedy="give its number, such as Q144")
    return int(found.group(1))


def _property(name: str) -> str:
    found = _PROPERTY.match(name.strip())
    if found is None or int(found.group(1)[1:]) >= _LARGEST:
        raise InputError(f"{name!r} is no Wikidata property", remedy="give its number, such as P279")
    return found.group(1)


def _blocks(stream: ByteSource) -> Any:
    """Whole lines, about a megabyte at a time."""
    rest = b""
    while data := stream.read(_CHUNK):
        data = rest + data
        cut = data.rfind(b"\n") + 1
        rest = data[cut:]
        if len(rest) > 16 * _CHUNK:
            raise InputError(
                "a line is longer than 16 megabytes", file=stream.path, remedy="check that this is N-Triples"
            )
        yield data[:cut]
    yield rest + b"\n"


def _statements(stream: ByteSource, wanted: list[str] | None) -> npt.NDArray[np.int32]:
    """int32 [S, 3]: item, property, item by number. A search over bytes takes a tenth of the time of a full parse."""
    which = "|".join(name[1:] for name in wanted) if wanted is not None else "[0-9]+"
    pattern = re.compile(
        rf"^<{re.escape(ENTITY)}Q([0-9]{{1,10}})>[ \t]+<{re.escape(DIRECT)}P({which})>[ \t]+"
        rf"<{re.escape(ENTITY)}Q([0-9]{{1,10}})>[ \t]*\.".encode(),
        re.MULTILINE,
    )
    numbers = array("i")
    for block in _blocks(stream):
        for found in pattern.findall(block):
            numbers.extend(map(int, found))
    return np.frombuffer(numbers, np.int32).reshape(-1, 3) if numbers else np.empty((0, 3), np.int32)


def _reached(
    rows: npt.NDArray[np.int32], seeds: npt.NDArray[np.int64], hops: int, direction: str
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """(items within ``hops`` of the seeds, which statements are between them)."""
    items, inverse = np.unique(np.concatenate([rows[:, 0], rows[:, 2], seeds]), return_inverse=True)
    subjects, objects = inverse[: len(rows)], inverse[len(rows) : 2 * len(rows)]
    if direction == "both":
        adjacency = Adjacency.of(np.concatenate([subjects, objects]), np.concatenate([objects, subjects]), len(items))
    else:
        adjacency = Adjacency.of(subjects, objects, len(items))
    seen = np.zeros(len(items), bool)
    front = np.unique(inverse[2 * len(rows) :])
    seen[front] = True
    for _ in range(hops):
        found = np.unique(adjacency.step(front)) if len(front) else front
        front = found[~seen[found]]
        seen[front] = True
    return items[seen], seen[subjects] & seen[objects]


def _fill(builder: TripleBuilder, rows: npt.NDArray[np.int32]) -> None:
    numbers = np.unique(rows[:, 1]).tolist()
    relations = {n: builder.iri(MEANING.get(f"P{n}", f"{DIRECT}P{n}")) for n in numbers}
    for subject, relation, target in rows.tolist():
        builder.add(builder.iri(f"{ENTITY}Q{subject}"), relations[relation], builder.iri(f"{ENTITY}Q{target}"))


def _texts(stream: ByteSource, builder: TripleBuilder, items: set[int], languages: Sequence[str]) -> set[int]:
    """Labels, aliases and descriptions of ``items``; answers with the items that have one in any language."""
    names = "|".join(re.escape(name) for name in _TEXTS)
    pattern = re.compile(
        rf"^<{re.escape(ENTITY)}Q([0-9]{{1,10}})>[ \t]+<({names})>[ \t]+"
        r'"((?:[^"\\\n]|\\.)*)"@([A-Za-z0-9-]+)'.encode(),
        re.MULTILINE,
    )
    wanted = {name.lower() for name in languages}
    found: set[int] = set()
    for block in _blocks(stream):
        for number, name, text, tag in pattern.findall(block):
            item = int(number)
            if item not in items:
                continue
            found.add(item)
            if wanted and tag.decode().lower().partition("-")[0] not in wanted and tag.decode().lower() not in wanted:
                continue
            literal = builder.literal(_unescape(text.decode("utf-8", "replace")), tag.decode())
            builder.add(builder.iri(f"{ENTITY}Q{item}"), builder.iri(name.decode()), literal)
    return found


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text

    def one(match: re.Match[str]) -> str:
        code = match.group(1) or match.group(2)
        if code is None:
            return _PLAIN.get(match.group(3), match.group(3))
        number = int(code, 16)
        return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else "�"

    return _ESCAPE.sub(one, text)
