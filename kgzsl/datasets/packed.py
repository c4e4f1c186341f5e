"""A packed data set: one folder with ``features.safetensors``, ``dataset.json`` and, if there is one, its ontology."""

from __future__ import annotations

import hashlib
import json
import shutil
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kgzsl._files import atomic_directory
from kgzsl.datasets.image_features import ImageFeatures
from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors

__all__ = ["FORMAT", "is_packed", "read_packed", "save_packed"]

FORMAT = "kgzsl.dataset/1"
_TENSORS = "features.safetensors"
_TABLE = "dataset.json"
_INDICES = ("labels", "seen", "unseen", "trainval_loc", "test_seen_loc", "test_unseen_loc", "train_loc", "val_loc")


def is_packed(folder: Path) -> bool:
    """Whether a folder holds a packed data set."""
    return (folder / _TABLE).is_file() and (folder / _TENSORS).is_file()


def save_packed(
    data: ImageFeatures, folder: str | PathLike[str], *, copy_graph: bool = True, replace: bool = True
) -> Path:
    """Write a data set as a folder that :func:`read_packed` gives back exactly.

    Args:
        data: What to write; checked already, as every ``ImageFeatures`` is.
        folder: Where to; it appears whole or not at all.
        copy_graph: Whether to put a copy of its ontology into the folder, so that the folder can be given away.
        replace: Whether a folder that is there may be replaced.

    Returns:
        The folder.

    Raises:
        InputError: The folder is there and may not be replaced, is not writable, or the ontology is missing.
    """
    from safetensors.torch import save_file

    tensors = {"features": data.features} | {
        name: getattr(data, name) for name in _INDICES if getattr(data, name) is not None
    }
    tensors |= {f"prior.{key}": torch.from_numpy(np.array(priors.matrix)) for key, priors in data.priors.items()}
    graph = Path(data.graph_source) if data.graph_source and copy_graph else None
    if graph is not None and not graph.is_file():
        raise InputError("the ontology of the data set is not there", file=graph, remedy="correct graph_source")
    with atomic_directory(folder, replace=replace) as scratch:
        save_file({key: tensor.contiguous().cpu() for key, tensor in tensors.items()}, scratch / _TENSORS)
        table = {
            "format": FORMAT,
            "name": data.name,
            "class_names": list(data.class_names),
            "class_info": {key: list(values) for key, values in data.class_info.items()},
            "priors": {key: priors.made for key, priors in data.priors.items()},
            "notes": list(data.notes),
            "backbone": data.backbone,
            "graph": data.graph_source if graph is None else graph.name,
            "graph_is_inside": graph is not None,
            "sha256": _sha256(scratch / _TENSORS),
        }
        if graph is not None:
            shutil.copyfile(graph, scratch / graph.name)
        (scratch / _TABLE).write_text(json.dumps(table, ensure_ascii=False, indent=1), encoding="utf-8")
    return Path(folder)


def read_packed(folder: str | PathLike[str], *, name: str | None = None, verify: bool = True) -> ImageFeatures:
    """Read a folder that :func:`save_packed` wrote.

    Args:
        folder: The folder.
        name: What to call the data set; by default its own name.
        verify: Whether to compare the checksum of the tensors.

    Raises:
        InputError: A file is missing, damaged, altered, or of another format.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    base = Path(folder)
    table = _table(base / _TABLE)
    file = base / _TENSORS
    if not file.is_file():
        raise InputError("there is no such file", file=file, remedy="copy the whole folder again")
    if verify and _sha256(file) != table["sha256"]:
        raise InputError(
            "the file is not the one that was packed (its checksum differs)",
            file=file,
            remedy="copy it again, or pack anew",
        )
    try:
        tensors = load_file(file)
    except (SafetensorError, OSError) as error:
        raise InputError(f"the file is damaged or cut short ({error})", file=file, remedy="copy it again") from error
    for key in ("features", *_INDICES[:6]):
        if key not in tensors:
            raise InputError(f"the tensor {key!r} is missing", file=file, remedy="pack the data set anew")
    names = tuple(table["class_names"])
    graph = table["graph"]
    return ImageFeatures(
        features=tensors["features"],
        class_names=names,
        **{key: tensors[key] for key in _INDICES if key in tensors},
        priors={
            key: ClassPriors(names, tensors[f"prior.{key}"].numpy(), made)
            for key, made in table["priors"].items()
            if f"prior.{key}" in tensors
        },
        name=name or table["name"],
        notes=tuple(table["notes"]),
        graph_source=str(base / graph) if graph and table["graph_is_inside"] else graph,
        class_info={key: tuple(values) for key, values in table["class_info"].items()},
        source=str(base),
        backbone=table.get("backbone"),  # older folders do not tell
    )


def _table(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise InputError("there is no such file", file=file, remedy="give a folder that kgzsl packed")
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"this is not valid JSON ({error})", file=file, remedy="copy it again") from error
    if not isinstance(table, dict) or table.get("format") != FORMAT:
        found = table.get("format") if isinstance(table, dict) else None
        raise InputError(f"the format is {found!r}, not {FORMAT!r}", file=file, remedy="pack it with this version")
    needed = ("name", "class_names", "class_info", "priors", "notes", "graph", "graph_is_inside", "sha256")
    for key in needed:
        if key not in table:
            raise InputError(f"the entry {key!r} is missing", file=file, remedy="pack the data set anew")
    return table


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
