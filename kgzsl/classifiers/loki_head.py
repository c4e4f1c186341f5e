"""Loki as recipes have it: a head over the seen classes, whose answers go to all classes by their distances."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from kgzsl._options import check_budget, check_choices, check_flags, check_kind
from kgzsl.classifiers._candidates import candidate_rows
from kgzsl.classifiers._inner import InnerHead, inner_state, new_inner, put_inner_back
from kgzsl.classifiers._inputs import class_indices, float_matrix
from kgzsl.classifiers.base import Classifier
from kgzsl.classifiers.loki import Loki
from kgzsl.classifiers.loki_classifier import LokiClassifier
from kgzsl.errors import InputError
from kgzsl.knowledge.distances import DISTANCES

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph, ClassPriors

__all__ = ["LokiHead"]

_PRIORS = "priors"


class LokiHead(Classifier):
    """A classifier of the seen classes whose argmax is replaced by the Frechet mean over all classes.

    Roberts et al., "Geometry-Aware Adaptation for Pretrained Models" (NeurIPS 2023): the answer is
    ``argmin_y sum_k p_k d(y, y_k)^2``, where k runs over the seen classes, which the head tells apart. No class but
    those is trained on. :class:`LokiClassifier` does the same around a model of one's own.

    Args:
        head: Name of a registered classifier with ``predict_proba`` (``"softmax"``, ``"gda"``), or a function that
            builds any such model.
        options: Options of a head that is given by name.
        graph: Where the classes lie. A recipe gives its own.
        metric: ``"hops"``, ``"weighted"`` or ``"resistance"`` of the graph, see :class:`LokiClassifier`; or
            ``"priors"``: the distance of the priors, brought to length 1, which needs no graph.
        taxonomy: Whether distances keep to the edges of the graph that lead upwards; where classes share values of
            attributes, all of them are two hops apart otherwise.
        mapping: Class name -> IRI, where the names do not find their node.
        budget: Bytes that one chunk of distances may take.

    Attributes:
        classes_: Names of the C classes.
        seen_: bool [C].
        head_: The trained head.
        loki_: The decision rule.
    """

    classes_: np.ndarray
    seen_: np.ndarray
    loki_: Loki
    head_: Any

    def __init__(
        self,
        head: InnerHead = "softmax",
        options: Mapping[str, Any] | None = None,
        graph: ClassGraph | None = None,
        metric: str = "hops",
        taxonomy: bool = True,
        mapping: Mapping[str, str] | None = None,
        budget: int = 256 << 20,
    ) -> None:
        self.head = head
        self.options = options
        self.graph = graph
        self.metric = metric
        self.taxonomy = taxonomy
        self.mapping = mapping
        self.budget = budget

    def check_options(self) -> None:
        """See :meth:`Classifier.check_options`."""
        from kgzsl.knowledge import ClassGraph

        check_choices(self, metric=(*DISTANCES, _PRIORS))
        check_flags(self, "taxonomy")
        check_kind(self.graph, "graph", ClassGraph, "a ClassGraph")
        check_kind(self.mapping, "mapping", Mapping, "a mapping of class name to IRI")
        check_budget(self.budget, "budget")
        new_inner(self.head, self.options)

    def fit(self, X: Any, y: Any, priors: ClassPriors | None = None) -> LokiHead:
        """Train the head on features X [N, D] of seen classes y [N], and lay all classes out.

        Args:
            X: Features of seen classes.
            y: Their names.
            priors: Names the classes that may be answered, and tells how far apart they are with ``metric="priors"``;
                None: the seen ones and every class of the graph (by its IRI).

        Raises:
            InputError: No graph where one is needed, a class that is not in it, or options out of range.
        """
        self.check_options()
        if self.metric == _PRIORS and priors is None:
            raise InputError("metric is 'priors', and there are none", remedy="give fit(X, y, priors)")
        if self.metric != _PRIORS and self.graph is None:
            raise InputError("LokiHead needs a class graph", remedy="give graph=ClassGraph.read(...), or metric=priors")
        features = float_matrix(X, "X")
        named, rows = class_indices(y, len(features))
        seen = [str(name) for name in named]
        graph = self.graph.taxonomy() if self.taxonomy and self.graph is not None else self.graph
        rule = LokiClassifier(
            None,
            graph,
            classes=None if priors is None else priors.names,
            observed=seen,
            mapping=self.mapping,
            metric=priors if self.metric == _PRIORS and priors is not None else self.metric,
            budget=self.budget,
        ).prepare()
        if len(rule.classes_) > len(seen) and rule.loki_.unreachable == len(rule.classes_) - len(seen):
            warnings.warn(
                "no way leads from a seen class to an unseen one, so that Loki cannot tell the unseen ones apart; "
                "taxonomy: false goes by all edges, metric: priors by the priors",
                stacklevel=2,
            )
        self.head_ = new_inner(self.head, self.options)
        self.head_.fit(features, rows)
        self.n_features_in_ = features.shape[1]
        self.loki_, self.classes_, self.seen_ = rule.loki_, rule.classes_, rule.seen_
        return self

    def decision_function(self, X: Any, candidates: str | Sequence[Any] = "all") -> Tensor:
        """Minus the expected squared distance, float32 [N, K], of the candidates in their order."""
        self._check_fitted("loki_")
        return self.loki_.scores(self._shares(X), candidate_rows(candidates, self.classes_, self.seen_))

    def predict(self, X: Any, candidates: str | Sequence[Any] = "all") -> np.ndarray:
        """The candidate nearest in expectation, for each row; among equals the seen class of more probability."""
        self._check_fitted("loki_")
        return self.loki_.predict(self._shares(X), candidate_rows(candidates, self.classes_, self.seen_))

    def _shares(self, X: Any) -> Tensor:
        """Probabilities [N, k] of the seen classes, in the order of the rule."""
        features = float_matrix(X, "X", columns=self.n_features_in_)
        shares = torch.as_tensor(np.asarray(self.head_.predict_proba(features)), dtype=torch.float32)
        # Labels are numbers of the seen classes, and each of them has rows: columns come in their order.
        return shares

    def state_dict(self) -> dict[str, Any]:
        """What predicting needs: the head, and the squared distances of the seen classes to all; not the graph.

        Raises:
            InputError: Not fitted, or the head was made by a function.
        """
        self._check_fitted("loki_")
        return {
            "head": inner_state("LokiHead", self.head, self.head_),
            "squared": self.loki_.squared,
            "observed": list(self.loki_.observed),
            "classes": self.classes_.tolist(),
            "seen": self.seen_.tolist(),
            "width": self.n_features_in_,
        }

    def load_state_dict(self, state: dict[str, Any]) -> LokiHead:
        """Take over what :meth:`state_dict` gave."""
        self.head_ = put_inner_back(self.head, self.options, state["head"])
        self.classes_, self.seen_ = np.array(state["classes"]), np.array(state["seen"], dtype=bool)
        self.n_features_in_ = int(state["width"])
        rows = [state["squared"].cpu().double().sqrt()]
        self.loki_ = Loki.from_rows(rows, self.classes_.tolist(), state["observed"], budget=self.budget)
        return self
