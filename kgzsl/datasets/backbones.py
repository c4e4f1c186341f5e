"""What turns images into features: networks of torchvision, timm and CLIP where installed, plain pixels, your own."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kgzsl.errors import InputError, nearest

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Backbone", "find_backbone"]

_FAMILIES = ("torchvision", "timm", "clip", "pixels", "gradients")


@dataclass(frozen=True)
class Backbone:
    """From images to features.

    Args:
        name: What it is called; part of the cache's key, so another network needs another name.
        encode: From a list of RGB images to float [B, D].
        trained_on: What :func:`kgzsl.knowledge.label_lists.read_labels` is to look up: the labels it was trained on;
            empty where it has no weights at all, None where they are not known.
    """

    name: str
    encode: Callable[[Sequence[Image]], Tensor]
    trained_on: str | None = None


def find_backbone(name: str, *, device: str = "cpu") -> Backbone:
    """A backbone by name.

    Args:
        name: With published weights: ``"torchvision:resnet101"``, ``"timm:vit_base_patch16_224"``, or
            ``"clip:ViT-B-32/openai"`` (the image tower of a model of :func:`kgzsl.datasets.clip_models.load_clip`);
            without a family it is torchvision's. Without any weights: ``"pixels:16"`` (the colours of a thumbnail of 16
            by 16) and ``"gradients:32"`` (histograms of gradient directions in cells of a grey thumbnail of 32 by 32),
            for drawings and for trying things out. Your own: ``"my_package.my_module:encode"``, a function from a list
            of RGB images to a tensor [B, D], a class whose objects are such functions, or a :class:`Backbone`. It may
            say in ``trained_on`` which labels it was trained on.
        device: Where it runs.

    Raises:
        InputError: An unknown family or model, or its package is not installed.
    """
    # A model of the hub has a colon of its own: clip:hf-hub:organisation/model.
    family, _, model = name.partition(":") if name.startswith("clip:") else name.rpartition(":")
    family = family or "torchvision"
    if family not in _FAMILIES:
        return _own(name, family, model)
    makers = {"torchvision": _torchvision, "timm": _timm, "clip": _clip, "pixels": _pixels, "gradients": _gradients}
    try:
        encode = makers[family](model, device)
    except ImportError as error:
        raise InputError(
            f"the backbone {name!r} needs a package that is not installed ({error.name})",
            remedy="pip install 'kgzsl[vision]'",
        ) from None
    if family in ("pixels", "gradients"):
        return Backbone(f"{family}:{model}", encode, "")
    return Backbone(f"{family}:{model}", encode, None if family == "clip" else model)


def _own(name: str, module: str, attribute: str) -> Backbone:
    """The function, class or ``Backbone`` that goes by the import path ``module:attribute``."""
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # a module beside the person's files, as python -m would find it
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        close = nearest(module, _FAMILIES)
        raise InputError(
            f"no family of backbones is called {module!r}, and it is no module with {attribute!r} ({error})",
            remedy=f"did you mean {close[0]!r}?" if close else f"choose {', '.join(_FAMILIES)}, or package.module:name",
        ) from None
    if isinstance(found, Backbone):
        return found
    encode = found() if inspect.isclass(found) else found
    if not callable(encode):
        raise InputError(f"the backbone {name!r} cannot be called", remedy="name a function from images to a tensor")
    return Backbone(name, encode, getattr(found, "trained_on", None))


def _size(model: str, multiple: int = 1) -> int:
    if not model.isdigit() or int(model) < 1 or int(model) % multiple:
        told = f"a multiple of {multiple}" if multiple > 1 else "a number of pixels"
        raise InputError(f"the size {model!r} of a thumbnail is not {told}", remedy="write it as gradients:32")
    return int(model)


def _pixels(model: str, device: str) -> Callable[[Sequence[Image]], Tensor]:  # noqa: ARG001 (nothing to be moved)
    size = _size(model)
    return lambda images: torch.stack([_thumbnail(image, size) for image in images]).flatten(1)


def _gradients(model: str, device: str) -> Callable[[Sequence[Image]], Tensor]:  # noqa: ARG001
    from kgzsl.datasets.latin_images import gradient_features

    size = _size(model, 4)
    return lambda images: gradient_features(torch.cat([_thumbnail(image.convert("L"), size) for image in images]))


def _thumbnail(image: Image, size: int) -> Tensor:
    """float32 [channels, size, size] in 0..1."""
    import numpy as np

    array = np.asarray(image.resize((size, size)), dtype=np.float32) / 255
    return torch.from_numpy(array.reshape(size, size, -1)).permute(2, 0, 1)


def _torchvision(model: str, device: str) -> Callable[[Sequence[Image]], Tensor]:
    from torchvision import models

    known = models.list_models(module=models)  # those that classify, not those that detect or segment
    if model not in known:
        close = nearest(model, known)
        raise InputError(f"torchvision has no model {model!r}", remedy=f"did you mean {' or '.join(close)}?")
    weights = models.get_model_weights(model).DEFAULT
    network = models.get_model(model, weights=weights)
    if not _cut_last_linear(network):
        raise InputError(f"{model!r} has no linear layer at its end to take off", remedy="choose another model")
    return _runner(network, weights.transforms(), device)


def _cut_last_linear(network: torch.nn.Module) -> bool:
    """Make the last linear layer pass on what it is given, which is the feature; False where there is none."""
    names = [name for name, module in network.named_modules() if isinstance(module, torch.nn.Linear)]
    if not names:
        return False
    path, _, last = names[-1].rpartition(".")
    setattr(network.get_submodule(path), last, torch.nn.Identity())
    return True


def _timm(model: str, device: str) -> Callable[[Sequence[Image]], Tensor]:
    import timm

    if not timm.is_model(model):
        close = nearest(model, timm.list_models())
        raise InputError(f"timm has no model {model!r}", remedy=f"did you mean {' or '.join(close)}?")
    network = timm.create_model(model, pretrained=True, num_classes=0)
    config = timm.data.resolve_model_data_config(network)
    return _runner(network, timm.data.create_transform(**config, is_training=False), device)


def _clip(model: str, device: str) -> Callable[[Sequence[Image]], Tensor]:
    from kgzsl.datasets.clip_models import load_clip

    loaded = load_clip(model, device)
    return _runner(loaded.network, loaded.transform, device, loaded.network.encode_image)


def _runner(
    network: Any, transform: Callable[[Image], Tensor], device: str, encode: Callable[[Tensor], Tensor] | None = None
) -> Callable[[Sequence[Image]], Tensor]:
    network.eval().to(device)
    run = encode or network

    def of(images: Sequence[Image]) -> Tensor:
        batch = torch.stack([transform(image) for image in images]).to(device)
        with torch.inference_mode():
            return torch.as_tensor(run(batch)).flatten(1).float().cpu()

    return of
