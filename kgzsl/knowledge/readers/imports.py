"""owl:imports: from a local catalogue, from the network only when asked, or named as not read."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from kgzsl.errors import InputError
from kgzsl.knowledge.readers.catalogue import CATALOGUE_NAME, Catalogue
from kgzsl.knowledge.readers.options import ReadOptions
from kgzsl.knowledge.triples import TripleBuilder
from kgzsl.knowledge.vocabulary import OWL, RDF_TYPE

__all__ = ["read_imports"]

#: Reads one file: (path, format name or ``None``) -> its provenance.
Reader = Callable[[Path, str | None], dict[str, Any]]
#: Most ontologies that one reading imports.
_MAX_IMPORTS = 1000
_ACCEPT = "text/turtle, application/rdf+xml;q=0.9, application/n-triples;q=0.8, application/ld+json;q=0.5, */*;q=0.1"
_TYPES = {
    "text/turtle": "turtle",
    "application/rdf+xml": "rdf/xml",
    "application/n-triples": "n-triples",
    "application/ld+json": "json-ld",
    "text/owl-functional": "functional",
    "application/owl+xml": "owl/xml",
    "text/owl-manchester": "manchester",
}


def read_imports(
    roots: list[Path], builder: TripleBuilder, options: ReadOptions, reader: Reader
) -> list[dict[str, Any]]:
    """Read what the documents in ``builder`` import, and what that imports in turn, each once.

    Args:
        roots: The files that were read.
        builder: Holds their triples, and receives more.
        options: ``imports`` (none, local, fetch) and ``catalogue``.
        reader: Reads a file into the builder.

    Returns:
        The provenance of each ontology that was imported, with its ``iri``.

    Raises:
        InputError: An imported file cannot be read, or a fetch fails.
    """
    if OWL + "imports" not in builder.iris:
        return []
    if options.imports == "none":
        wanted = _wanted(builder, set())
        if wanted:
            builder.notes.append(
                f"{len(wanted)} imported {'ontology was' if len(wanted) == 1 else 'ontologies were'} not read"
                f" (imports='none'): {_some(wanted)}"
            )
        return []
    catalogue = Catalogue.of(options.catalogue)
    files = {path.resolve() for path in roots}
    for folder in dict.fromkeys(path.resolve().parent for path in roots):
        if (folder / CATALOGUE_NAME).is_file():
            catalogue.add_xml(folder / CATALOGUE_NAME)
    done: set[str] = set()
    found: list[dict[str, Any]] = []
    missing: list[str] = []
    while wanted := _wanted(builder, done):
        for iri in wanted:
            done.add(iri)
            if len(done) > _MAX_IMPORTS:
                raise InputError(f"more than {_MAX_IMPORTS} ontologies import each other", remedy="use imports='none'")
            path = catalogue(iri) or _beside(iri, roots)
            if path is not None:
                if path.resolve() not in files:
                    files.add(path.resolve())
                    found.append({"iri": iri, **reader(path, None)})
            elif options.imports == "fetch":
                found.append({"iri": iri, **_fetched(iri, options, reader)})
            else:
                missing.append(iri)
    if found:
        builder.notes.append(f"{len(found)} imported ontologies were read: {_some([part['iri'] for part in found])}")
    if missing:
        builder.notes.append(f"{len(missing)} imports are not in the catalogue and were not read: {_some(missing)}")
    return found


def _wanted(builder: TripleBuilder, done: set[str]) -> list[str]:
    """IRIs that are imported and neither done nor here already under that name, in the order of the documents."""
    names = list(builder.iris)
    predicate = builder.iris.get(OWL + "imports", -1)
    imported = [names[code] for _, code in builder.find(predicate) if code >= 0]
    type_code, target = builder.iris.get(RDF_TYPE, -1), builder.iris.get(OWL + "Ontology", -1)
    here = {names[s].removesuffix("#") for s, o in builder.find(type_code, target) if o == target and s >= 0}
    return [iri for iri in dict.fromkeys(imported) if iri not in done and iri.removesuffix("#") not in here]


def _beside(iri: str, roots: list[Path]) -> Path | None:
    """A file: address, or a bare name such as OBO has, is looked for beside the file, by its last part."""
    parts = urlsplit(iri)
    name = Path(unquote(parts.path)).name
    if parts.scheme != "file" or not name:
        return None
    return next((path.parent / name for path in roots if (path.parent / name).is_file()), None)


def _fetched(iri: str, options: ReadOptions, reader: Reader) -> dict[str, Any]:
    """Read an ontology from its address."""
    from kgzsl.knowledge.readers.download import download

    with tempfile.TemporaryDirectory(prefix="kgzsl-import-") as folder:
        path = Path(folder, Path(unquote(urlsplit(iri).path)).name or "import")
        remedy = f"download it and give catalogue={{{iri!r}: path}}, or use imports='none'"
        kind = download(iri, path, what="import", accept=_ACCEPT, max_bytes=options.max_bytes, remedy=remedy)
        return {**reader(path, _TYPES.get(kind)), "source": iri}


def _some(iris: list[str]) -> str:
    return ", ".join(iris[:5]) + (f" and {len(iris) - 5} more" if len(iris) > 5 else "")
