"""Two experts' scores as evidence, taught by a fold, and fused: what is believed, and how much is not known."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from kgzsl._options import check_number
from kgzsl.classifiers._inputs import class_labels, class_mask, float_matrix, plain
from kgzsl.classifiers.evidential import Opinion, opinion_from_evidence
from kgzsl.errors import InputError

__all__ = ["EvidentialGate"]

_STRONGEST = 12.0  # log r stays below: however sure an expert is, its uncertainty does not vanish in the arithmetic
_WIDTH = 3  # figures of a row of scores


class EvidentialGate:
    """Opinions of an expert for seen and of one for unseen classes, fused by Dempster's rule over all K classes.

    After CREST (Huang et al., "CREST: Cross-modal Resonance through Evidential Deep Learning for Enhanced Zero-Shot
    Learning", ACM MM 2024), with any two experts in place of its two paths. Expert i's scores z over its own classes
    are evidence

        ``e_k = K r_i softmax(z / t_i)_k``,  ``r_i = exp(w_i . f(z) + b_i)``,

    none for the other's classes; f(z) are the largest score, and how far it is ahead of the second largest and of the
    mean. How the evidence divides is what the expert says; how much there is of it is what the fold has taught: t, w
    and b are those of the largest likelihood (Sensoy et al., NeurIPS 2018, eq. 3: ``log S - log alpha_y``) on rows
    where some seen classes play unseen ones. The factor K makes what was learnt hold for other numbers of classes: an
    opinion's own uncertainty is ``1 / (1 + r_i)``. Under Dempster's rule the evidence of opinions that share no class
    adds up, so the fused uncertainty is ``1 / (1 + r_seen + r_unseen)``; an expert without evidence changes nothing.

    The fused uncertainty tells rows of which neither expert knows much, and so where the answer may be wrong. Which
    kind of class a row is of, :meth:`predict_unseen` tells better: a zero-shot expert that is sure of a row of an
    unseen class leaves little uncertain.

    Args:
        l2: Weight of the ridge penalty on w and on log t.

    Attributes:
        weights_: float64 [2, 5], of the seen and of the zero-shot expert: log t, w, b.
        units_: float64 [2, 2, 3], mean and deviation of f on the fold, by which w goes.
    """

    weights_: Tensor
    units_: Tensor

    def __init__(self, l2: float = 3e-3) -> None:
        check_number(l2, "l2")
        self.l2 = l2

    def fit(self, seen_scores: Any, zero_shot_scores: Any, unseen_mask: Any, labels: Any) -> EvidentialGate:
        """Learn from scores [N, C] of both experts, over their own classes, and the column of each row's class.

        Raises:
            InputError: Rows of one kind only, or shapes that do not fit.
        """
        mask = class_mask(unseen_mask)
        parts = self._own(seen_scores, zero_shot_scores, mask, torch.float64)
        mask, truth = mask.to(parts[0].device), _columns_of(labels, len(parts[0]), len(mask)).to(parts[0].device)
        is_unseen = mask[truth]
        if bool(is_unseen.all()) or not bool(is_unseen.any()):
            raise InputError("every sample of the gate's fold is of one kind", remedy="hold some seen classes out")
        summaries = [_summary(part) for part in parts]
        self.units_ = torch.stack(
            [torch.stack([one.mean(dim=0), one.std(dim=0, correction=0).clamp_min(1e-6)]) for one in summaries]
        )
        # Classes weigh alike within a kind, and the kinds: how many rows of each there are says nothing about the test.
        sizes = torch.bincount(truth, minlength=len(mask))
        kinds = torch.stack([(sizes[~mask] > 0).sum(), (sizes[mask] > 0).sum()])
        importance = 0.5 / (sizes[truth] * kinds[is_unseen.long()])
        place = torch.empty(len(mask), dtype=torch.int64, device=mask.device)  # seen classes first, as the parts are
        place[torch.cat([(~mask).nonzero()[:, 0], mask.nonzero()[:, 0]])] = torch.arange(len(mask), device=mask.device)
        truth = place[truth]
        start = torch.zeros(2, _WIDTH + 2, dtype=torch.float64, device=truth.device)
        start[:, 0] = torch.stack([part.std(dim=1, correction=0).mean().clamp_min(1e-6).log() for part in parts])
        weights = start.clone().requires_grad_(True)
        optimiser = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe", tolerance_grad=1e-9)

        def closure() -> Tensor:
            optimiser.zero_grad()
            alpha = torch.cat(self._evidence(parts, summaries, weights), dim=1) + 1
            missed = alpha.sum(dim=1).log() - alpha.gather(1, truth[:, None])[:, 0].log()
            loss = (importance * missed).sum() + self.l2 * (weights - start)[:, :-1].square().sum()
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        optimiser.step(closure)  # type: ignore[no-untyped-call]
        self.weights_ = weights.detach()
        return self

    def opinions(self, seen_scores: Any, zero_shot_scores: Any, unseen_mask: Any) -> tuple[Opinion, Opinion]:
        """The two experts' opinions over all C classes, for :func:`kgzsl.classifiers.fuse`."""
        mask, evidence = self._all(seen_scores, zero_shot_scores, unseen_mask)
        tables = []
        for own, amount in zip((~mask, mask), evidence, strict=True):
            table = amount.new_zeros(len(amount), len(mask))
            table[:, own] = amount
            tables.append(opinion_from_evidence(table))
        return tables[0], tables[1]

    def mix(self, seen_scores: Any, zero_shot_scores: Any, unseen_mask: Any) -> Tensor:
        """Projected probabilities of the fused opinion, float32 [N, C], without its tables of beliefs."""
        mask, evidence = self._all(seen_scores, zero_shot_scores, unseen_mask)
        total = _strength(evidence)[:, None]
        mixed = torch.empty(len(total), len(mask), device=total.device)
        for own, amount in zip((~mask, mask), evidence, strict=True):
            mixed[:, own] = (amount + 1) / total
        return mixed

    def uncertainty(self, seen_scores: Any, zero_shot_scores: Any, unseen_mask: Any) -> Tensor:
        """Uncertainty of the fused opinion, float32 [N], in (0, 1)."""
        mask, evidence = self._all(seen_scores, zero_shot_scores, unseen_mask)
        return len(mask) / _strength(evidence)

    def predict_unseen(self, seen_scores: Any, zero_shot_scores: Any, unseen_mask: Any) -> Tensor:
        """Projected probability that the class is an unseen one, float32 [N]."""
        _, evidence = self._all(seen_scores, zero_shot_scores, unseen_mask)
        return (evidence[1].sum(dim=1) + evidence[1].shape[1]) / _strength(evidence)

    def _all(self, seen: Any, novel: Any, unseen_mask: Any) -> tuple[Tensor, list[Tensor]]:
        if not hasattr(self, "weights_"):
            raise InputError("this EvidentialGate is not fitted", remedy="call fit with a validation fold first")
        mask = class_mask(unseen_mask)
        parts = self._own(seen, novel, mask)
        evidence = self._evidence(parts, [_summary(part) for part in parts], self.weights_)
        return mask.to(parts[0].device), evidence

    def _own(self, seen: Any, novel: Any, mask: Tensor, dtype: torch.dtype = torch.float32) -> list[Tensor]:
        """The scores of each expert over its own classes, [N, S] and [N, U]."""
        if bool(mask.all()) or not bool(mask.any()):
            raise InputError("a gate needs seen and unseen classes", remedy="leave the gate out for one kind of class")
        parts = []
        for scores, own, name in ((seen, ~mask, "seen_scores"), (novel, mask, "zero_shot_scores")):
            table = scores if isinstance(scores, Tensor) else torch.as_tensor(plain(scores))
            if table.ndim != 2 or table.shape[1] != len(mask):
                raise InputError(f"{name} has shape {tuple(table.shape)} for {len(mask)} classes", remedy="give [N, C]")
            parts.append(float_matrix(table[:, own.to(table.device)], name, dtype=dtype))
        return parts

    def _evidence(self, parts: list[Tensor], summaries: list[Tensor], weights: Tensor) -> list[Tensor]:
        count = sum(part.shape[1] for part in parts)
        found = []
        for part, summary, own, unit in zip(parts, summaries, weights, self.units_.to(parts[0]), strict=True):
            own = own.to(part)
            strength = ((summary - unit[0]) / unit[1]) @ own[1:-1] + own[-1]
            strength = _STRONGEST - functional.softplus(_STRONGEST - strength)
            found.append(count * ((part / own[0].exp()).log_softmax(dim=1) + strength[:, None]).exp())
        return found


def _columns_of(labels: Any, rows: int, count: int) -> Tensor:
    """``labels`` as columns of the scores, int64 [N]."""
    given = class_labels(labels, rows)
    if given.dtype.kind not in "iu" or given.min() < 0 or given.max() >= count:
        raise InputError(
            f"the label {given[0].item()!r} is no column of the scores"
            if given.dtype.kind not in "iu"
            else f"labels go from {given.min()} to {given.max()} for {count} columns of scores",
            remedy="give each row's column, an integer from 0",
        )
    return torch.as_tensor(given.astype(np.int64))


def _summary(scores: Tensor) -> Tensor:
    """The largest score, and how far it is ahead of the second largest and of the mean, [N, 3]."""
    top = scores.topk(min(2, scores.shape[1]), dim=1).values
    return torch.stack([top[:, 0], top[:, 0] - top[:, -1], top[:, 0] - scores.mean(dim=1)], dim=1)


def _strength(evidence: list[Tensor]) -> Tensor:
    """S of the fused opinion, [N]: all the evidence, and one for each class."""
    return evidence[0].sum(dim=1) + evidence[1].sum(dim=1) + evidence[0].shape[1] + evidence[1].shape[1]
