"""How much each view of a class says about what its features look like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from kgzsl._options import check_count, check_kind, check_numbers, check_seed, check_whole
from kgzsl.classifiers._candidates import candidate_rows
from kgzsl.classifiers._inputs import float_matrix
from kgzsl.classifiers.prior_classifier import PriorClassifier
from kgzsl.errors import InputError

__all__ = ["ViewWeighted", "views_of"]


class ViewWeighted(PriorClassifier):
    """Prototypes told by each view of the priors alone, and weights of the views learnt on held-out seen classes.

    The idea of multi-view document supervision (MADS, arXiv 2503.06847): one score per view,
    ``s(x, c) = sum_v w_v s_v(x, c) / u_v``, so that views that say nothing about features are muted, and what each view
    contributed to an answer can be told. Folds of seen classes play the unseen ones; there each view's scores are
    brought to the same spread (u_v), and the weights, which sum to 1, minimise the cross entropy.

    Each s_v is closed-form and bilinear up to a factor of each class. With m the mean of the seen classes' means, D
    these means about m, A the view's priors of seen classes about theirs, K = AA', and a candidate's centred prior a,
    the class is expected at ``m + d``, ``d = a A' (K + lam k I)^-1 D``, k the mean of K's diagonal, and
    ``s_v = (x - m)' P d / sqrt(d' P d)``, ``P = (S + gamma s I)^-1``, S the covariance within classes and s the mean of
    its diagonal: the rule of :class:`GaussianPrototypes` for unseen classes, here for all of them, so that seen and
    unseen ones are told alike. Centring matters: priors of like classes share most of their length, and without it that
    common part outweighs all that tells classes apart. So do the units: a weight that suits a narrow view flattens one
    of many columns whose rows differ little.

    Args:
        views: View -> number of columns, in the order of the prior's columns; None takes ``made["views"]`` of
            :class:`ClassPriors`, or the parts of priors put side by side.
        gamma: How far features are not whitened, in units of their mean variance within classes.
        lam: Ridge weight of the maps from priors, in units of the mean squared length of a view's centred priors.
        power: Each feature f becomes sign(f) |f|^power first; 0.5 suits the outputs of rectifiers and histograms.
        folds: Folds of seen classes; 0 weighs all views alike.
        normalise: ``"l2"`` scales rows of X and each view of each prior to unit length first; ``"none"``.
        seed: Of the folds.
        device: Where it computes; None follows X.

    Attributes:
        views_: The views' names.
        weights_: float64 [V], at least 0, summing to 1.
        scales_: float64 [V], the spread u_v of each view's scores.
        coef_: float64 [P, D], from centred priors to deviations from m, view below view.
        centre_, prior_centre_: float64 [D] and [P].
        precision_: float64 [D, D].
    """

    views_: tuple[str, ...]
    weights_: Tensor
    scales_: Tensor
    coef_: Tensor
    centre_: Tensor
    prior_centre_: Tensor
    precision_: Tensor

    _learnt: ClassVar[tuple[str, ...]] = ("coef_", "weights_", "scales_", "centre_", "prior_centre_", "precision_")

    def __init__(
        self,
        views: Mapping[str, int] | None = None,
        gamma: float = 1.0,
        lam: float = 0.1,
        power: float = 1.0,
        folds: int = 5,
        normalise: str = "l2",
        seed: int = 0,
        device: torch.device | str | None = None,
    ) -> None:
        self.views = views
        self.gamma = gamma
        self.lam = lam
        self.power = power
        self.folds = folds
        self.normalise = normalise
        self.seed = seed
        self.device = device

    def check_options(self) -> None:
        """See :meth:`Classifier.check_options`."""
        super().check_options()
        check_kind(self.views, "views", Mapping, "a mapping of view to number of columns")
        for view, width in (self.views or {}).items():
            check_count(width, f"the width of {view!r} in views")
        check_numbers(self, "gamma", "lam", "power", zero=False)
        check_whole(self, "folds", least=0)
        if self.folds == 1:
            raise InputError("folds is 1", remedy="give 0, or 2 and up")
        check_seed(self.seed)

    def fit(self, X: Any, y: Any, priors: Any = None) -> ViewWeighted:
        """See :class:`PriorClassifier`; the priors must come with views."""
        features, labels = self._start(X, y, priors)
        features = self._powered(features)
        views = dict(self.views) if self.views is not None else views_of(priors)
        if sum(views.values()) != self.priors_.shape[1]:
            raise InputError(
                f"views of {sum(views.values())} columns for priors of {self.priors_.shape[1]}",
                remedy="give views={name: columns} that add up",
            )
        self.views_ = tuple(views)
        self._widths = list(views.values())
        seen = self._seen_rows()
        places = self._among_seen(labels)
        blocks = [block[seen] for block in self._blocks(self.priors_)]
        moments = _Moments.of(features, places, len(seen))
        self.weights_, self.scales_ = self._learn_weights(features, places, blocks, moments)
        self.precision_ = moments.precision(self.gamma)
        self.centre_ = moments.means.mean(dim=0)
        self.coef_ = torch.cat([_prior_map(block, moments.means - self.centre_, self.lam) for block in blocks])
        self.prior_centre_ = torch.cat([block.mean(dim=0) for block in blocks])
        return self

    def contributions(self, X: Any, candidates: str | Sequence[Any] = "all") -> Tensor:
        """What each view adds to each score, float32 [N, K, V]; the sum over views is ``decision_function``."""
        self._check_fitted("coef_")
        rows = torch.as_tensor(candidate_rows(candidates, self.classes_, self.seen_), device=self.priors_.device)
        features = float_matrix(X, "X", columns=self.n_features_in_, device=self.priors_.device, dtype=torch.float64)
        centred = self._powered(self._prepared(features)) - self.centre_
        parts = [centred @ one.T for one in self._directions(self.priors_[rows])]
        return torch.stack(parts, dim=2).float()

    def state_dict(self) -> dict[str, Any]:
        """What predicting needs, as tensors and plain values."""
        return {**super().state_dict(), "views": [list(view) for view in zip(self.views_, self._widths, strict=True)]}

    def load_state_dict(self, state: dict[str, Any]) -> ViewWeighted:
        """Take over what :meth:`state_dict` gave."""
        self.views_ = tuple(name for name, _ in state["views"])
        self._widths = [width for _, width in state["views"]]
        return super().load_state_dict(state)

    def _scores(self, features: Tensor, priors: Tensor) -> Tensor:
        centred = self._powered(features.double()) - self.centre_
        return (centred @ torch.stack(self._directions(priors)).sum(dim=0).T).float()

    def _directions(self, priors: Tensor) -> list[Tensor]:
        """Per view [K, D]: what a centred feature is multiplied with, weight and scale included."""
        parts = zip(
            self._blocks(priors),
            torch.split(self.prior_centre_, self._widths),
            torch.split(self.coef_, self._widths),
            self.weights_ / self.scales_,
            strict=True,
        )
        return [
            weight * _unit_directions((block - centre) @ coef, self.precision_) for block, centre, coef, weight in parts
        ]

    def _powered(self, features: Tensor) -> Tensor:
        if self.power == 1.0:
            return features
        return self._prepared(features.sign() * features.abs() ** self.power)

    def _blocks(self, priors: Tensor) -> list[Tensor]:
        """The views of ``priors`` [C, P], each brought to unit length."""
        parts: list[Tensor] = list(torch.split(priors, self._widths, dim=1))
        return [functional.normalize(part, dim=1) for part in parts] if self.normalise == "l2" else parts

    def _learn_weights(
        self, features: Tensor, labels: Tensor, blocks: list[Tensor], moments: _Moments
    ) -> tuple[Tensor, Tensor]:
        """Weights [V] and scales [V] of the views' scores, from folds of seen classes."""
        count, classes = len(blocks), len(blocks[0])
        even = features.new_full((count,), 1 / count), features.new_ones(count)
        folds = min(self.folds, classes // 2)
        if folds < 2 or count == 1:
            return even
        order = torch.from_numpy(np.random.default_rng(self.seed).permutation(classes)).to(labels.device)
        tables, answers = [], []
        for fold in range(folds):
            out = order[fold::folds]
            kept = torch.ones(classes, dtype=torch.bool, device=labels.device)
            kept[out] = False
            place = torch.full((classes,), -1, dtype=torch.int64, device=labels.device)
            place[out] = torch.arange(len(out), device=labels.device)
            own = place[labels]
            held = own >= 0
            rest = moments.without(features[held], own[held], out)
            precision, centre = rest.precision(self.gamma), rest.means[kept].mean(dim=0)
            scores = []
            for block in blocks:
                told = _prior_map(block[kept], rest.means[kept] - centre, self.lam)
                expected = (block[out] - block[kept].mean(dim=0)) @ told
                scores.append((features[held] - centre) @ _unit_directions(expected, precision).T)
            tables.append(torch.stack(scores, dim=2))
            answers.append(own[held])
        # What tells the candidates of one sample apart is what counts, so that is what is brought to one scale.
        spread = torch.cat([(table - table.mean(dim=1, keepdim=True)).flatten(0, 1) for table in tables])
        scales = spread.square().mean(dim=0).sqrt()
        scales = torch.where(scales > 1e-12, scales, 1.0)  # a view that is the same for all classes says nothing
        return _best_weights([table / scales for table in tables], answers), scales


def views_of(priors: Any) -> dict[str, int]:
    """The views of ``priors`` and their widths: as an encoder told them, or the parts that were put side by side.

    Raises:
        InputError: They have neither.
    """
    made = getattr(priors, "made", {})
    if "views" in made:
        return {str(name): int(width) for name, width in made["views"]}
    parts = made.get("parts")
    if parts:
        found: dict[str, int] = {}
        for number, part in enumerate(parts):
            name = str(part["how"].get("encoder", "given"))
            found[name if name not in found else f"{name} {number}"] = int(part["dim"])
        return found
    raise InputError(
        "these priors have no views", remedy="make them with multi_view, put several side by side, or give views="
    )


@dataclass(frozen=True)
class _Moments:
    """What the maps need of the features: means of the C classes [C, D], and squares about them, summed, [D, D]."""

    means: Tensor
    scatter: Tensor
    rows: int

    @classmethod
    def of(cls, features: Tensor, labels: Tensor, classes: int) -> _Moments:
        counts = torch.bincount(labels, minlength=classes).to(features.dtype)
        sums = features.new_zeros(classes, features.shape[1]).index_add_(0, labels, features)
        means = sums / counts.clamp_min(1)[:, None]
        within = features - means[labels]
        return cls(means, within.T @ within, len(features))

    def without(self, features: Tensor, labels: Tensor, out: Tensor) -> _Moments:
        """The same with the scatter of the classes ``out`` taken off, whose rows and labels (0, 1, ...) are given."""
        within = features - self.means[out][labels]
        return _Moments(self.means, self.scatter - within.T @ within, self.rows - len(features))

    def precision(self, gamma: float) -> Tensor:
        """``(S + gamma s I)^-1``, S the covariance within classes, s the mean of its diagonal."""
        spread = self.scatter / max(self.rows, 1)
        unit = float(spread.diagonal().mean())
        unit = unit if unit > 0 else 1.0
        identity = torch.eye(len(spread), dtype=spread.dtype, device=spread.device)
        inverse: Tensor = torch.linalg.inv(spread + gamma * unit * identity)
        return inverse


def _prior_map(block: Tensor, deviations: Tensor, lam: float) -> Tensor:
    """[P, D] from a view's centred priors to deviations [C, D] from the centre: ridge, in units of the priors."""
    known = block - block.mean(dim=0)
    gram = known @ known.T
    size = float(gram.diagonal().mean())
    if size <= 1e-12 * float(block.square().sum(dim=1).mean()):  # priors that are all alike say nothing
        return block.new_zeros(block.shape[1], deviations.shape[1])
    identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    found: Tensor = known.T @ torch.linalg.solve(gram + lam * size * identity, deviations)
    return found


def _unit_directions(deviations: Tensor, precision: Tensor) -> Tensor:
    """[K, D]: the ``precision`` times each deviation, over its length in that metric."""
    projected = deviations @ precision
    return projected / (projected * deviations).sum(dim=1).clamp_min(1e-24).sqrt()[:, None]


def _best_weights(tables: list[Tensor], answers: list[Tensor]) -> Tensor:
    """Weights [V] that sum to 1 with the least cross entropy over ``tables`` [n, K, V], with a free temperature."""
    start = tables[0].new_zeros(tables[0].shape[2] + 1, requires_grad=True)
    optimizer = torch.optim.LBFGS([start], max_iter=200, line_search_fn="strong_wolfe")
    total = sum(len(answer) for answer in answers)

    def closure() -> Tensor:
        optimizer.zero_grad()
        weights = start[:-1].softmax(dim=0) * start[-1].exp()
        loss = sum(
            (
                functional.cross_entropy(table @ weights, answer, reduction="sum")
                for table, answer in zip(tables, answers, strict=True)
            ),
            start.new_zeros(()),
        )
        # A view that never helps would run off to minus infinity.
        loss = loss / total + 1e-4 * start.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return start.detach()[:-1].softmax(dim=0)
