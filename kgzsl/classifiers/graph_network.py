"""A zero-shot classifier without a generator: a graph network tells the weights of classes nobody has seen."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from kgzsl._options import check_choices, check_flags, check_kind, check_names, check_numbers
from kgzsl.classifiers._candidates import candidate_rows
from kgzsl.classifiers._inputs import class_indices, float_matrix
from kgzsl.classifiers.base import Classifier
from kgzsl.errors import InputError
from kgzsl.knowledge.vocabulary import KINDS

if TYPE_CHECKING:
    from kgzsl.engine import Engine
    from kgzsl.knowledge import ClassGraph, ClassPriors

__all__ = ["GraphNetworkClassifier"]


class GraphNetworkClassifier(Classifier):
    """Learns the seen classes' classifier from features, and what leads to it from the class graph.

    Wang et al., "Zero-Shot Recognition via Semantic Embeddings and Knowledge Graphs" (CVPR 2018) with a GCN;
    Kampffmeyer et al. (CVPR 2019) with DGP; Nayak and Bach (TMLR 2022) with TrGCN. A network of
    :mod:`kgzsl.priors.propagation` is fitted to the seen classes' weights, and read off for the unseen ones (Wang et
    al., section 3.2): ``min_f sum_seen |f(G)_c - w_c|^2``, and then ``argmax_c f(G)_c . [x, 1]``.

    Args:
        network: The name of a propagation encoder that has ``regress`` (``"gcn"``, ``"dgp"``, ``"gat"``, ``"rgcn"``,
            ``"compgcn"``, ``"trgcn"``), or such an encoder.
        network_options: Options of the encoder that ``network`` names.
        graph: The class graph. A recipe gives its own.
        classes: The classes that may be answered; None: those of the priors that ``fit`` is given, else the seen ones
            and every class of the graph (by its IRI).
        mapping: Class name -> IRI, where the names do not find their node.
        targets: ``"weights"``: weights and intercept of a linear softmax classifier of the seen classes;
            ``"means"``: their mean features.
        normalise: Whether rows of X are brought to length 1.
        use_trained: Whether seen classes keep the classifier that was trained on them, instead of what the network
            says of them; the network's is of one kind for seen and unseen classes.
        hold_out: Share of the seen classes that each step of the network holds out (episodic training): their own
            vectors are hidden and they alone are compared, so that they must be told from the graph around them, as
            unseen classes must. 0 is without.
        head_options: Options of :class:`SoftmaxClassifier` behind ``"weights"``.
        engine: Where and how the network is trained.

    Attributes:
        classes_: Names of the C classes.
        seen_: bool [C].
        coef_: float32 [C, D].
        intercept_: float32 [C].
    """

    classes_: np.ndarray
    seen_: np.ndarray
    coef_: Tensor
    intercept_: Tensor
    network_: Any = None  # not kept on disk

    def __init__(
        self,
        network: Any = "gcn",
        network_options: Mapping[str, Any] | None = None,
        graph: ClassGraph | None = None,
        classes: Sequence[str] | None = None,
        mapping: Mapping[str, str] | None = None,
        targets: str = "weights",
        normalise: bool = True,
        use_trained: bool = False,
        hold_out: float = 0.0,
        head_options: Mapping[str, Any] | None = None,
        engine: Engine | None = None,
    ) -> None:
        self.network = network
        self.network_options = network_options
        self.graph = graph
        self.classes = classes
        self.mapping = mapping
        self.targets = targets
        self.normalise = normalise
        self.use_trained = use_trained
        self.hold_out = hold_out
        self.head_options = head_options
        self.engine = engine

    def check_options(self) -> None:
        """See :meth:`Classifier.check_options`."""
        from kgzsl.engine import Engine
        from kgzsl.knowledge import ClassGraph

        check_choices(self, targets=("weights", "means"))
        check_flags(self, "normalise", "use_trained")
        check_numbers(self, "hold_out", below=1)
        check_kind(self.graph, "graph", ClassGraph, "a ClassGraph")
        check_kind(self.engine, "engine", Engine, "an Engine")
        check_kind(self.mapping, "mapping", Mapping, "a mapping of class name to IRI")
        for name in ("network_options", "head_options"):
            check_kind(getattr(self, name), name, Mapping, "a mapping of option to value")
        check_names(self.classes, "classes")
        if not isinstance(self.network, str) and not hasattr(self.network, "regress"):
            raise InputError(f"network is {self.network!r}", remedy="give gcn, dgp, gat, trgcn, or such an encoder")
        if self.network_options and not isinstance(self.network, str):
            raise InputError("network_options go with the name of a network", remedy="set them on the network itself")

    def fit(self, X: Any, y: Any, priors: ClassPriors | None = None) -> GraphNetworkClassifier:
        """Train on features X [N, D] of seen classes y [N], then read off every class.

        Args:
            X: Features of seen classes.
            y: Their names.
            priors: Names the classes that may be answered where ``classes`` does not; the graph tells all the rest.

        Raises:
            InputError: No graph, a class that is not in it (the nearest are named), or options out of range.
        """
        self.check_options()
        if self.graph is None:
            raise InputError("GraphNetworkClassifier needs a class graph", remedy="give graph=ClassGraph.read(...)")
        features = self._prepared(float_matrix(X, "X"))
        seen, rows = class_indices(y, len(features))
        names = [str(name) for name in seen]
        self.graph.align(names, mapping=self.mapping).require()
        wanted = self._taught(features, rows, names)
        network = self._network()
        called = [(self.mapping or {}).get(name, name) for name in names]
        self.network_ = network.regress(self.graph, called, wanted, engine=self.engine, hold_out=self.hold_out)
        self.n_features_in_ = features.shape[1]
        self._trained = dict(zip(names, wanted, strict=True))
        answers = self._answers(names, self.classes if priors is None else priors.names)
        self.seen_ = np.isin(answers, names)
        self.classes_ = np.array(answers)
        self._read(answers)
        return self

    def decision_function(self, X: Any, candidates: str | Sequence[Any] = "all") -> Tensor:
        """Scores, float32 [N, K], of the candidates in their order."""
        self._check_fitted("coef_")
        rows = candidate_rows(candidates, self.classes_, self.seen_)
        features = self._prepared(float_matrix(X, "X", columns=self.n_features_in_)).to(self.coef_.device)
        return torch.addmm(self.intercept_[rows], features, self.coef_[rows].T)

    def predict(self, X: Any, candidates: str | Sequence[Any] = "all") -> np.ndarray:
        """The candidate with the highest score, for each row."""
        scores = self.decision_function(X, candidates)
        rows = candidate_rows(candidates, self.classes_, self.seen_)
        found: np.ndarray = self.classes_[rows[scores.argmax(dim=1).cpu().numpy()]]
        return found

    def add_class(self, name: str) -> GraphNetworkClassifier:
        """Make one more class of the graph answerable; nothing is trained.

        Raises:
            InputError: It is there already, the graph has no such class, or the classifier was read from disk.
        """
        self._check_fitted("coef_")
        if name in self.classes_.tolist():
            raise InputError(f"the class {name!r} is there already")
        if self.network_ is None:
            raise InputError("a classifier read from disk has no network to ask", remedy="fit it again with the graph")
        kept = self.coef_, self.intercept_
        self._read([name])
        self.coef_, self.intercept_ = torch.cat([kept[0], self.coef_]), torch.cat([kept[1], self.intercept_])
        self.classes_ = np.array([*self.classes_.tolist(), name])
        self.seen_ = np.append(self.seen_, False)
        return self

    def state_dict(self) -> dict[str, Any]:
        """What predicting needs, as tensors and plain values; the network, which only new classes need, is not kept."""
        self._check_fitted("coef_")
        shared = {"classes": self.classes_.tolist(), "seen": self.seen_.tolist(), "width": self.n_features_in_}
        return {"coef": self.coef_, "intercept": self.intercept_, **shared}

    def load_state_dict(self, state: dict[str, Any]) -> GraphNetworkClassifier:
        """Take over what :meth:`state_dict` gave."""
        self.coef_, self.intercept_ = state["coef"], state["intercept"]
        self.classes_, self.seen_ = np.array(state["classes"]), np.array(state["seen"], dtype=bool)
        self.n_features_in_ = int(state["width"])
        self.network_ = None
        return self

    def _prepared(self, features: Tensor) -> Tensor:
        return functional.normalize(features, dim=1) if self.normalise else features

    def _taught(self, features: Tensor, rows: np.ndarray, names: list[str]) -> Tensor:
        """float32 [K, D + 1]: what the network is to say of the seen classes."""
        where = torch.as_tensor(rows, device=features.device)
        if self.targets == "means":
            sums = features.new_zeros(len(names), features.shape[1]).index_add(0, where, features)
            means = functional.normalize(sums, dim=1)
            return torch.cat([means, means.new_zeros(len(means), 1)], dim=1)
        from kgzsl.classifiers.softmax import SoftmaxClassifier

        head = SoftmaxClassifier(**{"solver": "lbfgs", "weight_decay": 1e-4, **(self.head_options or {})})
        head.fit(features, np.array(names)[rows])
        order = [head.classes_.tolist().index(name) for name in names]
        return torch.cat([head.coef_, head.intercept_[:, None]], dim=1)[order]

    def _network(self) -> Any:
        from kgzsl.priors import make

        made = make(self.network, **(self.network_options or {})) if isinstance(self.network, str) else self.network
        if not hasattr(made, "regress"):
            raise InputError(f"{type(made).__name__} cannot predict weights", remedy="choose gcn, dgp, gat or trgcn")
        return made

    def _answers(self, names: list[str], classes: Sequence[str] | None) -> list[str]:
        assert self.graph is not None
        if classes is not None:
            asked = list(dict.fromkeys(map(str, classes)))
            self.graph.align(asked, mapping=self.mapping).require()
            return [*asked, *(name for name in names if name not in set(asked))]
        taken = set(self.graph.align(names, mapping=self.mapping).require().tolist())
        kinds = np.flatnonzero(self.graph.kinds == KINDS.index("class")).tolist()
        return [*names, *(self.graph.iris[node] for node in kinds if node not in taken)]

    def _read(self, names: Sequence[str]) -> None:
        from kgzsl.priors.base import PriorWarning

        called = [(self.mapping or {}).get(name, name) for name in names]
        with warnings.catch_warnings():
            if self.classes is None:
                # Nobody asked for the classes of the graph that nothing is known of.
                warnings.simplefilter("ignore", PriorWarning)
            said = torch.from_numpy(self.network_.priors(called).matrix.copy())
        if self.use_trained:
            for row, name in enumerate(names):
                if name in self._trained:
                    own = self._trained[name].to(said)
                    said[row] = functional.normalize(own, dim=0) if self.network_.normalise else own
        self.coef_, self.intercept_ = said[:, :-1].contiguous(), said[:, -1].contiguous()
