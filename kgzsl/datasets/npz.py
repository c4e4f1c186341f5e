"""One ``.npz`` with features, labels, class names and a split (0-based indices)."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from kgzsl.datasets.arrays import image_features_from_arrays
from kgzsl.datasets.image_features import ImageFeatures
from kgzsl.errors import InputError, nearest
from kgzsl.knowledge.class_priors import ClassPriors

__all__ = ["load_npz", "read_npz"]

_NEEDED = ("features", "labels", "class_names", "unseen_classes")
_LOCS = ("trainval_loc", "test_seen_loc", "test_unseen_loc", "train_loc", "val_loc")
_PRIORS = ("att", "att_original", "att_binary")


def load_npz(path: str | PathLike[str], *, keys: Sequence[str] | None = None) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of an ``.npz``, read without pickle.

    Args:
        path: The file.
        keys: Only these, where they are there. Left out: all.

    Raises:
        InputError: The file is missing, is no ``.npz``, is cut short, or holds pickled objects.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError("there is no such file", file=file, remedy="check the path")
    try:
        archive = np.load(file, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise InputError("this is one array, not an .npz archive", file=file, remedy="save it with numpy.savez")
        with archive:
            return {key: archive[key] for key in archive.files if keys is None or key in keys}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise InputError(
            f"the file is damaged or cut short ({error})", file=file, remedy="download or copy it again"
        ) from error
    except ValueError as error:
        if "allow_pickle" in str(error) or "pickled" in str(error):
            raise InputError(
                "the file holds pickled Python objects, which are never loaded",
                file=file,
                remedy="save strings as fixed-width text: numpy.array(names, dtype=str)",
            ) from error
        raise InputError(f"the file cannot be read ({error})", file=file, remedy="save it anew") from error


def read_npz(path: str | PathLike[str], *, name: str | None = None) -> ImageFeatures:
    """Image features from one ``.npz``.

    Needed arrays: ``features`` [N, D], ``labels`` [N] (0-based), ``class_names`` [C], ``unseen_classes``. The split
    comes from ``trainval_loc``, ``test_seen_loc``, ``test_unseen_loc`` (0-based rows), or is drawn where they are left
    out; ``train_loc`` and ``val_loc`` are the published validation split. ``att``, ``att_original`` and ``att_binary``
    [C, P] become priors of that name (``attribute_names`` names the columns where the lengths agree);
    ``superclass_of_class`` [C] becomes the one-hot prior ``superclass`` and, as names, ``class_info["superclass"]``;
    ``wnids`` and ``synset_words`` become ``class_info``.

    Args:
        path: The file.
        name: What to call the data set; by default the file's name.

    Raises:
        InputError: The file is damaged, lacks a needed array, or contradicts itself.
    """
    file = Path(path)
    arrays = load_npz(file)
    for key in _NEEDED:
        if key not in arrays:
            close = nearest(key, arrays)
            hint = f"is it called {close[0]!r} here? " if close else ""
            raise InputError(
                f"the array {key!r} is missing",
                file=file,
                remedy=f"{hint}add it; the file has: {', '.join(sorted(arrays))}",
            )
    names = tuple(str(item) for item in arrays["class_names"].tolist())
    columns = [str(item) for item in arrays["attribute_names"].tolist()] if "attribute_names" in arrays else None
    priors: dict[str, ClassPriors] = {}
    for key in _PRIORS:
        if key in arrays:
            priors[key] = _prior(arrays[key], names, key, file, columns)
    class_info: dict[str, tuple[str, ...]] = {}
    for key, kept_as in (("wnids", "wnid"), ("synset_words", "synset_words")):
        if key in arrays:
            class_info[kept_as] = tuple(str(item) for item in arrays[key].tolist())
    if "superclass_of_class" in arrays and "superclass_names" in arrays:
        groups = [str(item) for item in arrays["superclass_names"].tolist()]
        members = arrays["superclass_of_class"].astype(np.int64)
        if len(members) != len(names) or members.min() < 0 or members.max() >= len(groups):
            raise InputError(
                f"does not give one of {len(groups)} superclasses to each of {len(names)} classes",
                file=file,
                place="superclass_of_class",
                remedy="use 0-based rows of superclass_names",
            )
        class_info["superclass"] = tuple(groups[i] for i in members)
        one_hot = np.eye(len(groups), dtype=np.float32)[members]
        priors["superclass"] = _prior(one_hot, names, "superclass", file, groups)
    locs: dict[str, Any] = {key: arrays[key] for key in _LOCS if key in arrays}
    return image_features_from_arrays(
        arrays["features"],
        arrays["labels"],
        class_names=names,
        unseen=arrays["unseen_classes"].tolist(),
        **locs,
        priors=priors,
        name=name or file.stem,
        class_info=class_info,
        source=str(file),
    )


def _prior(
    matrix: np.ndarray[Any, Any], names: tuple[str, ...], key: str, file: Path, columns: list[str] | None
) -> ClassPriors:
    if matrix.ndim != 2 or len(matrix) != len(names):
        raise InputError(
            f"the shape is {matrix.shape} for {len(names)} classes",
            file=file,
            place=key,
            remedy="give one row per class, [C, P]",
        )
    made: dict[str, Any] = {"source": file.name, "key": key}
    if columns is not None and len(columns) == matrix.shape[1]:
        made["columns"] = columns
    return ClassPriors(names, matrix.astype(np.float32), made)
