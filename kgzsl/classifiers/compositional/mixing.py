"""Minority attributes, mixed into samples of the same object."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from kgzsl._options import check_number

__all__ = ["mix_minorities"]


def mix_minorities(
    features: Tensor, attributes: Tensor, objects: Tensor, strength: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Mix each row with another of its object, rare attributes being drawn most.

    Kim et al., "Hierarchical Visual Primitive Experts for Compositional Zero-Shot Learning" (ICCV 2023), section 3.4:
    the attributes of an object are long-tailed, so a row's partner is drawn among the rows of its object with a chance
    of one over the count of the partner's attribute there: every attribute of the object comes alike. The object stays
    certain; the attribute is shared in the proportion of the mixture.

    Args:
        features: [N, D].
        attributes: int64 [N].
        objects: int64 [N].
        strength: a of the Beta(a, a) that the proportions are drawn from; 0 mixes nothing.
        generator: Random state, on the CPU.

    Returns:
        Mixed features [N, D], the partners' rows int64 [N], and the share of the row itself, [N], in [1/2, 1].

    Raises:
        InputError: A negative strength.
    """
    check_number(strength, "strength")
    rows = len(features)
    line = torch.arange(rows, device=features.device)
    if strength == 0:
        return features, line, torch.ones(rows, dtype=features.dtype, device=features.device)
    key = objects * (int(attributes.max()) + 1) + attributes
    _, group, counts = torch.unique(key, return_inverse=True, return_counts=True)
    chance = 1.0 / counts[group].double()
    order = torch.argsort(objects, stable=True)
    running = chance[order].cumsum(0)
    # Each object's rows lie together in ``order``: draw a number inside its stretch of the running sum.
    _, place, sizes = torch.unique(objects, return_inverse=True, return_counts=True)
    last = sizes.cumsum(0) - 1
    top = running[last]
    bottom = torch.cat([torch.zeros_like(top[:1]), top[:-1]])
    drawn = torch.rand(rows, generator=generator, dtype=torch.float64).to(features.device)
    wanted = bottom[place] + drawn * (top - bottom)[place]
    found = torch.searchsorted(running, wanted, right=True)
    first = last - sizes + 1
    found = torch.minimum(torch.maximum(found, first[place]), last[place])  # rounding must not leave the stretch
    partners = order[found]
    # torch draws no Beta from a generator of one's own, numpy does.
    seed = int(torch.randint(2**62, (1,), generator=generator))
    share = torch.from_numpy(np.random.default_rng(seed).beta(strength, strength, size=rows)).to(features)
    share = torch.maximum(share, 1 - share)
    mixed = share[:, None] * features + (1 - share)[:, None] * features[partners]
    return mixed, partners, share
