"""How much each view of a class says about what its features look like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from kgzsl.classifiers._candidates import candidate_rows
from kgzsl.classifiers._inputs import float_matrix
from kgzsl.classifiers.prior_classifier import PriorClassifier
from kgzsl.errors import InputError

__all__ = ["ViewWeighted", "views_of"]


class ViewWeighted(PriorClassifier):
    """A bilinear classifier for each view of the priors, and weights of the views learnt on held-out seen classes.

    The idea of multi-view document supervision (MADS, arXiv 2503.06847): one score per view,
    ``s(x, c) = sum_v w_v s_v(x, c)``, so that views that say nothing about features are muted, and what each view
    contributed to an answer can be told. Each s_v is closed-form (ESZSL); folds of seen classes play the unseen ones,
    and the weights, which sum to 1, minimise the cross entropy there.

    Args:
        views: View -> number of columns, in the order of the prior's columns; None takes ``made["views"]`` of
            :class:`ClassPriors`, or the parts of priors put side by side.
        gamma: Ridge weight on the feature side, per sample.
        lam: Ridge weight on the prior side, per class.
        folds: Folds of seen classes; 0 weighs all views alike.
        normalise: ``"l2"`` scales rows of X and each view of each prior to unit length first; ``"none"``.
        seed: Of the folds.
        device: Where it computes; None follows X.

    Attributes:
        views_: The views' names.
        weights_: float64 [V], at least 0, summing to 1.
        coef_: float64 [D, P], weights included.
    """

    views_: tuple[str, ...]
    weights_: Tensor
    coef_: Tensor

    _learnt: ClassVar[tuple[str, ...]] = ("coef_", "weights_")

    def __init__(
        self,
        views: Mapping[str, int] | None = None,
        gamma: float = 0.01,
        lam: float = 0.1,
        folds: int = 5,
        normalise: str = "l2",
        seed: int = 0,
        device: torch.device | str | None = None,
    ) -> None:
        self.views = views
        self.gamma = gamma
        self.lam = lam
        self.folds = folds
        self.normalise = normalise
        self.seed = seed
        self.device = device

    def check_options(self) -> None:
        """See :meth:`Classifier.check_options`."""
        for name, fine in (("gamma", self.gamma > 0), ("lam", self.lam > 0), ("folds", self.folds != 1)):
            if not fine or self.folds < 0:
                raise InputError(f"{name} is {getattr(self, name)!r}", remedy="gamma, lam above 0; folds 0 or 2 and up")

    def fit(self, X: Any, y: Any, priors: Any = None) -> ViewWeighted:
        """See :class:`PriorClassifier`; the priors must come with views."""
        self.check_options()
        features, labels = self._start(X, y, priors)
        views = dict(self.views) if self.views is not None else views_of(priors)
        if sum(views.values()) != self.priors_.shape[1]:
            raise InputError(
                f"views of {sum(views.values())} columns for priors of {self.priors_.shape[1]}",
                remedy="give views={name: columns} that add up",
            )
        self.views_ = tuple(views)
        self._widths = list(views.values())
        seen = self._seen_rows()
        place = torch.full((len(self.classes_),), -1, dtype=torch.int64, device=features.device)
        place[seen] = torch.arange(len(seen), device=features.device)
        blocks = [block[seen] for block in self._blocks(self.priors_)]
        own = place[labels]
        weights, scales = self._learn_weights(features, own, blocks)
        self.weights_ = weights
        maps = _bilinear(features, own, blocks, self.gamma, self.lam)
        self.coef_ = torch.cat(
            [weight / scale * one for weight, scale, one in zip(weights, scales, maps, strict=True)], dim=1
        )
        return self

    def contributions(self, X: Any, candidates: str | Sequence[Any] = "all") -> Tensor:
        """What each view adds to each score, float32 [N, K, V]; the sum over views is ``decision_function``."""
        self._check_fitted("coef_")
        rows = torch.as_tensor(candidate_rows(candidates, self.classes_, self.seen_), device=self.priors_.device)
        features = self._prepared(
            float_matrix(X, "X", columns=self.n_features_in_, device=self.priors_.device, dtype=torch.float64)
        )
        parts = zip(torch.split(self.coef_, self._widths, dim=1), self._blocks(self.priors_[rows]), strict=True)
        return torch.stack([features @ one @ block.T for one, block in parts], dim=2).float()

    def state_dict(self) -> dict[str, Any]:
        """What predicting needs, as tensors and plain values."""
        return {**super().state_dict(), "views": [list(view) for view in zip(self.views_, self._widths, strict=True)]}

    def load_state_dict(self, state: dict[str, Any]) -> ViewWeighted:
        """Take over what :meth:`state_dict` gave."""
        self.views_ = tuple(name for name, _ in state["views"])
        self._widths = [width for _, width in state["views"]]
        return super().load_state_dict(state)

    def _scores(self, features: Tensor, priors: Tensor) -> Tensor:
        return (features.double() @ self.coef_ @ torch.cat(self._blocks(priors), dim=1).T).float()

    def _blocks(self, priors: Tensor) -> list[Tensor]:
        """The views of ``priors`` [C, P], each brought to unit length."""
        parts: list[Tensor] = list(torch.split(priors, self._widths, dim=1))
        return [functional.normalize(part, dim=1) for part in parts] if self.normalise == "l2" else parts

    def _learn_weights(self, features: Tensor, labels: Tensor, blocks: list[Tensor]) -> tuple[Tensor, Tensor]:
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
            held = torch.isin(labels, out)
            kept = torch.ones(classes, dtype=torch.bool, device=labels.device)
            kept[out] = False
            place = torch.full((classes,), -1, dtype=torch.int64, device=labels.device)
            place[kept] = torch.arange(int(kept.sum()), device=labels.device)
            trained = [block[kept] for block in blocks]
            maps = _bilinear(features[~held], place[labels[~held]], trained, self.gamma, self.lam)
            place[out] = torch.arange(len(out), device=labels.device)
            scores = [features[held] @ one @ block[out].T for one, block in zip(maps, blocks, strict=True)]
            tables.append(torch.stack(scores, dim=2))
            answers.append(place[labels[held]])
        # What tells the candidates of one sample apart is what counts, so that is what is brought to one scale.
        spread = torch.cat([(table - table.mean(dim=1, keepdim=True)).flatten(0, 1) for table in tables])
        scales = spread.square().mean(dim=0).sqrt().clamp_min(1e-12)
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


def _bilinear(features: Tensor, labels: Tensor, blocks: list[Tensor], gamma: float, lam: float) -> list[Tensor]:
    """V [D, P_v] of every view (Romera-Paredes and Torr, ICML 2015, with means instead of sums).

    ``(X'X / n + gamma I)^-1 (X'Y S / nk) (S'S / k + lam I)^-1`` for n rows and k classes.
    """
    rows, classes = len(features), len(blocks[0])
    width = features.shape[1]
    gram = features.T @ features / rows + gamma * torch.eye(width, dtype=features.dtype, device=features.device)
    sums = features.new_zeros(classes, width).index_add_(0, labels, features)
    signed = (2 * sums - sums.sum(dim=0)).T / rows
    solved = torch.cholesky_solve(signed, torch.linalg.cholesky(gram))
    found = []
    for block in blocks:
        right = block.T @ block / classes + lam * torch.eye(block.shape[1], dtype=block.dtype, device=block.device)
        found.append(solved @ torch.linalg.solve(right, block.T).T / classes)
    return found


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
