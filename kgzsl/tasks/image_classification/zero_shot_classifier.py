"""A classifier of classes that had no training image, from what their priors say."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kgzsl import generators
from kgzsl.classifiers.base import Classifier
from kgzsl.engine import Engine
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassPriors
from kgzsl.tasks.image_classification._experts import PriorHead, combine, fit_gate, uncertainty
from kgzsl.tasks.image_classification._heads import Head, rows_at_once, takes_graph, takes_priors
from kgzsl.tasks.image_classification._inputs import as_candidates, as_features, as_labels, warn_of_twins
from kgzsl.tasks.image_classification._relevance import class_weights, takes_weights
from kgzsl.tasks.image_classification.explanation import Explanation, graph_path, nearest_classes, shared_columns
from kgzsl.tasks.statements import statements_about

if TYPE_CHECKING:
    from kgzsl.classifiers import GatedExperts
    from kgzsl.generators import FeatureGenerator
    from kgzsl.knowledge import ClassGraph
    from kgzsl.priors import PriorEncoder

__all__ = ["ZeroShotClassifier"]

EpochCallback = Callable[["ZeroShotClassifier", int], Mapping[str, float] | None]


class ZeroShotClassifier:
    """Recognises classes that were never in training (f-CLSWGAN: Xian et al., CVPR 2018).

    A feature generator learns "prior -> features" on the seen classes and makes features of the unseen ones. Two
    ordinary classifiers are then trained: one on synthetic features of unseen classes alone (answers
    ``candidates="unseen"``), one on real features of seen and synthetic features of unseen classes (answers everything
    else). With ``generator=None`` the classifier must answer from priors itself, as ESZSL does.

    Args:
        generator: Name or import path of the generator; None for none.
        classifier: Name or import path of the classifier.
        samples_per_class: Synthetic features of each unseen class.
        real_per_class: At most this many real rows of each seen class train the second classifier; None takes all.
        balanced: Repeat or thin the real rows of each seen class to ``samples_per_class``, so that all classes weigh
            alike.
        unseen_bias: Added to the scores of unseen classes when seen ones are candidates too (calibrated stacking).
        prior_head: Name or import path of a classifier that answers from priors (``eszsl``), learnt on real rows; its
            scores, brought to deviation 1, are added with ``prior_weight``. None for none.
        prior_weight: Weight of the prior head.
        prior_options: Options of its constructor.
        generator_options: Options of the generator's constructor.
        classifier_options: Options of the classifier's constructor. It is given features of root mean square 1; where
            ``epochs`` is not among the options, as many as make 1,000 steps, if its own default makes fewer.
            ``graph-network`` needs the class graph as ``graph`` among them, which is not saved with the model.
        relevance: How much each seen class counts in what is trained on seen rows (the generator, the prior head, and a
            classifier that answers from priors): options of :func:`kgzsl.classifiers.relevance`, and ``metric``
            (``"hops"``, ``"weighted"``, ``"resistance"`` or ``"priors"``), ``taxonomy`` and ``graph``, which is not
            saved with the model. None for all alike.
        priors: Priors for a ``fit`` that is given none, as scikit-learn's pipelines and searches call it.
        seed: Seed of everything.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` ...
        precision: ``"auto"``, ``"32-true"``, ``"bf16-mixed"`` ...
        progress: Progress of the generator's training: ``"auto"``, True, ``"lines"``, False.

    Attributes:
        classes_: The classes, as the labels were given: names [C], or integers, rows of the priors.
        names_: Names [C] of all classes, in the order of the priors.
        seen_: Names of the classes with training rows.
        unseen_: Names of those without.
        priors_: The class priors.
        generator_: The fitted generator, or None.
        n_features_in_: D, the length of a feature vector.
        backbone_: What made the features of images, where a run knows it; kept with the model.
    """

    backbone_: str | None = None
    _weights: npt.NDArray[np.float64] | None = None

    def __init__(
        self,
        generator: str | None = "wgan",
        classifier: str = "softmax",
        *,
        samples_per_class: int = 300,
        real_per_class: int | None = None,
        balanced: bool = False,
        unseen_bias: float = 0.0,
        prior_head: str | None = None,
        prior_weight: float = 1.0,
        prior_options: Mapping[str, Any] | None = None,
        generator_options: Mapping[str, Any] | None = None,
        classifier_options: Mapping[str, Any] | None = None,
        relevance: Mapping[str, Any] | None = None,
        priors: ClassPriors | npt.ArrayLike | None = None,
        seed: int = 0,
        device: str = "auto",
        precision: str = "auto",
        progress: bool | str = False,
    ) -> None:
        self.generator = generator
        self.classifier = classifier
        self.samples_per_class = samples_per_class
        self.real_per_class = real_per_class
        self.balanced = balanced
        self.unseen_bias = unseen_bias
        self.prior_head = prior_head
        self.prior_weight = prior_weight
        self.prior_options = prior_options
        self.generator_options = generator_options
        self.classifier_options = classifier_options
        self.relevance = relevance
        self.priors = priors
        self.seed = seed
        self.device = device
        self.precision = precision
        self.progress = progress

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 (scikit-learn's signature)
        """The options, by name."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        """Change options; returns itself.

        Raises:
            InputError: There is no such option.
        """
        known = inspect.signature(type(self)).parameters
        for name, value in params.items():
            if name not in known:
                raise InputError(f"ZeroShotClassifier has no option {name!r}", remedy=f"it has: {', '.join(known)}")
            setattr(self, name, value)
        return self

    __sklearn_tags__ = Classifier.__sklearn_tags__

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self)).parameters
        given = {key: value for key, value in self.get_params().items() if key != "priors"}  # too long to be told
        told = (f"{key}={value!r}" for key, value in given.items() if value != defaults[key].default)
        return f"ZeroShotClassifier({', '.join(told)})"

    def fit(
        self,
        X: Any,
        y: Any,
        priors: ClassPriors | npt.ArrayLike | None = None,
        *,
        engine: Engine | None = None,
        callback: EpochCallback | None = None,
        callback_every_epochs: int | None = None,
        heads: bool = True,
    ) -> Self:
        """Train on the seen classes; the classes of ``priors`` that do not occur in ``y`` are the unseen ones.

        Args:
            X: Features [N, D]: numpy, torch or pandas.
            y: Labels [N]: class names, or integers, rows of ``priors``.
            priors: Priors of all classes, or a matrix [C, P] when labels are integers; those of the constructor where
                left out.
            engine: Device, precision, seed, checkpoints; overrides ``seed``, ``device``, ``precision``, ``progress``.
            callback: Called with this object, heads not yet trained, and the epochs done; figures go to the history.
            callback_every_epochs: Epochs between calls; None is only after the last.
            heads: Train the classifiers too; else :meth:`fit_heads` is still to be called.

        Raises:
            InputError: Features or labels that do not fit, a label without a prior, or a classifier that needs a
                generator and has none.
        """
        priors = self.priors if priors is None else priors
        if priors is None:
            raise InputError("there are no priors", remedy="give fit(X, y, priors), or priors= to the constructor")
        if not isinstance(priors, ClassPriors):
            matrix = np.asarray(priors.detach().cpu() if isinstance(priors, Tensor) else priors)
            priors = ClassPriors(tuple(str(i) for i in range(len(matrix))), matrix)
        if self.samples_per_class < 1:
            raise InputError(f"samples_per_class is {self.samples_per_class}", remedy="give 1 or more")
        if self.generator is None and not takes_priors(self.classifier):
            raise InputError(
                f"the classifier {self.classifier!r} needs training rows of every class",
                remedy="give a generator (wgan), or a classifier that answers from priors (eszsl)",
            )
        features = as_features(X)
        if not len(features):
            raise InputError("there are no training rows", remedy="give at least one")
        labels, self._integers = as_labels(y, priors.names, count=len(features))
        engine = engine or Engine(device=self.device, precision=self.precision, seed=self.seed, progress=self.progress)
        self.priors_ = priors
        self._set_classes(np.isin(np.arange(len(priors)), labels))
        warn_of_twins(priors, self._is_seen)
        self._where = engine.torch_device
        self._features = features.to(self._where)
        self._labels = labels
        self._weights = self._row_weights()
        self._scale = 1.0 / max(float(self._features.square().mean().sqrt()), 1e-12)
        self._synthetic: dict[str, Tensor] = {}
        self._zsl_head: Head | None = None
        self._gzsl_head: Head | None = None
        self._prior_head: PriorHead | None = None
        self.gate_: GatedExperts | None = None
        self.generator_: FeatureGenerator | None = None
        if self.generator is not None:
            self.generator_ = generators.make(self.generator, **dict(self.generator_options or {}))
            self._train_generator(engine, callback, callback_every_epochs)
        return self.fit_heads() if heads else self

    def _train_generator(self, engine: Engine, callback: EpochCallback | None, every: int | None) -> None:
        seen = np.flatnonzero(self._is_seen)
        place = np.full(len(self.names_), -1, dtype=np.int64)
        place[seen] = np.arange(len(seen))
        matrix = self.priors_.align(self.seen_).to_tensor(self._where)

        def at_epoch(generator: FeatureGenerator, epochs: int) -> Mapping[str, float] | None:
            self.generator_ = generator
            self._forget()
            return None if callback is None else callback(self, epochs)

        assert self.generator_ is not None
        weighed: dict[str, Any] = {}
        if self._weights is not None:
            if not takes_weights(self.generator_):
                raise InputError(
                    f"the generator {self.generator!r} takes no weights of rows", remedy="leave relevance out"
                )
            weighed["sample_weight"] = torch.from_numpy(self._weights).to(self._where)
        self.generator_.fit(
            self._features,
            torch.from_numpy(place[self._labels]).to(self._where),
            matrix,
            engine=engine,
            callback=None if callback is None else at_epoch,
            callback_every_epochs=every,
            **weighed,
        )
        self._forget()

    def _row_weights(self) -> npt.NDArray[np.float64] | None:
        if self.relevance is None:
            return None
        if self.generator is None and not takes_weights(self.classifier):
            raise InputError(
                f"the classifier {self.classifier!r} takes no weights of rows",
                remedy="choose eszsl, nearest-prior, ale, sje or devise, or leave relevance out",
            )
        weights: npt.NDArray[np.float64] = class_weights(self.relevance, self.priors_, self._is_seen)[self._labels]
        return weights

    def _set_classes(self, is_seen: npt.NDArray[np.bool_]) -> None:
        self._is_seen = is_seen
        self.names_ = self.priors_.names
        names = np.asarray(self.names_, dtype=np.str_)
        self.classes_ = np.arange(len(names)) if self._integers else names
        self.seen_ = [str(name) for name in names[is_seen]]
        self.unseen_ = [str(name) for name in names[~is_seen]]

    def _forget(self) -> None:
        self._synthetic.clear()
        self._zsl_head = self._gzsl_head = None

    def fit_heads(self, samples_per_class: int | None = None) -> Self:
        """Train the two classifiers on the features there are; the generator stays as it is.

        Args:
            samples_per_class: Another number of synthetic features; kept as the option's new value.
        """
        if samples_per_class is not None and samples_per_class != self.samples_per_class:
            self.samples_per_class = samples_per_class
            self._synthetic.clear()
        self._zsl_head = self._gzsl_head = None
        if self.prior_head is not None and (self._prior_head is None or self._prior_head.head.names != self.names_):
            self._prior_head = self._new_prior_head().fit(self._features, self._labels, self.priors_, self._weights)
        if self.generator_ is None:
            # A classifier that answers from priors is one and the same for every list of candidates.
            self._zsl_head = self._gzsl_head = self._head().fit(
                self._features, self._labels, self.priors_, self._weights
            )
            return self
        if self.generator_.embeds:
            self._scale = 1.0 / max(float(self._embedded(self._features).square().mean().sqrt()), 1e-12)
        unseen = np.flatnonzero(~self._is_seen)
        synthetic = [self._synthesised(int(i)) for i in unseen]
        made_of = np.repeat(unseen, self.samples_per_class)
        if len(unseen):
            self._zsl_head = self._head().fit(torch.cat(synthetic), made_of, self.priors_)
        rows = self._real_rows()
        real = self._embedded(self._features[torch.from_numpy(rows).to(self._where)], training=True)
        labels = np.concatenate([self._labels[rows], made_of])
        self._gzsl_head = self._head().fit(torch.cat([real, *synthetic]), labels, self.priors_)
        return self

    def solve(self, **weights: float) -> Self:
        """Take other weights of a classifier in closed form (ESZSL's ``gamma`` and ``lam``), without fitting again.

        Raises:
            InputError: The classifier has no closed form.
        """
        self._check_fitted()
        assert self._gzsl_head is not None
        if self.generator_ is not None or not hasattr(self._gzsl_head.classifier, "solve"):
            raise InputError(f"the classifier {self.classifier!r} has no weights to solve for", remedy="fit it again")
        self._gzsl_head.classifier.solve(**weights)
        self.classifier_options = {**(self.classifier_options or {}), **weights}
        return self

    def fit_gate(self, X: Any, y: Any, rule: str = "auto") -> Self:
        """Fit a gate between the experts for seen and for unseen classes; from then on it joins their scores.

        Its figures are kept in ``gate_.figures_``. With a gate ``unseen_bias`` should be 0.

        Args:
            X: Features [N, D] of both kinds that this model was not trained on; on test rows this is an oracle.
            y: Their classes.
            rule: ``"stacking"``, ``"cosmo"``, ``"evidential"``, ``"none"`` or ``"auto"``, see
                :class:`kgzsl.classifiers.GatedExperts`.

        Raises:
            InputError: Rows of one kind only, or an unknown rule.
        """
        self._check_fitted()
        features = as_features(X, dim=self.n_features_in_).to(self._where)
        labels, _ = as_labels(y, self.names_, count=len(features))
        self.gate_ = fit_gate(rule, *self._both_experts(features, np.arange(len(self.names_))), ~self._is_seen, labels)
        return self

    def _both_experts(
        self, features: Tensor, chosen: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        is_seen = self._is_seen[chosen]
        return self._expert(features, chosen[is_seen]), self._expert(features, chosen[~is_seen])

    def _new_prior_head(self) -> PriorHead:
        assert self.prior_head is not None
        if not takes_priors(self.prior_head):
            raise InputError(f"prior_head={self.prior_head!r} does not answer from priors", remedy="give eszsl")
        context = {"seed": self.seed, "device": str(self._where)}
        unit = 1.0 / max(float(self._features.square().mean().sqrt()), 1e-12)
        return PriorHead(Head(self.prior_head, dict(self.prior_options or {}), context, scale=unit))

    def _head(self) -> Head:
        context: dict[str, Any] = {"seed": self.seed, "device": str(self._where)}
        if takes_graph(self.classifier):
            context["engine"] = Engine(seed=self.seed, device=str(self._where), precision="32-true", progress=False)
        return Head(self.classifier, dict(self.classifier_options or {}), context, scale=self._scale)

    def _random(self, *what: object) -> int:
        digest = hashlib.sha256(repr((self.seed, *what)).encode()).digest()
        return int.from_bytes(digest[:7], "little")

    def _synthesised(self, label: int) -> Tensor:
        """Features [samples_per_class, D] of one class: a class's own draw, whatever other classes there are."""
        name = self.names_[label]
        if name not in self._synthetic:
            self._synthetic[name] = self._sampled(name, self.samples_per_class, embedded=True)
        return self._synthetic[name]

    def synthesise(self, name: str, n: int) -> Tensor:
        """``n`` synthetic features [n, D] of the class ``name``; the same ones in every call.

        Raises:
            InputError: There is no generator, or no such class.
        """
        return self._sampled(name, n, embedded=False)

    def _sampled(self, name: str, n: int, *, embedded: bool) -> Tensor:
        if self.generator_ is None:
            raise InputError("this model has no generator", remedy="fit it with generator='wgan'")
        row = self.priors_.align([name]).to_tensor(self._where)
        random = torch.Generator().manual_seed(self._random("samples", name))
        draw = self.generator_.sample_embedded if embedded else self.generator_.sample
        return draw(row, n, generator=random)[0].to(device=self._where, dtype=torch.float32)

    def _embedded(self, features: Tensor, *, training: bool = False) -> Tensor:
        """Features [N, D] as the heads take them: in the generator's own space, if it has one."""
        if self.generator_ is None or not self.generator_.embeds:
            return features
        random = torch.Generator().manual_seed(self._random("embedding")) if training else None
        return self.generator_.embed(features, generator=random).to(device=self._where, dtype=torch.float32)

    def _real_rows(self) -> npt.NDArray[np.int64]:
        target = self.samples_per_class if self.balanced else None
        if target is None and self.real_per_class is None:
            return np.arange(len(self._labels))
        random = np.random.default_rng(self._random("rows"))
        chosen: list[npt.NDArray[np.int64]] = []
        for label in np.flatnonzero(self._is_seen):
            rows = random.permutation(np.flatnonzero(self._labels == label))
            if self.real_per_class is not None:
                rows = rows[: self.real_per_class]
            chosen.append(rows if target is None else np.resize(rows, target))
        return np.sort(np.concatenate(chosen)).astype(np.int64)

    def scores(self, X: Any, candidates: str | Sequence[Any] = "all") -> npt.NDArray[np.float32]:
        """Scores float32 [N, K] of the candidates, in their order, before any bias."""
        return self._scored(X, candidates)[0]

    def _scored(self, X: Any, candidates: str | Sequence[Any]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        self._check_fitted()
        features = as_features(X, dim=self.n_features_in_).to(self._where)
        chosen = as_candidates(candidates, self.names_, self._is_seen)
        is_seen = self._is_seen[chosen]
        if self.gate_ is None or is_seen.all() or not is_seen.any():
            return self._expert(features, chosen), chosen
        return combine(self.gate_, *self._both_experts(features, chosen), ~is_seen), chosen

    def _expert(self, features: Tensor, chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        head = self._zsl_head if not self._is_seen[chosen].any() else self._gzsl_head
        assert head is not None
        scores = head.scores(self._embedded(features), chosen)
        if self._prior_head is not None and self.prior_weight:
            scores = scores + np.float32(self.prior_weight) * self._prior_head.scores(features, chosen)
        return scores

    @property
    def n_features_in_(self) -> int:
        """D, the length of a feature vector; there is none before ``fit``, as scikit-learn has it."""
        if getattr(self, "_gzsl_head", None) is None:
            raise AttributeError("n_features_in_ is there after fit")
        return int(self._features.shape[1])

    def _check_fitted(self) -> None:
        if getattr(self, "_gzsl_head", None) is None:
            raise InputError("this ZeroShotClassifier is not fitted yet", remedy="call fit(X, y, priors) first")

    def decision_function(self, X: Any, candidates: str | Sequence[Any] = "all") -> npt.NDArray[np.float32]:
        """Scores float32 [N, K] of the candidates, with ``unseen_bias`` where seen and unseen ones compete."""
        scores, chosen = self._scored(X, candidates)
        unseen = ~self._is_seen[chosen]
        if self.unseen_bias and unseen.any() and not unseen.all():
            scores[:, unseen] += np.float32(self.unseen_bias)
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
            candidates: ``"all"``, ``"unseen"``, ``"seen"``, or a list of names (or rows of the priors).
        """
        names = self.candidates(candidates)
        features = as_features(X, dim=self.n_features_in_)
        # A table of all samples by all classes may be larger than memory; of each sample only its best is kept.
        parts = torch.split(features, rows_at_once(len(names)))
        best = [self.decision_function(part, candidates).argmax(axis=1) for part in parts]
        return np.asarray(names[np.concatenate(best)] if best else names[:0])

    def candidates(self, candidates: str | Sequence[Any] = "all") -> npt.NDArray[Any]:
        """The classes that the columns of :meth:`decision_function` stand for."""
        self._check_fitted()
        return np.asarray(self.classes_[as_candidates(candidates, self.names_, self._is_seen)])

    def score(self, X: Any, y: Any, candidates: str | Sequence[Any] = "all") -> float:
        """Per-class accuracy, 0..1."""
        from kgzsl.tasks.image_classification.metrics import per_class_accuracy

        self._check_fitted()
        features = as_features(X, dim=self.n_features_in_)
        truth, _ = as_labels(y, self.names_, count=len(features))
        chosen = as_candidates(candidates, self.names_, self._is_seen)
        predicted = chosen[self.decision_function(features, candidates).argmax(axis=1)]
        return per_class_accuracy(truth, predicted, num_classes=len(self.names_)).mean / 100.0

    def add_class(
        self,
        name: str,
        *,
        prior_row: npt.ArrayLike | None = None,
        graph: ClassGraph | None = None,
        encoder: PriorEncoder | None = None,
        retrain_heads: bool = False,
    ) -> Self:
        """Learn one more unseen class; neither generator nor heads are trained again, where the head can take a class.

        Heads that answer from priors, and the recursive head (``analytic``), are then what training with the class
        would have made; ``softmax`` and ``gda`` learn the class beside what they know. Other heads are trained again.

        Args:
            name: Name or IRI of the class.
            prior_row: Its prior [P], scaled as those given to :meth:`fit`; or
            graph: a class graph that has the class, for priors whose columns have names (``Attributes``): the columns
                that the model knows are filled in; or
            encoder: the fitted encoder of the priors, which knows the class; with ``graph`` it takes the class in by
                its own ``add_class`` when ``graph`` has all that it has read, and is fitted on ``graph`` otherwise.
            retrain_heads: Train the classifiers again with the class: slower, and then all of them are what training
                with the class would have made.

        Raises:
            InputError: The class is there already, or its prior is not to be had or does not fit.
        """
        from kgzsl.tasks.image_classification._joining import join_heads
        from kgzsl.tasks.image_classification._new_class import prior_of_new_class

        self._check_fitted()
        if name in self.priors_:
            raise InputError(f"the class {name!r} is there already", remedy="give another name")
        row = prior_of_new_class(name, self.priors_, prior_row=prior_row, graph=graph, encoder=encoder)
        if graph is not None and takes_graph(self.classifier):
            self.classifier_options = {**(self.classifier_options or {}), "graph": graph}
        self.priors_ = ClassPriors((*self.names_, name), np.vstack([self.priors_.matrix, row]), self.priors_.made)
        self._set_classes(np.append(self._is_seen, False))
        joined = not retrain_heads and join_heads(self, len(self.names_) - 1)
        return self if joined else self.fit_heads()

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
        chosen = as_candidates(candidates, self.names_, self._is_seen)
        names = [self.names_[i] for i in chosen]
        about: dict[str, tuple[Any, Any, Any, Any]] = {}
        explanations: list[Explanation] = []
        for row, doubt in zip(shares, doubts, strict=True):
            order = np.argsort(-row, kind="stable")
            best = names[order[0]]
            if best not in about:
                near = nearest_classes(self.priors_, best, self.seen_, neighbours)
                both = {other: shared_columns(self.priors_, best, other) for other, _ in near}
                paths = {} if graph is None else {other: graph_path(graph, best, other) for other, _ in near}
                axioms = () if graph is None else statements_about(graph, best)
                about[best] = (tuple(near), both, paths, axioms)
            near, both, paths, axioms = about[best]
            rest = tuple((names[i], float(row[i])) for i in order[1 : neighbours + 1])
            likely, is_seen = float(row[order[0]]), best in self.seen_
            told = Explanation(best, likely, is_seen, rest, near, both, paths, axioms=axioms)
            explanations.append(told if doubt is None else replace(told, uncertainty=float(doubt)))
        return explanations

    def save(self, folder: str | PathLike[str]) -> Path:
        """Write the model to a folder (safetensors and JSON, nothing pickled), all or nothing; returns the folder.

        Training features are part of it: :meth:`add_class` trains the heads on them again.
        """
        from kgzsl.tasks.image_classification._store import save_model

        self._check_fitted()
        return save_model(self, Path(folder))

    @classmethod
    def load(cls, folder: str | PathLike[str], *, device: str = "auto") -> ZeroShotClassifier:
        """Read what :meth:`save` wrote; predictions are the same.

        Raises:
            InputError: The folder holds no model, or a damaged one.
        """
        from kgzsl.tasks.image_classification._store import load_model

        return load_model(cls, Path(folder), device)
