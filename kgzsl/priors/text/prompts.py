"""Class vectors from a text tower: names in templates, averaged, every sentence encoded once and kept on disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kgzsl._files import atomic_file
from kgzsl.errors import InputError
from kgzsl.priors.text.clip_tower import TextTower, encoded, tower_name

__all__ = ["DEFAULT_TEMPLATES", "Prompts", "checked_templates"]

DEFAULT_TEMPLATES = ("a photo of a {}.",)

Float = npt.NDArray[np.float64]


def checked_templates(templates: str | Sequence[str]) -> tuple[str, ...]:
    """The templates as a tuple.

    Raises:
        InputError: None, or one without a place for the name.
    """
    listed = (templates,) if isinstance(templates, str) else tuple(templates)
    for template in listed:
        if not isinstance(template, str) or "{}" not in template:
            raise InputError(f"the template {template!r} has no {{}}", remedy="write as: a photo of a {}.")
    if not listed:
        raise InputError("there are no templates", remedy="give at least one: a photo of a {}.")
    return listed


class Prompts:
    """Encodes names and sentences with a text tower.

    Radford et al. (ICML 2021), section 3.1.4: ``t = n / ||n||`` with n the mean of ``e / ||e||`` over what the tower
    makes of a name in every template. Of a class with several names all of them are in every template, and in one mean.

    Args:
        tower: The tower.
        templates: ``{}`` stands for the name.
        batch_size: Texts for one call of the tower.
        cache: Folder for what was encoded; ``"auto"`` is the user's cache, None keeps nothing. Sentences are kept under
            their hash, in one file for each tower, by the tower's name.
    """

    def __init__(
        self,
        tower: TextTower,
        templates: str | Sequence[str] = DEFAULT_TEMPLATES,
        *,
        batch_size: int = 256,
        cache: str | os.PathLike[str] | None = "auto",
    ) -> None:
        self.tower, self.templates, self.batch_size = tower, checked_templates(templates), batch_size
        self._memory: dict[str, npt.NDArray[np.float32]] = {}
        key = getattr(tower, "cache_key", None) or getattr(tower, "name", None)
        self._file: Path | None = None
        if cache is not None and key:
            folder = _cache_folder() if cache == "auto" else Path(cache)
            self._file = folder / f"{hashlib.sha256(str(key).encode()).hexdigest()[:24]}.safetensors"

    def names(self, words: Sequence[Sequence[str]]) -> Float:
        """Unit vectors float64 [C, D] of classes by their names: at least one for each."""
        groups = [[template.replace("{}", word) for word in own for template in self.templates] for own in words]
        return self._means(groups)

    def sentences(self, texts: Sequence[str]) -> Float:
        """Unit vectors float64 [C, D] of sentences as they are."""
        return self._means([[text] for text in texts])

    def _means(self, groups: Sequence[Sequence[str]]) -> Float:
        self._encode({text for group in groups for text in group})
        rows = [np.stack([self._memory[text] for text in group]).astype(np.float64) for group in groups]
        return np.stack([_unit(_unit(one).mean(axis=0, keepdims=True))[0] for one in rows])

    def _encode(self, texts: set[str]) -> None:
        self._restore(texts - self._memory.keys())
        # Sorted, so that a text meets the same neighbours in its batch whatever the order of asking.
        new = sorted(texts - self._memory.keys(), key=lambda text: (len(text), text))
        if not new:
            return
        found = encoded(self.tower, new, self.batch_size).numpy()
        width = next((len(vector) for vector in self._memory.values()), found.shape[1])
        if found.shape[1] != width:
            raise InputError(
                f"the text tower {tower_name(self.tower)!r} gave vectors of {found.shape[1]}, and of {width} before",
                remedy="give other weights another name, or cache=None",
            )
        self._memory.update(zip(new, found, strict=True))
        self._keep(new)

    def _restore(self, wanted: set[str]) -> None:
        """Take what the cache has of ``wanted``; a damaged file counts as none."""
        kept = self._kept() if wanted else {}
        self._memory.update({text: kept[_digest(text)] for text in wanted if _digest(text) in kept})

    def _kept(self) -> dict[str, npt.NDArray[np.float32]]:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        if self._file is None or not self._file.exists():
            return {}
        try:
            content: dict[str, Any] = load_file(self._file)
            keys = [bytes(row).hex() for row in content["keys"]]
            return dict(zip(keys, content["vectors"], strict=True))
        except (SafetensorError, OSError, KeyError, ValueError):
            return {}

    def _keep(self, new: Sequence[str]) -> None:
        from safetensors.numpy import save_file

        if self._file is None:
            return
        all_kept = {**self._kept(), **{_digest(text): self._memory[text] for text in new}}
        widths = {len(vector) for vector in all_kept.values()}
        if len(widths) > 1:
            return
        keys = np.array([list(bytes.fromhex(key)) for key in all_kept], dtype=np.uint8)
        with atomic_file(self._file) as temporary:
            save_file({"keys": keys, "vectors": np.stack(list(all_kept.values()))}, temporary)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _unit(rows: Float) -> Float:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(length > 0, length, 1.0)


def _cache_folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "kgzsl" / "clip-text"
