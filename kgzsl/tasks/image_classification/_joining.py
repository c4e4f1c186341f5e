"""One more class for heads that are trained already, without training them again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from kgzsl.tasks.image_classification.zero_shot_classifier import ZeroShotClassifier

__all__ = ["join_heads"]

# What the new class is told from: so many features of each other unseen class, so many real rows in all. Both bound
# the work, whatever the data set; each row stands for as many as were left out.
_OF_EACH, _REAL = 50, 4000


def join_heads(model: ZeroShotClassifier, label: int) -> bool:
    """Teach the heads of ``model`` the unseen class in row ``label`` of its priors, the last one.

    Without a generator nothing that was learnt depends on unseen classes, so the class's prior is all that is added.
    With one, features of the class are made, and the head takes them in as it can (see :meth:`Head.add_rows`).

    Returns:
        Whether all heads could; False leaves them to be trained again.
    """
    zsl, gzsl = model._zsl_head, model._gzsl_head
    if zsl is None or gzsl is None:
        return False
    if model._prior_head is not None and not model._prior_head.head.add_prior(model.priors_):
        return False
    if model.generator_ is None:
        return gzsl.add_prior(model.priors_)
    rows = model._synthesised(label)
    others, weights = _other_unseen(model, label)
    real, share = _real(model)
    seen = torch.cat([real, others])
    every = np.concatenate([np.full(len(real), share, dtype=np.float32), weights])
    return zsl.add_rows(model.priors_, label, rows, others, weights) and gzsl.add_rows(
        model.priors_, label, rows, seen, every
    )


def _other_unseen(model: ZeroShotClassifier, label: int) -> tuple[Tensor, np.ndarray]:
    """Features of the other unseen classes, and how many rows of a full training each stands for."""
    parts: list[Tensor] = []
    for other in np.flatnonzero(~model._is_seen):
        if other == label:
            continue
        name = model.names_[other]
        few = min(model.samples_per_class, _OF_EACH)
        kept = model._synthetic.get(name)
        parts.append(model._sampled(name, few, embedded=True) if kept is None else kept[:few])
    count = sum(map(len, parts))
    weight = model.samples_per_class / max(min(model.samples_per_class, _OF_EACH), 1)
    return torch.cat(parts), np.full(count, weight, dtype=np.float32)


def _real(model: ZeroShotClassifier) -> tuple[Tensor, float]:
    """Real rows as the head was trained on, at most so many, and how many of them each stands for."""
    rows = model._real_rows()
    share = max(1.0, len(rows) / _REAL)
    if share > 1:
        rows = np.random.default_rng(model._random("joining")).choice(rows, _REAL, replace=False)
    return model._embedded(model._features[torch.from_numpy(rows).to(model._where)], training=True), share
