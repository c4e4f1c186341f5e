"""A classifier of classes that had no training image, from what their priors say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kgzsl import generators
from kgzsl.classifiers.needs import takes_graph, takes_priors, takes_unlabeled
from kgzsl.engine import Engine
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassPriors
from kgzsl.tasks._class_distances import distances_for
from kgzsl.tasks.image_classification._experts import PriorHead, fit_gate
from kgzsl.tasks.image_classification._heads import Head
from kgzsl.tasks.image_classification._inputs import as_features, as_labels, as_priors, check_options, warn_of_twins
from kgzsl.tasks.image_classification._open_world import OpenWorld
from kgzsl.tasks.image_classification._relevance import class_weights, require_weights
from kgzsl.tasks.image_classification._unlabelled import as_unlabelled, check_use

if TYPE_CHECKING:
    from kgzsl.classifiers import GatedExperts
    from kgzsl.generators import FeatureGenerator
    from kgzsl.knowledge import ClassGraph
    from kgzsl.priors import PriorEncoder

__all__ = ["ZeroShotClassifier"]

EpochCallback = Callable[["ZeroShotClassifier", int], Mapping[str, float] | None]


class ZeroShotClassifier(OpenWorld):
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
        unseen_bias: Added to the scores of unseen classes when seen ones are candidates too (calibrated stacking); an
            infinite one answers with unseen classes alone, or with minus with seen ones.
        prior_head: Name or import path of a classifier that answers from priors (``eszsl``), learnt on real rows; its
            scores, brought to deviation 1, are added with ``prior_weight``. None for none.
        prior_weight: Weight of the prior head.
        prior_options: Options of its constructor.
        generator_options: Options of the generator's constructor. One that goes by the class graph (``extrapolation``
            with ``metric: hops``) needs it as ``graph`` among them; it is not saved with the model, its distances are.
        classifier_options: Options of the classifier's constructor. It is given features of root mean square 1; where
            ``epochs`` is not among the options, as many as make 1,000 steps, if its own default makes fewer.
            ``graph-network`` and ``loki`` need the class graph as ``graph`` among them, which is not saved.
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
        open_: Priors of what an open world may answer beside the classes, see :meth:`open_world`; None without one.
        generator_: The fitted generator, or None.
        n_features_in_: D, the length of a feature vector.
        transductive: Whether unlabelled rows were looked at.
        backbone_: What made the features of images, where a run knows it; kept with the model. Set before ``fit``, it
            lets ``clip`` refuse features of another model.
    """

    backbone_: str | None = None

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
        unlabeled: Any = None,
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
            unlabeled: Features [M, D] without labels, which make the model transductive: for the classifiers
                ``cascade``, ``self-training`` and ``multi-view``, and for the second critic of ``f-vaegan`` and
                ``tf-vaegan``. A matrix is of any class; ``{"unseen": rows, "any": rows}`` tells which are known to be
                of unseen classes: these then go to the critic and to the classifier over the unseen classes, the
                others to the classifier over all.

        Raises:
            InputError: Features or labels that do not fit, a label without a prior, a classifier that needs a
                generator and has none, one that needs unlabelled rows and has none, or such rows that nothing looks at
                or that come with labels.
        """
        priors = self.priors if priors is None else priors
        if priors is None:
            raise InputError("there are no priors", remedy="give fit(X, y, priors), or priors= to the constructor")
        priors = as_priors(priors)
        check_options(self)
        if self.generator is None and not takes_priors(self.classifier):
            raise InputError(
                f"the classifier {self.classifier!r} needs training rows of every class",
                remedy="give a generator (wgan), or a classifier that answers from priors (eszsl)",
            )
        features = as_features(X)
        if not len(features):
            raise InputError("there are no training rows", remedy="give at least one")
        labels, self._integers = as_labels(y, priors.names, count=len(features))
        check_use(self.generator, self.classifier, self.prior_head, given=unlabeled is not None)
        rest = None if unlabeled is None else as_unlabelled(unlabeled, dim=features.shape[1])
        engine = engine or Engine(device=self.device, precision=self.precision, seed=self.seed, progress=self.progress)
        self.priors_ = priors
        self._set_classes(np.isin(np.arange(len(priors)), labels))
        warn_of_twins(priors, self._is_seen)
        self._where = engine.torch_device
        self._features = features.to(self._where)
        self._labels = labels
        self._unlabelled = None if rest is None else rest.to(self._where)
        if rest is not None and rest.unseen is not None and self._is_seen.all():
            raise InputError("unlabelled rows are said to be of unseen classes, and there is no such class")
        self._weights = None
        if self.relevance is not None:
            if self.generator is None:
                require_weights("classifier", self.classifier)
            self._weights = class_weights(self.relevance, self.priors_, self._is_seen)[labels]
        self._scale = 1.0 / max(float(self._features.square().mean().sqrt()), 1e-12)
        self._synthetic: dict[str, Tensor] = {}
        self.open_ = None
        self._zsl_head: Head | None = None
        self._gzsl_head: Head | None = None
        self._prior_head: PriorHead | None = None
        self.gate_: GatedExperts | None = None
        self.generator_: FeatureGenerator | None = None
        self._distances = None
        if self.generator is not None:
            options = dict(self.generator_options or {})
            graph = options.pop("graph", None)
            self.generator_ = generators.make(self.generator, **options)
            self._distances = distances_for(self.generator_, graph, self.names_, self.seen_)
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
        looked: dict[str, Any] = {}
        if self._unlabelled is not None and generators.takes_unlabeled(str(self.generator)):
            asked = self.names_ if self._unlabelled.unseen is None else self.unseen_
            looked["unlabeled"] = self._unlabelled.of_unseen
            looked["unlabeled_priors"] = self.priors_.align(asked).to_tensor(self._where)
        weighed: dict[str, Any] = {}
        if self._weights is not None:
            require_weights("generator", self.generator, self.generator_)
            weighed["sample_weight"] = torch.from_numpy(self._weights).to(self._where)
        if self._distances is not None:
            weighed["distances"] = self._distances[torch.from_numpy(self._is_seen)]
        self.generator_.fit(
            self._features,
            torch.from_numpy(place[self._labels]).to(self._where),
            matrix,
            engine=engine,
            callback=None if callback is None else at_epoch,
            callback_every_epochs=every,
            **looked,
            **weighed,
        )
        self._forget()

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
        if self.generator_ is None and not takes_unlabeled(self.classifier):
            # A classifier that answers from priors is one and the same for every list of candidates.
            self._zsl_head = self._gzsl_head = self._head().fit(
                self._features, self._labels, self.priors_, self._weights
            )
            return self._with_open()
        if self.generator_ is not None and self.generator_.embeds:
            self._scale = 1.0 / max(float(self._embedded(self._features).square().mean().sqrt()), 1e-12)
        rest = self._unlabelled
        of_unseen, of_any = (None, None) if rest is None else (rest.of_unseen, rest.of_any)
        unseen = np.flatnonzero(~self._is_seen)
        rows = self._real_rows()
        real = self._embedded(self._features[torch.from_numpy(rows).to(self._where)], training=True)
        if self.generator_ is None:
            if len(unseen):
                self._zsl_head = self._new_head(self._features, self._labels, of_unseen, self.unseen_)
            self._gzsl_head = self._new_head(real, self._labels[rows], of_any, self.names_)
            return self._with_open()
        synthetic = [self._synthesised(int(i)) for i in unseen]
        made_of = np.repeat(unseen, self.samples_per_class)
        if len(unseen):
            self._zsl_head = self._new_head(torch.cat(synthetic), made_of, of_unseen, self.unseen_)
        labels = np.concatenate([self._labels[rows], made_of])
        self._gzsl_head = self._new_head(torch.cat([real, *synthetic]), labels, of_any, self.names_)
        return self._with_open()

    def _new_head(
        self, rows: Tensor, labels: npt.NDArray[np.int64], unlabelled: Tensor | None, among: Sequence[str]
    ) -> Head:
        rest = None if unlabelled is None or not takes_unlabeled(self.classifier) else self._embedded(unlabelled)
        return self._head().fit(rows, labels, self.priors_, unlabeled=rest, among=among)

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

    def _new_prior_head(self) -> PriorHead:
        assert self.prior_head is not None
        if not takes_priors(self.prior_head):
            raise InputError(f"prior_head={self.prior_head!r} does not answer from priors", remedy="give eszsl")
        context = {"seed": self.seed, "device": str(self._where), "backbone": self.backbone_}
        unit = 1.0 / max(float(self._features.square().mean().sqrt()), 1e-12)
        return PriorHead(Head(self.prior_head, dict(self.prior_options or {}), context, scale=unit))

    def _head(self) -> Head:
        context: dict[str, Any] = {"seed": self.seed, "device": str(self._where), "backbone": self.backbone_}
        context["random_state"] = self.seed  # what scikit-learn's own call it
        if takes_graph(self.classifier):
            context["engine"] = Engine(seed=self.seed, device=str(self._where), precision="32-true", progress=False)
        return Head(self.classifier, dict(self.classifier_options or {}), context, scale=self._scale)

    def add_class(
        self,
        name: str,
        *,
        prior_row: npt.ArrayLike | None = None,
        graph: ClassGraph | None = None,
        encoder: PriorEncoder | None = None,
        beyond: str | None = None,
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
            beyond: what the open world calls it (``"caron base form of small q"``), where that answers it already; left
                out, ``name`` is looked for there.
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
        if self.open_ is not None and (beyond or name) in self.open_:
            return self._join_from_open(name, beyond or name, graph)
        if beyond is not None:
            raise InputError(f"no open world of this model has {beyond!r}", remedy="ask model.open_ for what it has")
        row = prior_of_new_class(name, self.priors_, prior_row=prior_row, graph=graph, encoder=encoder)
        self._take_distances(name, graph)
        if graph is not None and takes_graph(self.classifier):
            self.classifier_options = {**(self.classifier_options or {}), "graph": graph}
        self.priors_ = ClassPriors((*self.names_, name), np.vstack([self.priors_.matrix, row]), self.priors_.made)
        self._set_classes(np.append(self._is_seen, False))
        learnt = not retrain_heads and join_heads(self, len(self.names_) - 1)
        if learnt and self.open_ is not None and self._gzsl_head is not None:
            self._gzsl_head.names = self._every_name  # what is beyond the classes is counted on after them
        return self if learnt else self.fit_heads()

    def save(self, folder: str | PathLike[str]) -> Path:
        """Write the model to a folder (safetensors and JSON, nothing pickled), all or nothing; returns the folder.

        Training features are part of it, and unlabelled rows where there were some: :meth:`add_class` trains the heads
        on them again.
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
