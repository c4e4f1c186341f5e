"""From any source to a class graph: who reads it, and with which options."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from kgzsl.errors import InputError, nearest
from kgzsl.knowledge.assembling import assemble, check_projection

if TYPE_CHECKING:
    from kgzsl.knowledge.class_graph import ClassGraph

__all__ = ["check_options", "read_graph"]


def read_graph(
    source: Any,
    format: str | None,  # noqa: A002
    *,
    projection: str,
    reasoning: str | None,
    language: str | None,
    files: Mapping[str, Any],
    budgets: Mapping[str, Any],
    progress: Any,
    options: Mapping[str, Any],
) -> ClassGraph:
    """See ``ClassGraph.read``.

    Args:
        source: Path, list of paths, ``store:DIR``, or a graph or table of another library.
        format: The format, or ``None``.
        projection: Its name.
        reasoning: Its name, or ``None``.
        language: Preferred language of labels.
        files: Options of files of triples (:class:`kgzsl.knowledge.readers.ReadOptions`) that were given.
        budgets: ``max_bytes``, ``max_added``, ``max_seconds``, where they were given.
        progress: Called with (bytes read, size or ``None``).
        options: Options of the source's own reader.

    Raises:
        InputError: An option that this source's reader does not take, and all that the readers raise.
    """
    from kgzsl.knowledge.finding import own_reader
    from kgzsl.knowledge.store import is_saved_graph, load_graph

    if isinstance(source, (str, os.PathLike)) and format is None and is_saved_graph(source):
        _refuse({**files, **options}, (), "a saved class graph is what it is")
        return load_graph(source)
    check_projection(projection)
    common: dict[str, Any] = {"projection": projection, "reasoning": reasoning, "language": language}
    own = own_reader(source, format)
    if own is not None:
        return _by_its_own(own, source, {**common, "progress": progress}, {**files, **options}, budgets)
    _refuse(options, _FILE_OPTIONS, "files of triples take no such option")
    from kgzsl.knowledge.readers import ReadOptions, read_triples

    settings = dict(files)
    if "columns" in settings:
        settings["columns"] = tuple(settings["columns"])
    if "max_bytes" in budgets:
        settings["max_bytes"] = budgets["max_bytes"]
    reading = read_triples(source, format, ReadOptions(progress=progress, **settings))
    limits = {name: value for name, value in budgets.items() if name != "max_bytes"}
    return assemble(reading.triples, reading.provenance, prefixes=reading.prefixes, **common, **limits)


_FILE_OPTIONS = ("header", "columns", "relation", "prefixes", "base", "lenient", "imports", "catalogue")


def _by_its_own(
    reader: Callable[..., ClassGraph],
    source: Any,
    common: Mapping[str, Any],
    options: Mapping[str, Any],
    budgets: Mapping[str, Any],
) -> ClassGraph:
    """Call the reader of WordNet, ConceptNet, ... with what it takes."""
    parameters = inspect.signature(reader).parameters
    taken = [name for name in list(parameters)[1:] if name not in (*common, "max_bytes", "max_added", "max_seconds")]
    kind = reader.__name__.removeprefix("read_")
    _refuse(options, taken, f"the reader of {kind} takes {', '.join(taken) or 'no options'}")
    needed = [name for name in taken if parameters[name].default is inspect.Parameter.empty and name not in options]
    if needed:
        raise InputError(
            f"the reader of {kind} needs {', '.join(needed)}",
            file=source if isinstance(source, (str, os.PathLike)) else None,
            remedy=f"give {needed[0]}=",
        )
    limits = {name: value for name, value in budgets.items() if name in parameters}
    return reader(source, **common, **options, **limits)


def check_options(reader: Callable[..., ClassGraph], options: Mapping[str, Any]) -> None:
    """Refuse what ``reader`` has no keyword for.

    Raises:
        InputError: An option that it does not take; the nearest is named.
    """
    parameters = inspect.signature(reader).parameters
    known = [name for name, one in parameters.items() if one.kind is inspect.Parameter.KEYWORD_ONLY]
    _refuse(options, known, f"known: {', '.join(known)}")


def _refuse(options: Mapping[str, Any], known: Iterable[str], why: str) -> None:
    for name in options:
        if name not in known:
            close = nearest(name, known)
            hint = f"did you mean {close[0]!r}?" if close else why
            raise InputError(f"there is no option {name!r} for this source", remedy=hint)
