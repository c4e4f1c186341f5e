"""What a caller can say about how a source is to be read."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from kgzsl.errors import InputError, nearest

__all__ = ["DEFAULT_MAX_BYTES", "ReadOptions"]

#: Uncompressed bytes read from one source before it is refused.
DEFAULT_MAX_BYTES = 64 * 2**30

_IMPORTS = ("none", "local", "fetch")
_COLUMNS = ("subject", "relation", "object", "weight", "ignore")


@dataclass(frozen=True)
class ReadOptions:
    """How to read a source.

    Args:
        header: Whether the first line of a table names its columns; ``"auto"`` looks at it.
        columns: What the columns of a table hold, of ``subject``, ``relation``, ``object``, ``weight``, ``ignore``;
            ``None``: from the header, else subject, relation, object and, where a fourth column of numbers is there,
            weight.
        relation: The relation of every row of a table that has no relation column.
        prefixes: More prefixes for names like ``ex:Cat`` in tables, beside the built-in ones.
        base: The IRI that relative IRIs are resolved against; ``None``: the file's own ``file:`` address.
        lenient: Whether IRIs that break the rules are taken as they stand.
        imports: ``"none"`` (name them), ``"local"`` (read those that the catalogue or the folder holds), ``"fetch"``
            (the others from the network).
        catalogue: Where imported ontologies and the contexts of JSON-LD lie: IRI -> path, the path of an XML catalogue,
            or of a folder with one.
        max_bytes: Uncompressed bytes after which a source is refused.
        progress: Called with (bytes read of the file, size of the file or None) now and then.
    """

    header: bool | Literal["auto"] = "auto"
    columns: tuple[str, ...] | None = None
    relation: str | None = None
    prefixes: Mapping[str, str] = field(default_factory=dict)
    base: str | None = None
    lenient: bool = False
    imports: str = "none"
    catalogue: Mapping[str, str | os.PathLike[str]] | str | os.PathLike[str] | None = None
    max_bytes: int = DEFAULT_MAX_BYTES
    progress: Callable[[int, int | None], None] | None = None

    def __post_init__(self) -> None:
        if self.header not in (True, False, "auto"):
            raise InputError(f"header is {self.header!r}", remedy="give True, False or 'auto'")
        if self.imports not in _IMPORTS:
            close = nearest(str(self.imports), _IMPORTS)
            hint = f"did you mean {close[0]!r}?" if close else f"give one of {', '.join(_IMPORTS)}"
            raise InputError(f"imports is {self.imports!r}", remedy=hint)
        if self.columns is not None:
            for column in self.columns:
                if column not in _COLUMNS:
                    raise InputError(f"a column is called {column!r}", remedy=f"use {', '.join(_COLUMNS)}")
            for needed in ("subject", "object"):
                if self.columns.count(needed) != 1:
                    raise InputError(f"columns must hold {needed!r} once", remedy="e.g. columns=('subject', 'object')")
            if "relation" not in self.columns and self.relation is None:
                raise InputError(
                    "columns hold no relation", remedy="say which one all rows mean, e.g. relation='rdfs:subClassOf'"
                )
