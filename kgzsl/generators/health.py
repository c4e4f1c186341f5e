"""Whether a trained generator has collapsed: its samples beside the real features, class by class."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from kgzsl.engine.errors import TrainingError

if TYPE_CHECKING:
    from kgzsl.generators.base import FeatureGenerator

__all__ = ["CollapseWarning", "Health", "check_health", "spreads"]

_CLASSES, _ROWS = 40, 50
_LEAST = 0.01


class CollapseWarning(UserWarning):
    """Samples of a generator hardly vary."""


@dataclass(frozen=True)
class Health:
    """Variances of samples over those of real features of the same seen classes.

    Args:
        within: Inside classes; near 0 is mode collapse: the noise is ignored.
        between: Of class means; near 0 is a prior that is ignored: every class gets the same features.
    """

    within: float
    between: float

    @property
    def complaints(self) -> tuple[str, ...]:
        """What is wrong, in one line each."""
        found = []
        if self.within < _LEAST:
            found.append(
                f"mode collapse: samples of a class vary {100 * self.within:.2g} % as much as real ones do; "
                "lower classification or soul_weight, or train longer"
            )
        if self.between < _LEAST:
            found.append(
                f"the prior is ignored: classes differ {100 * self.between:.2g} % as much as real ones do; "
                "raise prior_size, try priors='standard', or train longer"
            )
        return tuple(found)


def spreads(features: Tensor, labels: Tensor) -> tuple[float, float]:
    """Mean variance within classes and variance of class means, both unbiased, summed over features.

    The variance of the means of n rows holds 1/n of the variance within; that part is taken out.

    Args:
        features: [N, D].
        labels: int64 [N].
    """
    kinds, place = torch.unique(labels, return_inverse=True)
    counts = torch.bincount(place).to(features.dtype)
    sums = torch.zeros(len(kinds), features.shape[1], dtype=features.dtype, device=features.device)
    means = sums.index_add_(0, place, features) / counts[:, None]
    within = float((features - means[place]).square().sum()) / max(len(features) - len(kinds), 1)
    if len(kinds) < 2:
        return within, 0.0
    between = float(means.var(dim=0).sum()) - within * float((1 / counts).mean())
    return within, max(between, 0.0)


def check_health(generator: FeatureGenerator, features: Tensor, labels: Tensor, priors: Tensor) -> Health | None:
    """Compare samples of seen classes with their real features, and warn of a collapse.

    Args:
        generator: Fitted.
        features, labels, priors: What it was fitted on.

    Returns:
        What was measured; None where the real features do not vary themselves.

    Raises:
        TrainingError: Samples are NaN or infinite.
    """
    counts = torch.bincount(labels, minlength=len(priors))
    classes = torch.nonzero(counts >= 2).flatten()[:_CLASSES]
    if not len(classes):
        return None
    rows = torch.isin(labels, classes)
    real_within, real_between = spreads(features[rows], labels[rows])
    random = torch.Generator().manual_seed(0)
    fake, made_of = generator.sample(priors[classes], _ROWS, generator=random)
    if not bool(torch.isfinite(fake).all()):
        raise TrainingError(
            f"the samples of {type(generator).__name__} are NaN or infinite: its training diverged",
            remedy="lower lr, or set clip",
        )
    within, between = spreads(fake, made_of)
    if real_within == 0.0:
        return None
    health = Health(within / real_within, between / real_between if real_between > 0 else 1.0)
    for complaint in health.complaints:
        warnings.warn(f"{type(generator).__name__}: {complaint}", CollapseWarning, stacklevel=3)
    return health
