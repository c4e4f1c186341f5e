"""``ImageFeatures`` from arrays that are in memory already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from kgzsl.datasets.image_features import ImageFeatures
from kgzsl.errors import InputError, nearest
from kgzsl.knowledge.class_priors import ClassPriors

__all__ = ["class_numbers", "image_features_from_arrays", "numbered_labels"]


def image_features_from_arrays(
    features: Any,
    labels: Any,
    *,
    class_names: Sequence[str] | None = None,
    unseen: Sequence[str] | Sequence[int],
    trainval_loc: Any = None,
    test_seen_loc: Any = None,
    test_unseen_loc: Any = None,
    train_loc: Any = None,
    val_loc: Any = None,
    test_fraction: float = 0.2,
    seed: int = 0,
    priors: Mapping[str, Any] | None = None,
    name: str = "features",
    notes: Sequence[str] = (),
    graph_source: str | None = None,
    class_info: Mapping[str, Sequence[str]] | None = None,
    source: str | None = None,
    backbone: str | None = None,
) -> ImageFeatures:
    """Image features from arrays or tensors, with the split made here where none is given.

    Args:
        features: Real [N, D].
        labels: N class numbers (rows of ``class_names``), or N class names.
        class_names: C names. May be left out with labels that are names: then the sorted names found.
        unseen: Names or numbers of the classes that training must not show.
        trainval_loc: Training rows. Left out: all rows of seen classes but those of ``test_seen_loc``.
        test_seen_loc: Test rows of seen classes. Left out: a ``test_fraction`` of each seen class, drawn with ``seed``
            (or, with ``trainval_loc`` given, the other rows of seen classes).
        test_unseen_loc: Test rows of unseen classes. Left out: all their rows.
        train_loc: Published split of the seen classes, see :class:`ImageFeatures`.
        val_loc: The same.
        test_fraction: Share of each seen class to keep for the test; a class with one row keeps it for training.
        seed: Of the drawn test rows.
        priors: Name to ``ClassPriors`` or a matrix [C, P] in class order.
        name: What the data set is called.
        notes: Remarks to keep.
        graph_source: Path of the ontology that belongs to the data.
        class_info: More names of each class.
        source: File or folder, for messages.
        backbone: What made the features of images, by the name that finds it again.

    Raises:
        InputError: As :class:`ImageFeatures`, or a label or unseen class that is no class name.
    """
    where = source or f"data set {name!r}"
    names, numbers = numbered_labels(labels, class_names, where)
    unseen_ids = class_numbers(unseen, names, where)
    is_unseen = np.isin(numbers, unseen_ids)
    remarks = list(notes)
    if test_seen_loc is None and trainval_loc is None:
        if not 0.0 <= test_fraction < 1.0:
            raise InputError(f"test_fraction must lie in [0, 1), not {test_fraction}", file=where, remedy="try 0.2")
        test_seen_loc = _drawn_rows(numbers, unseen_ids, test_fraction, seed)
        remarks.append(_told(numbers, unseen_ids, test_seen_loc, test_fraction, seed))
    if trainval_loc is None:
        trainval_loc = np.setdiff1d(np.flatnonzero(~is_unseen), np.asarray(test_seen_loc))
    if test_seen_loc is None:
        test_seen_loc = np.setdiff1d(np.flatnonzero(~is_unseen), np.asarray(trainval_loc))
    if test_unseen_loc is None:
        test_unseen_loc = np.flatnonzero(is_unseen)
    return ImageFeatures(
        features=_tensor(features, "features", where),
        labels=torch.from_numpy(numbers),
        class_names=names,
        seen=torch.from_numpy(np.setdiff1d(np.arange(len(names)), unseen_ids)),
        unseen=torch.from_numpy(unseen_ids),
        trainval_loc=_tensor(trainval_loc, "trainval_loc", where),
        test_seen_loc=_tensor(test_seen_loc, "test_seen_loc", where),
        test_unseen_loc=_tensor(test_unseen_loc, "test_unseen_loc", where),
        train_loc=None if train_loc is None else _tensor(train_loc, "train_loc", where),
        val_loc=None if val_loc is None else _tensor(val_loc, "val_loc", where),
        priors={key: _as_priors(value, names, key, where) for key, value in (priors or {}).items()},
        name=name,
        notes=tuple(remarks),
        graph_source=graph_source,
        class_info={key: tuple(value) for key, value in (class_info or {}).items()},
        source=source,
        backbone=backbone,
    )


def _tensor(values: Any, what: str, where: str) -> torch.Tensor:
    if isinstance(values, torch.Tensor):
        return values
    array = np.asarray(values)
    if array.size == 0 and what != "features":
        return torch.zeros(0, dtype=torch.int64)
    kinds = "fiub" if what == "features" else "iu"
    if array.dtype.kind not in kinds:
        raise InputError(f"holds {array.dtype} values", file=where, place=what, remedy="give numbers")
    return torch.from_numpy(np.ascontiguousarray(array.astype(np.float32 if what == "features" else np.int64)))


def numbered_labels(
    labels: Any, class_names: Sequence[str] | None, where: str
) -> tuple[tuple[str, ...], np.ndarray[Any, np.dtype[np.int64]]]:
    """Names of the classes, and which of them each label is: int64 [N]."""
    values = labels.cpu().numpy() if isinstance(labels, torch.Tensor) else np.asarray(labels)
    if values.dtype.kind in "US" or values.dtype == object:
        missing = next((row for row, item in enumerate(labels) if _is_missing(item)), None)
        if missing is not None:
            raise InputError(
                "there is no label", file=where, place=f"labels, row {missing}", remedy="leave such rows out"
            )
        text = values.astype(str)
        names = tuple(class_names) if class_names is not None else tuple(np.unique(text).tolist())
        known = {item: i for i, item in enumerate(names)}
        for row, item in enumerate(text.tolist()):
            if item not in known:
                close = nearest(item, known)
                raise InputError(
                    f"the label {item!r} is outside the list of {len(names)} classes",
                    file=where,
                    place=f"labels, row {row}",
                    remedy=f"did you mean {close[0]!r}?" if close else "complete class_names",
                )
        return names, np.array([known[item] for item in text.tolist()], dtype=np.int64)
    if values.dtype.kind not in "iu":
        whole = values.dtype.kind == "f" and np.isfinite(values).all() and (values == np.round(values)).all()
        if not whole:
            raise InputError(f"holds {values.dtype} values", file=where, place="labels", remedy="give whole numbers")
    if class_names is None:
        raise InputError("class_names is missing", file=where, remedy="name the classes, or give labels as names")
    return tuple(class_names), values.astype(np.int64)


def _is_missing(label: Any) -> bool:
    """Whether it stands where a name would, and is none: None, NaN, or what pandas has for them."""
    return label is None or (isinstance(label, float) and label != label) or type(label).__name__ == "NAType"


def class_numbers(
    classes: Sequence[str] | Sequence[int], names: Sequence[str], where: str
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Numbers of the unseen classes, sorted; a name that no class has is refused."""
    if isinstance(classes, str) or not isinstance(classes, Iterable):
        raise InputError(f"unseen is {classes!r}", file=where, remedy="give a list of class names")
    known = {item: i for i, item in enumerate(names)}
    numbers = []
    for item in classes:
        if not isinstance(item, str):
            numbers.append(int(item))
        elif item in known:
            numbers.append(known[item])
        else:
            close = nearest(item, known)
            raise InputError(
                f"the unseen class {item!r} is no class name",
                file=where,
                place="unseen",
                remedy=f"did you mean {' or '.join(map(repr, close))}?" if close else "see class_names",
            )
    return np.unique(np.array(numbers, dtype=np.int64))


def _drawn_rows(labels: Any, unseen: Any, fraction: float, seed: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    random = np.random.default_rng(seed)
    drawn = [np.zeros(0, dtype=np.int64)]
    for label in np.setdiff1d(np.unique(labels), unseen):
        rows = np.flatnonzero(labels == label)
        count = min(round(fraction * len(rows)), len(rows) - 1)
        drawn.append(random.choice(rows, size=count, replace=False))
    return np.sort(np.concatenate(drawn))


def _told(labels: Any, unseen: Any, drawn: Any, fraction: float, seed: int) -> str:
    """What is said of the rows that were drawn; classes with few rows give none."""
    seen = np.setdiff1d(np.unique(labels), unseen)
    without = int(np.setdiff1d(seen, labels[drawn]).size)
    if without == len(seen):
        why = "test_fraction is 0" if fraction == 0 else f"{fraction:.0%} of each class are less than one row"
        return f"test rows of seen classes: none ({why}), so that S, U and H cannot be measured"
    exception = f", none of {without} of the {len(seen)} classes, which have too few rows" if without else ""
    return f"test rows of seen classes: {fraction:.0%} of each class{exception}, drawn with seed {seed}"


def _as_priors(value: Any, names: tuple[str, ...], key: str, where: str) -> ClassPriors:
    if isinstance(value, ClassPriors):
        return value.align(names)
    matrix = np.asarray(value)
    if matrix.ndim != 2 or matrix.shape[0] != len(names):
        raise InputError(
            f"the shape is {matrix.shape} for {len(names)} classes",
            file=where,
            place=key,
            remedy="give one row per class, [C, P]",
        )
    return ClassPriors(names, matrix.astype(np.float32), {"source": where, "key": key})
