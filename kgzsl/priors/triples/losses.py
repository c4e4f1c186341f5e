"""Losses over positive triples and shared negatives."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["self_adversarial_loss", "softmax_loss"]


def self_adversarial_loss(
    positive: Tensor, negative: Tensor, *, margin: float, temperature: float, known: Tensor | None = None
) -> Tensor:
    """Negative sampling loss with self-adversarial weights.

    Sun et al., "RotatE: Knowledge Graph Embedding by Relational Rotation in Complex Space" (ICLR 2019), equations 5
    and 6: ``-log s(g + f) - sum_i p_i log s(-g - f_i)`` with ``p = softmax(temperature * f)``, scores f (minus a
    distance for distance models), margin g, s the logistic function. The weights p carry no gradient.

    Args:
        positive: Scores [B] of the true triples.
        negative: Scores [B, M] of corrupted ones.
        margin: g; 0 suits models whose score is not a distance.
        temperature: Sharpness of the weights; 0 weighs all negatives alike.
        known: bool [B, M], corrupted triples that are true; they get no weight.

    Returns:
        The mean over the batch, a scalar; positive and negative parts count half each.
    """
    sharp = negative.detach() * temperature
    if known is not None:
        sharp = sharp.masked_fill(known, float("-inf"))
    # A row whose negatives are all true triples has softmax 0/0; it is given no weight.
    weights = torch.nan_to_num(sharp.softmax(dim=1), nan=0.0)
    away = -(weights * F.logsigmoid(-margin - negative)).sum(dim=1)
    near = -F.logsigmoid(margin + positive)
    return 0.5 * (near + away).mean()


def softmax_loss(positive: Tensor, negative: Tensor, *, known: Tensor | None = None) -> Tensor:
    """Cross entropy of the true triple against its negatives, the mean over the batch.

    With all nodes as negatives and ``known`` marking the true answers this is 1-vs-all training (Lacroix et al., ICML
    2018, equation 7).

    Args:
        positive: Scores [B].
        negative: Scores [B, M].
        known: bool [B, M], negatives to leave out (true triples, the positive among them).
    """
    if known is not None:
        negative = negative.masked_fill(known, float("-inf"))
    total = torch.logsumexp(torch.cat([positive.unsqueeze(1), negative], dim=1), dim=1)
    return (total - positive).mean()
