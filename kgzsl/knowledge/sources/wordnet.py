"""WordNet's own files: nouns as classes, under the offsets of WordNet 3.0 that ImageNet calls its classes by."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgzsl.errors import InputError, nearest
from kgzsl.knowledge.assembling import assemble, check_projection
from kgzsl.knowledge.finding import noun_file
from kgzsl.knowledge.readers.options import DEFAULT_MAX_BYTES, ReadOptions
from kgzsl.knowledge.readers.source import COMPRESSIONS, ByteSource, open_source
from kgzsl.knowledge.triples import TripleBuilder
from kgzsl.knowledge.vocabulary import RDF_TYPE, RDFS, SKOS, SUBCLASS_OF

if TYPE_CHECKING:
    from kgzsl.knowledge.class_graph import ClassGraph

__all__ = ["WORDNET", "first_senses", "read_wordnet"]

#: Where the synsets of WordNet 3.0 have their IRIs: ``.../wn30/02084071-n``.
WORDNET = "http://wordnet-rdf.princeton.edu/wn30/"
_SCHEMA = "https://globalwordnet.github.io/schemas/wn#"
_POINTERS = {
    "@": SUBCLASS_OF,
    "@i": RDF_TYPE,
    "%p": _SCHEMA + "mero_part",
    "%m": _SCHEMA + "mero_member",
    "%s": _SCHEMA + "mero_substance",
    ";c": _SCHEMA + "domain_topic",
    ";r": _SCHEMA + "domain_region",
    ";u": _SCHEMA + "exemplifies",
    "!": _SCHEMA + "antonym",
}
#: Pointers that say the same from the other end.
_INVERSES = frozenset({"~", "~i", "#p", "#m", "#s", "-c", "-r", "-u"})
_VERSION = re.compile(rb"WordNet (?:Release )?(\d+\.\d+)")
_EXAMPLE = re.compile(r';?\s*"([^"]*)"')


@dataclass(frozen=True)
class _Synset:
    """One line of ``data.noun``.

    Args:
        offset: Eight digits.
        words: Its words, the usual one first.
        keys: The sense keys of the words.
        pointers: (symbol, offset, part of speech).
        gloss: Definition and examples.
    """

    offset: str
    words: tuple[str, ...]
    keys: tuple[str, ...]
    pointers: tuple[tuple[str, str, str], ...]
    gloss: str


def read_wordnet(
    source: Any,
    *,
    reference: str | Path | None = None,
    projection: str = "owl2vec",
    reasoning: str | None = None,
    language: str | None = "en",
    max_bytes: int = DEFAULT_MAX_BYTES,
    max_added: int = 10_000_000,
    max_seconds: float = 600.0,
    progress: Any = None,
) -> ClassGraph:
    """Read the nouns of WordNet: ``data.noun``, with ``index.noun`` beside it to check against.

    A synset is the class ``.../wn30/OFFSET-n``, found by its wnid (``n02084071``), by its usual word (the label) and by
    the others. Hypernyms become rdfs:subClassOf, instance hypernyms rdf:type; parts, members, substances, domains and
    antonyms keep relations of their own. Glosses are split into definition and examples.

    Args:
        source: The folder of WordNet's files (``dict/``), ``data.noun`` itself (compressed or not), or nltk's WordNet
            reader.
        reference: For another version of WordNet: the folder of version 3.0. A synset then takes the 3.0 offset with
            which it shares the most sense keys; those that share none have no wnid.
        projection: See ``ClassGraph.read``.
        reasoning: See ``ClassGraph.read``.
        language: Preferred language of labels.
        max_bytes: Uncompressed bytes after which the file is refused.
        max_added: Triples that reasoning may add.
        max_seconds: Seconds that reasoning may take.
        progress: Called with (bytes read, size of the file or ``None``).

    Raises:
        InputError: Another version than 3.0 without a reference, a broken line, or an index that does not fit.
    """
    check_projection(projection)
    path = _data_file(source)
    builder = TripleBuilder()
    with open_source(path, ReadOptions(progress=progress, max_bytes=max_bytes)) as stream:
        version, synsets = _parse(stream)
        provenance = {
            "source": path.name,
            "format": "wordnet",
            "version": version,
            "sha256": stream.digest(),
            "bytes": stream.count,
        }
    if reference is None and version != "3.0":
        said = "does not say its version" if version is None else f"is WordNet {version}"
        raise InputError(
            f"this {said}, and wnids are offsets of WordNet 3.0",
            file=path,
            remedy="give reference=, the folder of WordNet 3.0, to map it by sense keys; or read version 3.0",
        )
    _check_index(path, synsets)
    iris = {synset.offset: f"{WORDNET}{synset.offset}-n" for synset in synsets}
    if reference is not None and version != "3.0":
        iris = _mapped(synsets, _data_file(reference), version or "unknown", builder)
    _fill(builder, synsets, iris)
    triples = builder.build()
    return assemble(
        triples,
        provenance,
        projection=projection,
        reasoning=reasoning,
        language=language,
        max_added=max_added,
        max_seconds=max_seconds,
    )


def first_senses(source: Any, names: Sequence[str]) -> dict[str, str]:
    """The commonest noun sense of each name, as ``index.noun`` has them: a mapping for ``ClassGraph.align``.

    Args:
        source: As for :func:`read_wordnet`, WordNet 3.0.
        names: Words; case, spaces and hyphens do not matter.

    Returns:
        Name -> IRI.

    Raises:
        InputError: Names that WordNet does not have (all are named), or no ``index.noun``.
    """
    path = _data_file(source)
    index = _index_file(path)
    if index is None:
        raise InputError("there is no index.noun beside it", file=path, remedy="give the whole folder of WordNet")
    senses = {lemma: offsets[0] for lemma, offsets in _index(index)}
    found: dict[str, str] = {}
    missing: list[str] = []
    for name in names:
        spelling = re.sub(r"\s+", "_", name.strip().lower())
        tried = (spelling, spelling.replace("-", "_"), spelling.replace("_", "-"), spelling.replace("+", "_"))
        offset = next((senses[one] for one in tried if one in senses), None)
        if offset is None:
            close = nearest(spelling, (lemma for lemma in senses if lemma[:1] == spelling[:1]))
            missing.append(f"{name!r} (nearest: {', '.join(close) or 'none'})")
        else:
            found[name] = f"{WORDNET}{offset}-n"
    if missing:
        raise InputError(f"WordNet has no noun {', '.join(missing)}", file=index, remedy="correct the names")
    return found


def _data_file(source: Any) -> Path:
    """``data.noun``, from a folder, the file itself, or nltk's reader (whose ``root`` is a folder)."""
    path = Path(str(source.root if hasattr(source, "root") and not isinstance(source, Path) else source))
    if not path.is_dir():
        return path
    found = noun_file(path)
    if found is not None:
        return found
    raise InputError("this folder holds no data.noun", file=path, remedy="give the dict/ folder of WordNet 3.0")


def _index_file(data: Path) -> Path | None:
    beside = (data.with_name(f"index.noun{suffix}") for suffix in ("", *COMPRESSIONS))
    return next((path for path in beside if path.is_file()), None)


def _parse(stream: ByteSource) -> tuple[str | None, list[_Synset]]:
    """(version, synsets). The licence at the top, lines that begin with two spaces, names the version."""
    version: str | None = None
    synsets: list[_Synset] = []
    for number, line in enumerate(stream.lines(), 1):
        if line.startswith(b"  "):
            found = _VERSION.search(line)
            if found is not None and version is None:
                version = found.group(1).decode()
        elif line.strip():
            try:
                synsets.append(_synset(line.decode("utf-8")))
            except (ValueError, IndexError) as error:
                raise InputError(
                    f"this is no line of WordNet's data.noun: {line[:60].decode('utf-8', 'replace')!r}",
                    file=stream.path,
                    place=f"line {number}",
                    remedy="fetch WordNet 3.0 again",
                ) from error
    if not synsets:
        raise InputError("no synset was found", file=stream.path, remedy="give data.noun of WordNet 3.0")
    return version, synsets


def _synset(line: str) -> _Synset:
    """Format: wndb(5WN) of WordNet 3.0."""
    data, _, gloss = line.partition("|")
    fields = data.split()
    offset, file, kind, count = fields[0], int(fields[1]), fields[2], int(fields[3], 16)
    if kind != "n" or len(offset) != 8 or not offset.isdigit() or count < 1:
        raise ValueError("no noun")
    words = tuple(fields[4 : 4 + 2 * count : 2])
    ids = [int(number, 16) for number in fields[5 : 5 + 2 * count : 2]]
    keys = tuple(f"{word.lower()}%1:{file:02d}:{number:02d}::" for word, number in zip(words, ids, strict=True))
    at = 4 + 2 * count
    links = int(fields[at])
    rest = fields[at + 1 :]
    if len(rest) != 4 * links:
        raise ValueError("pointers")
    pointers = tuple((rest[4 * i], rest[4 * i + 1], rest[4 * i + 2]) for i in range(links))
    return _Synset(offset, words, keys, pointers, gloss.strip())


def _index(path: Path) -> Iterator[tuple[str, list[str]]]:
    """(lemma, offsets, the commonest sense first) of each line."""
    with open_source(path, ReadOptions()) as stream:
        for number, line in enumerate(stream.lines(), 1):
            if line.startswith(b"  ") or not line.strip():
                continue
            fields = line.decode("utf-8", "replace").split()
            try:
                offsets = fields[-int(fields[2]) :]
                if not all(len(offset) == 8 and offset.isdigit() for offset in offsets):
                    raise ValueError("offsets")
            except (ValueError, IndexError) as error:
                raise InputError(
                    "this is no line of WordNet's index.noun",
                    file=path,
                    place=f"line {number}",
                    remedy="fetch WordNet 3.0 again",
                ) from error
            yield fields[0], offsets


def _check_index(data: Path, synsets: Sequence[_Synset]) -> None:
    index = _index_file(data)
    if index is None:
        return
    known = {synset.offset for synset in synsets}
    for lemma, offsets in _index(index):
        for offset in offsets:
            if offset not in known:
                raise InputError(
                    f"{index.name} sends {lemma!r} to {offset}, which {data.name} does not have",
                    file=data,
                    remedy="the two files are of different versions: take both from one release",
                )


def _mapped(synsets: Sequence[_Synset], reference: Path, version: str, builder: TripleBuilder) -> dict[str, str]:
    """Offset of this version -> IRI, by the sense keys that it shares with version 3.0."""
    with open_source(reference, ReadOptions()) as stream:
        found, old = _parse(stream)
    if found != "3.0":
        raise InputError(
            f"the reference is WordNet {found or 'of no stated version'}", file=reference, remedy="give version 3.0"
        )
    offset_of = {key: synset.offset for synset in old for key in synset.keys}
    votes: list[tuple[int, str, str]] = []
    for synset in synsets:
        counts = Counter(offset_of[key] for key in synset.keys if key in offset_of)
        votes += [(-count, synset.offset, offset) for offset, count in counts.items()]
    partner: dict[str, str] = {}
    taken: set[str] = set()
    for _, new, offset in sorted(votes):
        if new not in partner and offset not in taken:
            partner[new] = offset
            taken.add(offset)
    own = f"http://wordnet-rdf.princeton.edu/wn{version.replace('.', '')}/"
    lost = len(synsets) - len(partner)
    builder.notes.append(
        f"WordNet {version}: {len(partner)} synsets took their 3.0 offsets by sense keys, {lost} have none"
    )
    # "n" before the digits would make a wnid of an offset that is not one of 3.0.
    return {
        synset.offset: f"{WORDNET}{partner[synset.offset]}-n" if synset.offset in partner else f"{own}{synset.offset}N"
        for synset in synsets
    }


def _fill(builder: TripleBuilder, synsets: Sequence[_Synset], iris: Mapping[str, str]) -> None:
    label, alternative = builder.iri(RDFS + "label"), builder.iri(SKOS + "altLabel")
    definition, example = builder.iri(SKOS + "definition"), builder.iri(SKOS + "example")
    relations = {symbol: builder.iri(iri) for symbol, iri in _POINTERS.items()}
    inverse = elsewhere = 0
    for synset in synsets:
        subject = builder.iri(iris[synset.offset])
        for place, word in enumerate(synset.words):
            text = builder.literal(word.replace("_", " "), "en")
            builder.add(subject, alternative if place else label, text)
        meaning = _EXAMPLE.sub("", synset.gloss).strip(" ;")
        if meaning:
            builder.add(subject, definition, builder.literal(meaning, "en"))
        for quoted in _EXAMPLE.findall(synset.gloss):
            if quoted.strip():
                builder.add(subject, example, builder.literal(quoted.strip(), "en"))
        for symbol, offset, part in synset.pointers:
            if symbol in _INVERSES:
                inverse += 1
            elif part != "n" or symbol not in relations or offset not in iris:
                elsewhere += 1
            else:
                builder.add(subject, relations[symbol], builder.iri(iris[offset]))
    builder.notes.append(
        f"{inverse} pointers that say the same from the other end, and {elsewhere} to verbs, adjectives and derived "
        "forms, were left out"
    )
