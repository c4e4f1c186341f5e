"""What follows from an ontology, added before it is projected: RDFS and OWL 2 RL, within a budget."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from kgzsl.errors import InputError, nearest
from kgzsl.knowledge.triples import TripleBuilder, Triples
from kgzsl.knowledge.vocabulary import OWL, RDF, RDF_TYPE, RDFS

__all__ = ["REGIMES", "close"]

#: Names of ``reasoning=``.
REGIMES = ("rdfs", "owl2rl")
_BLANK = "urn:kgzsl:blank:"
# The reasoner cannot be interrupted, so it runs in a process of its own, which can.
_CHILD = """
import sys, reasonable
reasoner = reasonable.PyReasoner()
reasoner.load_file(sys.argv[1])
with open(sys.argv[2], "w", encoding="utf-8") as out:
    for triple in reasoner.reason():
        if all(type(term).__name__ == "URIRef" for term in triple):
            out.write("\\t".join(map(str, triple)) + "\\n")
"""


def close(triples: Triples, regime: str, *, max_added: int, max_seconds: float) -> Triples:
    """Add what follows.

    ``rdfs`` follows subclasses, sub-properties, domains and ranges; ``owl2rl`` the OWL 2 RL rules, by the
    ``reasonable`` library. Consequences that say nothing (everything is a Thing, a class lies below itself) are left
    out. Triples with literals take no part.

    Args:
        triples: The source.
        regime: ``"rdfs"`` or ``"owl2rl"``.
        max_added: Most triples that may be added.
        max_seconds: Most seconds that it may take.

    Returns:
        The triples with what follows appended, and a note that says what was added.

    Raises:
        InputError: An unknown regime, a budget that was exceeded, or no ``reasonable`` library.
    """
    name = regime.lower().replace("-", "").replace(" ", "")
    if name not in REGIMES:
        close_by = nearest(name, REGIMES)
        hint = f"did you mean {close_by[0]!r}?" if close_by else f"known: {', '.join(REGIMES)}"
        raise InputError(f"no reasoning is called {regime!r}", remedy=hint)
    builder = triples.to_builder()
    before = len(triples)
    counts: dict[str, int] = {}
    known = _known(triples)
    for subject, predicate, object_ in _consequences(triples, name, max_seconds):
        if _says_nothing(subject, predicate, object_):
            continue
        codes = _code(subject, builder), builder.iri(predicate), _code(object_, builder)
        if codes in known:
            continue
        builder.add(*codes)
        counts[predicate] = counts.get(predicate, 0) + 1
        if sum(counts.values()) > max_added:
            raise InputError(
                f"reasoning {name} adds more than {max_added:,} triples",
                remedy="raise max_added, use reasoning='rdfs', or leave reasoning out",
            )
    closed = builder.build()
    parts = ", ".join(
        f"{count:,} {predicate}" for predicate, count in sorted(counts.items(), key=lambda item: -item[1])
    )
    note = f"reasoning {name} added {len(closed) - before:,} triples" + (f" ({parts})" if parts else "")
    return replace(closed, duplicates=triples.duplicates, notes=(*triples.notes, note))


def _known(triples: Triples) -> set[tuple[int, int, int]]:
    """The triples without literals, as codes of the builder."""
    rows = _logical(triples)
    subjects, objects = (_blank_codes(triples, part[rows]) for part in (triples.subjects, triples.objects))
    return set(zip(subjects, triples.predicates[rows].tolist(), objects, strict=True))


def _blank_codes(triples: Triples, ids: np.ndarray[tuple[int], np.dtype[np.int32]]) -> list[int]:
    blank = ids >= triples.num_iris
    codes: list[int] = np.where(blank, -3 * (ids - triples.num_iris) - 1, ids).tolist()
    return codes


def _logical(triples: Triples) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.flatnonzero(triples.objects < triples.first_literal)


def _consequences(triples: Triples, regime: str, max_seconds: float) -> Iterator[tuple[str, str, str]]:
    try:
        import reasonable  # noqa: F401
    except ImportError:
        raise InputError("reasoning needs the library 'reasonable'", remedy="pip install reasonable") from None
    with tempfile.TemporaryDirectory(prefix="kgzsl-reasoning-") as folder:
        source, target = Path(folder, "in.ttl"), Path(folder, "out.tsv")
        _write(triples, regime, source)
        try:
            done = subprocess.run(
                [sys.executable, "-c", _CHILD, str(source), str(target)],
                capture_output=True,
                timeout=max_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise InputError(
                f"reasoning {regime} took longer than {max_seconds:g} seconds",
                remedy="raise max_seconds, use reasoning='rdfs', or leave reasoning out",
            ) from None
        if done.returncode != 0:
            last = done.stderr.decode("utf-8", errors="replace").strip().splitlines()[-1:] or ["it was killed"]
            raise InputError(f"reasoning {regime} failed: {last[0]}", remedy="leave reasoning out, or free some memory")
        with target.open(encoding="utf-8") as file:
            for line in file:
                subject, predicate, object_ = line.rstrip("\n").split("\t")
                yield subject, predicate, object_


def _write(triples: Triples, regime: str, path: Path) -> None:
    """N-Triples (which is Turtle) without literals; blank nodes as IRIs, so that they come back under their names."""
    terms = triples.terms
    first = triples.num_iris
    with path.open("w", encoding="utf-8") as file:
        for row in _logical(triples).tolist():
            subject, predicate, object_ = (
                int(triples.subjects[row]),
                terms[triples.predicates[row]],
                int(triples.objects[row]),
            )
            if regime == "rdfs" and (predicate.startswith(OWL) or (object_ < first and terms[object_].startswith(OWL))):
                continue
            names = [terms[i] if i < first else f"{_BLANK}{i - first}" for i in (subject, object_)]
            if all(":" in name and not set(name) & set(' <>"{}|\\^`\n') for name in (*names, predicate)):
                file.write(f"<{names[0]}> <{predicate}> <{names[1]}> .\n")


def _code(name: str, builder: TripleBuilder) -> int:
    if name.startswith(_BLANK):
        return -3 * int(name[len(_BLANK) :]) - 1
    return builder.iri(name)


def _says_nothing(subject: str, predicate: str, object_: str) -> bool:
    if subject == object_ and predicate.startswith((OWL, RDFS)):
        return True
    language = (OWL, RDFS, RDF)
    if subject.startswith(language):
        return True
    return predicate in (RDF_TYPE, RDFS + "subClassOf", RDFS + "domain", RDFS + "range") and object_.startswith(
        language
    )
