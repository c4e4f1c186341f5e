"""Transductive multi-view zero-shot classification: a common space of features and priors, and propagation in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from kgzsl._options import check_choices, check_device, check_flags, check_numbers, check_whole
from kgzsl.classifiers._candidates import candidate_rows, frame_names, label_rows, prior_matrix
from kgzsl.classifiers._inputs import float_matrix, rows_per_chunk
from kgzsl.classifiers.base import Classifier
from kgzsl.classifiers.cca import MultiViewCCA
from kgzsl.classifiers.nearest_prior import NearestPrior
from kgzsl.classifiers.propagation import Hypergraph
from kgzsl.classifiers.view_weights import views_of
from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors

__all__ = ["MultiViewPropagation"]


class MultiViewPropagation(Classifier):
    """Several priors at once, aligned with the unlabelled features, then labels that spread among neighbours.

    Fu, Hospedales, Xiang and Gong, "Transductive Multi-view Zero-Shot Learning" (TPAMI 2015). Per prior, a ridge map
    learnt on seen classes takes the unlabelled features to where their prior should be. What is learnt on seen classes
    is shifted on unseen ones; so all these views and the features themselves are brought into one space by CCA *on the
    unlabelled rows*, samples and prototypes each about their own mean (``recentre``: a shift that all samples share
    disappears). Nearest prototypes, averaged over the views, give first scores Y_0, which spread over hypergraphs of
    neighbours across views: ``F = (1 - alpha) (I - alpha W)^-1 Y_0``. Rows of X of candidate classes (few-shot
    examples; all of X under ``candidates="all"``) join the graph as labelled nodes. **Transductive**: unlabelled data
    come through ``unlabeled`` alone.

    Args:
        alpha: How far to trust neighbours, in [0, 1); 0 leaves Y_0.
        neighbours: Members of a hyperedge besides its node.
        dim: Dimensions of the common space; None takes as many as the widest view has.
        power: Weight of a direction on which the views agree over others: see :class:`MultiViewCCA`.
        ridge: How far views are not whitened: see there.
        temperature: Of the softmax over cosines that makes Y_0.
        lam: Ridge weight of the maps to the priors.
        use_features: Whether the features are a view of their own.
        recentre: Whether prototypes are taken about their own mean (else about the samples' mean).
        normalise: ``"l2"`` scales each row of X and each prior to unit length first; ``"none"`` takes them as they are.
        device: Where it computes; None follows X.

    Attributes:
        classes_: The K candidates, in the order of the first view (or as listed).
        initial_: Y_0, float64 [M, K], rows sum to 1.
        scores_: F, float64 [M, K], rows sum to 1.
        answers_: [M], the answers for the unlabelled rows.
        setting: Always ``"transductive"``.
    """

    setting = "transductive"
    _budget = 256 << 20  # bytes of one table of similarities

    def __init__(
        self,
        alpha: float = 0.8,
        neighbours: int = 20,
        dim: int | None = None,
        power: float = 1.0,
        ridge: float = 0.1,
        temperature: float = 0.1,
        lam: float = 1.0,
        use_features: bool = True,
        recentre: bool = True,
        normalise: str = "l2",
        device: torch.device | str | None = None,
    ) -> None:
        self.alpha = alpha
        self.neighbours = neighbours
        self.dim = dim
        self.power = power
        self.ridge = ridge
        self.temperature = temperature
        self.lam = lam
        self.use_features = use_features
        self.recentre = recentre
        self.normalise = normalise
        self.device = device

    def check_options(self) -> None:
        """See :meth:`Classifier.check_options`."""
        check_numbers(self, "alpha", below=1)
        check_whole(self, "neighbours")
        check_whole(self, "dim", instead=(None,))
        check_numbers(self, "power")
        check_numbers(self, "ridge", "temperature", "lam", zero=False)
        check_flags(self, "use_features", "recentre")
        check_choices(self, normalise=("l2", "none"))
        check_device(self.device)

    def fit(
        self,
        X: Any,
        y: Any,
        priors: Any = None,
        *,
        unlabeled: Any = None,
        candidates: str | Sequence[Any] = "unseen",
    ) -> MultiViewPropagation:
        """Learn the maps from X [N, D] with labels y [N], then answer ``unlabeled`` [M, D].

        Args:
            X: Features of seen classes.
            y: Their class names.
            priors: The views: a list of ``ClassPriors`` (or matrices) over the same classes, or one; priors that were
                put side by side are parted again.
            unlabeled: Features to be answered.
            candidates: ``"unseen"``, ``"all"``, ``"seen"`` or a list of names: what they may be.

        Raises:
            InputError: No unlabelled rows or priors, views over different classes, options out of range.
        """
        if unlabeled is None:
            raise InputError("propagation looks at unlabelled data", remedy="give fit(..., unlabeled=...)")
        if priors is None:
            raise InputError("MultiViewPropagation needs priors", remedy="give priors=ClassPriors, or a list of them")
        self.check_options()
        views = list(priors) if isinstance(priors, list | tuple) else _parted(priors)
        features = float_matrix(X, "X", device=self.device)
        rest = float_matrix(unlabeled, "unlabeled", columns=features.shape[1], device=features.device)
        names = prior_matrix(views[0], features.device)[0]
        views = [_named(view) for view in views]
        views = [view.align(names.tolist()) if isinstance(view, ClassPriors) else view for view in views]
        self._maps = [
            NearestPrior(self.lam, "priors", normalise=self.normalise).fit(features, y, priors=view) for view in views
        ]
        for place, fitted in enumerate(self._maps):
            if len(fitted.classes_) != len(names):
                raise InputError(f"view {place} has {len(fitted.classes_)} classes where {len(names)} were expected")
        chosen = candidate_rows(candidates, names, self._maps[0].seen_)
        self.classes_ = names[chosen]
        self.n_features_in_ = features.shape[1]

        labels = np.asarray(y.detach().cpu() if isinstance(y, Tensor) else y)
        place_of = {name: place for place, name in enumerate(self.classes_.tolist())}
        targets = torch.tensor([place_of.get(label, -1) for label in labels.tolist()], device=features.device)
        shots = targets >= 0
        nodes = torch.cat([rest, features[shots]])
        if len(nodes) < 2:
            raise InputError(
                "unlabeled has one row, which has no neighbour to hear of",
                remedy="give two rows or more, or choose a classifier that does not propagate: nearest-prior",
            )
        self._embed(nodes, len(rest), chosen)
        first = self._first_scores(self._coordinates)
        first[len(rest) :] = functional.one_hot(targets[shots], len(self.classes_)).to(first.dtype)
        self._graph = Hypergraph(self._coordinates, self.neighbours)
        self._spread = self._graph.propagate(first, self.alpha)
        self.initial_, self.scores_ = first[: len(rest)], self._spread[: len(rest)]
        self.answers_: np.ndarray = self.classes_[self.scores_.argmax(dim=1).cpu().numpy()]
        self._keys, self._place = _row_keys(rest).sort(stable=True)
        return self

    def _embed(self, nodes: Tensor, unlabelled: int, chosen: np.ndarray) -> None:
        """Fit the common space on the unlabelled rows; keep all nodes' and the prototypes' coordinates."""
        tables = self._views(nodes)
        self._cca: MultiViewCCA | None = None
        if len(tables) > 1:
            self._cca = MultiViewCCA(self.dim, self.power, self.ridge).fit([table[:unlabelled] for table in tables])
        self._means = [table[:unlabelled].mean(dim=0) for table in tables]
        self._coordinates = [self._placed(table, view) for view, table in enumerate(tables)]
        self._prototypes = []
        for view, fitted in enumerate(self._maps):
            own = fitted.priors_[torch.as_tensor(chosen, device=fitted.priors_.device)]
            self._prototypes.append(self._placed(own, view, own.mean(dim=0) if self.recentre else None))

    def _views(self, rows: Tensor) -> list[Tensor]:
        tables = [fitted.project(rows) for fitted in self._maps]
        own = functional.normalize(rows, dim=1) if self.normalise == "l2" else rows
        return [*tables, own.double()] if self.use_features else tables

    def _placed(self, table: Tensor, view: int, mean: Tensor | None = None) -> Tensor:
        mean = self._means[view] if mean is None else mean
        return table - mean if self._cca is None else self._cca.transform(table, view, mean=mean)

    def _first_scores(self, coordinates: Sequence[Tensor]) -> Tensor:
        total = torch.zeros(len(coordinates[0]), len(self.classes_), dtype=torch.float64, device=coordinates[0].device)
        for rows, prototypes in zip(coordinates, self._prototypes, strict=False):  # the features have no prototypes
            cosine = functional.normalize(rows, dim=1) @ functional.normalize(prototypes, dim=1).T
            total += (cosine / self.temperature).softmax(dim=1)
        return total / len(self._prototypes)

    def decision_function(self, X: Any, candidates: Sequence[Any] | None = None) -> Tensor:
        """Scores [N, K] of the classes (or of ``candidates`` among them, in their order) for rows X.

        An unlabelled row, met again, has what it ended with in ``scores_``. A new row is joined to the graph by one
        step: its own first scores, and with weight ``alpha`` the mean of what its nearest nodes in every view ended
        with.

        Raises:
            InputError: Not fitted, another D, or a candidate that ``fit`` was not told of.
        """
        self._check_fitted("scores_")
        rows = float_matrix(X, "X", columns=self.n_features_in_, device=self.scores_.device)
        keys = _row_keys(rows)
        at = torch.searchsorted(self._keys, keys).clamp_max(len(self._keys) - 1)
        scores = self.scores_[self._place[at]]
        new = (self._keys[at] != keys).nonzero().squeeze(1)
        chunk = rows_per_chunk(8 * len(self._spread), self._budget)
        for some in torch.split(new, chunk) if len(new) else ():
            scores[some] = self._joined(rows[some])
        if candidates is None:
            return scores
        if isinstance(candidates, str):
            raise InputError(
                f"candidates is {candidates!r}", remedy="give that word to fit, and here a list of its classes or none"
            )
        columns = label_rows(list(candidates), self.classes_)
        return scores[:, torch.as_tensor(columns, device=scores.device)]

    def _joined(self, rows: Tensor) -> Tensor:
        """Scores [N, K] of rows that are joined to the graph by one step."""
        coordinates = [self._placed(table, view) for view, table in enumerate(self._views(rows))]
        near = torch.zeros(len(rows), len(self.classes_), dtype=torch.float64, device=rows.device)
        for mine, nodes in zip(coordinates, self._coordinates, strict=True):
            similarity = functional.normalize(mine, dim=1) @ functional.normalize(nodes, dim=1).T
            best = similarity.topk(min(self.neighbours, len(nodes)), dim=1).indices
            near += self._spread[best].mean(dim=1)
        return (1 - self.alpha) * self._first_scores(coordinates) + self.alpha * near / len(coordinates)

    def predict_proba(self, X: Any) -> np.ndarray:
        """:meth:`decision_function` as an array; rows sum to 1."""
        shares: np.ndarray = self.decision_function(X).cpu().numpy()
        return shares

    def predict(self, X: Any) -> np.ndarray:
        """The best candidate of each new row."""
        self._check_fitted("scores_")
        chosen: np.ndarray = self.classes_[self.decision_function(X).argmax(dim=1).cpu().numpy()]
        return chosen

    def state_dict(self) -> dict[str, Any]:
        """See :meth:`Classifier.state_dict`."""
        self._check_fitted("scores_")
        return {
            "maps": [fitted.state_dict() for fitted in self._maps],
            "common": None if self._cca is None else self._cca.state_dict(),
            **{name: getattr(self, f"_{name}") for name in _TENSORS},
            "scores": self.scores_,
            "initial": self.initial_,
            "classes": self.classes_.tolist(),
            "width": self.n_features_in_,
        }

    def load_state_dict(self, state: dict[str, Any]) -> MultiViewPropagation:
        """Take over what :meth:`state_dict` gave."""
        self._maps = [
            NearestPrior(self.lam, "priors", normalise=self.normalise, device=self.device).load_state_dict(one)
            for one in state["maps"]
        ]
        common = state["common"]
        self._cca = None if common is None else MultiViewCCA(self.dim, self.power, self.ridge).load_state_dict(common)
        for name in _TENSORS:
            setattr(self, f"_{name}", state[name])
        self.scores_, self.initial_ = state["scores"], state["initial"]
        self.classes_, self.n_features_in_ = np.array(state["classes"]), int(state["width"])
        self.answers_ = self.classes_[self.scores_.argmax(dim=1).cpu().numpy()]
        return self


_TENSORS = ("means", "coordinates", "prototypes", "spread", "keys", "place")


def _named(view: Any) -> Any:
    """A data frame that class names index as ``ClassPriors``, whose rows can be brought into one order; others stay."""
    names = frame_names(view)
    return view if names is None else ClassPriors(tuple(names), view.to_numpy())


def _parted(priors: Any) -> list[Any]:
    """The views of priors that were put side by side; else the priors themselves."""
    if not {"views", "parts"} & set(getattr(priors, "made", {})):
        return [priors]
    widths = list(views_of(priors).values())
    if sum(widths) != priors.dim:
        return [priors]
    blocks = np.split(priors.matrix, np.cumsum(widths)[:-1], axis=1)
    return [ClassPriors(priors.names, block, {}) for block in blocks]


def _row_keys(rows: Tensor) -> Tensor:
    """int64 [N], equal for equal rows: an exact sum of their bits, which no order of additions changes."""
    bits = (rows.float() + 0.0).contiguous().view(torch.int32).long()  # + 0.0 makes -0.0 of no account
    factors = np.random.default_rng(0).integers(-(2**63), 2**63 - 1, size=rows.shape[1]) | 1
    return (bits * torch.from_numpy(factors).to(rows.device)).sum(dim=1)
