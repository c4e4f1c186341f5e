"""Contexts that lie outside a JSON-LD document: in the catalogue, beside the document, or on the network when asked."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from kgzsl.errors import InputError
from kgzsl.knowledge.readers.catalogue import CATALOGUE_NAME, Catalogue
from kgzsl.knowledge.readers.jsonld_text import parse_json
from kgzsl.knowledge.readers.options import ReadOptions
from kgzsl.knowledge.readers.source import open_source

__all__ = ["Contexts"]

#: A context larger than this is none; that of schema.org has a fifth of a megabyte.
_MAX_BYTES = 4 * 2**20
_MAX_CONTEXTS = 100
_ACCEPT = "application/ld+json, application/json;q=0.8"


class Contexts:
    """Answers with the JSON at the address of a context.

    Args:
        path: The document that names the context.
        base: The document's own address; what lies below its folder is looked for beside the document.
        options: ``catalogue``, and ``imports``: the network is asked where it is ``"fetch"``.
    """

    def __init__(self, path: Path, base: str, options: ReadOptions) -> None:
        self._path = path
        self._below = base.partition("#")[0].partition("?")[0].rpartition("/")[0] + "/"
        self._options = options
        self._catalogue: Catalogue | None = None
        self._found: list[str] = []

    def __call__(self, url: str) -> Any:
        """The document at ``url``.

        Raises:
            InputError: It is not at hand, no JSON, or there are too many.
        """
        if len(self._found) >= _MAX_CONTEXTS:
            raise InputError(
                f"the document names more than {_MAX_CONTEXTS} contexts outside itself",
                file=self._path,
                remedy="write them into the document",
            )
        path = self._file(url)
        if path is not None:
            return self._read(path, url, path.name)
        if self._options.imports == "fetch":
            return self._fetched(url)
        raise InputError(
            f"the JSON-LD has its context outside the file, at {url}, and nothing is fetched",
            file=self._path,
            remedy=f"download the context and give catalogue={{{url!r}: path}}, put it beside the file if its address"
            " is relative, or read with imports='fetch'",
        )

    def notes(self) -> list[str]:
        """What was read, in words."""
        return [f"the JSON-LD context {entry}" for entry in self._found]

    def _file(self, url: str) -> Path | None:
        """Where a context lies: as the catalogue says, else beside the document."""
        if self._catalogue is None:
            self._catalogue = Catalogue.of(self._options.catalogue)
            beside = self._path.parent / CATALOGUE_NAME
            if beside.is_file():
                self._catalogue.add_xml(beside)
        # An address without a path is the same one with a slash.
        names = [url, url.removesuffix("/") if url.endswith("/") else f"{url}/"] if _is_bare(url) else [url]
        known = next((path for name in names if (path := self._catalogue(name)) is not None), None)
        if known is not None or not url.startswith(self._below):
            return known
        relative = unquote(urlsplit(url[len(self._below) :]).path)
        folder = self._path.parent.resolve()
        path = (folder / relative).resolve()
        # A name with ".." in it does not leave the folder of the document.
        return path if path.is_relative_to(folder) and path.is_file() else None

    def _read(self, path: Path, url: str, name: str) -> Any:
        options = ReadOptions(max_bytes=_MAX_BYTES)
        try:
            with open_source(path, options) as source:
                text = source.read()
                document = parse_json(text, path)
        except RecursionError:
            raise InputError("the JSON is nested too deep", file=path, remedy="no context is like this") from None
        self._found.append(f"{url} was read from {name} (sha256 {hashlib.sha256(text).hexdigest()[:16]})")
        return document

    def _fetched(self, url: str) -> Any:
        """The context from its address, or from the one that a web page there names as its JSON-LD."""
        from kgzsl.knowledge.readers.download import download

        with tempfile.TemporaryDirectory(prefix="kgzsl-context-") as folder:
            path = Path(folder, "context.jsonld")
            remedy = f"download it and give catalogue={{{url!r}: path}}"
            download(url, path, what="context", accept=_ACCEPT, max_bytes=_MAX_BYTES, remedy=remedy, follow=True)
            return self._read(path, url, "the network")


def _is_bare(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and parts.path in ("", "/") and not parts.query
