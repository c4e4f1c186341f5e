"""Scores to probabilities, fitted on seen relations that the ranker was not trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from kgzsl.tasks.kg_completion.evidence.judged import Judged

__all__ = ["FEWEST_QUERIES", "FEWEST_RELATIONS", "SURE", "TOLD", "Calibration", "calibration_errors", "fit_calibration"]

FEWEST_RELATIONS = 5
"""Held-out relations below which nothing is said of a new one."""
FEWEST_QUERIES = 12
"""Held-out queries below which no probability is fitted."""
_LEVELS = 20
_PARTS = 20
_RIDGES = (0.1, 1.0, 10.0)
TOLD = 0.05
"""Nearly all answers are wrong and get nearly 0; what a user sees are those above this."""
SURE = 0.5
"""Answers above are those that a user may take."""


@dataclass(frozen=True)
class Calibration:
    """``drawn(sigmoid(bias + score * of_score + logit(share) * of_share))``.

    The share is that of the answer in the query's softmax over its candidates: an answer that stands alone is surer
    than one among many of the same score. After Platt, "Probabilistic outputs for support vector machines" (1999).

    What is learned from few relations holds for few. Where n held-out relations have answers as sure, and those bear
    out a part s of the probabilities they were given, a probability is multiplied by ``(n s + 1) / (n + 2)``: by
    Laplace's rule of succession, the chance that one more relation is as they are.

    Args:
        bias: Of the logistic.
        of_score: Weight of the score.
        of_share: Weight of the logarithm of the share.
        drawn: What probabilities 0, 1/20, .., 1 become; straight lines between.
        error: Expected calibration error, ten bins of equal width, of answers above 0.05: each relation is judged by
            what was fitted on others (from 20 relations on: by what was fitted on 19 of 20 parts of them). None: fewer
            than 5 of the groups have such an answer, so it is not known.
        error_of_one: For one relation by itself, of answers above 0.5: how far their mean confidence is from the share
            of them that is true, on average over the relations (those with more such answers count for more).
        groups: How many held-out relations (or facts) it was fitted on.
        queries: How many held-out queries.
        held_out: What was held out: ``"relations"``, whole, or ``"facts"``, others of whose relation were known.
    """

    bias: float
    of_score: float
    of_share: float
    drawn: tuple[float, ...]
    error: float | None
    error_of_one: float | None
    groups: int
    queries: int
    held_out: str = "relations"

    def __call__(self, scores: Tensor, out: Tensor | None = None, known: Tensor | None = None) -> Tensor:
        """Probabilities of all answers of each query.

        Args:
            scores: float [Q, E].
            out: bool [E] or [Q, E], answers that cannot be true: they take no share, and get 0.
            known: bool [Q, E], answers that are facts already: they take no share of the others either.
        """
        kept = scores if out is None else scores.masked_fill(out, float("-inf"))
        if known is None:
            share = _logit(torch.log_softmax(kept, dim=1))
        else:
            whole = torch.logsumexp(kept.masked_fill(known, float("-inf")), dim=1, keepdim=True)
            share = _logit(kept - torch.where(known, torch.logaddexp(kept, whole), whole))
        plain = torch.sigmoid(self.bias + self.of_score * scores + self.of_share * share)
        found = _interpolate(torch.tensor(self.drawn, dtype=plain.dtype, device=plain.device), plain)
        return found if out is None else found.masked_fill(out.expand_as(found), 0.0)

    def line(self) -> str:
        """For people: how far confidences are off, and on what that was measured."""
        on = f"{self.groups:,} held-out {self.held_out}, {self.queries:,} queries"
        if self.error is None:
            return f"calibration error unknown: hardly an answer is above {TOLD} on {on}"
        alone = (
            "" if self.error_of_one is None else f"; {self.error_of_one:.3f} above {SURE} for one relation by itself"
        )
        return f"calibration error {self.error:.3f} on {on}{alone}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; see :meth:`from_dict`."""
        return {**asdict(self), "drawn": list(self.drawn)}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Calibration:
        """What :meth:`to_dict` gave."""
        return cls(**{**told, "drawn": tuple(told["drawn"])})


def fit_calibration(
    judged: Judged,
    *,
    fewest_groups: int = FEWEST_RELATIONS,
    held_out: str = "relations",
    benefit: float = 1.0,
    alike: bool = True,
) -> Calibration | None:
    """Fit on held-out answers.

    Slopes are held back by a ridge that is chosen on groups left out: with few relations, or with answers that separate
    perfectly, they stay small.

    Args:
        judged: The answers.
        fewest_groups: With fewer nothing is fitted.
        held_out: What the groups are; see :class:`Calibration`.
        benefit: Of the doubt: the 1 in ``(n s + 1) / (n + 2)``. With 0 the last 2 is a 1, and what no held-out relation
            has shown gets nothing.
        alike: Whether groups weigh alike, as relations do; else their queries weigh what they are told to.

    Returns:
        None where there are fewer groups, or fewer than 12 queries.
    """
    groups, of_query = torch.unique(judged.group, return_inverse=True)
    count, queries = len(groups), len(judged.scores)
    if count < fewest_groups or queries < FEWEST_QUERIES:
        return None
    rows = _Rows.of(judged, of_query, count, alike)
    part = torch.arange(count) % min(count, _PARTS)
    best: tuple[float, float, Tensor] | None = None
    for ridge in _RIDGES:
        start, chance = _fit(rows, ridge), torch.zeros(len(rows.truth), dtype=torch.float64)
        for number in range(int(part.max()) + 1):
            aside = part[rows.group] == number
            chance[aside] = torch.sigmoid(rows.columns[aside] @ _fit(rows.where(~aside), ridge, start))
        loss = float(torch.nn.functional.binary_cross_entropy(chance, rows.truth, rows.weight, reduction="sum"))
        if best is None or loss < best[0]:
            best = loss, ridge, chance
    assert best is not None
    _, ridge, chance = best
    drawn = _drawn(rows, chance, count, benefit)
    told = _interpolate(drawn, chance)
    bias, of_score, of_share = rows.plain(_fit(rows, ridge)).tolist()
    error, alone = calibration_errors(told, rows.truth, rows.weight, rows.group)
    shrunk = tuple(drawn.tolist())
    return Calibration(
        bias, of_score, of_share, shrunk, error, alone if held_out == "relations" else None, count, queries, held_out
    )


def calibration_errors(
    chance: Tensor, truth: Tensor, weight: Tensor, group: Tensor, *, fewest: int = FEWEST_RELATIONS
) -> tuple[float | None, float | None]:
    """How far probabilities are off: expected calibration error, and that of one group by itself.

    Args:
        chance: float [N], probabilities of answers.
        truth: float [N], 1 for true ones.
        weight: float [N].
        group: int64 [N].
        fewest: Where fewer groups have such an answer, None.

    Returns:
        Of answers above 0.05, in ten bins of equal width, the mean of ``|share of true - mean chance|`` by weight; and
        of answers above 0.5 the same with groups in place of bins.
    """
    bins = (chance * 10).long().clamp(max=9)
    found: list[float | None] = []
    for seen, places in ((chance > TOLD, bins), (chance > SURE, group)):
        if len(torch.unique(group[seen])) < max(1, fewest):
            found.append(None)
            continue
        of, size = places[seen], int(places[seen].max()) + 1
        amount = weight[seen] * (truth[seen] - chance[seen])
        gap = torch.zeros(size, dtype=torch.float64).index_add_(0, of, amount)
        found.append(float(gap.abs().sum() / weight[seen].sum()))
    return found[0], found[1]


@dataclass(frozen=True)
class _Rows:
    """Answers as rows of a regression: standardised columns [N, 3], truth, weight, group and query of each [N]."""

    columns: Tensor
    truth: Tensor
    weight: Tensor
    group: Tensor
    query: Tensor
    mean: Tensor
    scale: Tensor

    @classmethod
    def of(cls, judged: Judged, of_query: Tensor, count: int, alike: bool) -> _Rows:
        stands, kept = judged.stands.double(), judged.stands > 0
        scores = judged.scores.double()
        logits = torch.where(kept, scores + stands.clamp(min=1e-12).log(), float("-inf"))
        share = _logit((scores - torch.logsumexp(logits, dim=1, keepdim=True)).clamp(max=0))
        total = torch.zeros(count, dtype=torch.float64).index_add_(0, of_query, judged.weight.double())
        if not alike:
            total = total.mean().expand_as(total)
        weight = ((judged.weight.double() / total[of_query])[:, None] * stands)[kept]
        columns = torch.stack([torch.ones_like(scores), scores, share], dim=-1)[kept]
        mean = (columns * weight[:, None]).sum(dim=0) / weight.sum()
        scale = (((columns - mean).square() * weight[:, None]).sum(dim=0) / weight.sum()).sqrt().clamp(min=1e-6)
        mean[0], scale[0] = 0, 1
        query = torch.arange(len(scores))[:, None].expand_as(kept)[kept]
        columns = (columns - mean) / scale
        return cls(columns, judged.truth[kept].double(), weight, of_query[query], query, mean, scale)

    def where(self, rows: Tensor) -> _Rows:
        some = {name: getattr(self, name)[rows] for name in ("columns", "truth", "weight", "group", "query")}
        return _Rows(**some, mean=self.mean, scale=self.scale)

    def plain(self, theta: Tensor) -> Tensor:
        """Coefficients of the columns as they are, for those of the standardised ones."""
        slopes = theta / self.scale
        return torch.cat([theta[:1] - (slopes * self.mean)[1:].sum(), slopes[1:]])


def _logit(logarithm: Tensor) -> Tensor:
    """Log odds of a share whose logarithm is given; kept finite."""
    return (logarithm - torch.log1p(-logarithm.exp()).clamp(min=-20)).clamp(min=-60)


def _fit(rows: _Rows, ridge: float, start: Tensor | None = None) -> Tensor:
    """Newton's method; the slopes' ridge is in units of groups, of which each weighs 1."""
    held = torch.diag(torch.tensor([1e-6, ridge, ridge], dtype=torch.float64))
    theta = torch.zeros(3, dtype=torch.float64) if start is None else start
    for _ in range(50):
        chance = torch.sigmoid(rows.columns @ theta)
        gradient = rows.columns.T @ (rows.weight * (chance - rows.truth)) + held @ theta
        curve = (rows.columns * (rows.weight * chance * (1 - chance))[:, None]).T @ rows.columns + held
        step = torch.linalg.solve(curve, gradient)
        theta = theta - step * min(1.0, 5.0 / float(step.norm().clamp(min=1e-12)))
        if float(step.norm()) < 1e-6:
            break
    return theta


def _drawn(rows: _Rows, chance: Tensor, count: int, benefit: float) -> Tensor:
    """What probabilities 0, 1/20, .., 1 become for one more group: float64 [21]."""
    levels = torch.linspace(0, 1, _LEVELS + 1, dtype=torch.float64)
    queries = int(rows.query.max()) + 1
    surest = torch.zeros(queries, dtype=torch.float64).scatter_reduce(0, rows.query, chance, "amax")
    group = torch.zeros(queries, dtype=torch.int64).scatter(0, rows.query, rows.group)
    asked = torch.bincount(group, minlength=count)
    kept = []
    for level in levels:
        # A relation half of whose queries have such an answer counts for half.
        n = float(((surest >= level) / asked[group]).sum())
        weight = rows.weight * (chance >= level)
        borne_out = min(1.0, float((weight * rows.truth).sum() / (weight * chance).sum().clamp(min=1e-12)))
        kept.append((n * borne_out + benefit) / (n + 1 + benefit))
    # A surer answer is never told as less sure, though fewer relations speak for it.
    return (levels * torch.tensor(kept, dtype=torch.float64)).cummax(dim=0).values


def _interpolate(values: Tensor, places: Tensor) -> Tensor:
    """``values`` [n + 1] at 0, 1/n, .., 1, and between them on straight lines."""
    at = (places * (len(values) - 1)).clamp(0, len(values) - 1)
    low = at.long().clamp(max=len(values) - 2)
    return torch.lerp(values[low], values[low + 1], (at - low).to(values.dtype)).to(places.dtype)
