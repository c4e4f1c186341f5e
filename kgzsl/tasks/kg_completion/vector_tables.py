"""Tables of vectors in other libraries' models, and the names of their rows; nothing is unpickled."""

from __future__ import annotations

import gzip
import pickle  # for the error that torch raises; nothing is unpickled
import re
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kgzsl.errors import InputError

__all__ = ["Names", "flat", "library_of", "names_beside", "names_of", "table_of", "tensors_of", "why_not_read"]

Names = Sequence[str] | Mapping[str, int] | str | PathLike[str]

_PYKEEN = re.compile(r"(?:.*\.)?entity_representations\.(\d+)\.(.+)")
_PYKEEN_TABLE = "_embeddings.weight"
_PYG = ("node_emb.weight", "node_emb_im.weight")
_BESIDE = ("entity_to_id.tsv.gz", "entity_to_id.tsv")


def tensors_of(file: Path) -> Any:
    """What a file of ``torch.save`` holds, read without unpickling.

    Raises:
        InputError: No such file, or one that would have to be unpickled.
    """
    if not file.is_file():
        raise InputError("there is no such file", file=file, remedy="check the path")
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InputError(
            f"this is no file of tensors that loads without unpickling ({why_not_read(error)})",
            file=file,
            remedy="load it where you trust it and write torch.save(model.state_dict(), 'state.pt')",
        ) from None


def why_not_read(error: Exception) -> str:
    """Why a file of ``torch.save`` was not read, in a few words: torch's own advise to unpickle what is refused."""
    if isinstance(error, pickle.UnpicklingError):
        return "it is damaged, or holds more than tensors"
    return str(error).partition(". ")[0].partition("\n")[0] or "it is empty or damaged"


def library_of(content: Any) -> str | None:
    """Which library's ``state_dict`` this is."""
    if isinstance(content, Mapping):
        if any(_PYKEEN.fullmatch(str(key)) for key in content):
            return "pykeen"
        if _PYG[0] in content:
            return "pyg"
    return None


def table_of(content: Any, key: str | None, source: str) -> Tensor:
    """The table of vectors in a state_dict, in what holds one, or the table itself: [N, V]."""
    if isinstance(content, Mapping):
        for inner in ("state_dict", "model_state_dict", "model"):
            if library_of(content) is None and isinstance(content.get(inner), Mapping):
                content = content[inner]
    kind = library_of(content)
    if key is not None and isinstance(content, Mapping) and key in content:
        return flat(torch.as_tensor(content[key]))
    if kind == "pykeen":
        return _pykeen_table(content, source)
    if kind == "pyg":
        return torch.cat([flat(torch.as_tensor(content[name])) for name in _PYG if name in content], dim=1)
    if isinstance(content, Tensor):
        return flat(content)
    known = ", ".join(list(map(str, content))[:5]) if isinstance(content, Mapping) else type(content).__name__
    raise InputError(
        f"no entity vectors of PyKEEN or PyTorch Geometric inside ({known})",
        file=source,
        remedy="give the state_dict of such a model, or key= with the name of the table",
    )


def _pykeen_table(content: Mapping[str, Any], source: str) -> Tensor:
    parts: dict[int, Tensor | None] = {}
    for key, value in content.items():
        match = _PYKEEN.fullmatch(str(key))
        if match:
            place, rest = int(match[1]), match[2]
            parts[place] = torch.as_tensor(value) if rest == _PYKEEN_TABLE else parts.get(place)
    computed = [place for place, value in parts.items() if value is None]
    if computed:
        raise InputError(
            f"entity representation {computed[0]} of this PyKEEN model is computed, not a table",
            file=source,
            remedy="give the model itself: EntityVectors.from_pykeen(model, factory).save('vectors.npz')",
        )
    return torch.cat([flat(value) for _, value in sorted(parts.items()) if value is not None], dim=1)


def flat(table: Tensor) -> Tensor:
    """One row an entity, [N, V]; complex numbers become their real and imaginary parts."""
    table = table.detach().cpu()
    return (torch.view_as_real(table) if table.is_complex() else table).flatten(1)


def names_beside(file: Path) -> Path | None:
    """The file of entity names that PyKEEN writes, where it lies beside ``file``."""
    places = [folder / name for folder in (file.parent, file.parent / "training_triples") for name in _BESIDE]
    return next((place for place in places if place.is_file()), None)


def names_of(given: Names, count: int | None) -> list[str]:
    """Names in the order of their rows."""
    if isinstance(given, str | PathLike):
        return names_of(_names_of_file(Path(fspath(given))), count)
    if not isinstance(given, Mapping):
        return [str(name) for name in given]
    order = sorted(given, key=given.__getitem__)
    rows = [int(given[name]) for name in order]
    if rows != list(range(len(rows))):
        wrong = next(row for place, row in enumerate(rows) if row != place)
        raise InputError(
            f"the rows of the entities are not 0 .. {len(rows) - 1}: {wrong} is there twice or comes too soon",
            remedy="give the names that belong to this model",
        )
    if count is not None and len(order) != count:
        raise InputError(
            f"{len(order)} names for {count} entity vectors", remedy="give the names that belong to this model"
        )
    return list(map(str, order))


def _names_of_file(file: Path) -> list[str] | dict[str, int]:
    """One name a line, or two columns: a number and a name, in either order, with or without a line of headings."""
    try:
        raw = file.read_bytes()
        text = (gzip.decompress(raw) if file.suffix.lower() == ".gz" else raw).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"the names cannot be read ({error})", file=file) from None
    rows = [line.split("\t") for line in text.splitlines() if line.strip()]
    if rows and all(len(row) == 1 for row in rows):
        return [row[0].strip() for row in rows]
    if rows and len(rows[0]) == 2 and not any(cell.strip().isdigit() for cell in rows[0]):
        rows = rows[1:]
    found: dict[str, int] = {}
    column = 0 if all(row[0].strip().isdigit() for row in rows) else 1
    for number, row in enumerate(rows, start=1):
        if len(row) != 2 or not row[column].strip().isdigit():
            raise InputError(
                "not a number and a name", file=file, place=f"row {number}", remedy="give id and label, or names alone"
            )
        found[row[1 - column].strip()] = int(row[column])
    return found
