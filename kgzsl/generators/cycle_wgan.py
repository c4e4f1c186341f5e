"""The cycle-consistent WGAN: from generated features back to the prior."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from kgzsl._options import check_numbers
from kgzsl.generators.terms import Term
from kgzsl.generators.wgan import WGAN

__all__ = ["Cycle", "CycleWGAN", "prior_regression"]


class Cycle:
    """|prior - R(G(z, prior))|^2 with R a frozen linear map from features to priors.

    Args:
        matrix: Float [D, P].
        shift: Float [P].
        weight: Weight of the loss.
    """

    name = "cycle"

    def __init__(self, matrix: Tensor, shift: Tensor, weight: float) -> None:
        self._matrix, self._shift, self.weight = matrix, shift, weight

    def __call__(self, fake: Tensor, labels: Tensor, priors: Tensor) -> Tensor:  # noqa: ARG002 (a Term's signature)
        """See :class:`Term`."""
        back = torch.addmm(self._shift, fake.to(self._shift.dtype), self._matrix)
        return (back - priors).square().sum(dim=1).mean()


def prior_regression(features: Tensor, targets: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """Ridge regression with an intercept: float [D, P] and [P]; ``ridge`` times the mean variance is the penalty.

    Args:
        features: Float [N, D].
        targets: Float [N, P].
        ridge: Above 0.
    """
    x, y = features.double(), targets.double()
    mean_x, mean_y = x.mean(dim=0), y.mean(dim=0)
    centred = x - mean_x
    gram = centred.T @ centred / len(x)
    size = float(gram.diagonal().mean()) or 1.0
    identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    matrix = torch.linalg.solve(gram + ridge * size * identity, centred.T @ (y - mean_y) / len(x))
    return matrix.to(features.dtype), (mean_y - mean_x @ matrix).to(features.dtype)


@dataclass(eq=False, repr=False)
class CycleWGAN(WGAN):
    """Cycle-consistent WGAN (Felix et al., "Multi-modal Cycle-consistent Generalized Zero-Shot Learning", ECCV 2018).

    A regression R from features to priors is learnt on real seen features first and frozen; the generator then also
    minimises cycle * E[|c - R(G(z, c))|^2], so that what it makes of a class tells the class's prior. R is linear, as
    the paper's, and solved in closed form.

    Args:
        cycle: Weight of the loss; 0 is the plain WGAN.
        cycle_ridge: Penalty of R, in units of the features' mean variance.

    The other options are those of :class:`WGAN`.
    """

    cycle: float = 0.1
    cycle_ridge: float = 0.1

    def _check_options(self) -> None:
        super()._check_options()
        check_numbers(self, "cycle")
        check_numbers(self, "cycle_ridge", zero=False)

    def _terms(
        self, scaled: Tensor, labels: Tensor, priors: Tensor, classifier: Callable[[Tensor], Tensor] | None
    ) -> list[Term]:
        terms = super()._terms(scaled, labels, priors, classifier)
        if self.cycle:
            terms.append(Cycle(*prior_regression(scaled, priors[labels], self.cycle_ridge), self.cycle))
        return terms
