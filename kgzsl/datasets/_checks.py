"""What must hold in an ``ImageFeatures``; each failure names the array and the row."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from kgzsl.datasets._tensors import distinct
from kgzsl.errors import InputError

if TYPE_CHECKING:
    from kgzsl.datasets.image_features import ImageFeatures

__all__ = ["check_image_features"]

_ROWS_AT_ONCE = 16384


def check_image_features(data: ImageFeatures) -> None:
    """Raise InputError for the first thing in ``data`` that contradicts its contract."""
    _check_features(data)
    _check_names(data)
    _check_labels(data)
    _check_classes(data)
    _check_locs(data)
    _check_side_information(data)


def _fail(data: ImageFeatures, problem: str, place: str, remedy: str) -> InputError:
    return InputError(problem, file=data.source or f"data set {data.name!r}", place=place, remedy=remedy)


def _check_features(data: ImageFeatures) -> None:
    if data.features.ndim != 2 or 0 in data.features.shape:
        raise _fail(
            data, f"the shape is {tuple(data.features.shape)}", "features", "give one row per image, [N, D], not empty"
        )
    for start in range(0, len(data.features), _ROWS_AT_ONCE):
        part = data.features[start : start + _ROWS_AT_ONCE]
        finite = torch.isfinite(part).all(dim=1)
        if not bool(finite.all()):
            bad = torch.nonzero(~torch.isfinite(data.features).all(dim=1)).flatten()
            row = int(bad[0])
            column = int(torch.nonzero(~torch.isfinite(data.features[row])).flatten()[0])
            value = float(data.features[row, column])
            raise _fail(
                data,
                f"{len(bad)} row(s) hold NaN or infinite values; the first is row {row} (column {column} is {value})",
                "features",
                "remove or repair these rows",
            )


def _check_names(data: ImageFeatures) -> None:
    twice = [name for name, count in Counter(data.class_names).items() if count > 1]
    if twice:
        raise _fail(
            data, f"the class name {twice[0]!r} occurs more than once", "class_names", "give each class its own name"
        )
    if not data.class_names:
        raise _fail(data, "there is no class", "class_names", "name the classes")
    empty = [i for i, name in enumerate(data.class_names) if not name.strip()]
    if empty:
        raise _fail(data, f"the name of class {empty[0]} is empty", "class_names", "name every class")


def _check_labels(data: ImageFeatures) -> None:
    if data.labels.ndim != 1 or len(data.labels) != len(data.features):
        raise _fail(
            data,
            f"{tuple(data.labels.shape)} labels for {len(data.features)} rows of features",
            "labels",
            "give one label per row",
        )
    outside = torch.nonzero((data.labels < 0) | (data.labels >= data.num_classes)).flatten()
    if len(outside):
        row = int(outside[0])
        raise _fail(
            data,
            f"the label {int(data.labels[row])} is outside the list of {data.num_classes} classes "
            f"(0 to {data.num_classes - 1}); {len(outside)} row(s) are affected",
            f"labels, row {row}",
            "correct the labels or complete class_names",
        )


def _check_classes(data: ImageFeatures) -> None:
    for name in ("seen", "unseen"):
        _check_range(data, getattr(data, name), data.num_classes, name, "classes")
    both = data.seen[torch.isin(data.seen, data.unseen)]
    if len(both):
        raise _fail(
            data,
            f"the class {data.class_names[int(both[0])]!r} is both seen and unseen",
            "seen, unseen",
            "put each class on one side",
        )
    if len(data.seen) + len(data.unseen) != data.num_classes:
        listed = set(data.seen.tolist()) | set(data.unseen.tolist())
        missing = next(i for i in range(data.num_classes) if i not in listed)
        raise _fail(
            data,
            f"the class {data.class_names[missing]!r} is neither seen nor unseen",
            "seen, unseen",
            "put each class on one side",
        )


def _check_range(data: ImageFeatures, index: Tensor, size: int, name: str, what: str) -> None:
    if index.ndim != 1:
        raise _fail(data, f"the shape is {tuple(index.shape)}", name, "give a list of numbers, [K]")
    outside = torch.nonzero((index < 0) | (index >= size)).flatten()
    if len(outside):
        at = int(outside[0])
        raise _fail(
            data,
            f"{int(index[at])} is out of range: there are {size} {what} (0 to {size - 1})",
            f"{name}, entry {at}",
            "use 0-based numbers of this data set",
        )
    ordered = index.sort().values
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(repeated):
        raise _fail(data, f"{int(repeated[0])} occurs more than once", name, "list each one once")


def _check_locs(data: ImageFeatures) -> None:
    sides = {"trainval_loc": "unseen", "test_seen_loc": "unseen", "test_unseen_loc": "seen"}
    owner = torch.full((len(data.features),), -1, dtype=torch.int64, device=data.device)
    names = list(sides)
    for number, (name, forbidden) in enumerate(sides.items()):
        loc = getattr(data, name)
        _check_range(data, loc, len(data.features), name, "rows")
        taken = torch.nonzero(owner[loc] >= 0).flatten()
        if len(taken):
            row = int(loc[taken[0]])
            raise _fail(
                data,
                f"row {row} is in {names[int(owner[row])]} too ({len(taken)} row(s) are shared)",
                name,
                "the splits must not overlap",
            )
        owner[loc] = number
        wrong = torch.nonzero(torch.isin(data.labels[loc], getattr(data, forbidden))).flatten()
        if len(wrong):
            row = int(loc[wrong[0]])
            label = data.class_names[int(data.labels[row])]
            raise _fail(
                data,
                f"row {row} is of the {forbidden} class {label!r} ({len(wrong)} such row(s))",
                name,
                f"{name} may hold rows of {'seen' if forbidden == 'unseen' else 'unseen'} classes only",
            )
    without = data.seen[~torch.isin(data.seen, data.labels[data.trainval_loc])]
    if len(without):
        raise _fail(
            data,
            f"the seen class {data.class_names[int(without[0])]!r} has no training row ({len(without)} such class(es))",
            "trainval_loc",
            "give it rows, or list it as unseen",
        )
    _check_published_validation(data)


def _check_published_validation(data: ImageFeatures) -> None:
    if (data.train_loc is None) != (data.val_loc is None):
        missing = "train_loc" if data.train_loc is None else "val_loc"
        raise _fail(data, "only one of train_loc and val_loc is given", missing, "give both or neither")
    if data.train_loc is None or data.val_loc is None:
        return
    for name, loc in (("train_loc", data.train_loc), ("val_loc", data.val_loc)):
        _check_range(data, loc, len(data.features), name, "rows")
        wrong = torch.nonzero(torch.isin(data.labels[loc], data.unseen)).flatten()
        if len(wrong):
            row = int(loc[wrong[0]])
            raise _fail(
                data,
                f"row {row} is of the unseen class {data.class_names[int(data.labels[row])]!r}",
                name,
                "validation must be made of seen classes only",
            )
    train_classes = distinct(data.labels[data.train_loc])
    shared = train_classes[torch.isin(train_classes, data.labels[data.val_loc])]
    if len(shared):
        raise _fail(
            data,
            f"the class {data.class_names[int(shared[0])]!r} is in both train_loc and val_loc",
            "train_loc, val_loc",
            "split the seen classes, not their images",
        )


def _check_side_information(data: ImageFeatures) -> None:
    for key, values in data.class_info.items():
        if len(values) != data.num_classes:
            raise _fail(data, f"{len(values)} entries for {data.num_classes} classes", key, "give one per class")
    for key, priors in data.priors.items():
        if tuple(priors.names) != data.class_names:
            raise _fail(
                data,
                f"the prior has {len(priors.names)} names that are not the {data.num_classes} class names, in order",
                f"priors[{key!r}]",
                "align it first: priors.align(class_names)",
            )
