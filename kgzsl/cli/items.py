"""What is to be answered by a run over images: feature vectors, or images that its backbone makes vectors of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kgzsl.cli.inputs import read_features
from kgzsl.cli.models import feature_dim
from kgzsl.errors import InputError

__all__ = ["one_source", "read_items"]


def read_items(
    model: Any,
    sources: Sequence[Path],
    *,
    key: str | None = None,
    backbone: str | None = None,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> tuple[npt.NDArray[np.float32], list[str] | None]:
    """Feature vectors of a file of features, or of images and folders of images.

    Args:
        model: The fitted image model; it knows the backbone of its features where they were packed from images.
        sources: One file of features, or any number of images and folders.
        key: Which array of the file holds the features.
        backbone: What makes features of images, where the model does not know or should not decide.
        device: Where the backbone runs.
        progress: Called with the number of images done and their number.

    Returns:
        float32 [N, D], and the names of the rows, where they have names: for images their paths.

    Raises:
        InputError: Features and images together, an image that cannot be read, no backbone, or another D.
    """
    from kgzsl.datasets.image_files import images_in, is_image

    pictures = [source.is_dir() or is_image(source) for source in sources]
    if not any(pictures):
        return read_features(one_source(sources), dim=feature_dim(model), key=key)
    if not all(pictures):
        odd = sources[pictures.index(False)]
        raise InputError("this is no image, and others are", file=odd, remedy="give images, or one file of features")
    for source in sources:
        if not source.exists():
            raise InputError("there is no such file", file=source, remedy="check the path")
    files = [file for source in sources for file in (images_in(source) if source.is_dir() else [source])]
    name = backbone or getattr(model, "backbone_", None)
    if name is None:
        raise InputError(
            "the run was made on features, and does not know what makes them of images",
            file=files[0],
            remedy="name it with --backbone, or give features",
        )
    return _encoded(files, name, feature_dim(model), device, progress), [str(file) for file in files]


def one_source(sources: Sequence[Path]) -> Path:
    """The only one of ``sources``.

    Raises:
        InputError: There are several.
    """
    if len(sources) > 1:
        raise InputError("several files at once can only be images", file=sources[1], remedy="give one file at a time")
    return sources[0]


def _encoded(
    files: Sequence[Path], name: str, dim: int, device: str, progress: Callable[[int, int], None] | None
) -> npt.NDArray[np.float32]:
    from kgzsl.datasets.backbones import find_backbone
    from kgzsl.datasets.image_files import encode_files
    from kgzsl.engine.hardware import choose_device

    kind, _ = choose_device(device)
    where = kind if device == "auto" else device
    features = encode_files(files, find_backbone(name, device=where), progress=progress).numpy()
    if features.shape[1] != dim:
        raise InputError(
            f"the backbone {name} makes vectors of {features.shape[1]}, the run takes {dim}",
            file=files[0],
            remedy="name the backbone that made the run's features with --backbone",
        )
    bad = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(bad):
        raise InputError(f"the backbone {name} made no finite numbers of it", file=files[int(bad[0])])
    return features
