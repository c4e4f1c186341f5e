"""Data sets of pairs in the layout of MIT-States, UT-Zappos and C-GQA, with features beside the lists of pairs."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np

from kgzsl.datasets.arrays import image_features_from_arrays
from kgzsl.datasets.image_features import ImageFeatures
from kgzsl.datasets.npz import load_npz
from kgzsl.errors import InputError, nearest

__all__ = ["is_pair_folder", "read_pair_folder"]

_SPLIT = "compositional-split-natural"
_ARRAYS = ("features", "attributes", "objects", "sets")
_SETS = ("train", "val", "test")
Pair = tuple[str, str]


def is_pair_folder(folder: Path) -> bool:
    """Whether a folder has a list of training or of test pairs."""
    return _list(folder, "train").is_file() or _list(folder, "test").is_file()


def read_pair_folder(folder: str | PathLike[str], *, name: str | None = None) -> ImageFeatures:
    """Read ``train_pairs.txt``, ``test_pairs.txt`` (here or in ``compositional-split-natural``) and ``features.npz``.

    The lists have "attribute object" in each line, as published (Purushwalkam et al., ICCV 2019). The ``.npz`` has, of
    each image, ``features`` [N, D], ``attributes`` [N], ``objects`` [N] and ``sets`` [N], which is ``train``, ``val``
    or ``test``. Pairs of the training list are seen, those of the test list alone unseen. Rows of ``val`` are left out:
    choices are made on pairs that are held out of the training ones. Classes are called "attribute object";
    ``class_info`` has both parts. All seen pairs are candidates, also those that the published test list leaves out.

    Args:
        folder: The folder.
        name: What the data set is called; the folder's name when left out.

    Raises:
        InputError: A file or an array is missing, a line is no pair, a row is of a pair that its list does not have, or
            no row is of the training set.
    """
    folder = Path(folder)
    seen, asked = (_pairs(_list(folder, kind)) for kind in ("train", "test"))
    file = folder / "features.npz"
    arrays = load_npz(file, keys=_ARRAYS)
    rows_there = len(np.atleast_1d(arrays["features"])) if "features" in arrays else 0
    for key in _ARRAYS:
        one_a_row = key in arrays and (key == "features" or arrays[key].shape == (rows_there,))
        if not one_a_row:
            has = f"of the shape {arrays[key].shape} for {rows_there} rows" if key in arrays else "not there"
            raise InputError(f"the array {key!r} is {has}", file=file, remedy=f"give {', '.join(_ARRAYS)}, one a row")
    sets = arrays["sets"].astype(np.str_)
    rows = list(
        zip(arrays["attributes"].astype(np.str_).tolist(), arrays["objects"].astype(np.str_).tolist(), strict=True)
    )
    lists = {"train": set(seen), "test": set(asked)}
    for row, (kind, pair) in enumerate(zip(sets.tolist(), rows, strict=True)):
        if kind not in _SETS:
            raise InputError(f"the set of row {row} is {kind!r}", file=file, remedy=f"write {', '.join(_SETS)}")
        if kind in lists and pair not in lists[kind]:
            close = nearest(" ".join(pair), [" ".join(one) for one in lists[kind]])
            raise InputError(
                f"row {row} is of the pair {' '.join(pair)!r}, which {kind}_pairs.txt does not have",
                file=file,
                remedy=f"did you mean {close[0]!r}?" if close else "correct one of the two",
            )
    counts = {kind: int((sets == kind).sum()) for kind in _SETS}
    empty = [kind for kind in ("train", "test") if not counts[kind]]
    if "train" in empty:
        has = " and ".join(f"{counts[kind]:,} of {kind}" for kind in _SETS if counts[kind])
        raise InputError(
            f"there is no row of {' and none of '.join(empty)}, only {has}" if rows else "there is no row",
            file=file,
            place="sets",
            remedy="write train for rows to learn from, and test for those of test_pairs.txt to be told apart",
        )
    with_rows = {pair for kind, pair in zip(sets.tolist(), rows, strict=True) if kind == "train"}
    known = [pair for pair in seen if pair in with_rows]
    classes = [*known, *(pair for pair in asked if pair not in lists["train"])]
    place = {pair: number for number, pair in enumerate(classes)}
    # What has no class any more: validation rows, and test rows of listed training pairs that nobody photographed.
    kept = np.array([kind != "val" and pair in place for kind, pair in zip(sets.tolist(), rows, strict=True)])
    labels = np.array([place[pair] for pair, there in zip(rows, kept, strict=True) if there])
    kinds, is_seen = sets[kept], labels < len(known)
    notes = [f"{counts['val']:,} rows of the published validation set are left out"]
    if len(known) < len(seen):
        notes.append(f"{len(seen) - len(known)} training pairs have no row, and are left out")
    return image_features_from_arrays(
        arrays["features"][kept],
        labels,
        class_names=[" ".join(pair) for pair in classes],
        unseen=list(range(len(known), len(classes))),
        trainval_loc=np.flatnonzero(kinds == "train"),
        test_seen_loc=np.flatnonzero((kinds == "test") & is_seen),
        test_unseen_loc=np.flatnonzero((kinds == "test") & ~is_seen),
        name=name or folder.resolve().name,
        notes=notes,
        class_info={kind: [pair[side] for pair in classes] for side, kind in enumerate(("attribute", "object"))},
        source=str(file),
    )


def _list(folder: Path, kind: str) -> Path:
    own = folder / f"{kind}_pairs.txt"
    return own if own.is_file() else folder / _SPLIT / own.name


def _pairs(file: Path) -> list[Pair]:
    """The pairs of a list, in its order, each once."""
    if not file.is_file():
        raise InputError(
            "there is no such file", file=file, remedy="a data set of pairs has train_pairs.txt and test_pairs.txt"
        )
    found: dict[Pair, None] = {}
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"this is not UTF-8 text ({error})", file=file, remedy="convert it to UTF-8") from error
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if len(words) == 2:
            found[words[0], words[1]] = None
        elif words:
            raise InputError(
                f"{line.strip()!r} is no pair", file=file, place=f"line {number}", remedy="write attribute object"
            )
    if not found:
        raise InputError("there is no pair in it", file=file, remedy="write attribute object, one pair a line")
    return list(found)
