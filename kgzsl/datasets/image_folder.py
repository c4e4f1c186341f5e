"""``ImageFeatures`` from a folder of images: features by a backbone, cached and resumable."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kgzsl._files import atomic_file
from kgzsl._options import check_count
from kgzsl.datasets.arrays import class_numbers, image_features_from_arrays, numbered_labels
from kgzsl.datasets.backbones import Backbone, find_backbone
from kgzsl.datasets.image_features import ImageFeatures
from kgzsl.datasets.image_files import checked_features, is_image, open_image
from kgzsl.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["read_image_folder"]


def read_image_folder(
    folder: str | PathLike[str],
    *,
    backbone: str | Backbone = "torchvision:resnet101",
    unseen: Sequence[str],
    cache: str | PathLike[str] | None = None,
    batch_size: int = 32,
    shard: int = 256,
    device: str = "cpu",
    skip_damaged: bool = False,
    progress: Callable[[int, int], None] | None = None,
    name: str | None = None,
    **options: Any,
) -> ImageFeatures:
    """Features of the images in ``folder/<class name>/*``.

    Features are written to the cache shard by shard: an interrupted run goes on with the first shard that is not
    there. A shard is named after the backbone and the names, sizes and times of its images, so changed images are
    read again.

    Args:
        folder: One sub-folder for each class.
        backbone: A name, see :func:`kgzsl.datasets.backbones.find_backbone`, or one of your own.
        unseen: Names of the classes that training must not show.
        cache: Where shards are kept; None is ``.kgzsl-features`` in the folder.
        batch_size: Images at once through the backbone.
        shard: Images of one file of the cache.
        device: Where a backbone that goes by name runs.
        skip_damaged: Leave damaged images out and note it; else they are refused.
        progress: Called with the number of images done and their number.
        name: What the data set is called; None is the folder's name.
        **options: As for :meth:`ImageFeatures.from_arrays`: ``priors``, ``test_fraction``, ``seed``.

    Returns:
        The data set; its notes name unseen classes that are among the labels the backbone was trained on.

    Raises:
        InputError: No images, a damaged one, an unseen class without a folder, or a backbone that is not there.
    """
    check_count(batch_size, "batch_size")
    check_count(shard, "shard")
    root = Path(folder)
    files, empty = _images(root)
    # Names are checked before hours may go by.
    names, _ = numbered_labels([file.parent.name for file in files], options.get("class_names"), str(root))
    class_numbers(unseen, (*names, *empty), str(root))
    _require_images(unseen, names, empty, root, "has no image in it", "put its images right there, in no folder below")
    place = Path(cache) if cache is not None else root / ".kgzsl-features"
    network = find_backbone(backbone, device=device) if isinstance(backbone, str) else backbone
    parts: list[Tensor] = []
    kept: list[Path] = []
    damaged: list[Path] = []
    for start in range(0, len(files), shard):
        own = files[start : start + shard]
        features, good = _shard(own, root, place, network, batch_size, skip_damaged)
        if any(good):
            parts.append(features)
        _require_one_length(parts, network, place)
        kept += [file for file, fine in zip(own, good, strict=True) if fine]
        damaged += [file for file, fine in zip(own, good, strict=True) if not fine]
        if progress is not None:
            progress(min(start + shard, len(files)), len(files))
    if not kept:
        raise InputError("no image could be read", file=root, remedy="give images that Pillow can open")
    lost = {file.parent.name for file in damaged} - {file.parent.name for file in kept}
    listed = options.get("class_names") or ()
    _require_images(unseen, listed, lost, root, "has no image that can be read", "repair them")
    notes = list(_notes(network, unseen, damaged, root))
    if empty or lost:
        told = ", ".join(sorted((*empty, *lost)))
        notes.append(f"sub-folders without an image of their own are no classes, and were left out: {told}")
    return image_features_from_arrays(
        torch.cat(parts),
        [file.parent.name for file in kept],
        unseen=unseen,
        name=name or root.name,
        notes=notes,
        source=str(root),
        backbone=network.name,
        **options,
    )


def _images(root: Path) -> tuple[list[Path], list[str]]:
    """The images in the sub-folders, and the names of sub-folders without any."""
    if not root.is_dir():
        raise InputError("there is no such folder", file=root, remedy="give a folder with a sub-folder for each class")
    kinds = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    found = {kind: [file for file in sorted(kind.iterdir()) if is_image(file)] for kind in kinds}
    files = [file for own in found.values() for file in own]
    if not files:
        raise InputError("there are no images here", file=root, remedy="put them into a sub-folder for each class")
    return files, [kind.name for kind, own in found.items() if not own]


def _require_images(
    unseen: Sequence[str], names: Collection[str], empty: Collection[str], root: Path, problem: str, remedy: str
) -> None:
    """Refuse an unseen class that has a folder and no image there, and is not among ``names``."""
    for name in unseen:
        if name in empty and name not in names:
            raise InputError(
                f"the unseen class {name!r} {problem}",
                file=root / name,
                remedy=f"{remedy}, or take it from the unseen classes",
            )


def _require_one_length(parts: Sequence[Tensor], network: Backbone, place: Path) -> None:
    """Refuse features of a backbone that was changed, and kept its name, since others were written to the cache."""
    if parts and parts[-1].shape[1] != parts[0].shape[1]:
        raise InputError(
            f"features of the backbone {network.name!r} have {parts[0].shape[1]} numbers, and others "
            f"{parts[-1].shape[1]}",
            file=place,
            remedy="delete this folder if the backbone was changed; it must give vectors of one length",
        )


def _shard(
    files: Sequence[Path], root: Path, place: Path, network: Backbone, batch_size: int, skip: bool
) -> tuple[Tensor, list[bool]]:
    """Features of the images that can be read, and which can; from the cache where it has them."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file, save_file

    digest = hashlib.sha256(network.name.encode())
    for file in files:
        about = file.stat()
        digest.update(f"\n{file.relative_to(root).as_posix()}\t{about.st_size}\t{about.st_mtime_ns}".encode())
    kept = place / f"{digest.hexdigest()[:24]}.safetensors"
    if kept.exists():
        # A file that a full disk or a copy has cut short counts as none.
        with contextlib.suppress(SafetensorError):
            found = load_file(kept)
            good = [bool(flag) for flag in found["good"].tolist()]
            if all(good) or skip:
                return found["features"], good
    parts: list[Tensor] = []
    good = []
    for batch in _batches(files, batch_size):
        images = [_open(file, skip) for file in batch]
        good += [image is not None for image in images]
        readable = [image for image in images if image is not None]
        if readable:
            parts.append(checked_features(network, readable))
            _require_one_length(parts, network, place)
    features = torch.cat(parts) if parts else torch.zeros(0, 0)
    with atomic_file(kept) as temporary:
        save_file({"features": features.contiguous(), "good": torch.tensor(good, dtype=torch.uint8)}, temporary)
    return features, good


def _batches(files: Sequence[Path], size: int) -> Iterator[Sequence[Path]]:
    for start in range(0, len(files), size):
        yield files[start : start + size]


def _open(file: Path, skip: bool) -> Image | None:
    try:
        return open_image(file, remedy="repair it, or leave such images out: skip_damaged=True, --skip-damaged")
    except InputError:
        if skip:
            return None
        raise


def _notes(network: Backbone, unseen: Sequence[str], damaged: Sequence[Path], root: Path) -> Iterator[str]:
    yield f"features by {network.name}"
    if damaged:
        names = ", ".join(str(file.relative_to(root)) for file in damaged[:5])
        yield f"left out, since they cannot be read: {len(damaged)} images ({names})"
    if network.trained_on == "":
        return
    if network.trained_on is None:
        yield "which classes the backbone was trained on is not known: unseen classes may be among them"
        return
    from kgzsl.knowledge.label_lists import read_labels

    try:
        labels = read_labels(network.trained_on)
    except InputError as error:
        yield f"the backbone's training labels are not known ({error.problem}): unseen classes may be among them"
        return
    known = [str(one) for one in unseen if labels.find([str(one), str(one).replace("_", " ")]) is not None]
    if known:
        yield f"not unseen to the backbone, which was trained on them: {', '.join(known)}"
    else:
        yield f"none of the unseen classes is among the {labels.size} labels that the backbone was trained on"
