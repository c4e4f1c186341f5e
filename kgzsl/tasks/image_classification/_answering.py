"""What a fitted ``ZeroShotClassifier`` answers: scores, probabilities, classes, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kgzsl.errors import InputError
from kgzsl.tasks.image_classification._experts import combine, uncertainty
from kgzsl.tasks.image_classification._heads import rows_at_once
from kgzsl.tasks.image_classification._inputs import as_features, as_labels
from kgzsl.tasks.image_classification._synthesis import Synthesis
from kgzsl.tasks.image_classification.explanation import Explanation, graph_path, nearest_classes, shared_columns
from kgzsl.tasks.image_classification.metrics import add_bias, per_class_accuracy
from kgzsl.tasks.statements import statements_about

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph

__all__ = ["Answering"]


class Answering(Synthesis):
    """Asks the heads."""

    def _both_experts(
        self, features: Tensor, chosen: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        is_seen = self._seen_among(chosen)
        return self._expert(features, chosen[is_seen]), self._expert(features, chosen[~is_seen])

    def scores(self, X: Any, candidates: str | Sequence[Any] = "all") -> npt.NDArray[np.float32]:
        """Scores float32 [N, K] of the candidates, in their order, before any bias."""
        return self._scored(X, candidates)[0]

    def _scored(self, X: Any, candidates: str | Sequence[Any]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        self._check_fitted()
        features = as_features(X, dim=self.n_features_in_).to(self._where)
        chosen = self._chosen(candidates)
        is_seen = self._seen_among(chosen)
        if self.gate_ is None or is_seen.all() or not is_seen.any():
            return self._expert(features, chosen), chosen
        return combine(self.gate_, *self._both_experts(features, chosen), ~is_seen), chosen

    def _expert(self, features: Tensor, chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        # What an open world adds is known to the head over all classes alone.
        unseen_alone = not self._seen_among(chosen).any() and not (chosen >= len(self.names_)).any()
        head = self._zsl_head if unseen_alone else self._gzsl_head
        assert head is not None
        scores = head.scores(self._embedded(features), chosen)
        if self._prior_head is not None and self.prior_weight:
            scores = scores + np.float32(self.prior_weight) * self._prior_head.scores(features, chosen)
        return scores

    @property
    def learns_space(self) -> bool:
        """Whether the classifier maps features into a space of its own, as ``metric`` does."""
        self._check_fitted()
        return self._gzsl_head is not None and self._gzsl_head.learns_space

    def embed(self, X: Any) -> npt.NDArray[np.float32]:
        """Rows in which those of one class should lie together, for retrieval and clustering, float32 [N, d].

        They are in the space that the classifier among all classes has learnt; of one that learns none they are the
        scores of all classes, before any bias, those that are not finite as low as the lowest that are.

        Args:
            X: Features [N, D].
        """
        if self.learns_space:
            assert self._gzsl_head is not None
            return self._gzsl_head.space(self._embedded(as_features(X, dim=self.n_features_in_).to(self._where)))
        table = self.scores(X)
        finite = np.isfinite(table)
        lowest = table[finite].min() if finite.any() else np.float32(0.0)
        return np.where(finite, table, lowest).astype(np.float32)

    def decision_function(self, X: Any, candidates: str | Sequence[Any] = "all") -> npt.NDArray[np.float32]:
        """Scores float32 [N, K] of the candidates, with ``unseen_bias`` where seen and unseen ones compete."""
        scores, chosen = self._scored(X, candidates)
        unseen = ~self._seen_among(chosen)
        if self.unseen_bias and unseen.any() and not unseen.all():
            add_bias(scores, unseen, self.unseen_bias)
        return scores

    def predict_proba(self, X: Any, candidates: str | Sequence[Any] = "all") -> npt.NDArray[np.float32]:
        """Softmax of :meth:`decision_function`, float32 [N, K]; rows sum to 1."""
        scores = self.decision_function(X, candidates).astype(np.float64)
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=1, keepdims=True)
        return scores.astype(np.float32)

    @property
    def tells_uncertainty(self) -> bool:
        """Whether an evidential gate joins the experts, so that :meth:`uncertainty` has an answer."""
        gate = getattr(self, "gate_", None)
        return gate is not None and gate.gate_ == "evidential" and 0 < len(self.unseen_) < len(self.names_)

    def uncertainty(self, X: Any) -> npt.NDArray[np.float32]:
        """How much is not known of each sample among all classes, [N], in (0, 1); near 1 nothing speaks for any class.

        Both experts' evidence, fused: see :class:`kgzsl.classifiers.EvidentialGate`.

        Raises:
            InputError: The model has no evidential gate.
        """
        self._check_fitted()
        if not self.tells_uncertainty:
            raise InputError(
                "this model tells no uncertainty",
                remedy="call fit_gate(X, y, 'evidential'), or write gate: evidential in the recipe",
            )
        assert self.gate_ is not None
        features = as_features(X, dim=self.n_features_in_)
        every = np.arange(len(self.names_))
        parts = [
            uncertainty(self.gate_, *self._both_experts(part.to(self._where), every), ~self._is_seen)
            for part in torch.split(features, rows_at_once(len(every)))
        ]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)

    def predict(self, X: Any, candidates: str | Sequence[Any] = "all") -> npt.NDArray[Any]:
        """The best candidate of each sample, [N]: names, or integers where the labels were integers.

        Args:
            X: Features [N, D].
            candidates: ``"all"``, ``"unseen"``, ``"seen"``, ``"open"`` (after :meth:`open_world`), or a list of names
                (or rows of the priors).
        """
        names = self.candidates(candidates)
        return np.asarray(names[self._best(as_features(X, dim=self.n_features_in_), candidates, len(names))])

    def _best(self, features: Tensor, candidates: str | Sequence[Any], count: int) -> npt.NDArray[np.int64]:
        """The place of each sample's best one among the ``count`` candidates, int64 [N].

        A table of all samples by all classes may be larger than memory; of each sample only its best is kept.
        """
        parts = torch.split(features, rows_at_once(count)) if len(features) else ()
        best = [self.decision_function(part, candidates).argmax(axis=1) for part in parts]
        return np.concatenate([np.zeros(0, dtype=np.int64), *best])

    def candidates(self, candidates: str | Sequence[Any] = "all") -> npt.NDArray[Any]:
        """The classes that the columns of :meth:`decision_function` stand for."""
        self._check_fitted()
        chosen = self._chosen(candidates)
        if self.open_ is None or chosen.max() < len(self.names_):
            return np.asarray(self.classes_[chosen])
        return np.asarray(self._every_name)[chosen]

    def score(self, X: Any, y: Any, candidates: str | Sequence[Any] = "all") -> float:
        """Per-class accuracy, 0..1."""
        self._check_fitted()
        features = as_features(X, dim=self.n_features_in_)
        truth, _ = as_labels(y, self.names_, count=len(features))
        chosen = self._chosen(candidates)
        predicted = chosen[self._best(features, candidates, len(chosen))]
        return per_class_accuracy(truth, predicted, num_classes=len(self.names_)).mean / 100.0

    def explain(
        self,
        X: Any,
        candidates: str | Sequence[Any] = "all",
        *,
        graph: ClassGraph | None = None,
        neighbours: int = 3,
    ) -> list[Explanation]:
        """Why each sample got its answer: the nearest seen classes, what they share with it, the paths between them.

        Args:
            X: Features [N, D].
            candidates: As for :meth:`predict`.
            graph: The class graph, for paths and for what it says about the answer.
            neighbours: How many seen classes, and how many runners-up.
        """
        shares = self.predict_proba(X, candidates)
        doubts = self.uncertainty(X) if self.tells_uncertainty else [None] * len(shares)
        chosen = self._chosen(candidates)
        names = [self._every_name[i] for i in chosen]
        priors = self._every_prior
        about: dict[str, tuple[Any, Any, Any, Any]] = {}
        explanations: list[Explanation] = []
        for row, doubt in zip(shares, doubts, strict=True):
            order = np.argsort(-row, kind="stable")
            best = names[order[0]]
            if best not in about:
                near = nearest_classes(priors, best, self.seen_, neighbours)
                both = {other: shared_columns(priors, best, other) for other, _ in near}
                paths = {} if graph is None else {other: graph_path(graph, best, other) for other, _ in near}
                axioms = () if graph is None else statements_about(graph, best)
                about[best] = (tuple(near), both, paths, axioms)
            near, both, paths, axioms = about[best]
            rest = tuple((names[i], float(row[i])) for i in order[1 : neighbours + 1])
            likely, is_seen = float(row[order[0]]), best in self.seen_
            told = Explanation(best, likely, is_seen, rest, near, both, paths, axioms=axioms)
            explanations.append(told if doubt is None else replace(told, uncertainty=float(doubt)))
        return explanations
