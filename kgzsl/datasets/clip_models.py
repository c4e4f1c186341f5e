"""CLIP models of open_clip: one network with two towers, loaded once for both."""

from __future__ import annotations

import importlib
from functools import lru_cache
from typing import Any, NamedTuple

from kgzsl.errors import InputError, nearest

__all__ = ["ClipModel", "clip_name", "load_clip"]

_HUB = "hf-hub:"
_DEFAULT = "openai"


class ClipModel(NamedTuple):
    """A network with ``encode_image``, ``encode_text`` and ``logit_scale``, and what prepares its inputs."""

    network: Any
    transform: Any
    tokenizer: Any


def clip_name(model: str) -> str:
    """``clip:KIND/WEIGHTS``: by which both towers of a model are known to be of one model."""
    model = model.removeprefix("clip:")
    if model.startswith(_HUB):
        return f"clip:{model}"
    kind, _, weights = model.partition("/")
    return f"clip:{kind}/{weights or _DEFAULT}"


@lru_cache(maxsize=2)
def load_clip(model: str, device: str) -> ClipModel:
    """Load a model; its published weights are downloaded once, and kept by open_clip.

    Args:
        model: ``"ViT-B-32/openai"`` (kind and published weights), ``"ViT-B-32//data/weights.safetensors"`` (kind and
            a file), or ``"hf-hub:organisation/model"``.
        device: Where it runs.

    Raises:
        ImportError: open_clip is not installed.
        InputError: No such model, or its weights cannot be had.
    """
    open_clip = importlib.import_module("open_clip")
    kind, weights = model, None
    if not model.startswith(_HUB):
        kind, _, weights = model.partition("/")
        weights = weights or _DEFAULT
        if kind not in open_clip.list_models():
            close = nearest(kind, open_clip.list_models())
            remedy = f"did you mean {' or '.join(close)}?" if close else "open_clip.list_models() has the names"
            raise InputError(f"open_clip has no model {kind!r}", remedy=remedy)
    try:
        network, _, transform = open_clip.create_model_and_transforms(
            kind,
            pretrained=weights,
            device=device,
            # OpenAI's weights were trained with another activation than most of the kinds say.
            force_quick_gelu=weights == "openai",
        )
        tokenizer = open_clip.get_tokenizer(kind)
    except (RuntimeError, OSError, ValueError, AssertionError) as error:
        told = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"the CLIP model {model!r} cannot be loaded ({told})",
            remedy="weights are downloaded on first use; without a network give a file: KIND/PATH",
        ) from None
    return ClipModel(network.eval(), transform, tokenizer)
