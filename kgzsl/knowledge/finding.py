"""Which sources have a reader of their own beside the formats of triples."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgzsl.knowledge.readers.source import COMPRESSIONS, strip_compression

if TYPE_CHECKING:
    from kgzsl.knowledge.class_graph import ClassGraph

__all__ = ["OWN_FORMATS", "noun_file", "own_reader", "source_kind"]

#: Names for ``format=``, and who reads them.
OWN_FORMATS = {
    "wordnet": "kgzsl.knowledge.sources.wordnet:read_wordnet",
    "wndb": "kgzsl.knowledge.sources.wordnet:read_wordnet",
    "conceptnet": "kgzsl.knowledge.sources.conceptnet:read_conceptnet",
    "wikidata": "kgzsl.knowledge.sources.wikidata:read_wikidata",
    "oxigraph": "kgzsl.knowledge.sources.oxigraph_store:read_store",
}


def own_reader(source: Any, format: str | None) -> Callable[..., ClassGraph] | None:  # noqa: A002
    """The reader of ``source``, where it is one of these; ``None`` where it is not."""
    name = source_kind(source, format)
    if name is None:
        return None
    module, _, function = OWN_FORMATS[name].partition(":")
    reader: Callable[..., ClassGraph] = getattr(importlib.import_module(module), function)
    return reader


def source_kind(source: Any, format: str | None) -> str | None:  # noqa: A002
    """Its name among ``OWN_FORMATS``, by ``format`` or by its own name; ``None`` where it is none of these."""
    name = _named(source) if format is None else format.lower()
    return name if name in OWN_FORMATS else None


def _named(source: Any) -> str:
    if type(source).__module__.partition(".")[0] == "nltk":
        return "wordnet"
    if not isinstance(source, (str, os.PathLike)):
        return ""
    text = os.fspath(source)
    if text.startswith("store:"):
        return "oxigraph"
    path = Path(text)
    if path.name.startswith("conceptnet-assertions"):
        return "conceptnet"
    if strip_compression(path.name) == "latest-truthy.nt":
        return "wikidata"
    if strip_compression(path.name) == "data.noun" or (path.is_dir() and noun_file(path) is not None):
        return "wordnet"
    return ""


def noun_file(folder: Path) -> Path | None:
    """WordNet's ``data.noun`` in ``folder`` or its ``dict``, compressed or not."""
    for place in (folder, folder / "dict"):
        for suffix in ("", *COMPRESSIONS):
            if (place / f"data.noun{suffix}").is_file():
                return place / f"data.noun{suffix}"
    return None
