"""JSON-LD 1.1: PyLD for documents of usual size, the streaming parser for the others."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from kgzsl.errors import InputError
from kgzsl.knowledge.readers.jsonld_contexts import Contexts
from kgzsl.knowledge.readers.jsonld_text import parse_json
from kgzsl.knowledge.readers.options import ReadOptions
from kgzsl.knowledge.readers.source import ByteSource
from kgzsl.knowledge.triples import TripleBuilder

__all__ = ["read_jsonld"]

#: Larger documents are streamed, since the expansion takes a hundred times the memory of the text,
_SMALL = 2**20
#: save those up to this size that have contexts outside themselves.
_LARGE = 8 * 2**20
_OUTSIDE = re.compile(rb'"@(?:context|import)"\s*:\s*(?:\[\s*)?"')
_NAMESPACE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s]*[/#:?]$")


def read_jsonld(
    source: ByteSource, builder: TripleBuilder, options: ReadOptions, base: str, stream: Callable[[ByteSource], None]
) -> None:
    """Parse ``source`` into ``builder``; the graphs of the document are merged.

    Contexts outside the document come from the catalogue or lie beside it; the network is asked only where
    ``options.imports`` is ``"fetch"``. Statements with a relative or invalid IRI are left out, as the rules say, and
    counted in the notes. Documents of more than 1 MiB that hold all their contexts, those of more than 8 MiB,
    and those nested more than some hundred deep go to the streaming parser, which takes no contexts outside the
    document and departs from JSON-LD 1.1 in corners: ``..`` in a base IRI, a base that is no IRI, and a context of a
    type that is the key of an index.

    Args:
        source: The bytes, UTF-8.
        builder: Receives the triples.
        options: ``imports``, ``catalogue`` and ``lenient`` are used.
        base: What relative IRIs are resolved against.
        stream: The streaming parser, for what is too large or too deep.

    Raises:
        InputError: No JSON, against the rules of JSON-LD, or a context that is not at hand.
    """
    text = source.peek(_LARGE + 1)
    if len(text) > _LARGE or (len(text) > _SMALL and not _OUTSIDE.search(text)):
        stream(source)
        return
    try:
        codes = _codes(text, source, builder, options, base)
    except RecursionError:
        stream(source)
        return
    builder.extend(codes)


def _codes(text: bytes, source: ByteSource, builder: TripleBuilder, options: ReadOptions, base: str) -> list[int]:
    from kgzsl.knowledge.readers.jsonld_processor import JsonLdError, WorkExceeded, expand
    from kgzsl.knowledge.readers.jsonld_triples import JsonLdTriples

    document = parse_json(text, source.path)
    if not isinstance(document, (dict, list)):
        raise InputError(
            "not well-formed json-ld: the document is neither an object nor an array",
            file=source.path,
            remedy="give a JSON-LD document, or name the right format with format=",
        )
    contexts = Contexts(source.path, base, options)
    try:
        triples = JsonLdTriples(builder, lenient=options.lenient)
        codes = triples.codes(expand(document, base, contexts))
    except JsonLdError as error:
        raise InputError(
            f"not well-formed json-ld: {_message(error)}",
            file=source.path,
            remedy="correct that place, or name the right format with format=",
        ) from error
    except WorkExceeded:
        raise InputError(
            "expanding the JSON-LD takes more than the steps allowed: it is too large for contexts outside itself, or"
            " has its contexts worked through over and over",
            file=source.path,
            remedy="write the contexts once, at the top of the document, or convert it to N-Triples",
        ) from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"not well-formed json-ld: a part has another shape than JSON-LD gives it ({repr(error)[:120]})",
            file=source.path,
            remedy="compare its contexts with the JSON-LD 1.1 specification",
        ) from error
    builder.prefixes.update(_prefixes(document))
    builder.notes += contexts.notes()
    if triples.dropped:
        builder.notes.append(f"{triples.dropped} JSON-LD values or properties without a valid IRI were left out")
    return codes


def _message(error: Any) -> str:
    """One line: the rule that is broken, and where."""
    message = re.sub(r"\s+", " ", str(error.args[0])).removeprefix("Invalid JSON-LD syntax; ").rstrip(".")
    details = error.details or {}
    place = next(
        (f" ({key} {details[key]!r:.80})" for key in ("term", "url", "value", "keyword", "iri") if key in details), ""
    )
    return f"{error.code}: {message}{place}" if error.code else message + place


def _prefixes(document: Any) -> dict[str, str]:
    """The prefixes that the document's own first context declares."""
    context = document.get("@context") if isinstance(document, dict) else None
    return {
        name: value
        for part in (context if isinstance(context, list) else [context])
        if isinstance(part, dict)
        for name, value in part.items()
        if isinstance(value, str) and not name.startswith("@") and ":" not in name and _NAMESPACE.match(value)
    }
