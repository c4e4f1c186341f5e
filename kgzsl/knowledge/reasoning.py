"""What follows from an ontology, added before it is projected: RDFS, OWL 2 RL, EL and OWL DL, within a budget."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from kgzsl.errors import InputError, nearest
from kgzsl.knowledge.reasoners.chain_rule import follow_chains, named_chains
from kgzsl.knowledge.reasoners.chains import looping_chains
from kgzsl.knowledge.reasoners.contradictions import find_contradictions
from kgzsl.knowledge.reasoners.taxonomy import Inferred
from kgzsl.knowledge.texts import local_name
from kgzsl.knowledge.triples import TripleBuilder, Triples
from kgzsl.knowledge.vocabulary import OWL, RDF, RDF_TYPE, RDFS, SUBCLASS_OF, SUBPROPERTY_OF

__all__ = ["REGIMES", "close"]

#: Names of ``reasoning=``.
REGIMES = ("rdfs", "owl2rl", "el", "hermit")
Statement = tuple[str, str, str]
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

    - ``rdfs``: subclasses, sub-properties, domains and ranges, closed.
    - ``owl2rl``: the rules of OWL 2 RL, closed, by the ``reasonable`` library, and property chains beside it. Triples
      with literals take no part.
    - ``el``: direct subclasses, equivalences and types that follow in EL++ (:mod:`kgzsl.knowledge.reasoners.el`).
    - ``hermit``: the same in OWL 2 DL, and sub-properties, by HermiT; needs Java.

    Consequences that say nothing (everything is a Thing, a class lies below itself) are left out. Notes say what was
    added, which classes are unsatisfiable, what contradicts itself, and which property chains loop.

    Args:
        triples: The source.
        regime: One of the above.
        max_added: Most triples that may be added.
        max_seconds: Most seconds that it may take.

    Returns:
        The triples with what follows appended, and notes.

    Raises:
        InputError: An unknown regime, a budget that was exceeded, a library or Java that is not there, or (``el``,
        ``hermit``) an ontology that is inconsistent.
    """
    name = regime.lower().replace("-", "").replace(" ", "")
    if name not in REGIMES:
        close_by = nearest(name, REGIMES)
        hint = f"did you mean {close_by[0]!r}?" if close_by else f"known: {', '.join(REGIMES)}"
        raise InputError(f"no reasoning is called {regime!r}", remedy=hint)
    notes = [
        f"property chains loop, so the hierarchy is not regular: {', '.join(map(local_name, loop[:6]))}"
        for loop in looping_chains(triples)
    ]
    if name in ("rdfs", "owl2rl"):
        closed, added = _add(triples, name, _consequences(triples, name, max_added, max_seconds), max_added)
        wrong, empty = find_contradictions(closed)
        if wrong:
            notes.append(f"the ontology is inconsistent: {_some(wrong)}")
    else:
        inferred = _classified(triples, name, max_added, max_seconds)
        closed, added = _add(triples, name, _statements(inferred), max_added)
        empty = inferred.unsatisfiable
    if empty:
        said = "1 class is unsatisfiable" if len(empty) == 1 else f"{len(empty):,} classes are unsatisfiable"
        notes.append(f"{said}: {_some([local_name(one) for one in empty])}")
    return replace(closed, duplicates=triples.duplicates, notes=(*triples.notes, added, *notes))


def _add(triples: Triples, name: str, statements: Iterable[Statement], max_added: int) -> tuple[Triples, str]:
    """(triples with what is new, a note that counts it)."""
    builder = triples.to_builder()
    before = len(triples)
    counts: dict[str, int] = {}
    known = _known(triples)
    for subject, predicate, object_ in statements:
        if _says_nothing(subject, predicate, object_):
            continue
        codes = _code(subject, builder), builder.iri(predicate), _code(object_, builder)
        if codes in known:
            continue
        known.add(codes)
        builder.add(*codes)
        counts[predicate] = counts.get(predicate, 0) + 1
        if sum(counts.values()) > max_added:
            raise InputError(
                f"reasoning {name} adds more than {max_added:,} triples",
                remedy=f"raise max_added=, {_less(name)}or leave reasoning out",
            )
    closed = builder.build()
    parts = ", ".join(
        f"{count:,} {predicate}" for predicate, count in sorted(counts.items(), key=lambda item: -item[1])
    )
    return closed, f"reasoning {name} added {len(closed) - before:,} triples" + (f" ({parts})" if parts else "")


def _less(regime: str) -> str:
    return "" if regime == "rdfs" else "use reasoning='rdfs', "


def _classified(triples: Triples, name: str, max_added: int, max_seconds: float) -> Inferred:
    if name == "hermit":
        from kgzsl.knowledge.reasoners.hermit import run_hermit

        return run_hermit(triples, max_seconds=max_seconds)
    from kgzsl.knowledge.reasoners.el import infer

    return infer(triples, max_facts=max(10_000_000, 5 * max_added), max_seconds=max_seconds)


def _statements(inferred: Inferred) -> Iterator[Statement]:
    for lower, upper in inferred.subclasses:
        yield lower, SUBCLASS_OF, upper
    for one, other in inferred.equivalents:
        yield one, OWL + "equivalentClass", other
    for individual, kind in inferred.types:
        yield individual, RDF_TYPE, kind
    for lower, upper in inferred.subproperties:
        yield lower, SUBPROPERTY_OF, upper


def _some(items: Sequence[str]) -> str:
    return ", ".join(items[:5]) + (f" and {len(items) - 5:,} more" if len(items) > 5 else "")


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


def _consequences(triples: Triples, regime: str, max_added: int, max_seconds: float) -> Iterable[Statement]:
    """All that the rules give, stated triples included; with chains, in rounds until both have nothing to add."""
    started = time.monotonic()
    chains = named_chains(triples) if regime == "owl2rl" else []
    extra: set[Statement] = set()
    while True:
        left = max_seconds - (time.monotonic() - started)
        found = _by_rules(triples, regime, extra, left, max_seconds)
        if not chains:
            return found
        facts = set(found)
        new = follow_chains(chains, facts, max_added=max_added, end=started + max_seconds)
        if not new:
            return facts
        extra |= new


def _by_rules(
    triples: Triples, regime: str, extra: Iterable[Statement], left: float, max_seconds: float
) -> list[Statement]:
    try:
        import reasonable  # noqa: F401
    except ImportError:
        raise InputError("reasoning needs the library 'reasonable'", remedy="pip install reasonable") from None
    with tempfile.TemporaryDirectory(prefix="kgzsl-reasoning-") as folder:
        source, target = Path(folder, "in.ttl"), Path(folder, "out.tsv")
        _write(triples, regime, extra, source)
        try:
            done = subprocess.run(
                [sys.executable, "-c", _CHILD, str(source), str(target)],
                capture_output=True,
                timeout=max(left, 1e-3),
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise InputError(
                f"reasoning {regime} took longer than {max_seconds:g} seconds",
                remedy=f"raise max_seconds=, {_less(regime)}or leave reasoning out",
            ) from None
        if done.returncode != 0:
            last = done.stderr.decode("utf-8", errors="replace").strip().splitlines()[-1:] or ["it was killed"]
            raise InputError(f"reasoning {regime} failed: {last[0]}", remedy="leave reasoning out, or free some memory")
        with target.open(encoding="utf-8") as file:
            return [_statement(line) for line in file]


def _statement(line: str) -> Statement:
    subject, predicate, object_ = line.rstrip("\n").split("\t")
    return subject, predicate, object_


def _write(triples: Triples, regime: str, extra: Iterable[Statement], path: Path) -> None:
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
        file.writelines(f"<{subject}> <{predicate}> <{object_}> .\n" for subject, predicate, object_ in sorted(extra))


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
    return predicate in (RDF_TYPE, SUBCLASS_OF, SUBPROPERTY_OF, RDFS + "domain", RDFS + "range") and object_.startswith(
        language
    )
