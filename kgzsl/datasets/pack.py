"""From files of features, labels and classes to a checked, packed data set."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from kgzsl._files import atomic_directory, require_free
from kgzsl.datasets._row_order import require_same_order
from kgzsl.datasets.image_features import ImageFeatures
from kgzsl.datasets.packed import save_packed
from kgzsl.datasets.tables import read_array, read_list
from kgzsl.errors import InputError, nearest
from kgzsl.knowledge.class_priors import ClassPriors

__all__ = ["export_xlsa17", "pack"]

FilePath = str | PathLike[str]


def pack(
    features: FilePath,
    out: FilePath,
    *,
    labels: FilePath | None = None,
    unseen: FilePath | Sequence[str],
    classes: FilePath | Sequence[str] | None = None,
    features_key: str | None = None,
    labels_key: str | None = None,
    priors: Mapping[str, FilePath] | None = None,
    graph: FilePath | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
    name: str | None = None,
    replace: bool = False,
    backbone: str | None = None,
    skip_damaged: bool = False,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> ImageFeatures:
    """Make a packed data set of your own features or images, and check it.

    Args:
        features: File with N rows: ``.npz .npy .mat .csv .tsv .parquet .safetensors``; or a folder with a sub-folder
            of images for each class.
        out: Folder to write; appears whole or not at all.
        labels: File with N class names, or N class numbers from 0 (then ``classes`` is needed); left out with
            ``labels_key``, the features' own file. Not for a folder of images, whose sub-folders say it.
        unseen: Names of the classes that training must not show: a list, or a file with one a line.
        classes: All class names: a list, or a file with one a line. Left out: the sorted names among the labels.
        features_key: Which array or column holds the features, where the file has several.
        labels_key: The same for the labels; in the features' own file it is no feature.
        priors: Name to file of class vectors (see :meth:`ClassPriors.read`), to ship with the data.
        graph: Ontology of the classes; a copy goes into the folder.
        test_fraction: Share of each seen class that becomes test rows.
        seed: Of that choice.
        name: What to call the data set; by default the name of ``out``.
        replace: Whether a folder that is there may be replaced.
        backbone: What makes features of images, see :func:`kgzsl.datasets.backbones.find_backbone`; of a file of
            features, what made them, so that a run on them can answer images.
        skip_damaged: Leave damaged images out and note it; else they are refused.
        device: Where the backbone runs.
        progress: Called with the number of images done and their number.

    Returns:
        What was written, read from memory.

    Raises:
        InputError: A file cannot be read, or the parts contradict each other; nothing is written.
    """
    require_free(out, replace=replace)
    for file, what in (
        (graph, "ontology"),
        *((file, f"file of the prior {key!r}") for key, file in (priors or {}).items()),
    ):
        if file is not None and not Path(file).is_file():
            raise InputError(f"there is no such {what}", file=file, remedy="check the path")
    if Path(features).is_dir():
        data = _of_images(
            Path(features),
            labels,
            classes,
            backbone,
            skip_damaged=skip_damaged,
            device=device,
            progress=progress,
            unseen=_names(unseen),
            test_fraction=test_fraction,
            seed=seed,
            name=name or Path(out).name,
        )
    else:
        data = _of_rows(
            features,
            labels,
            classes,
            features_key,
            labels_key,
            backbone=backbone,
            unseen=_names(unseen),
            test_fraction=test_fraction,
            seed=seed,
            name=name or Path(out).name,
        )
    if not len(data.seen):
        raise InputError(
            f"all {data.num_classes} classes are unseen, so there is nothing to learn from",
            file=features,
            place="unseen",
            remedy="name fewer unseen classes",
        )
    if priors:
        data = data.with_priors(**{key: ClassPriors.read(file, names=data.class_names) for key, file in priors.items()})
    if graph is not None:
        data = dataclasses.replace(data, graph_source=str(graph))
    save_packed(data, out, replace=replace)
    return data


def _of_rows(
    features: FilePath,
    labels: FilePath | None,
    classes: FilePath | Sequence[str] | None,
    features_key: str | None,
    labels_key: str | None,
    **options: Any,
) -> ImageFeatures:
    if labels is None and labels_key is None:
        raise InputError(
            "features have no labels",
            file=features,
            remedy="give --labels FILE, a class name a row, or --labels-key where the features' file has them",
        )
    own = labels is None or (Path(labels).exists() and Path(features).exists() and Path(labels).samefile(features))
    labels = features if labels is None else labels
    matrix = read_array(features, features_key, without=labels_key if own else None)
    class_names = _names(classes) if classes is not None else None
    values = read_list(labels, labels_key)
    if matrix.ndim == 2 and len(matrix) != len(values) == matrix.shape[1]:
        matrix = matrix.T  # [D, N], as in the xlsa17 files
    first = values[0] if values else None
    one_more = labels_key is None and matrix.ndim == 2 and len(values) == len(matrix) + 1
    if one_more and isinstance(first, str) and values.count(first) == 1:
        raise InputError(
            f"{len(values)} labels for {len(matrix)} rows of features; is the first one, {first!r}, a header?",
            file=labels,
            remedy=f"if so, give --labels-key {first}",
        )
    if not own:
        require_same_order(features, labels, apart=labels_key)
    if all(isinstance(value, str) and value.lstrip("-").isdigit() for value in values) and class_names is not None:
        # Numbers from a text file.
        values = [int(value) for value in values]
    return ImageFeatures.from_arrays(matrix, values, class_names=class_names, source=str(features), **options)


def _of_images(
    folder: Path,
    labels: FilePath | None,
    classes: FilePath | Sequence[str] | None,
    backbone: str | None,
    **options: Any,
) -> ImageFeatures:
    if labels is not None:
        raise InputError(
            "the sub-folders of a folder of images say the labels", file=folder, remedy="leave out --labels"
        )
    if backbone is None:
        raise InputError(
            "images need a backbone that makes features of them",
            file=folder,
            remedy="give --backbone, such as torchvision:resnet101, gradients:32 or package.module:function",
        )
    if classes is not None:
        options["class_names"] = _names(classes)
    return ImageFeatures.from_folder(folder, backbone=backbone, **options)


def export_xlsa17(data: ImageFeatures, folder: FilePath, *, prior: str = "att", replace: bool = False) -> Path:
    """Write ``res101.mat`` and ``att_splits.mat`` as :meth:`ImageFeatures.from_xlsa17` and other programs read them.

    Args:
        data: What to write.
        folder: Where to; appears whole or not at all.
        prior: Which of its priors becomes ``att`` [A, C].
        replace: Whether a folder that is there may be replaced.

    Returns:
        The folder.

    Raises:
        InputError: The data set has no such prior, or the folder cannot be written.
    """
    import scipy.io

    if prior not in data.priors:
        close = nearest(prior, data.priors)
        has = f"did you mean {close[0]!r}?" if close else f"it has: {', '.join(data.priors) or 'none'}"
        raise InputError(f"the data set {data.name!r} ships no prior {prior!r}", remedy=has)
    names = np.empty((data.num_classes, 1), dtype=object)
    names[:, 0] = data.class_names
    splits: dict[str, Any] = {"att": data.priors[prior].matrix.T.astype(np.float64), "allclasses_names": names}
    for key in ("trainval_loc", "test_seen_loc", "test_unseen_loc", "train_loc", "val_loc"):
        loc = getattr(data, key)
        if loc is not None:
            splits[key] = loc.cpu().numpy().reshape(-1, 1) + 1
    table = {
        "features": data.features.cpu().numpy().T,
        "labels": data.labels.cpu().numpy().reshape(-1, 1) + 1,
    }
    with atomic_directory(folder, replace=replace) as scratch:
        scipy.io.savemat(scratch / "res101.mat", table, do_compression=True)
        scipy.io.savemat(scratch / "att_splits.mat", splits, do_compression=True)
        (scratch / "allclasses.txt").write_text("\n".join(data.class_names) + "\n", encoding="utf-8")
    return Path(folder)


def _names(given: FilePath | Sequence[str]) -> list[str]:
    if isinstance(given, (str, PathLike)):
        return [str(item) for item in read_list(given)]
    return list(given)
