"""The rows that the heads learn from: real ones, and synthetic ones of unseen classes."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kgzsl.errors import InputError
from kgzsl.tasks.image_classification._fitted import Fitted

__all__ = ["Synthesis"]


class Synthesis(Fitted):
    """Draws synthetic features, and chooses real ones."""

    def _random(self, *what: object) -> int:
        digest = hashlib.sha256(repr((int(self.seed), *what)).encode()).digest()
        return int.from_bytes(digest[:7], "little")

    def _synthesised(self, label: int) -> Tensor:
        """Features [samples_per_class, D] of one class: a class's own draw, whatever other classes there are."""
        name = self.names_[label]
        if name not in self._synthetic:
            self._synthetic[name] = self._sampled(name, self.samples_per_class, embedded=True)
        return self._synthetic[name]

    def synthesise(self, name: str, n: int) -> Tensor:
        """``n`` synthetic features [n, D] of the class ``name``; the same ones in every call.

        Raises:
            InputError: There is no generator, or no such class.
        """
        return self._sampled(name, n, embedded=False)

    def _sampled(self, name: str, n: int, *, embedded: bool) -> Tensor:
        if self.generator_ is None:
            raise InputError("this model has no generator", remedy="fit it with generator='wgan'")
        row = self.priors_.align([name]).to_tensor(self._where)
        random = torch.Generator().manual_seed(self._random("samples", name))
        draw = self.generator_.sample_embedded if embedded else self.generator_.sample
        more: dict[str, Any] = {}
        if self._distances is not None:
            more["distances"] = self._distances[self.names_.index(name)][None]
        return draw(row, n, generator=random, **more)[0].to(device=self._where, dtype=torch.float32)

    def _embedded(self, features: Tensor, *, training: bool = False) -> Tensor:
        """Features [N, D] as the heads take them: in the generator's own space, if it has one."""
        if self.generator_ is None or not self.generator_.embeds:
            return features
        random = torch.Generator().manual_seed(self._random("embedding")) if training else None
        return self.generator_.embed(features, generator=random).to(device=self._where, dtype=torch.float32)

    def _real_rows(self) -> npt.NDArray[np.int64]:
        target = self.samples_per_class if self.balanced else None
        if target is None and self.real_per_class is None:
            return np.arange(len(self._labels))
        random = np.random.default_rng(self._random("rows"))
        chosen: list[npt.NDArray[np.int64]] = []
        for label in np.flatnonzero(self._is_seen):
            rows = random.permutation(np.flatnonzero(self._labels == label))
            if self.real_per_class is not None:
                rows = rows[: self.real_per_class]
            chosen.append(rows if target is None else np.resize(rows, target))
        return np.sort(np.concatenate(chosen)).astype(np.int64)
