"""SPARQL text that a name cannot break out of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from kgzsl.errors import InputError

__all__ = [
    "DEFAULT_GRAPH", "edges_query", "facts_query", "iri_term", "is_iri_term", "label_query", "literal_term",
    "texts_query",
]  # fmt: skip

DEFAULT_GRAPH = "default"
"""What stands for the graph without a name among named ones."""

#: What the grammar allows in ``<...>`` (IRIREF), after a scheme.
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20<>\"{}|^`\\]*")
_TAG = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


def iri_term(iri: str) -> str:
    """``<iri>``.

    Raises:
        InputError: It holds a character that an IRI may not have, or no scheme.
    """
    if not is_iri_term(iri):
        raise InputError(f"{iri!r} is no IRI", remedy="give an absolute IRI without spaces, quotes, < or >")
    return f"<{iri}>"


def is_iri_term(iri: str) -> bool:
    """Whether :func:`iri_term` takes it."""
    return _IRI.fullmatch(iri) is not None


def literal_term(text: str, language: str | None = None) -> str:
    """``"text"`` or ``"text"@language``, everything escaped that could end it.

    Raises:
        InputError: The language is no language tag, or the text holds a character that no literal can.
    """
    if "\x00" in text or any(0xD800 <= ord(char) < 0xE000 for char in text):
        raise InputError(f"{text!r} cannot be a text", remedy="leave out NUL and lone surrogates")
    quoted = '"' + "".join(_ESCAPES.get(char, char) for char in text) + '"'
    return quoted if language is None else f"{quoted}@{_tag(language)}"


def _tag(language: str) -> str:
    if not _TAG.fullmatch(language):
        raise InputError(f"{language!r} is no language tag", remedy="give one such as en or pt-BR")
    return language


def _values(variable: str, terms: Iterable[str]) -> str:
    return f"VALUES ?{variable} {{ {' '.join(terms)} }}"


def _select(variables: str, where: Sequence[str], limit: int, offset: int) -> str:
    return (
        f"SELECT DISTINCT {variables} WHERE {{ {' '.join(where)} }} "
        f"ORDER BY {variables} LIMIT {int(limit)} OFFSET {int(offset)}"
    )


def edges_query(
    nodes: Sequence[str], relations: Sequence[str] | None, *, incoming: bool, limit: int, offset: int
) -> str:
    """?s ?p ?o: what ``nodes`` are linked to (or from), one page of it, in a fixed order."""
    where = [_values("o" if incoming else "s", map(iri_term, nodes))]
    if relations is not None:
        where.append(_values("p", map(iri_term, relations)))
    where.append("?s ?p ?o .")
    where.append("FILTER(isIRI(?s))" if incoming else "FILTER(!isLiteral(?o))")
    return _select("?s ?p ?o", where, limit, offset)


def facts_query(
    relations: Sequence[str],
    *,
    subjects: Sequence[str] | None = None,
    graphs: Sequence[str] = (),
    limit: int,
    offset: int,
) -> str:
    """?s ?p ?o: which IRIs these relations link, one page of it, in a fixed order, each once whichever graph says it.

    Args:
        relations: IRIs.
        subjects: Only of these.
        graphs: IRIs of named graphs, and :data:`DEFAULT_GRAPH`; none given, all graphs are asked.
        limit: Rows of the page.
        offset: Rows before it.
    """
    bound = _values("p", map(iri_term, relations))
    if subjects is not None:
        bound += " " + _values("s", map(iri_term, subjects))
    named = [iri_term(graph) for graph in graphs if graph != DEFAULT_GRAPH]
    parts = []
    if not graphs or DEFAULT_GRAPH in graphs:
        parts.append(f"{{ {bound} ?s ?p ?o }}")
    if not graphs or named:
        which = f"{_values('g', named)} " if named else ""
        parts.append(f"{{ {bound} {which}GRAPH ?g {{ ?s ?p ?o }} }}")
    return _select("?s ?p ?o", [" UNION ".join(parts), "FILTER(isIRI(?s) && isIRI(?o))"], limit, offset)


def texts_query(
    nodes: Sequence[str], properties: Sequence[str], languages: Sequence[str] | None, *, limit: int, offset: int
) -> str:
    """?s ?p ?o: the texts of ``nodes``, untagged ones and those in ``languages`` (``None``: all), one page of them."""
    where = [_values("s", map(iri_term, nodes)), _values("p", map(iri_term, properties)), "?s ?p ?o ."]
    wanted = "isLiteral(?o)"
    if languages is not None:
        tests = ['lang(?o) = ""', *(f'langMatches(lang(?o), "{_tag(tag)}")' for tag in languages)]
        wanted += f" && ({' || '.join(tests)})"
    where.append(f"FILTER({wanted})")
    return _select("?s ?p ?o", where, limit, offset)


def label_query(
    names: Sequence[str], properties: Sequence[str], languages: Sequence[str], *, limit: int, offset: int
) -> str:
    """?o ?s: which nodes bear ``names`` as labels, one page of them."""
    terms = [literal_term(name, tag) for name in names for tag in (None, *languages)]
    where = [_values("o", terms), _values("p", map(iri_term, properties)), "?s ?p ?o .", "FILTER(isIRI(?s))"]
    return _select("?o ?s", where, limit, offset)
