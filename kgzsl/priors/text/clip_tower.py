"""The text tower of a CLIP model: open_clip's, or one of your own."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from kgzsl.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from kgzsl.datasets.clip_models import ClipModel

__all__ = ["DEFAULT_MODEL", "OpenClipTower", "TextTower", "encoded", "find_tower", "tower_name"]

DEFAULT_MODEL = "ViT-B-32/openai"


@runtime_checkable
class TextTower(Protocol):
    """From texts to vectors that lie in one space with the features of images.

    It may also have ``name`` (part of the cache's key: other weights need another name; without one nothing is kept on
    disk) and ``logit_scale`` (what a cosine is multiplied by before a softmax).
    """

    def encode_text(self, texts: list[str], /) -> Tensor:
        """Float [N, D], of any length."""
        ...


class OpenClipTower:
    """The text tower of an open_clip model, loaded when it is first asked.

    Args:
        model: See :func:`kgzsl.datasets.clip_models.load_clip`; as behind ``clip:`` in the name of a backbone.
        device: Where it runs.
    """

    def __init__(self, model: str = DEFAULT_MODEL, device: str = "cpu") -> None:
        from kgzsl.datasets.clip_models import clip_name

        self.model, self.device = model, device
        self.name = clip_name(model)

    @property
    def cache_key(self) -> str:
        """The name, and of weights in a file their size and time."""
        weights = Path(self.model.partition("/")[2])
        if not weights.is_file():
            return self.name
        about = weights.stat()
        return f"{self.name}\t{about.st_size}\t{about.st_mtime_ns}"

    @property
    def logit_scale(self) -> float:
        """The factor that the model was trained to: exp of its parameter."""
        return float(self._loaded().network.logit_scale.detach().exp())

    def encode_text(self, texts: list[str], /) -> Tensor:
        """Float32 [N, D] on the CPU; texts that are longer than the model reads are cut off."""
        import torch

        loaded = self._loaded()
        with torch.inference_mode():
            found = loaded.network.encode_text(loaded.tokenizer(texts).to(self.device))
        return torch.as_tensor(found).float().cpu().clone()

    def _loaded(self) -> ClipModel:
        from kgzsl.datasets.clip_models import load_clip

        try:
            return load_clip(self.model, self.device)
        except ImportError as error:
            raise InputError(
                f"the CLIP model {self.model!r} needs a package that is not installed ({error.name})",
                remedy="pip install 'kgzsl[vision]'",
            ) from None


def find_tower(model: str, tower: Any, device: str | None = None) -> TextTower:
    """The tower that options mean.

    Args:
        model: Of open_clip, where there is no ``tower``.
        tower: A :class:`TextTower`, or the import path of one: ``"my_package.my_module:tower"`` (an object, or a class
            that is made without arguments).
        device: Where a model of open_clip runs; None is the CPU.

    Raises:
        InputError: It cannot be imported, or cannot encode texts.
    """
    if tower is None:
        return OpenClipTower(model, device or "cpu")
    found = _imported(tower) if isinstance(tower, str) else tower
    if inspect.isclass(found):
        found = found()
    if not isinstance(found, TextTower):
        raise InputError(f"{tower!r} is no text tower: it has no encode_text", remedy="see TextTower")
    return found


def _imported(path: str) -> Any:
    module, _, attribute = path.partition(":")
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # a module beside the person's files, as for backbones
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(
            f"could not import the text tower {path!r} ({error})", remedy="give it as package.module:name"
        ) from None


def tower_name(tower: TextTower) -> str:
    """What the tower is called."""
    return str(getattr(tower, "name", None) or type(tower).__qualname__)


def encoded(tower: TextTower, texts: Sequence[str], batch_size: int) -> Tensor:
    """What ``tower`` makes of ``texts``, float32 [N, D], in batches, checked.

    Raises:
        InputError: It does not give one finite vector for each text.
    """
    import torch

    parts = []
    for start in range(0, len(texts), batch_size):
        own = list(texts[start : start + batch_size])
        found = torch.as_tensor(tower.encode_text(own)).detach().float().cpu()
        if found.ndim != 2 or len(found) != len(own) or not bool(torch.isfinite(found).all()):
            raise InputError(
                f"the text tower {tower_name(tower)!r} gave {tuple(found.shape)} for {len(own)} texts, or values that "
                "are not finite",
                remedy="it has to give a row for each text",
            )
        parts.append(found)
    return torch.cat(parts)
