"""The layout of ILPC 2022: a graph to train on, and beside it an inference graph with entities of its own."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import torch
from torch import Tensor

from kgzsl.datasets._tensors import distinct
from kgzsl.datasets.kg_split import KGSplit
from kgzsl.datasets.kg_tsv import find_file, read_tsv_folder
from kgzsl.errors import InputError

__all__ = ["ILPC_FILES", "is_ilpc", "read_ilpc_folder"]

ILPC_FILES = {
    "train": "train",
    "support": "inference",
    "valid": "inference_validation",
    "test": "inference_test",
}
"""Part of a ``KGSplit`` to the stem of its file."""


def is_ilpc(folder: Path) -> bool:
    """Whether a folder is of this layout: it has an inference graph, or triples to answer about one."""
    return any(find_file(folder, stem) is not None for stem in ILPC_FILES.values() if stem != "train")


def read_ilpc_folder(
    folder: str | PathLike[str], *, name: str | None = None, graph_source: str | None = None
) -> KGSplit:
    """A data set of the inductive link prediction challenge (Galkin et al., arXiv:2203.01520), or one laid out so.

    ``train.txt`` is the graph to train on, ``inference.txt`` the one that is given at test time (``support`` of the
    split), ``inference_validation.txt`` and ``inference_test.txt`` are asked about it: head, relation, tail on each
    line, apart by tabs; also ``.tsv``, ``.csv``, and compressed.

    The challenge's two graphs have no entity in common, and relations of the second are relations of the first. What
    is otherwise is told in the notes, as are validation and test triples about entities that the inference graph lacks.

    Args:
        folder: The folder.
        name: What to call the data set; by default the folder's name.
        graph_source: Path of the schema that belongs to the data.

    Raises:
        InputError: A file is missing or damaged, or a line has not three fields.
    """
    base = Path(folder)
    if not base.is_dir():
        raise InputError("there is no such folder", file=base, remedy="give a folder with train.txt and inference.txt")
    found = {part: find_file(base, stem) for part, stem in ILPC_FILES.items()}
    missing = [f"{ILPC_FILES[part]}.txt" for part, file in found.items() if file is None]
    if missing:
        raise InputError(
            f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} missing here",
            file=base,
            remedy="the layout of ILPC has " + ", ".join(f"{stem}.txt" for stem in ILPC_FILES.values()),
        )
    files = {part: file.name for part, file in found.items() if file is not None}
    split = read_tsv_folder(base, **files, name=name, graph_source=graph_source)
    return _with_notes(split)


def _with_notes(split: KGSplit) -> KGSplit:
    from dataclasses import replace

    trained, given = (distinct(part[:, (0, 2)]) for part in (split.train, split.support))
    notes = []
    shared = given[torch.isin(given, trained)]
    if len(shared):
        notes.append(
            f"{len(shared)} of the {len(given)} entities of the inference graph are in the training graph too, as "
            f"{split.entities[int(shared[0])]!r}: they are not unseen"
        )
    for key in ("valid", "test"):
        ends: Tensor = getattr(split, key)[:, (0, 2)]
        elsewhere = torch.isin(ends, trained) & ~torch.isin(ends, given)
        if bool(elsewhere.any()):
            notes.append(
                f"{int(elsewhere.any(dim=1).sum())} of {len(ends)} {key} triples use "
                f"{len(distinct(ends[elsewhere]))} entities of the training graph that the inference graph lacks"
            )
    kinds = distinct(split.support[:, 1])
    new = kinds[~torch.isin(kinds, split.seen_relations)]
    if len(new):
        notes.append(
            f"{len(new)} of the {len(kinds)} relations of the inference graph are in no training triple, as "
            f"{split.relations[int(new[0])]!r}"
        )
    return replace(split, notes=(*split.notes, *notes))
