"""The xlsa17 layout: ``res101.mat`` (features) beside ``att_splits.mat`` (attributes and splits), 1-based."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from kgzsl.datasets.arrays import image_features_from_arrays
from kgzsl.datasets.image_features import ImageFeatures
from kgzsl.datasets.matfile import MatValue, load_mat, need
from kgzsl.datasets.tables import read_list
from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors

__all__ = ["find_splits", "read_xlsa17"]

_SPLIT_FILES = ("att_splits.mat", "sent_splits.mat", "binaryAtt_splits.mat")
_PRIOR_NAMES = {"att_splits.mat": "att", "sent_splits.mat": "sent", "binaryAtt_splits.mat": "att_binary"}
_LOCS = ("trainval_loc", "test_seen_loc", "test_unseen_loc", "train_loc", "val_loc")
_CLASS_LISTS = ("allclasses.txt", "classes.txt")
Index = np.ndarray[Any, np.dtype[np.int64]]


def read_xlsa17(
    folder: str | PathLike[str],
    *,
    features: str | PathLike[str] = "res101.mat",
    splits: str | PathLike[str] | None = None,
    name: str | None = None,
) -> ImageFeatures:
    """Image features in the layout of Xian et al. (TPAMI 2019), "xlsa17".

    ``features`` holds ``features`` [D, N] and ``labels`` [N] (1-based). ``splits`` holds ``att`` [A, C],
    ``trainval_loc``, ``test_seen_loc``, ``test_unseen_loc`` (1-based rows), in the older issue also ``train_loc`` and
    ``val_loc``, and mostly ``allclasses_names`` and ``original_att``. Files of MATLAB v5 and v7.3 are read alike.

    The priors are ``att`` (``sent`` from ``sent_splits.mat``, ``att_binary`` from ``binaryAtt_splits.mat``) and
    ``att_original``. Class names come from ``allclasses_names``, else ``allclasses.txt`` or ``classes.txt``. Where
    ``train_loc`` is not there, the validation classes come from ``valclasses1.txt`` if that is there. ``notes`` say so.

    Args:
        folder: Folder with the files.
        features: The file of features: a name in ``folder`` or a path of its own.
        splits: The file of splits; by default the first of ``att_splits.mat``, ``sent_splits.mat``,
            ``binaryAtt_splits.mat`` that is there. The priors of the others are read too.
        name: What to call the data set; by default the folder's name.

    Raises:
        InputError: A file or a key is missing, an index is out of range, or the parts contradict each other.
    """
    base = Path(folder)
    feature_file = base / features
    split_file = find_splits(base) if splits is None else base / splits
    parts = load_mat(split_file)
    table = load_mat(feature_file, keys=("features", "labels"))
    labels = _whole(need(table, "labels", feature_file), "labels", feature_file)
    notes: list[str] = []
    matrix = _rows_first(need(table, "features", feature_file), len(labels), feature_file, notes)
    _check_finite(matrix, feature_file)
    classes = _columns(need(parts, "att", split_file))
    names = _class_names(parts, base, split_file, classes, notes)
    if len(labels) and (labels.min() < 1 or labels.max() > len(names)):
        row = int(np.flatnonzero((labels < 1) | (labels > len(names)))[0])
        raise InputError(
            f"the label {labels[row]} is outside the list of {len(names)} classes (1 to {len(names)})",
            file=feature_file,
            place=f"labels, row {row + 1}",
            remedy="labels in this layout count from 1",
        )
    locs: dict[str, Any] = {
        key: _loc(parts, key, len(labels), split_file) for key in _LOCS if key in parts or key in _LOCS[:3]
    }
    labels -= 1
    unseen = _unseen_classes(labels, locs, names, split_file, notes)
    if "train_loc" not in locs:
        locs.update(_validation_from_lists(base, names, labels, locs, notes))
    return image_features_from_arrays(
        matrix,
        labels,
        class_names=names,
        unseen=unseen.tolist(),
        **locs,
        priors=_priors(base, split_file, parts, names),
        name=name or base.resolve().name,
        notes=notes,
        source=str(split_file),
    )


def find_splits(folder: Path) -> Path:
    """The file of splits in an xlsa17 folder; InputError if there is none."""
    for candidate in _SPLIT_FILES:
        if (folder / candidate).is_file():
            return folder / candidate
    raise InputError(
        "there is no att_splits.mat here",
        file=folder,
        remedy="put res101.mat and att_splits.mat of the xlsa17 archive into this folder",
    )


def _columns(matrix: np.ndarray[Any, Any]) -> int:
    return int(matrix.shape[1])


def _whole(values: np.ndarray[Any, Any], key: str, file: Path) -> Index:
    flat = values.ravel(order="F")
    if flat.dtype.kind == "f" and not (np.isfinite(flat).all() and (flat == np.round(flat)).all()):
        raise InputError("holds values that are no whole numbers", file=file, place=key, remedy="store whole numbers")
    return flat.astype(np.int64)


def _rows_first(matrix: np.ndarray[Any, Any], count: int, file: Path, notes: list[str]) -> np.ndarray[Any, Any]:
    if matrix.ndim == 2 and matrix.shape[1] == count:
        return matrix.T
    if matrix.ndim == 2 and matrix.shape[0] == count:
        notes.append("features were stored as [N, D] instead of [D, N]; read as such")
        return matrix
    raise InputError(
        f"the shape is {matrix.shape} for {count} labels",
        file=file,
        place="features",
        remedy="store [D, N], one column per image",
    )


def _check_finite(rows: np.ndarray[Any, Any], file: Path) -> None:
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad):
        raise InputError(
            f"the features of {len(bad)} image(s) hold NaN or infinite values",
            file=file,
            place=f"features, image {bad[0] + 1} (counted from 1)",
            remedy="remove or repair these images",
        )


def _class_names(
    parts: dict[str, MatValue], base: Path, split_file: Path, count: int, notes: list[str]
) -> tuple[str, ...]:
    found, where = parts.get("allclasses_names"), f"allclasses_names in {split_file.name}"
    if not isinstance(found, list):
        found = None
        for candidate in _CLASS_LISTS:
            if (base / candidate).is_file():
                found, where = _lines(base / candidate), candidate
                notes.append(f"class names come from {candidate}")
                break
    if found is None:
        notes.append("the files name no classes: they are called class_001 and so on")
        return tuple(f"class_{i + 1:03d}" for i in range(count))
    if len(found) != count:
        raise InputError(
            f"att has {count} columns, but {where} has {len(found)} classes",
            file=split_file,
            place="att",
            remedy="there must be one column per class",
        )
    return tuple(item.strip() for item in found)


def _lines(file: Path) -> list[str]:
    """Class names, one a line; a leading number (as in AwA's ``classes.txt``) is dropped."""
    names = read_list(file)
    numbered = [line.split(maxsplit=1) for line in names]
    if all(len(part) == 2 and part[0] == str(i + 1) for i, part in enumerate(numbered)):
        return [part[1] for part in numbered]
    return names


def _loc(parts: dict[str, MatValue], key: str, count: int, file: Path) -> Index:
    index = _whole(need(parts, key, file), key, file)
    outside = np.flatnonzero((index < 1) | (index > count))
    if len(outside):
        raise InputError(
            f"{index[outside[0]]} is out of range: there are {count} images, counted from 1",
            file=file,
            place=f"{key}, entry {outside[0] + 1}",
            remedy="are these the splits of this feature file?",
        )
    return index - 1


def _unseen_classes(
    labels: Index, locs: dict[str, Index], names: tuple[str, ...], file: Path, notes: list[str]
) -> Index:
    """Classes of the test_unseen rows, and those without any training row."""
    trained = np.unique(labels[locs["trainval_loc"]])
    tested = np.unique(labels[locs["test_unseen_loc"]])
    both = np.intersect1d(trained, tested)
    if len(both):
        raise InputError(
            f"an unseen class is in the training indices: {names[both[0]]!r} has rows in trainval_loc and in "
            f"test_unseen_loc ({len(both)} such class(es))",
            file=file,
            place="trainval_loc, test_unseen_loc",
            remedy="are these the splits of this feature file?",
        )
    unseen = np.setdiff1d(np.arange(len(names)), trained)
    empty = np.setdiff1d(unseen, tested)
    if len(empty):
        notes.append(f"{len(empty)} classes have no row in trainval_loc or test_unseen_loc; they count as unseen")
    return unseen


def _validation_from_lists(
    base: Path, names: tuple[str, ...], labels: Index, locs: dict[str, Index], notes: list[str]
) -> dict[str, Index]:
    """train_loc and val_loc (training rows only) from the class lists of the archive, where they are there."""
    file = base / "valclasses1.txt"
    if not file.is_file():
        notes.append("no validation split is shipped (train_loc, val_loc): it will be drawn from the seen classes")
        return {}
    wanted = set(_lines(file))
    held_out = np.array([i for i, item in enumerate(names) if item in wanted], dtype=np.int64)
    rows = locs["trainval_loc"]
    is_val = np.isin(labels[rows], held_out)
    if not is_val.any() or is_val.all():
        notes.append("valclasses1.txt names no usable set of seen classes; it was left out")
        return {}
    notes.append("the validation classes come from valclasses1.txt")
    return {"train_loc": rows[~is_val], "val_loc": rows[is_val]}


def _priors(base: Path, split_file: Path, parts: dict[str, MatValue], names: tuple[str, ...]) -> dict[str, ClassPriors]:
    tables = {split_file: parts}
    for candidate in _SPLIT_FILES:
        if (base / candidate).is_file() and base / candidate != split_file:
            tables[base / candidate] = load_mat(base / candidate, keys=("att", "allclasses_names"))
    found: dict[str, ClassPriors] = {}
    for file, table in tables.items():
        key = _PRIOR_NAMES.get(file.name, "att")
        matrix = need(table, "att", file).T
        order = table.get("allclasses_names", list(names))
        if isinstance(order, list) and len(order) == len(matrix):
            found[key] = _vectors(tuple(item.strip() for item in order), matrix, "att", file).align(names)
        original = table.get("original_att")
        if isinstance(original, np.ndarray) and original.shape[1] == len(names) and file == split_file:
            found["att_original"] = _vectors(names, original.T, "original_att", file)
    return found


def _vectors(names: tuple[str, ...], matrix: np.ndarray[Any, Any], key: str, file: Path) -> ClassPriors:
    """Class vectors of a matrix [C, A]; what is wrong with them is told with their file."""
    try:
        return ClassPriors(names, matrix.astype(np.float32), {"source": file.name, "key": key})
    except InputError as error:
        raise InputError(error.problem, file=file, place=key, remedy=error.remedy) from error
