"""Proposed triples to files: a table, or RDF in which each triple carries its confidence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO
from urllib.parse import quote

from kgzsl._files import atomic_file
from kgzsl._iris import is_absolute_iri
from kgzsl.errors import InputError
from kgzsl.knowledge.sources.sparql_text import iri_term
from kgzsl.knowledge.vocabulary import RDF, XSD
from kgzsl.tasks.kg_completion.proposals import Proposal

__all__ = ["CONFIDENCE", "SCORE", "STYLES", "check_target", "iri_of", "weight_of", "write_proposals"]

CONFIDENCE = "urn:kgzsl:confidence"
SCORE = "urn:kgzsl:score"
"""In the place of a confidence where there is none: the score of a ranker without calibration."""
STYLES = ("reified", "star")
_BREAKS = re.compile(r"[\t\r\n]")
_DOUBLE = XSD + "double"


def write_proposals(
    proposals: Sequence[Proposal], file: str | Path | TextIO, *, style: str = "reified", base: str = "urn:kgzsl:name:"
) -> None:
    """Write proposals; the ending says how: ``.tsv`` (head, relation, tail, confidence, why) or ``.nt``.
    Proposals without a confidence are written with their score.

    In N-Triples nothing is stated as a fact: each proposed triple is described, with its confidence, by a node of its
    own, either as an ``rdf:Statement`` (``"reified"``, which any reader takes) or by ``rdf:reifies`` and a triple term
    (``"star"``, RDF 1.2, which pyoxigraph reads and rdflib does not yet).

    Args:
        proposals: Best first.
        file: A path, all or nothing; or an open text file, which gets the table.
        style: ``"reified"`` or ``"star"``.
        base: Put before names that are no IRIs, percent-encoded.

    Raises:
        InputError: An ending or a style that is not known, or the file cannot be written.
    """
    if not isinstance(file, str | Path):
        _table(proposals, file)
        return
    path = Path(file)
    check_target(path, style, base)
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        if path.suffix == ".tsv":
            _table(proposals, stream)
        else:
            stream.writelines(line + "\n" for line in _lines(proposals, style, base))


def check_target(path: Path, style: str = "reified", base: str = "urn:kgzsl:name:") -> None:
    """Refuse a file that :func:`write_proposals` would refuse, before any work is done.

    Raises:
        InputError: An ending or a style that is not known, or a base that is no IRI.
    """
    iri_term(base)
    if path.suffix not in (".tsv", ".nt"):
        raise InputError(f"proposals cannot be written as {path.suffix or 'this'}", file=path, remedy="use .tsv or .nt")
    if style not in STYLES:
        raise InputError(f"the style is {style!r}", remedy=f"choose {' or '.join(STYLES)}")


def iri_of(name: str, base: str) -> str:
    """The name itself where it is an absolute IRI; else ``base`` and the name, percent-encoded.

    An IRI has an authority (``http://...``, any scheme) or one of the schemes that RDF uses without one: ``urn:``,
    ``tag:``, ``did:``, ``mailto:``, ``file:``, ``geo:`` and the like, see :func:`kgzsl._iris.is_absolute_iri`.
    ``concept:city:paris`` is none, and neither is a name with a space or a control character.
    """
    return name if is_absolute_iri(name) else base + quote(name, safe="")


def weight_of(one: Proposal) -> tuple[str, float]:
    """What a proposal is written with: its confidence, or its score where it has none; the property and the number."""
    return (SCORE, one.score) if one.confidence is None else (CONFIDENCE, one.confidence)


def _table(proposals: Sequence[Proposal], stream: TextIO) -> None:
    # As tables of facts are read: no quotation marks are put around anything, and none is doubled.
    bare = any(one.confidence is None for one in proposals)
    stream.write("\t".join(["head", "relation", "tail", "score" if bare else "confidence", "why"]) + "\n")
    for one in proposals:
        why = "" if one.reasons is None else one.reasons.text()
        cells = [one.head, one.relation, one.tail, f"{weight_of(one)[1]:.6f}", why]
        stream.write("\t".join(_BREAKS.sub(" ", cell) for cell in cells) + "\n")


def _lines(proposals: Sequence[Proposal], style: str, base: str) -> Iterator[str]:
    for number, one in enumerate(proposals):
        head, relation, tail = (f"<{iri_of(name, base)}>" for name in (one.head, one.relation, one.tail))
        node = f"_:proposal{number}"
        if style == "star":
            yield f"{node} <{RDF}reifies> <<( {head} {relation} {tail} )>> ."
        else:
            yield f"{node} <{RDF}type> <{RDF}Statement> ."
            yield f"{node} <{RDF}subject> {head} ."
            yield f"{node} <{RDF}predicate> {relation} ."
            yield f"{node} <{RDF}object> {tail} ."
        kind, value = weight_of(one)
        yield f'{node} <{kind}> "{value:.6f}"^^<{_DOUBLE}> .'
