"""Any probabilistic classifier, made to answer for all classes of a graph."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from kgzsl._options import check_budget, check_choice, check_device, check_kind, check_names
from kgzsl.classifiers._candidates import candidate_rows
from kgzsl.classifiers._graph_rows import hop_rows
from kgzsl.classifiers._inputs import float_matrix
from kgzsl.classifiers.base import Classifier
from kgzsl.classifiers.loki import Loki
from kgzsl.errors import InputError
from kgzsl.knowledge.distances import DISTANCES, distance_rows
from kgzsl.knowledge.vocabulary import KINDS

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph, ClassPriors

__all__ = ["LokiClassifier"]


class LokiClassifier(Classifier):
    """A classifier whose argmax is replaced by the Frechet mean over a class graph (Roberts et al., NeurIPS 2023).

    The classifier may be one of ours, any scikit-learn model with ``predict_proba``, or a torch module that gives
    logits; a fitted one is used as it is. It knows k observed classes; answers come from all classes of the graph,
    by their distances in it. Only [k, C] distances are kept and scores come in chunks, so C may be large.

    Args:
        classifier: The model, or the name of a registered classifier.
        graph: Where the classes lie. Distances run along similarity edges, either way, through any node: where
            classes share attribute values give ``graph.taxonomy()``, or all of them are two hops apart.
        classes: The classes that may be answered; None: the observed ones and every class of the graph (by its IRI).
        observed: The classes that the model's columns stand for; None: its ``classes_``. A torch module needs it.
        mapping: Class name -> IRI, where the names do not find their node.
        metric: ``"hops"``, ``"weighted"`` (a path's sum of 1/weight) or ``"resistance"`` (small where there are many
            ways; on a tree that of the path) of the graph; or ``ClassPriors``: the distance of the classes' vectors,
            brought to length 1, which needs no graph.
        budget: Bytes that one chunk of scores may take.
        device: Where scores are computed; None is the CPU.

    Attributes:
        classes_: Names of the C classes.
        seen_: bool [C], which of them are observed.
        loki_: The decision rule.
    """

    classes_: np.ndarray
    seen_: np.ndarray
    loki_: Loki

    def __init__(
        self,
        classifier: Any,
        graph: ClassGraph | None = None,
        classes: Sequence[str] | None = None,
        observed: Sequence[str] | None = None,
        mapping: Mapping[str, str] | None = None,
        metric: str | ClassPriors = "hops",
        budget: int = 256 << 20,
        device: torch.device | str | None = "cpu",
    ) -> None:
        self.classifier = classifier
        self.graph = graph
        self.classes = classes
        self.observed = observed
        self.mapping = mapping
        self.metric = metric
        self.budget = budget
        self.device = device

    def check_options(self) -> None:
        """See :meth:`Classifier.check_options`."""
        from kgzsl.knowledge import ClassGraph, ClassPriors

        check_kind(self.graph, "graph", ClassGraph, "a ClassGraph")
        check_names(self.classes, "classes")
        check_names(self.observed, "observed")
        check_kind(self.mapping, "mapping", Mapping, "a mapping of class name to IRI")
        if not isinstance(self.metric, ClassPriors):
            check_choice(self.metric, "metric", DISTANCES)
        check_budget(self.budget, "budget")
        check_device(self.device)

    def fit(self, X: Any, y: Any) -> LokiClassifier:
        """Train the classifier on X [N, D] and class names y [N], and lay its classes out in the graph."""
        self.check_options()
        if isinstance(self.classifier, str):
            from kgzsl.classifiers.registry import make

            self.classifier = make(self.classifier)
        if not hasattr(self.classifier, "fit"):
            raise InputError(f"{type(self.classifier).__name__} cannot be fitted here", remedy="call predict at once")
        self.classifier.fit(X, y)
        return self.prepare()

    def prepare(self) -> LokiClassifier:
        """Lay the classes of a classifier that is trained already out in the graph; ``predict`` does it when needed.

        Raises:
            InputError: No graph, a class that is not in it (the nearest are named), or unknown observed classes.
        """
        self.check_options()
        if self.graph is None and isinstance(self.metric, str):
            raise InputError("LokiClassifier needs a class graph", remedy="give graph=ClassGraph.read(...)")
        own = self.observed if self.observed is not None else getattr(self.classifier, "classes_", None)
        if own is None:
            raise InputError(
                "the classifier does not say which classes it knows", remedy="fit it, or give observed=names"
            )
        observed = [str(name) for name in own]
        names = self._names(observed)
        place = {name: row for row, name in enumerate(names)}
        self._place, self._nodes, self._vectors = place, np.zeros(0, dtype=np.int64), np.zeros((0, 0))
        if isinstance(self.metric, str):
            assert self.graph is not None
            self._nodes = self.graph.align(names, mapping=self.mapping).require()
        else:
            self._vectors = self.metric.align(names).normalised("l2").matrix.astype(np.float64)
        span = [np.inf, 0.0]  # of all distances between two classes, block by block

        def rows() -> Iterator[np.ndarray]:
            for block in self._rows([place[name] for name in observed]):
                span[0] = min(span[0], block.min(where=block > 0, initial=np.inf))
                span[1] = max(span[1], block.max())
                yield block

        self.loki_ = Loki.from_rows(
            rows(), names, observed, row_of=self._row_of, budget=self.budget, device=self.device
        )
        if span[0] == span[1] < np.inf and self.metric == "hops" and len(names) > len(observed) > 1:
            warnings.warn(
                f"any two classes are {span[0]:.0f} hops apart in this graph, which cannot tell the "
                f"{len(names) - len(observed)} classes apart that the classifier does not know; graph.taxonomy() has "
                "only the edges that lead upwards",
                stacklevel=2,
            )
        self.classes_ = np.array(names)
        self.seen_ = np.isin(np.arange(len(names)), self.loki_.observed_rows)
        return self

    def decision_function(self, X: Any, candidates: str | Sequence[Any] = "all") -> torch.Tensor:
        """Minus the expected squared distance, float32 [N, K], of the candidates in their order."""
        rows = self._candidates(candidates)
        return self.loki_.scores(self.observed_proba(X), None if candidates == "all" else rows)

    def predict(self, X: Any, candidates: str | Sequence[Any] = "all") -> np.ndarray:
        """The candidate nearest in expectation, for each row; in chunks of ``budget`` bytes."""
        rows = self._candidates(candidates)
        return self.loki_.predict(self.observed_proba(X), None if candidates == "all" else rows)

    def observed_proba(self, X: Any) -> torch.Tensor:
        """What the classifier itself says: probabilities [N, k] of the observed classes."""
        model = self.classifier
        if hasattr(model, "predict_proba"):
            return torch.as_tensor(np.asarray(model.predict_proba(X)), dtype=torch.float32)
        if isinstance(model, torch.nn.Module):
            return _logits(model, X).softmax(dim=1)
        raise InputError(
            f"{type(model).__name__} gives no probabilities",
            remedy="use a model with predict_proba, or a torch module of logits",
        )

    def add_class(self, name: str) -> LokiClassifier:
        """Make one more class of the graph answerable, under ``name``; nothing is trained.

        Raises:
            InputError: It is there already, or the graph has no such class.
        """
        self._candidates("all")
        if name in self._place:
            raise InputError(f"the class {name!r} is there already")
        self.classes = [*self.classes_.tolist(), name]
        return self.prepare()

    def next_class(self, candidates: Sequence[str] | None = None) -> list[tuple[str, int]]:
        """Which class to label next: see :meth:`Loki.next_class`."""
        self._candidates("all")
        return self.loki_.next_class(candidates)

    def _candidates(self, candidates: str | Sequence[Any]) -> np.ndarray:
        if not hasattr(self, "loki_"):
            self.prepare()
        return candidate_rows(candidates, self.classes_, self.seen_)

    def _names(self, observed: Sequence[str]) -> list[str]:
        """The classes that may be answered, the observed ones among them."""
        if self.classes is not None:
            names = list(dict.fromkeys(map(str, self.classes)))
            return [*names, *(name for name in observed if name not in set(names))]
        if not isinstance(self.metric, str):
            return [*observed, *(name for name in self.metric.names if name not in set(observed))]
        assert self.graph is not None
        taken = set(self.graph.align(observed, mapping=self.mapping).require().tolist())
        kinds = np.flatnonzero(self.graph.kinds == KINDS.index("class")).tolist()
        return [*observed, *(self.graph.iris[node] for node in kinds if node not in taken)]

    def _rows(self, places: Sequence[int]) -> Iterator[np.ndarray]:
        """Distances of some classes to all of them, [b, C] block by block."""
        if not isinstance(self.metric, str):
            step = max(1, self.budget // (32 * len(self._vectors)))
            for start in range(0, len(places), step):
                near = self._vectors[list(places[start : start + step])]
                # |a - b|^2 of unit vectors; rounding must not leave a class at a distance from itself.
                squared = np.clip(2.0 - 2.0 * near @ self._vectors.T, 0.0, None)
                squared[np.arange(len(near)), list(places[start : start + step])] = 0.0
                yield np.sqrt(squared)
            return
        assert self.graph is not None
        sources = self._nodes[list(places)]
        if self.metric == "hops":
            yield from hop_rows(self.graph, sources, self._nodes)
        else:
            yield from distance_rows(self.graph, sources, self._nodes, self.metric, max_bytes=self.budget)

    def _row_of(self, name: str) -> np.ndarray:
        row: np.ndarray = next(iter(self._rows([self._place[name]])))[0]
        return row


def _logits(model: torch.nn.Module, X: Any) -> torch.Tensor:
    """What a module of the user's says of X [N, D], in its own precision and place: float32 [N, k].

    Raises:
        InputError: It cannot take such rows, or gives something else than one row of logits for each.
    """
    name = type(model).__name__
    weight = next((one for one in model.parameters() if one.is_floating_point()), None)
    features = float_matrix(X, "X", device=None if weight is None else weight.device)
    training = model.training
    try:
        with torch.no_grad():
            logits = model.eval()(features if weight is None else features.to(weight.dtype))
    except (RuntimeError, TypeError) as error:
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{name} cannot take X of shape {tuple(features.shape)} ({told})", remedy="give what it was trained on"
        ) from error
    finally:
        model.train(training)
    if not isinstance(logits, torch.Tensor) or logits.ndim != 2 or len(logits) != len(features):
        shape = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise InputError(f"{name} gives {shape}, not logits [N, k]", remedy="wrap it in a module that returns logits")
    return logits.float()
