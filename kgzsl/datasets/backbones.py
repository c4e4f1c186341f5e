"""Networks that turn images into features: torchvision's, timm's and the image towers of CLIP, where installed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kgzsl.errors import InputError, nearest

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Backbone", "find_backbone"]

_FAMILIES = ("torchvision", "timm", "clip")


@dataclass(frozen=True)
class Backbone:
    """From images to features.

    Args:
        name: What it is called; part of the cache's key, so another network needs another name.
        encode: From a list of RGB images to float [B, D].
        trained_on: What :func:`kgzsl.knowledge.label_lists.read_labels` is to look up: the labels it was trained on.
    """

    name: str
    encode: Callable[[Sequence[Image]], Tensor]
    trained_on: str | None = None


def find_backbone(name: str, *, device: str = "cpu") -> Backbone:
    """A backbone by name, with its published weights.

    Args:
        name: ``"torchvision:resnet101"``, ``"timm:vit_base_patch16_224"``, or ``"clip:ViT-B-32/openai"`` (model and
            weights of open_clip). Without a family it is torchvision's.
        device: Where it runs.

    Raises:
        InputError: An unknown family or model, or its package is not installed.
    """
    family, _, model = name.rpartition(":")
    family = family or "torchvision"
    if family not in _FAMILIES:
        close = nearest(family, _FAMILIES)
        raise InputError(
            f"no family of backbones is called {family!r}",
            remedy=f"did you mean {close[0]!r}?" if close else f"choose {', '.join(_FAMILIES)}",
        )
    makers = {"torchvision": _torchvision, "timm": _timm, "clip": _clip}
    try:
        encode = makers[family](model, device)
    except ImportError as error:
        raise InputError(
            f"the backbone {name!r} needs a package that is not installed ({error.name})",
            remedy="pip install 'kgzsl[vision]'",
        ) from None
    return Backbone(f"{family}:{model}", encode, None if family == "clip" else model)


def _torchvision(model: str, device: str) -> Callable[[Sequence[Image]], Tensor]:
    from torchvision import models

    if model not in models.list_models():
        close = nearest(model, models.list_models())
        raise InputError(f"torchvision has no model {model!r}", remedy=f"did you mean {' or '.join(close)}?")
    weights = models.get_model_weights(model).DEFAULT
    network = models.get_model(model, weights=weights)
    # What is before the last linear layer is the feature.
    for last in ("fc", "head", "heads", "classifier"):
        if hasattr(network, last):
            setattr(network, last, torch.nn.Identity())
            break
    return _runner(network, weights.transforms(), device)


def _timm(model: str, device: str) -> Callable[[Sequence[Image]], Tensor]:
    import timm

    if not timm.is_model(model):
        close = nearest(model, timm.list_models())
        raise InputError(f"timm has no model {model!r}", remedy=f"did you mean {' or '.join(close)}?")
    network = timm.create_model(model, pretrained=True, num_classes=0)
    config = timm.data.resolve_model_data_config(network)
    return _runner(network, timm.data.create_transform(**config, is_training=False), device)


def _clip(model: str, device: str) -> Callable[[Sequence[Image]], Tensor]:
    import open_clip

    kind, _, weights = model.partition("/")
    if kind not in open_clip.list_models():
        close = nearest(kind, open_clip.list_models())
        raise InputError(f"open_clip has no model {kind!r}", remedy=f"did you mean {' or '.join(close)}?")
    network, _, transform = open_clip.create_model_and_transforms(kind, pretrained=weights or "openai")
    return _runner(network, transform, device, network.encode_image)


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
