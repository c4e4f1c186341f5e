"""Image files to feature vectors, through a backbone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from kgzsl.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from kgzsl.datasets.backbones import Backbone

__all__ = ["SUFFIXES", "checked_features", "encode_files", "images_in", "is_image", "open_image"]

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
"""Endings of the files that are taken for images."""


def is_image(file: Path) -> bool:
    """Whether the name is that of an image."""
    return file.suffix.lower() in SUFFIXES


def images_in(folder: Path) -> list[Path]:
    """The images in a folder and in the folders below it, by path; what is hidden is left out.

    Raises:
        InputError: There are none.
    """
    files = [
        file
        for file in sorted(folder.rglob("*"))
        if is_image(file) and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    ]
    if not files:
        raise InputError("there are no images here", file=folder, remedy=f"give {', '.join(sorted(SUFFIXES))} files")
    return files


def encode_files(
    files: Sequence[Path],
    network: Backbone,
    *,
    batch_size: int = 32,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """float32 [N, D]: the features of image files.

    Args:
        files: The images.
        network: What makes the features.
        batch_size: Images at once.
        progress: Called with the number of images done and their number.

    Raises:
        InputError: An image that cannot be read, or a backbone that does not give one vector for each.
    """
    parts: list[Tensor] = []
    for start in range(0, len(files), batch_size):
        parts.append(checked_features(network, [open_image(file) for file in files[start : start + batch_size]]))
        if progress is not None:
            progress(min(start + batch_size, len(files)), len(files))
    return torch.cat(parts)


def open_image(file: Path, remedy: str = "repair it, or leave it out") -> Image:
    """The image as RGB.

    Raises:
        InputError: It cannot be read.
    """
    from PIL import Image

    try:
        with Image.open(file) as image:
            return image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"this image cannot be read ({error})", file=file, remedy=remedy) from None


def checked_features(network: Backbone, images: Sequence[Image]) -> Tensor:
    """float32 [B, D] of images, on the CPU.

    Raises:
        InputError: The backbone does not give one vector of finite numbers for each image.
    """
    given = network.encode(images)
    try:
        features = torch.as_tensor(given).detach().cpu().float()
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the backbone {network.name!r} gave a {type(given).__name__} that is no tensor ({error})",
            remedy="it must give one vector for each image",
        ) from error
    if features.ndim != 2 or len(features) != len(images):
        raise InputError(
            f"the backbone {network.name!r} gave {tuple(features.shape)} for {len(images)} images",
            remedy="it must give one vector for each image",
        )
    if not bool(torch.isfinite(features).all()):
        raise InputError(
            f"the backbone {network.name!r} gave NaN or infinite values", remedy="it must give finite numbers"
        )
    return features
