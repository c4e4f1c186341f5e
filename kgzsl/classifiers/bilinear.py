"""A bilinear compatibility learnt by a ranking loss: what ALE, SJE and DeViSE share."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from kgzsl._options import check_numbers, check_seed, check_whole
from kgzsl.classifiers._episodes import episode
from kgzsl.classifiers._inputs import check_finite, row_weights
from kgzsl.classifiers.prior_classifier import PriorClassifier

__all__ = ["Bilinear", "hinges"]


def hinges(scores: Tensor, labels: Tensor, margin: float) -> Tensor:
    """By how much each wrong class comes too near the right one: ``max(0, margin + F_y - F_own)``, 0 for the own class.

    Args:
        scores: F, float [B, C].
        labels: int64 [B].
        margin: What the own class should be ahead by.
    """
    own = scores.gather(1, labels[:, None])
    return (margin + scores - own).clamp_min(0).scatter(1, labels[:, None], 0.0)


class Bilinear(PriorClassifier):
    """``F(x, c) = x' W s_c`` with W from mini-batches of a ranking loss over the seen classes.

    Args:
        margin: What the right class should be ahead by.
        lr: Learning rate of Adam.
        epochs: Passes over the data.
        batch_size: Rows of a step.
        weight_decay: Weight of ``||W||^2 / 2`` beside the mean loss.
        normalise: ``"l2"`` scales each row of X and each prior to unit length first; ``"none"`` takes them as they are.
        hold_out: Share of the seen classes that each step holds out (episodic training, after Vinyals et al., "Matching
            Networks for One Shot Learning", NeurIPS 2016): the step's rows are of these classes, and must be told among
            them alone, as unseen classes will be. At least two are held out; 0 is without.
        seed: Seed of the batches; W starts at zero.
        device: Where it computes; None follows X.

    Attributes:
        coef_: W, float32 [D, P].
    """

    coef_: Tensor

    def __init__(
        self,
        margin: float = 1.0,
        lr: float = 1e-2,
        epochs: int = 25,
        batch_size: int = 256,
        weight_decay: float = 0.0,
        normalise: str = "l2",
        hold_out: float = 0.0,
        seed: int = 0,
        device: torch.device | str | None = None,
    ) -> None:
        self.margin = margin
        self.lr = lr
        self.epochs = epochs
        self.batch_size = batch_size
        self.weight_decay = weight_decay
        self.normalise = normalise
        self.hold_out = hold_out
        self.seed = seed
        self.device = device

    @staticmethod
    @abstractmethod
    def losses(scores: Tensor, labels: Tensor, margin: float) -> Tensor:
        """The loss of each row, float [B], for scores [B, C] and labels int64 [B]."""

    def check_options(self) -> None:
        """See :meth:`Classifier.check_options`."""
        super().check_options()
        check_numbers(self, "margin", "lr", zero=False)
        check_whole(self, "epochs", "batch_size")
        check_numbers(self, "weight_decay")
        check_numbers(self, "hold_out", below=1)
        check_seed(self.seed)

    @torch.enable_grad()
    def fit(self, X: Any, y: Any, priors: Any = None, sample_weight: Any | None = None) -> Bilinear:
        """See :class:`PriorClassifier`; ``sample_weight`` [N], not negative, says how much each row counts."""
        features, labels = self._start(X, y, priors, torch.float32)
        weights = row_weights(sample_weight, features)
        seen = self._seen_rows()
        labels, vectors = self._among_seen(labels), self.priors_[seen].float().T
        coef = torch.zeros(self.n_features_in_, len(vectors), device=features.device, requires_grad=True)
        generator = torch.Generator(device=features.device).manual_seed(int(self.seed))
        optimiser = torch.optim.Adam([coef], lr=self.lr, fused=True)
        for _ in range(self.epochs):
            order = torch.randperm(len(features), generator=generator, device=features.device)
            for rows in torch.split(order, int(self.batch_size)):
                if self.hold_out and len(seen) > 1:
                    rows, among, truth = episode(labels, len(seen), self.hold_out, len(rows), generator)
                    losses = self.losses(features[rows] @ coef @ vectors[:, among], truth, self.margin)
                else:
                    losses = self.losses(features[rows] @ coef @ vectors, labels[rows], self.margin)
                loss = (weights[rows] * losses).mean()
                if self.weight_decay:
                    loss = loss + 0.5 * self.weight_decay * coef.square().sum()
                optimiser.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
        check_finite(coef, type(self).__name__)
        self.coef_ = coef.detach()
        return self

    def _scores(self, features: Tensor, priors: Tensor) -> Tensor:
        return features @ (self.coef_ @ priors.float().T)
