"""Features of a folder of images: by any backbone, cached, resumable, honest about damage and leaks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from kgzsl.datasets import ImageFeatures
from kgzsl.datasets.backbones import Backbone, _cut_last_linear, find_backbone
from kgzsl.errors import InputError


class Mean:
    """A backbone that gives the mean colour, and counts what it was asked."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, images: Sequence[Image.Image]) -> torch.Tensor:
        self.seen += len(images)
        return torch.stack(
            [torch.from_numpy(np.asarray(image, dtype=np.float32).mean(axis=(0, 1))) for image in images]
        )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    colours = {"red rose": (250, 10, 10), "lime": (10, 250, 10), "sky": (10, 10, 250)}
    for name, colour in colours.items():
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (6 + number, 5), colour).save(tmp_path / "images" / name / f"{number}.png")
    (tmp_path / "images" / "notes.txt").write_text("no image")
    return tmp_path / "images"


def read(folder: Path, mean: Mean, **options: Any) -> ImageFeatures:
    return ImageFeatures.from_folder(folder, backbone=Backbone("mean", mean), unseen=["sky"], shard=5, **options)


def test_one_row_an_image_in_order(folder: Path) -> None:
    told: list[tuple[int, int]] = []
    data = read(folder, Mean(), batch_size=2, progress=lambda done, of: told.append((done, of)))
    assert data.class_names == ("lime", "red rose", "sky")
    assert data.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert data.features[5].tolist() == [250.0, 10.0, 10.0]
    assert data.unseen_names == ["sky"]
    assert len(data.test_unseen_loc) == 4
    assert told == [(5, 12), (10, 12), (12, 12)]
    assert data.name == "images"
    assert any("not known" in note for note in data.notes)


def test_the_cache_is_used_and_changed_images_are_read_again(folder: Path) -> None:
    mean = Mean()
    first = read(folder, mean)
    assert mean.seen == 12
    again = read(folder, mean)
    assert mean.seen == 12
    assert torch.equal(first.features, again.features)
    Image.new("RGB", (9, 9), (0, 0, 0)).save(folder / "sky" / "3.png")
    changed = read(folder, mean)
    assert mean.seen == 14  # the last shard alone
    assert changed.features[11].tolist() == [0.0, 0.0, 0.0]
    other = ImageFeatures.from_folder(folder, backbone=Backbone("other", mean), unseen=["sky"], shard=5)
    assert mean.seen == 26
    assert torch.equal(other.features, changed.features)


def test_an_interrupted_run_goes_on_at_the_next_shard(folder: Path) -> None:
    mean = Mean()

    def stop(done: int, of: int) -> None:
        if done == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read(folder, mean, progress=stop)
    assert mean.seen == 10
    read(folder, mean)
    assert mean.seen == 12


def test_a_damaged_image_is_named_or_left_out(folder: Path) -> None:
    (folder / "lime" / "2.png").write_bytes(b"\x89PNG\r\n\x1a\n not really")
    with pytest.raises(InputError, match=r"2\.png: this image cannot be read"):
        read(folder, Mean())
    data = read(folder, Mean(), skip_damaged=True)
    assert len(data.labels) == 11
    assert data.labels.tolist().count(0) == 3
    assert any("1 images (lime/2.png)" in note for note in data.notes)
    with pytest.raises(InputError, match=r"2\.png: this image cannot be read"):
        read(folder, Mean())  # what was skipped once is not forgotten


def test_unseen_classes_that_the_backbone_knows_are_named(folder: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("rose\nsky, heaven\n")
    backbone = Backbone("mean", Mean(), trained_on=str(labels))
    leaky = ImageFeatures.from_folder(folder, backbone=backbone, unseen=["sky"])
    assert any("not unseen to the backbone, which was trained on them: sky" in note for note in leaky.notes)
    clean = ImageFeatures.from_folder(folder, backbone=backbone, unseen=["lime"])
    assert any("none of the unseen classes is among the 2 labels" in note for note in clean.notes)


def test_what_cannot_be_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        read(tmp_path / "nowhere", Mean())
    (tmp_path / "empty" / "a").mkdir(parents=True)
    with pytest.raises(InputError, match="no images here"):
        read(tmp_path / "empty", Mean())
    mean = Mean()
    with pytest.raises(InputError, match="the unseen class 'skye' is no class name; did you mean 'sky'"):
        ImageFeatures.from_folder(folder, backbone=Backbone("mean", mean), unseen=["skye"])
    with pytest.raises(InputError, match="the label 'lime' is outside the list of 2 classes"):
        read(folder, mean, class_names=["red rose", "sky"])
    assert mean.seen == 0, "names are checked before images are read"
    with pytest.raises(InputError, match="did you mean 'timm'"):
        find_backbone("tim:resnet50")
    with pytest.raises(InputError, match="one vector for each image"):
        bad = Backbone("bad", lambda images: torch.zeros(len(images) + 1, 2))
        ImageFeatures.from_folder(folder, backbone=bad, unseen=["sky"])


@pytest.mark.parametrize("name", ["torchvision:resnet18", "timm:resnet18", "clip:ViT-B-32"])
def test_a_package_that_is_missing_is_named(name: str) -> None:
    package = {"torchvision": "torchvision", "timm": "timm", "clip": "open_clip"}[name.partition(":")[0]]
    try:
        __import__(package)
    except ImportError:
        with pytest.raises(InputError, match=f"needs a package that is not installed .*{package}.*pip install"):
            find_backbone(name)
    else:
        pytest.skip(f"{package} is installed")


def test_plain_pixels_are_a_backbone() -> None:
    half = Image.new("RGB", (8, 8), (255, 0, 0))
    half.paste((0, 0, 255), (0, 4, 8, 8))
    pixels = find_backbone("pixels:2")
    assert pixels.trained_on == ""
    found = pixels.encode([half, half]).reshape(2, 3, 2, 2)
    # A thumbnail's filter reaches over the border between the two colours; red is above, blue below.
    assert (found[:, 0, 0] > 0.8).all()
    assert (found[:, 0, 1] < 0.2).all()
    assert (found[:, 2, 1] > 0.8).all()
    assert torch.equal(found[:, 1], torch.zeros(2, 2, 2))
    gradients = find_backbone("gradients:8").encode([half, Image.new("RGB", (8, 8), (9, 9, 9))])
    assert gradients.shape == (2, 8 * (8 // 4) ** 2)
    assert gradients[0].norm() == pytest.approx(1.0)
    assert not gradients[1].any()  # nothing changes in it


def test_a_backbone_of_ones_own_goes_by_its_import_path(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_eyes.py").write_text(
        "import torch\n"
        "from kgzsl.datasets.backbones import Backbone\n"
        "def widths(images):\n    return torch.tensor([[float(image.width), 1.0] for image in images])\n"
        "class Heights:\n    trained_on = 'imagenet1k'\n"
        "    def __call__(self, images):\n        return torch.tensor([[float(image.height)] for image in images])\n"
        "named = Backbone('its own name', widths)\n"
        "number = 3\n"
    )
    monkeypatch.chdir(tmp_path)
    data = ImageFeatures.from_folder(folder, backbone="my_eyes:widths", unseen=["sky"])
    assert data.backbone == "my_eyes:widths"
    assert data.features[:4, 0].tolist() == [6.0, 7.0, 8.0, 9.0]
    data.save(tmp_path / "packed")
    assert ImageFeatures.from_packed(tmp_path / "packed").backbone == "my_eyes:widths"
    assert find_backbone("my_eyes:Heights").trained_on == "imagenet1k"
    assert find_backbone("my_eyes:named").name == "its own name"
    with pytest.raises(InputError, match="cannot be called"):
        find_backbone("my_eyes:number")
    with pytest.raises(InputError, match=r"no module with 'nothing'"):
        find_backbone("my_eyes:nothing")


def test_what_is_before_the_last_linear_layer_is_the_feature() -> None:
    """Of heads of several layers only the last goes: the others make the feature."""
    deep = torch.nn.Sequential()
    deep.add_module("features", torch.nn.Flatten())
    deep.add_module(
        "classifier", torch.nn.Sequential(torch.nn.Linear(12, 7), torch.nn.ReLU(), torch.nn.Linear(7, 1000))
    )
    assert _cut_last_linear(deep)
    assert deep(torch.ones(2, 3, 2, 2)).shape == (2, 7)
    assert not _cut_last_linear(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1)))


def test_a_shard_that_was_cut_short_is_made_again(folder: Path) -> None:
    mean = Mean()
    first = read(folder, mean)
    shards = sorted((folder / ".kgzsl-features").iterdir())
    shards[0].write_bytes(shards[0].read_bytes()[:40])
    shards[1].write_bytes(b"")
    assert torch.equal(read(folder, mean).features, first.features)
    assert mean.seen in (12 + 10, 12 + 7)  # two shards of five, five and two images


@pytest.mark.parametrize("option", ["batch_size", "shard"])
@pytest.mark.parametrize("value", [0, -1, 1.5])
def test_no_images_at_once_are_none(folder: Path, option: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{option} is {value}; give a whole number, 1 or more"):
        ImageFeatures.from_folder(folder, backbone=Backbone("mean", Mean()), unseen=["sky"], **{option: value})


def test_folders_without_an_image_of_their_own_are_told(folder: Path) -> None:
    (folder / "moss" / "deeper").mkdir(parents=True)
    (folder / "lime" / "0.png").rename(folder / "moss" / "deeper" / "0.png")
    data = read(folder, Mean())
    assert "moss" not in data.class_names
    assert any(note.endswith("are no classes, and were left out: moss") for note in data.notes)
    mean = Mean()
    with pytest.raises(InputError, match=r"moss: the unseen class 'moss' has no image in it; put its images right"):
        ImageFeatures.from_folder(folder, backbone=Backbone("mean", mean), unseen=["moss"])
    assert mean.seen == 0, "told before hours go by"
    for file in (folder / "sky").iterdir():
        file.write_text("torn")
    with pytest.raises(InputError, match=r"sky: the unseen class 'sky' has no image that can be read"):
        read(folder, mean, skip_damaged=True)
    data = ImageFeatures.from_folder(folder, backbone=Backbone("mean", mean), unseen=["lime"], skip_damaged=True)
    assert any(note.endswith("left out: moss, sky") for note in data.notes)


def test_a_backbone_that_was_changed_and_kept_its_name(folder: Path) -> None:
    """What it gave wrongly is not kept; vectors of another length than the cache has are told."""
    read(folder, Mean())
    Image.new("RGB", (9, 9)).save(folder / "sky" / "3.png")
    longer = Backbone("mean", lambda images: torch.ones(len(images), 5))
    with pytest.raises(InputError, match=r"\.kgzsl-features: .*'mean' have 3 numbers, and others 5; delete this"):
        ImageFeatures.from_folder(folder, backbone=longer, unseen=["sky"], shard=5)
    torn = Backbone("other", lambda images: torch.full((len(images), 2), torch.nan))
    with pytest.raises(InputError, match="the backbone 'other' gave NaN or infinite values"):
        ImageFeatures.from_folder(folder, backbone=torn, unseen=["sky"])
    mended = Backbone("other", lambda images: torch.ones(len(images), 2))
    assert ImageFeatures.from_folder(folder, backbone=mended, unseen=["sky"]).dim == 2
    words = Backbone("words", lambda images: ["a"] * len(images))  # type: ignore[arg-type, return-value]
    with pytest.raises(InputError, match="'words' gave a list that is no tensor"):
        ImageFeatures.from_folder(folder, backbone=words, unseen=["sky"])


def test_one_name_is_no_list_and_a_file_no_cache(folder: Path, tmp_path: Path) -> None:
    for unseen in ("sky", None):
        with pytest.raises(InputError, match=r"unseen is .*; give a list of class names"):
            ImageFeatures.from_folder(folder, backbone=Backbone("mean", Mean()), unseen=unseen)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file.*a part of the path is a file, not a folder"):
        read(folder, Mean(), cache=tmp_path / "file")
