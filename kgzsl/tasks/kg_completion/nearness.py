"""How near the seen relations are to the one asked for."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["nearness"]


def nearness(seen_priors: Tensor, prior: Tensor, *, sharpness: float = 15.0, own: int | None = None) -> Tensor:
    """``exp(sharpness (c_s - max c))``, c the cosines of the priors: 1 for the nearest seen relation, less for others.

    Args:
        seen_priors: float [R, P].
        prior: float [P] of the relation asked for.
        sharpness: How much more the nearest relation counts than the others.
        own: The position of the asked relation, if it is a seen one that is to be hidden: it gets 0.

    Returns:
        float32 [R].
    """
    cosine = F.normalize(seen_priors.float(), dim=1) @ F.normalize(prior.float(), dim=0)
    if own is not None:
        cosine[own] = float("-inf")
    return torch.exp(sharpness * (cosine - cosine.max()))
