"""Closed-form ways from priors to prototypes: what a generator has to beat."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["mean_prototypes", "nearest_prototypes", "ridge_prototypes"]


def ridge_prototypes(seen_priors: Tensor, means: Tensor, priors: Tensor, *, penalty: float) -> Tensor:
    """Prototypes by a linear map from priors to the seen relations' mean features.

    ESZSL (Romera-Paredes and Torr, "An embarrassingly simple approach to zero-shot learning", ICML 2015) with one
    example a class: ``W = argmin |S W - M|^2 + penalty |W|^2``, solved among relations rather than dimensions, since
    there are fewer of them: ``P S' (S S' + penalty I)^-1 M``. Priors and means are centred on the seen relations.

    Args:
        seen_priors: float [R, P], S.
        means: float [R, D], M.
        priors: float [B, P] of the relations asked for.
        penalty: Weight of the map's size, in units of the mean squared length of the priors.

    Returns:
        float32 [B, D], not normalised.
    """
    seen, asked, target = seen_priors.double(), priors.double(), means.double()
    centre, base = seen.mean(dim=0), target.mean(dim=0)
    seen, asked = seen - centre, asked - centre
    gram = seen @ seen.T
    scale = gram.diagonal().mean().clamp(min=1e-12)
    identity = torch.eye(len(seen), dtype=gram.dtype, device=gram.device)
    solved = torch.linalg.solve(gram + penalty * scale * identity, target - base)
    found: Tensor = base + asked @ seen.T @ solved
    return found.float()


def nearest_prototypes(seen_priors: Tensor, means: Tensor, priors: Tensor) -> Tensor:
    """The mean feature of the seen relation whose prior has the highest cosine: float32 [B, D]."""
    nearness = F.normalize(priors.float(), dim=1) @ F.normalize(seen_priors.float(), dim=1).T
    return means[nearness.argmax(dim=1)].float()


def mean_prototypes(means: Tensor, priors: Tensor) -> Tensor:
    """The mean of the seen relations' mean features, for every relation: float32 [B, D].

    The limit of :func:`ridge_prototypes` as the penalty grows: what is asked says nothing to it. What beats it has read
    the priors. (The features of pairs still weigh what links their ends by the priors.)
    """
    return means.mean(dim=0).float().expand(len(priors), -1)
