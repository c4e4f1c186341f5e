"""Where imported ontologies lie on this machine: a mapping, or an OASIS XML catalogue (catalog-v001.xml)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.parsers import expat

from kgzsl.errors import InputError
from kgzsl.knowledge.readers.options import ReadOptions
from kgzsl.knowledge.readers.source import open_source
from kgzsl.knowledge.readers.xml_guard import guard_xml

__all__ = ["CATALOGUE_NAME", "Catalogue"]

CATALOGUE_NAME = "catalog-v001.xml"
_NAMESPACE = "urn:oasis:names:tc:entity:xmlns:xml:catalog"
_BASE = "http://www.w3.org/XML/1998/namespace base"
#: A catalogue larger than this is not one.
_MAX_BYTES = 16 * 2**20
_MAX_CATALOGUES = 64


class Catalogue:
    """IRI of an ontology -> its file.

    Args:
        entries: IRI -> path.

    Raises:
        InputError: A path where no file is.
    """

    def __init__(self, entries: Mapping[str, str | os.PathLike[str]] | None = None) -> None:
        self._files: dict[str, Path] = {}
        self._prefixes: list[tuple[str, Path]] = []
        for iri, path in (entries or {}).items():
            self._files[_bare(iri)] = Path(path)
            if not Path(path).is_file():
                raise InputError(
                    f"the catalogue says that {iri} lies here, and there is no such file",
                    file=path,
                    remedy="correct catalogue=",
                )

    @classmethod
    def of(cls, given: Mapping[str, str | os.PathLike[str]] | str | os.PathLike[str] | None) -> Catalogue:
        """A catalogue from what a caller gives: a mapping, the path of an XML catalogue, or a folder that holds one.

        Raises:
            InputError: The path does not exist, or is no catalogue.
        """
        if given is None or isinstance(given, Mapping):
            return cls(given)
        path = Path(given)
        found = cls()
        found.add_xml(path / CATALOGUE_NAME if path.is_dir() else path)
        return found

    def add_xml(self, path: Path) -> None:
        """Take in an XML catalogue and those that it names as the next; entries that are there already stay.

        Raises:
            InputError: It is not well-formed, too large, or it refers to itself without end.
        """
        waiting, seen = [path], set[Path]()
        while waiting:
            here = waiting.pop(0)
            if here.resolve() in seen:
                continue
            seen.add(here.resolve())
            if len(seen) > _MAX_CATALOGUES:
                raise InputError(
                    f"more than {_MAX_CATALOGUES} catalogues name each other", file=path, remedy="give one catalogue"
                )
            waiting += self._add_one(here)

    def _add_one(self, path: Path) -> list[Path]:
        options = ReadOptions(max_bytes=_MAX_BYTES)
        following: list[Path] = []
        bases = [path.parent]
        parser = expat.ParserCreate(namespace_separator=" ")

        def start(tag: str, attributes: dict[str, str]) -> None:
            base = _path(attributes.get(_BASE, ""), bases[-1]) or bases[-1]
            bases.append(base)
            name = tag.removeprefix(f"{_NAMESPACE} ")
            if name in ("uri", "system", "public") and "uri" in attributes:
                key = attributes.get("name") or attributes.get("systemId") or attributes.get("publicId")
                target = _path(attributes["uri"], base)
                if key and target is not None:
                    self._files.setdefault(_bare(key), target)
            elif name in ("rewriteURI", "rewriteSystem"):
                key = attributes.get("uriStartString") or attributes.get("systemIdStartString")
                target = _path(attributes.get("rewritePrefix", ""), base)
                if key and target is not None:
                    self._prefixes.append((key, target))
            elif name == "nextCatalog" and "catalog" in attributes:
                target = _path(attributes["catalog"], base)
                if target is not None and target.is_file():
                    following.append(target)

        parser.StartElementHandler = start
        parser.EndElementHandler = lambda _name: bases.pop()
        with open_source(path, options) as source:
            stream = guard_xml(source)
            while data := stream.read(1 << 16):
                parser.Parse(data, False)
        return following

    def __call__(self, iri: str) -> Path | None:
        """The file of an ontology, ``None`` where the catalogue knows none that exists."""
        found = self._files.get(_bare(iri))
        if found is None:
            fitting = [(start, folder) for start, folder in self._prefixes if iri.startswith(start)]
            if fitting:
                start, folder = max(fitting, key=lambda entry: len(entry[0]))
                below = (folder / unquote(iri[len(start) :])).resolve()
                # A name with ".." in it does not leave the folder that the catalogue gives.
                found = below if below.is_relative_to(folder.resolve()) else None
        return found if found is not None and found.is_file() else None

    def __bool__(self) -> bool:
        return bool(self._files or self._prefixes)


def _bare(iri: str) -> str:
    return iri.removesuffix("#")


def _path(uri: str, base: Path) -> Path | None:
    """A relative or file: address as a path; ``None`` for one of the network."""
    if not uri:
        return None
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return None if parts.scheme or parts.netloc else base / unquote(parts.path)
