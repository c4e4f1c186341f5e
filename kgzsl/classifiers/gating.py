"""Gates between an expert for seen classes and one for unseen classes: COSMO, and calibrated stacking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kgzsl._options import check_choice, check_count, check_number
from kgzsl._tensors import number_tensor
from kgzsl.classifiers._inputs import class_indices, class_mask, float_matrix
from kgzsl.errors import InputError

__all__ = ["SMOOTHINGS", "CosmoGate", "calibrated_stacking", "check_temperatures", "smooth_and_mix"]

SMOOTHINGS = ("adaptive", "constant", "none")


def smooth_and_mix(seen: Any, zero_shot: Any, gate: Any, unseen_mask: Any, *, smoothing: str = "adaptive") -> Tensor:
    """Mix two experts by adaptive confidence smoothing; rows sum to 1.

    Atzmon and Chechik, "Adaptive Confidence Smoothing for Generalized Zero-Shot Learning" (CVPR 2019). With the gate
    g = P(unseen | x): an expert asked about a sample of the other's domain is drawn towards the uniform distribution as
    far as the gate doubts that the sample is its own:
    p(y | unseen) = p_Z(y) + (1 - g) / \\|U\\| over unseen y, p(y | seen) = p_S(y) + g / \\|S\\| over seen y, and
    p(y) is proportional to g p(y | unseen) + (1 - g) p(y | seen).

    Args:
        seen: [N, C] probabilities of the seen expert; its columns of unseen classes are not looked at.
        zero_shot: [N, C] probabilities of the zero-shot expert; its columns of seen classes are not looked at.
        gate: [N], P(unseen), in [0, 1].
        unseen_mask: bool [C].
        smoothing: ``"adaptive"`` as above, ``"constant"`` (half the uniform mass whatever the gate says: the paper's
            ablation), or ``"none"`` (a plain mixture).

    Raises:
        InputError: Shapes that do not fit, a gate outside [0, 1], no seen or no unseen class, an unknown smoothing.
    """
    mask = class_mask(unseen_mask)
    unseen_count = int(mask.sum())
    seen_count = len(mask) - unseen_count
    if not unseen_count or not seen_count:
        raise InputError("a gate needs seen and unseen classes", remedy="leave the gate out for one group of classes")
    check_choice(smoothing, "smoothing", SMOOTHINGS)
    first = float_matrix(seen, "seen", columns=len(mask))
    second = float_matrix(zero_shot, "zero_shot", columns=len(mask), device=first.device)
    mask = mask.to(first.device)
    for name, own, table in (("seen", ~mask, first), ("zero_shot", mask, second)):
        if bool((table[:, own] < 0).any()):
            raise InputError(f"{name} holds negative values", remedy="give probabilities, such as logits.softmax(1)")
    weight = number_tensor(gate, "gate", device=first.device, remedy="give P(unseen | x) of each row")
    weight = weight.to(first.dtype).reshape(-1, 1)
    if len(weight) != len(first) or len(second) != len(first):
        raise InputError(f"{len(first)} and {len(second)} rows of two experts for {len(weight)} gate values")
    if not bool(((weight >= 0) & (weight <= 1)).all()):
        raise InputError("the gate leaves [0, 1]", remedy="give P(unseen | x)")
    doubt = {"adaptive": weight, "constant": torch.full_like(weight, 0.5), "none": torch.zeros_like(weight)}[smoothing]
    trust = {"adaptive": 1 - weight, "constant": torch.full_like(weight, 0.5), "none": torch.zeros_like(weight)}
    as_unseen = weight * (second + trust[smoothing] / unseen_count)
    as_seen = (1 - weight) * (first + doubt / seen_count)
    mixed = torch.where(mask, as_unseen, as_seen)
    total = mixed.sum(dim=1, keepdim=True)
    # An expert without any mass on its own classes says nothing: uniform, rather than a division by zero.
    return torch.where(total > 0, mixed / total.clamp_min(torch.finfo(mixed.dtype).tiny), 1.0 / len(mask))


def check_temperatures(temperatures: Any, name: str = "temperatures") -> None:
    """Refuse what is no list of at least one temperature.

    Raises:
        InputError: It is none, or one of them is not positive.
    """
    if not isinstance(temperatures, Sequence | np.ndarray) or isinstance(temperatures, str) or not len(temperatures):
        raise InputError(f"{name} is {temperatures!r}", remedy="give a list of numbers above 0: (1.0, 3.0)")
    for one in temperatures:
        check_number(one, f"one of {name}", zero=False)


def calibrated_stacking(scores: Any, unseen_mask: Any, bias: float) -> Tensor:
    """Add ``bias`` to the scores of unseen classes (Chao et al., ECCV 2016, with the opposite sign on seen ones).

    Args:
        scores: [N, C].
        unseen_mask: bool [C].
        bias: May be infinite: +inf leaves only unseen classes, -inf only seen ones.
    """
    check_number(bias, "bias", negative=True, infinite=True)
    mask = class_mask(unseen_mask)
    matrix = float_matrix(scores, "scores", columns=len(mask))
    mask = mask.to(matrix.device)
    if bias == float("inf"):
        return matrix.masked_fill(~mask, -torch.inf)
    return torch.where(mask, matrix + bias, matrix)


class CosmoGate:
    """P(unseen | x) by logistic regression on how sure both experts are (COSMO's gating network).

    Features of a sample: the ``top`` largest probabilities of each expert over its own classes, after a softmax at each
    of ``temperatures``. Fit it on a fold where some *seen* classes play the unseen ones.

    Args:
        top: How many of the largest probabilities to look at, per expert.
        temperatures: The temperatures of the softmax.
        l2: Weight of the ridge penalty on the standardised features.

    Raises:
        InputError: An option out of range.
    """

    def __init__(self, top: int = 3, temperatures: Sequence[float] = (1.0, 3.0), l2: float = 1e-2) -> None:
        check_count(top, "top")
        check_temperatures(temperatures)
        check_number(l2, "l2")
        self.top = top
        self.temperatures = tuple(temperatures)
        self.l2 = l2

    def fit(self, seen_scores: Any, zero_shot_scores: Any, unseen_mask: Any, is_unseen: Any) -> CosmoGate:
        """Learn from scores (logits) [N, C] of both experts and, per row, whether its true class plays unseen.

        Raises:
            InputError: ``is_unseen`` has one value only, or shapes that do not fit.
        """
        features = self._features(seen_scores, zero_shot_scores, unseen_mask)
        classes, encoded = class_indices(is_unseen, len(features))
        if len(classes) != 2:
            raise InputError("every sample of the gate's fold is of one kind", remedy="hold some seen classes out")
        target = torch.as_tensor(encoded, dtype=features.dtype, device=features.device)
        self.mean_ = features.mean(dim=0)
        self.scale_ = features.std(dim=0).clamp_min(1e-6)
        design = (features - self.mean_) / self.scale_
        weights = torch.zeros(design.shape[1] + 1, dtype=design.dtype, device=design.device, requires_grad=True)
        # Both kinds count the same: the share of unseen samples in the fold says nothing about the test.
        balance = torch.where(target > 0, 0.5 / target.mean(), 0.5 / (1 - target.mean()))
        optimiser = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe", tolerance_grad=1e-9)

        def closure() -> Tensor:
            optimiser.zero_grad()
            logits = design @ weights[:-1] + weights[-1]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, weight=balance)
            loss = loss + self.l2 * weights[:-1].square().sum()
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        optimiser.step(closure)  # type: ignore[no-untyped-call]
        self.weights_ = weights.detach()
        return self

    def predict_unseen(self, seen_scores: Any, zero_shot_scores: Any, unseen_mask: Any) -> Tensor:
        """P(unseen | x), [N], from scores (logits) [N, C] of both experts."""
        if not hasattr(self, "weights_"):
            raise InputError("this CosmoGate is not fitted", remedy="call fit with a validation fold first")
        design = (self._features(seen_scores, zero_shot_scores, unseen_mask) - self.mean_) / self.scale_
        return torch.sigmoid(design @ self.weights_[:-1] + self.weights_[-1])

    def mix(self, seen_scores: Any, zero_shot_scores: Any, unseen_mask: Any, *, smoothing: str = "adaptive") -> Tensor:
        """The mixture of both experts' softmax probabilities under this gate: [N, C], rows sum to 1."""
        mask = class_mask(unseen_mask)
        gate = self.predict_unseen(seen_scores, zero_shot_scores, mask)
        first = float_matrix(seen_scores, "seen_scores", device=gate.device).masked_fill(mask, -torch.inf)
        second = float_matrix(zero_shot_scores, "zero_shot_scores", device=gate.device).masked_fill(~mask, -torch.inf)
        return smooth_and_mix(first.softmax(dim=1), second.softmax(dim=1), gate, mask, smoothing=smoothing)

    def _features(self, seen_scores: Any, zero_shot_scores: Any, unseen_mask: Any) -> Tensor:
        mask = class_mask(unseen_mask)
        parts = []
        for scores, own, name in ((seen_scores, ~mask, "seen_scores"), (zero_shot_scores, mask, "zero_shot_scores")):
            logits = float_matrix(scores, name, columns=len(mask))
            logits = logits[:, own.to(logits.device)]
            # A fold may have fewer classes than the final task: what is missing counts as probability zero.
            width = min(self.top, logits.shape[1])
            for temperature in self.temperatures:
                largest = (logits / temperature).softmax(dim=1).topk(width, dim=1).values
                parts.append(torch.nn.functional.pad(largest, (0, self.top - width)))
        return torch.cat(parts, dim=1)
