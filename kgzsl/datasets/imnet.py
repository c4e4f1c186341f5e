"""The layout of OntoZSL's ImageNet sets (ImNet-A, ImNet-O): one file of features a class, lists of WordNet ids."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from kgzsl.datasets.arrays import image_features_from_arrays
from kgzsl.datasets.image_features import ImageFeatures
from kgzsl.datasets.matfile import load_mat, need
from kgzsl.datasets.tables import read_list
from kgzsl.errors import InputError, nearest
from kgzsl.knowledge.class_priors import ClassPriors

__all__ = ["is_imnet", "read_imnet"]

_LISTS = ("seen.txt", "unseen.txt")
_SPLIT, _WORDS, _FEATURES = "split.mat", "w2v.mat", "Res101_Features"
_TRAIN, _TEST_SEEN, _TEST_UNSEEN = "ILSVRC2012_train", "ILSVRC2012_val", "ILSVRC2011"
Matrix = np.ndarray[Any, Any]


def is_imnet(folder: str | PathLike[str]) -> bool:
    """Whether a folder has the class lists, with ``split.mat`` in it or beside it."""
    base = Path(folder)
    return all((base / name).is_file() for name in _LISTS) and _near(base, _SPLIT) is not None


def read_imnet(
    folder: str | PathLike[str], *, name: str | None = None, images_per_class: int | None = None
) -> ImageFeatures:
    """Image features in the layout of Geng et al., "OntoZSL" (WWW 2021), and of the KZSL benchmark.

    ``folder`` (``ImageNet/ImNet_A``) holds ``seen.txt`` and ``unseen.txt``, a WordNet id a line. In it or in the folder
    above lie ``split.mat``, whose ``allwnids`` number all classes of ImageNet from 1 and whose ``allwords`` name them,
    and ``Res101_Features`` with a file ``NUMBER.mat`` for each class, ``features`` [n, D]: of seen classes the training
    rows in ``ILSVRC2012_train`` and the test rows in ``ILSVRC2012_val``, of unseen ones the test rows in
    ``ILSVRC2011``.

    Classes are called by the first of their words, with the id where two share it; ``class_info`` keeps ids and words.
    Priors are ``w2v``, where ``w2v.mat`` is there, and ``o2v`` (the ontology's own embedding), where
    ``onto_file/embeddings`` holds one such file; one that lacks a class is left out, and ``notes`` say so.

    Args:
        folder: Folder with the class lists.
        name: What to call the data set; by default the folder's name.
        images_per_class: At most so many rows of each class and part, the first ones; None takes all.

    Raises:
        InputError: A file is missing or damaged, a class is unknown or in both lists, or features do not fit.
    """
    base = Path(folder)
    if images_per_class is not None and images_per_class < 1:
        raise InputError(f"images_per_class is {images_per_class}", remedy="give 1 or more")
    split_file = _needed(base, _SPLIT)
    split = load_mat(split_file, keys=("allwnids", "allwords"))
    numbers, words = _all_classes(split, split_file)
    seen, unseen = (_listed(base / item, numbers, split_file) for item in _LISTS)
    both = sorted(set(seen) & set(unseen))
    if both:
        raise InputError(f"{both[0]} is seen and unseen", file=base / _LISTS[1], remedy="leave it in one of the lists")
    wnids = [*seen, *unseen]
    tables = _needed(base, _FEATURES)
    parts = [
        *((wnid, _TRAIN) for wnid in seen),
        *((wnid, _TEST_SEEN) for wnid in seen),
        *((wnid, _TEST_UNSEEN) for wnid in unseen),
    ]
    blocks: list[Matrix] = []
    for wnid, part in parts:
        width = blocks[0].shape[1] if blocks else None
        blocks.append(_class_features(tables / part / f"{numbers[wnid]}.mat", wnid, width)[:images_per_class])
    place = {wnid: row for row, wnid in enumerate(wnids)}
    labels = np.repeat([place[wnid] for wnid, _ in parts], [len(block) for block in blocks])
    of_part = np.repeat([part for _, part in parts], [len(block) for block in blocks])
    names = _names(wnids, [words[wnid] for wnid in wnids])
    priors, notes = _priors(base, wnids, names, list(numbers))
    return image_features_from_arrays(
        np.concatenate(blocks),
        labels.astype(np.int64),
        class_names=names,
        unseen=list(range(len(seen), len(wnids))),
        trainval_loc=np.flatnonzero(of_part == _TRAIN),
        test_seen_loc=np.flatnonzero(of_part == _TEST_SEEN),
        test_unseen_loc=np.flatnonzero(of_part == _TEST_UNSEEN),
        priors=priors,
        notes=notes,
        class_info={"wnid": tuple(wnids), "synset_words": tuple(words[wnid] for wnid in wnids)},
        name=name or base.resolve().name,
        source=str(base),
    )


def _near(base: Path, item: str) -> Path | None:
    """In the folder, or in the one above: the published archive has it once for both sets."""
    return next((place / item for place in (base, base.resolve().parent) if (place / item).exists()), None)


def _needed(base: Path, item: str) -> Path:
    found = _near(base, item)
    if found is None:
        raise InputError(
            f"there is no {item} here or in the folder above",
            file=base,
            remedy="put split.mat and Res101_Features of OntoZSL's ImageNet archive there",
        )
    return found


def _all_classes(split: dict[str, Any], file: Path) -> tuple[dict[str, int], dict[str, str]]:
    """WordNet id to its number (from 1), in order, and to its words."""
    for key in ("allwnids", "allwords"):
        if not isinstance(split.get(key), list):
            raise InputError(f"the list {key!r} is missing", file=file, remedy="use the split.mat of the archive")
    wnids = [item.strip() for item in split["allwnids"]]
    numbers = {wnid: row for row, wnid in enumerate(wnids, start=1)}
    words = dict(zip(wnids, (item.strip() for item in split["allwords"]), strict=False))
    return numbers, {wnid: words.get(wnid) or wnid for wnid in wnids}


def _listed(file: Path, numbers: dict[str, int], split_file: Path) -> list[str]:
    if not file.is_file():
        raise InputError("there is no such file", file=file, remedy="write the WordNet ids of the classes, one a line")
    found = read_list(file)
    for line, wnid in enumerate(found, start=1):
        if wnid not in numbers or wnid in found[: line - 1]:
            told = "is no class of" if wnid not in numbers else "is listed twice; see"
            close = nearest(wnid, numbers) if wnid not in numbers else []
            raise InputError(
                f"{wnid!r} {told} {split_file.name}",
                file=file,
                place=f"line {line}",
                remedy=f"did you mean {close[0]}?" if close else "write each WordNet id (n02119022) once",
            )
    if not found:
        raise InputError("there is no class in it", file=file, remedy="write one WordNet id a line")
    return found


def _class_features(file: Path, wnid: str, width: int | None) -> Matrix:
    if not file.is_file():
        raise InputError(f"the features of {wnid} are missing", file=file, remedy="fetch the archive's file again")
    matrix = need(load_mat(file, keys=("features",)), "features", file)
    if matrix.ndim != 2 or not len(matrix) or (width is not None and matrix.shape[1] != width):
        expected = "[n, D]" if width is None else f"[n, {width}]"
        raise InputError(
            f"the features of {wnid} have the shape {list(matrix.shape)}",
            file=file,
            place="features",
            remedy=f"store {expected}, a row for each image",
        )
    bad = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    if len(bad):
        raise InputError("holds NaN or infinite values", file=file, place=f"features, row {bad[0] + 1}")
    return matrix.astype(np.float32)


def _names(wnids: list[str], words: list[str]) -> tuple[str, ...]:
    first = [entry.split(",")[0].strip() or wnid for entry, wnid in zip(words, wnids, strict=True)]
    return tuple(f"{name} ({wnid})" if first.count(name) > 1 else name for name, wnid in zip(first, wnids, strict=True))


def _priors(
    base: Path, wnids: list[str], names: tuple[str, ...], order: list[str]
) -> tuple[dict[str, ClassPriors], list[str]]:
    """``w2v`` and ``o2v``, a row for each of the file's own ``wnids``, else for the first of ``order``; and notes."""
    files: dict[str, Path] = {}
    words = _near(base, _WORDS)
    if words is not None:
        files["w2v"] = words
    own = sorted((base / "onto_file" / "embeddings").glob("o2v*.mat"))
    if len(own) == 1:
        files["o2v"] = own[0]
    found: dict[str, ClassPriors] = {}
    notes: list[str] = []
    for key, file in files.items():
        table = load_mat(file, keys=(key, "wnids"))
        matrix = need(table, key, file)
        told = table.get("wnids")
        rows = {wnid.strip(): row for row, wnid in enumerate(told if isinstance(told, list) else order)}
        missing = [wnid for wnid in wnids if rows.get(wnid, len(matrix)) >= len(matrix)]
        if missing:
            notes.append(f"{file.name} has no vector of {len(missing)} classes ({missing[0]} ...) and was left out")
            continue
        picked = matrix[[rows[wnid] for wnid in wnids]].astype(np.float32)
        found[key] = ClassPriors(names, picked, {"source": file.name, "key": key})
    return found, notes
