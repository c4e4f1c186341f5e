"""Graphs in an embedded Oxigraph store on disk: filled once, then opened read-only as often as one likes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgzsl.errors import InputError
from kgzsl.knowledge.assembling import assemble, check_projection
from kgzsl.knowledge.readers.formats import find_format, sniff
from kgzsl.knowledge.readers.options import DEFAULT_MAX_BYTES, ReadOptions
from kgzsl.knowledge.readers.rdf import file_iri, intern_quads, rdf_format
from kgzsl.knowledge.readers.source import open_source
from kgzsl.knowledge.triples import TripleBuilder

if TYPE_CHECKING:
    from kgzsl.knowledge.class_graph import ClassGraph

__all__ = ["STORE", "fill_store", "read_store"]

#: What a source begins with that names a store: ``store:DIR``.
STORE = "store:"


def fill_store(
    sources: str | Path | Sequence[str | Path],
    directory: str | Path,
    *,
    format: str | None = None,  # noqa: A002
    base: str | None = None,
    lenient: bool = False,
    max_bytes: int = DEFAULT_MAX_BYTES,
    progress: Any = None,
) -> int:
    """Load files of the RDF family into a new store, in bulk and without holding them in memory.

    Args:
        sources: Files, compressed or not.
        directory: Where the store is to be; must not hold one yet.
        format: The format, where the names of the files do not tell.
        base: The IRI that relative IRIs are resolved against.
        lenient: Whether IRIs that break the rules are taken as they stand.
        max_bytes: Uncompressed bytes after which a file is refused.
        progress: Called with (bytes read, size of the file or ``None``).

    Returns:
        How many quads the store holds.

    Raises:
        InputError: A file cannot be read (the store is then removed), is no RDF, or the folder is not empty.
    """
    import pyoxigraph

    target = Path(directory)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError("this folder is not empty", file=target, remedy="name a new one, or remove it first")
    files = [sources] if isinstance(sources, (str, os.PathLike)) else list(sources)
    options = ReadOptions(base=base, lenient=lenient, progress=progress, max_bytes=max_bytes)
    made = not target.exists()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        store = pyoxigraph.Store(str(target))
        for file in map(Path, files):
            _load(store, file, format, options)
        store.flush()
        store.optimize()
        count = len(store)
        del store
    except BaseException as error:
        # Nothing half-filled stays behind to be taken for the whole.
        shutil.rmtree(target, ignore_errors=True)
        if not made:
            target.mkdir(exist_ok=True)
        if isinstance(error, (OSError, RuntimeError)):
            raise InputError(f"the store cannot be written ({error})", file=target, remedy="choose another") from error
        raise
    return count


def _load(store: Any, path: Path, format_name: str | None, options: ReadOptions) -> None:
    found = find_format(path, format_name)
    with open_source(path, options) as source:
        used = found if format_name is not None and found is not None else sniff(source, found)
        try:
            syntax = rdf_format(used.name)
        except KeyError:
            raise InputError(
                f"a store holds RDF, and this is {used.name}", file=path, remedy="give Turtle, N-Triples, RDF/XML ..."
            ) from None
        stream: Any = source
        if used.name == "rdf/xml":
            from kgzsl.knowledge.readers.xml_guard import guard_xml
            from kgzsl.knowledge.readers.xml_lines import AttributeLines

            stream = AttributeLines(guard_xml(source))
        base = options.base if options.base is not None else file_iri(path)
        try:
            store.bulk_load(stream, format=syntax, base_iri=base, lenient=options.lenient)
        except (SyntaxError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"not {used.name}: {error}", file=path, remedy="repair the file") from error


def read_store(
    source: str | Path,
    *,
    named_graph: str | None = None,
    projection: str = "owl2vec",
    reasoning: str | None = None,
    language: str | None = "en",
    max_added: int = 10_000_000,
    max_seconds: float = 600.0,
    progress: Any = None,
) -> ClassGraph:
    """Read an Oxigraph store, opened read-only: other readers may have it open at the same time, no writer.

    Args:
        source: ``store:DIR`` or the folder.
        named_graph: Only the graph of this IRI; ``None``: all graphs, merged.
        projection: See ``ClassGraph.read``.
        reasoning: See ``ClassGraph.read``.
        language: Preferred language of labels.
        max_added: Triples that reasoning may add.
        max_seconds: Seconds that reasoning may take.
        progress: Not called: a store does not tell how far one has come.

    Raises:
        InputError: There is no store, it is damaged, or it (or the named graph) is empty.
    """
    import pyoxigraph

    del progress
    check_projection(projection)
    path = Path(os.fspath(source).removeprefix(STORE))
    if not (path / "CURRENT").is_file():
        raise InputError(
            "there is no Oxigraph store here",
            file=path,
            remedy="fill one with kgzsl.knowledge.sources.fill_store or `oxigraph load`",
        )
    graph = None
    if named_graph is not None:
        try:
            graph = pyoxigraph.NamedNode(named_graph)
        except ValueError as error:
            raise InputError(f"{named_graph!r} is no IRI", remedy="give the IRI of a named graph") from error
    builder = TripleBuilder()
    try:
        store = pyoxigraph.Store.read_only(str(path))
        intern_quads(store.quads_for_pattern(None, None, None, graph), builder)
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"the store cannot be opened ({error})", file=path, remedy="close the program that writes it, or refill it"
        ) from error
    if builder.empty:
        what = "the store is empty" if named_graph is None else f"the store has no graph {named_graph}"
        raise InputError(what, file=path, remedy="fill it, or name another graph")
    provenance = {"source": STORE + path.name, "format": "oxigraph", "sha256": None, "bytes": None}
    provenance["named_graph"] = named_graph
    return assemble(
        builder.build(),
        provenance,
        projection=projection,
        reasoning=reasoning,
        language=language,
        max_added=max_added,
        max_seconds=max_seconds,
    )
